"""The manifests and the chart: rendered by kubectl and helm, valid for the API, and saying what they have to.

    manifests.py KUBECTL HELM

prints a line for each thing that it has looked at: `ok - what` or `not ok - what`.
"""

import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import kubernetes_validate
import yaml

from outcomes import Outcomes

kubectl, helm = sys.argv[1:3]
deploy = pathlib.Path("deploy")
chart = str(deploy / "helm/slotd")
VERSION = "1.37"
look = Outcomes()


def run(*command):
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if result.returncode:
        raise RuntimeError(f"{' '.join(command)}: {result.stderr.strip()}")
    return result.stdout


def kustomize(path):
    return [thing for thing in yaml.safe_load_all(run(kubectl, "kustomize", str(path))) if thing]


def template(**values):
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(values, file)
        file.flush()
        return [thing for thing in yaml.safe_load_all(run(helm, "template", "sessions", chart, "-n", "web", "-f", file.name)) if thing]


def one(things, kind, name=None):
    found = [thing for thing in things if thing["kind"] == kind and name in (None, thing["metadata"]["name"])]
    assert len(found) == 1, (kind, name, len(found))
    return found[0]


def container(things):
    return one(things, "StatefulSet")["spec"]["template"]["spec"]["containers"][0]


def environment(things):
    return {variable["name"]: variable.get("value") for variable in container(things)["env"]}


def valid(things):
    """By the API's schemas, which the operator of Prometheus adds its own kind to."""
    for thing in things:
        if thing["kind"] != "ServiceMonitor":
            kubernetes_validate.validate(thing, VERSION, strict=True)


def restricted(things):
    """What the Pod Security Standard 'restricted' asks for."""
    pod = one(things, "StatefulSet")["spec"]["template"]["spec"]
    outer = pod.get("securityContext", {})
    for box in pod["containers"] + pod.get("initContainers", []):
        inner = box["securityContext"]
        assert inner["allowPrivilegeEscalation"] is False and inner["capabilities"] == {"drop": ["ALL"]}
        assert inner["readOnlyRootFilesystem"] is True and not inner.get("privileged")
        assert (inner.get("runAsNonRoot") or outer.get("runAsNonRoot")) and (inner.get("runAsUser") or outer.get("runAsUser"))
        assert (inner.get("seccompProfile") or outer.get("seccompProfile")) == {"type": "RuntimeDefault"}
    assert not any(pod.get(name) for name in ("hostNetwork", "hostPID", "hostIPC"))
    assert all(set(volume) - {"name"} <= {"emptyDir", "secret", "configMap", "persistentVolumeClaim", "projected", "csi"} for volume in pod["volumes"])
    assert pod["automountServiceAccountToken"] is False


def selects(things, ports):
    """Services, budget and policy are about these pods; who may reach which port."""
    stateful = one(things, "StatefulSet")["spec"]
    labels = stateful["template"]["metadata"]["labels"]
    matches = lambda selector: bool(selector) and selector.items() <= labels.items()
    assert matches(stateful["selector"]["matchLabels"])
    names = {port["name"]: port["containerPort"] for port in container(things)["ports"]}
    services = [thing["spec"] for thing in things if thing["kind"] == "Service"]
    assert len(services) == 2 and all(matches(service["selector"]) for service in services)
    for service in services:
        for port in service["ports"]:
            assert names.get(port.get("targetPort")) or port["port"] in ports["client"], port
    headless = one(things, "Service", stateful["serviceName"])["spec"]
    assert headless["clusterIP"] == "None" and headless["publishNotReadyAddresses"] is True
    for budget in [thing for thing in things if thing["kind"] == "PodDisruptionBudget"]:
        assert matches(budget["spec"]["selector"]["matchLabels"]) and budget["spec"]["maxUnavailable"] == 1
    policy = one(things, "NetworkPolicy")["spec"]
    assert matches(policy["podSelector"]["matchLabels"]) and set(policy["policyTypes"]) == {"Ingress", "Egress"}
    for rule in policy["ingress"]:
        reached = {number for port in rule["ports"] for number in range(names.get(port["port"], port["port"]), port.get("endPort", names.get(port["port"], port["port"])) + 1)}
        assert rule["from"], "a rule without a source is for everybody"
        inside = [source for source in rule["from"] if matches(source.get("podSelector", {}).get("matchLabels", {}))]
        if inside:
            assert len(rule["from"]) == 1 and "namespaceSelector" not in inside[0] and reached == ports["all"], rule
        else:
            assert reached == ports["client"], rule
            for source in rule["from"]:
                assert [key for key in source["podSelector"]["matchLabels"] if key.endswith("client")] == list(source["podSelector"]["matchLabels"]), source
    leads_only_to_nodes_and_names(policy)


def leads_only_to_nodes_and_names(policy):
    """What is behind port 53 elsewhere is as good a place to send a password to as any other."""
    for rule in policy["egress"]:
        assert rule.get("to"), f"a rule without a target is to everybody: {rule}"
        for target in rule["to"]:
            narrow = target.get("podSelector", {}).get("matchLabels") and target.get("namespaceSelector", {"matchLabels": True}).get("matchLabels")
            assert narrow or target.get("ipBlock", {}).get("cidr", "/0").endswith("/32"), target


def metrics_sources(things):
    """Who may reach the exporter by the policy; None is everybody."""
    port = next(port for port in exporter_of(things)["ports"] if port["name"] == "http-metrics")
    rules = [rule for rule in one(things, "NetworkPolicy")["spec"]["ingress"] if {each["port"] for each in rule["ports"]} & {port["containerPort"], "http-metrics"}]
    assert len(rules) == 1 and len(rules[0]["ports"]) == 1, rules
    return rules[0].get("from")


def exporter_of(things):
    return next(box for box in one(things, "StatefulSet")["spec"]["template"]["spec"]["containers"] if box["name"] == "metrics")


def exporters_map(things, password):
    """The file that the pod's init container writes for the exporter if this is the password, as JSON."""
    pod = one(things, "StatefulSet")["spec"]["template"]["spec"]
    maker = next(box for box in pod["initContainers"] if box["name"] == "metrics-password")
    with tempfile.TemporaryDirectory() as work:
        (pathlib.Path(work) / "password").write_text(password)
        words = [word.replace("/run/secrets/slotd", work).replace("/run/metrics", work) for word in maker["command"]]
        subprocess.run(words, check=True, timeout=20)
        written = pathlib.Path(work) / "passwords.json"
        assert written.stat().st_mode & 0o77 == 0
        return json.loads(written.read_text())


def metered(things, address, password):
    """An exporter in each pod asks its node, and the monitor finds all of them."""
    pod = one(things, "StatefulSet")["spec"]["template"]
    exporter = exporter_of(things)
    variables = {variable["name"]: variable for variable in exporter["env"]}
    assert variables["REDIS_ADDR"]["value"] == address
    # A password in its environment goes to every target that anybody names.
    assert "REDIS_PASSWORD" not in variables and not exporter.get("envFrom"), variables
    assert all(variables[f"REDIS_EXPORTER_DISABLE_{what}"]["value"] == "true" for what in ("SCRAPE_ENDPOINT", "EXPORTING_KEY_VALUES"))
    assert tuple(map(int, exporter["image"].rpartition(":v")[2].split("."))) >= (1, 83, 0), "an older one has no such switch"
    for secret in ("s3cret", "p4ss 'w\"$rd\\n", "a\ttab, \x01 and \x1f, %c \u00fc", "ends so\n", "or so\r\n"):
        assert exporters_map(things, secret) == {address: secret.rstrip("\r\n")}, exporters_map(things, secret)
    maker = next(box for box in pod["spec"]["initContainers"] if box["name"] == "metrics-password")
    assert maker["image"] == container(things)["image"] and maker["securityContext"] == exporter["securityContext"]
    volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
    mounted = lambda box: {mount["mountPath"]: volumes[mount["name"]] for mount in box["volumeMounts"]}
    assert mounted(maker)["/run/secrets/slotd"]["secret"] == {"secretName": password["name"], "defaultMode": 0o440, "items": [{"key": password["key"], "path": "password"}]}
    assert mounted(maker)["/run/metrics"] == mounted(exporter)["/run/metrics"] and mounted(exporter)["/run/metrics"]["emptyDir"]["medium"] == "Memory"
    assert set(mounted(exporter)) == {"/run/metrics"} and variables["REDIS_PASSWORD_FILE"]["value"] == "/run/metrics/passwords.json"
    assert [port["name"] for port in exporter["ports"]] == ["http-metrics"]
    assert exporter["livenessProbe"]["httpGet"] == {"path": "/health", "port": "http-metrics"}
    monitor = one(things, "ServiceMonitor")
    assert monitor["apiVersion"] == "monitoring.coreos.com/v1"
    wanted, namespace = monitor["spec"]["selector"]["matchLabels"], monitor["metadata"]["namespace"]
    chosen = [thing for thing in things if thing["kind"] == "Service" and wanted.items() <= thing["metadata"].get("labels", {}).items()]
    assert len(chosen) == 1, chosen
    service = chosen[0]
    assert service["metadata"]["namespace"] in monitor["spec"].get("namespaceSelector", {}).get("matchNames", [namespace])
    assert service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
    assert [endpoint["port"] for endpoint in monitor["spec"]["endpoints"]] == ["http-metrics"]
    assert [(each["name"], each["targetPort"]) for each in service["spec"]["ports"]] == [("http-metrics", "http-metrics")]
    sources = metrics_sources(things)
    assert sources, "a rule without a source is for everybody"
    for source in sources:
        assert source["podSelector"]["matchLabels"] and source.get("namespaceSelector", {"matchLabels": True}).get("matchLabels"), source
    assert [source["namespaceSelector"]["matchLabels"] for source in sources if "namespaceSelector" in source] == [{"kubernetes.io/metadata.name": "monitoring"}]
    leads_only_to_nodes_and_names(one(things, "NetworkPolicy")["spec"])
    assert not annotated(things), "the monitor reads them: with these they would be read twice"


def annotated(things):
    """What the pods say to a Prometheus that looks for annotations."""
    annotations = one(things, "StatefulSet")["spec"]["template"]["metadata"].get("annotations") or {}
    return {name: value for name, value in annotations.items() if name.startswith("prometheus.io/")}


SCRAPED = {"prometheus.io/scrape": "true", "prometheus.io/port": "9121"}


def names_are_those_of_the_pods(things):
    stateful = one(things, "StatefulSet")
    wanted = [f"{stateful['metadata']['name']}-{number}.{stateful['spec']['serviceName']}" for number in range(stateful["spec"]["replicas"])]
    assert environment(things)["SLOTD_CLUSTER_NODES"].split(",") == wanted
    assert stateful["spec"]["podManagementPolicy"] == "Parallel"
    # Kubernetes puts a variable into another one only if it stands before it.
    order = [variable["name"] for variable in container(things)["env"]]
    for variable in container(things)["env"]:
        for earlier in ("POD_NAME", "POD_NAMESPACE"):
            if f"$({earlier})" in variable.get("value", ""):
                assert order.index(earlier) < order.index(variable["name"])


# Groups of values whose names are all known: another one there is a slip, or something that slotd has no counterpart for.
CLOSED = ["", "cluster", "image", "networkPolicy", "networkPolicy.metrics", "pdb", "persistence", "persistentVolumeClaimRetentionPolicy", "redis", "redis.containerPorts",
          "service", "service.headless", "service.nodePorts", "service.ports", "serviceAccount"]
# Bitnami's that would change nothing here, and what Helm gives to a chart inside another one.
WITHOUT_EFFECT = ["diagnosticMode", "enabled", "kubeVersion", "secretAnnotations", "sysctlImage", "tags", "volumePermissions"]


def schema_of(values, path=""):
    """The names of values.yaml, as a JSON schema."""
    inner = {name: schema_of(value, f"{path}.{name}".lstrip(".")) if isinstance(value, dict) else {} for name, value in values.items()}
    if path not in CLOSED:
        return {}
    if not path:
        inner |= {name: {} for name in WITHOUT_EFFECT}
        return {"$schema": "http://json-schema.org/draft-07/schema#", "type": "object", "additionalProperties": False, "properties": inner}
    return {"type": "object", "additionalProperties": False, "properties": inner}


def overlay(component, *more, below="../prod"):
    """Production, or what is `below`, with a component, as an overlay of somebody's own would have it."""
    with overlay_of(f"resources: [{below}]", f"components: [../../components/{component}]", *more) as mine:
        return kustomize(mine)


@contextlib.contextmanager
def overlay_of(*lines):
    mine = pathlib.Path(tempfile.mkdtemp(prefix="slotd-overlay-", dir=deploy / "kubernetes/overlays"))
    try:
        lines = ["apiVersion: kustomize.config.k8s.io/v1beta1", "kind: Kustomization", *lines]
        (mine / "kustomization.yaml").write_text("\n".join(lines) + "\n")
        yield mine
    finally:
        (mine / "kustomization.yaml").unlink(missing_ok=True)
        mine.rmdir()


def shown_patches():
    """Those that the component's head shows: for a Prometheus that is in another namespace, and for one without the operator."""
    text = (deploy / "kubernetes/components/metrics/kustomization.yaml").read_text()
    shown = "".join(line[2:] + "\n" for line in text.splitlines() if line.startswith("#   "))
    return [yaml.safe_load("  patches:\n" + part)["patches"] for part in shown.split("  patches:\n")[1:]]


dev, prod = kustomize(deploy / "kubernetes/overlays/dev"), kustomize(deploy / "kubernetes/overlays/prod")
vault, measured = overlay("vault"), overlay("metrics", "namespace: slotd", "images: [{name: slotd, newName: registry.example.org/slotd, newTag: '1'}]")
plain = template()
PORTS = {"client": {6379}, "all": {6379, 16379}}


@look(f"kustomize: both overlays, and production with Vault's agent or with metrics, are valid for Kubernetes {VERSION}")
def _():
    for things in (dev, prod, vault, measured):
        valid(things)


@look("kustomize: pods are restricted; selectors, ports and names fit each other; clients reach the client port only")
def _():
    for things in (dev, prod):
        restricted(things)
    selects(dev, {"client": set(range(7000, 7006)), "all": set()})
    selects(prod, PORTS)
    names_are_those_of_the_pods(prod)
    assert environment(dev)["SLOTD_MODE"] == "cluster" and "SLOTD_CLUSTER_NODES" not in environment(dev)


@look("kustomize: with Vault's agent there is no Secret in the pod, and the password is the agent's file")
def _():
    assert environment(vault)["SLOTD_PASSWORD_FILE"] == "/vault/secrets/password"
    pod = one(vault, "StatefulSet")["spec"]["template"]
    assert [volume for volume in pod["spec"].get("volumes", []) if "secret" in volume] == []
    assert [mount["mountPath"] for mount in container(vault)["volumeMounts"]] == ["/data"]
    assert pod["metadata"]["annotations"]["vault.hashicorp.com/agent-inject"] == "true"


@look("kustomize: with metrics an exporter asks each node, restricted as it is, and the monitor finds all of them")
def _():
    restricted(measured)
    metered(measured, "redis://127.0.0.1:6379", {"name": "slotd", "key": "password"})
    assert container(measured) | {"image": ""} == container(prod) | {"image": ""}, "the node is the same"
    with_vault = overlay("vault, ../../components/metrics")
    valid(with_vault)
    for things in (measured, with_vault):
        pod = one(things, "StatefulSet")["spec"]["template"]["spec"]
        there = {volume["name"] for volume in pod["volumes"]} | {"data"}
        assert {mount["name"] for box in pod["containers"] + pod["initContainers"] for mount in box["volumeMounts"]} <= there, there
    in_another_namespace, without_operator = shown_patches()
    elsewhere = overlay("metrics", f"patches: {json.dumps(in_another_namespace)}")
    assert metrics_sources(elsewhere)[1]["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "observability"}
    alone = overlay("metrics", f"patches: {json.dumps(without_operator)}")
    assert annotated(alone) == SCRAPED and not [thing for thing in alone if thing["kind"] == "ServiceMonitor"]


@look("kustomize: an overlay's own init containers stay when metrics come to it")
def _():
    own = {"spec": {"template": {"spec": {"initContainers": [{"name": "mine", "image": "i"}]}}}}
    patch = {"target": {"kind": "StatefulSet", "name": "slotd"}, "patch": json.dumps({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "slotd"}} | own)}
    with overlay_of("resources: [../prod]", f"patches: {json.dumps([patch])}") as mine:
        both = overlay("metrics", below=f"../{mine.name}")
    for things in (both, overlay("metrics", f"patches: {json.dumps([patch])}")):
        valid(things)
        boxes = {box["name"]: box for box in one(things, "StatefulSet")["spec"]["template"]["spec"]["initContainers"]}
        assert set(boxes) == {"mine", "metrics-password"}, set(boxes)
        assert boxes["metrics-password"]["image"] == container(things)["image"]


@look(f"helm: the chart has no lint, and is valid for Kubernetes {VERSION} with the defaults and with many values")
def _():
    run(helm, "lint", "--strict", chart)
    valid(plain)
    valid(template(
        fullnameOverride="sess", commonLabels={"x": "y"}, commonAnnotations={"x": "y"}, persistence={"enabled": False}, usePasswordFiles=False,
        image={"registry": "registry.example.org", "digest": "sha256:" + "0" * 64, "pullSecrets": ["pull"]}, pdb={"minAvailable": 5},
        service={"type": "LoadBalancer", "loadBalancerSourceRanges": ["10.0.0.0/8"], "nodePorts": {"redis": 30079}, "annotations": {"a": "b"}},
        networkPolicy={"ingressNSMatchLabels": {"team": "web"}, "ingressNSPodMatchLabels": {"app": "web"}, "extraEgress": [{"ports": [{"port": 443}]}]},
        redis={"configmap": "hz 20\n", "extraEnvVars": [{"name": "SLOTD_LOGLEVEL", "value": "verbose"}], "extraEnvVarsCM": "more", "startupProbe": {"enabled": True},
               "podLabels": {"a": "b"}, "podAnnotations": {"a": "b"}, "sidecars": [{"name": "s", "image": "s"}], "priorityClassName": "high",
               "extraVolumes": [{"name": "v", "emptyDir": {}}], "extraVolumeMounts": [{"name": "v", "mountPath": "/v"}], "customLivenessProbe": {"tcpSocket": {"port": 6379}},
               "affinity": {"nodeAffinity": {}}, "tolerations": [{"operator": "Exists"}], "lifecycleHooks": {"preStop": {"sleep": {"seconds": 1}}}},
        persistentVolumeClaimRetentionPolicy={"enabled": True}, cluster={"nodes": 9, "replicas": 2, "init": False},
        extraDeploy=[{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "{{ .Release.Name }}-more"}}]))


@look("helm: pods are restricted; selectors, ports and names fit each other; clients reach the client port only")
def _():
    restricted(plain)
    selects(plain, PORTS)
    names_are_those_of_the_pods(plain)
    names_are_those_of_the_pods(template(cluster={"nodes": 12, "replicas": 3}, fullnameOverride="cache"))


@look("helm: a password that is given, an existing Secret and a file of an agent's each do what they say")
def _():
    assert one(template(password="p&\"1"), "Secret")["stringData"] == {"redis-password": "p&\"1"}
    assert one(template(password="a", **{"global": {"redis": {"password": "b"}}}), "Secret")["stringData"]["redis-password"] == "b"
    assert len(one(plain, "Secret")["stringData"]["redis-password"]) == 32
    theirs = template(existingSecret="mine", existingSecretPasswordKey="pw")
    assert not [thing for thing in theirs if thing["kind"] == "Secret"]
    secret = next(volume["secret"] for volume in one(theirs, "StatefulSet")["spec"]["template"]["spec"]["volumes"] if volume["name"] == "password")
    assert secret["secretName"] == "mine" and secret["items"] == [{"key": "pw", "path": "password"}]
    agents = template(passwordFile="/vault/secrets/password")
    assert environment(agents)["SLOTD_PASSWORD_FILE"] == "/vault/secrets/password" and not [thing for thing in agents if thing["kind"] == "Secret"]
    assert not {"SLOTD_PASSWORD", "SLOTD_PASSWORD_FILE"} & set(environment(template(usePassword=False)))


@look("helm: metrics.enabled does the same, with the values of Bitnami's chart")
def _():
    monitor = {"enabled": True, "namespace": "monitoring", "labels": {"release": "prometheus"}, "interval": "10s", "relabelings": [{"action": "labeldrop", "regex": "pod"}]}
    things = template(metrics={"enabled": True, "serviceMonitor": monitor, "extraArgs": {"include-system-metrics": "true"}, "image": {"registry": ""}})
    valid(things)
    restricted(things)
    metered(things, "redis://127.0.0.1:6379", {"name": "sessions-slotd", "key": "redis-password"})
    found = one(things, "ServiceMonitor")
    assert (found["metadata"]["namespace"], found["metadata"]["labels"]["release"], found["spec"]["endpoints"][0]["interval"]) == ("monitoring", "prometheus", "10s")
    exporter = one(things, "StatefulSet")["spec"]["template"]["spec"]["containers"][1]
    assert (exporter["image"], exporter["args"]) == ("oliver006/redis_exporter:v1.88.0", ["-include-system-metrics=true"])
    unmonitored = template(metrics={"enabled": True})
    assert annotated(unmonitored) == SCRAPED and not [thing for thing in unmonitored if thing["kind"] == "ServiceMonitor"]
    mine = {"prometheus.io/scrape": "true", "example.org/a": "b"}
    pod = one(template(metrics={"enabled": True, "podAnnotations": mine, "serviceMonitor": {"enabled": True}}), "StatefulSet")["spec"]["template"]
    assert set(pod["metadata"]["annotations"]) == {"checksum/config", "example.org/a"}
    # The Secret is mounted for the exporter, too, where the node has it in its environment.
    metered(template(usePasswordFiles=False, redis={"containerPorts": {"redis": 7000, "bus": 17000}}, metrics={"enabled": True, "serviceMonitor": {"enabled": True}, "image": {"registry": ""}}),
            "redis://127.0.0.1:7000", {"name": "sessions-slotd", "key": "redis-password"})
    theirs = [{"name": "REDIS_PASSWORD_FILE", "value": "/vault/secrets/exporter"}]
    for things, names in [(template(passwordFile="/vault/secrets/password", metrics={"enabled": True, "extraEnvVars": theirs}), ["REDIS_PASSWORD_FILE"]),
                          (template(usePassword=False, metrics={"enabled": True}), [])]:
        valid(things)
        pod = one(things, "StatefulSet")["spec"]["template"]["spec"]
        assert [variable["name"] for variable in exporter_of(things)["env"] if "PASSWORD" in variable["name"]] == names
        assert "initContainers" not in pod and "metrics" not in [volume["name"] for volume in pod.get("volumes") or []]
    own = template(metrics={"enabled": True}, redis={"initContainers": [{"name": "mine", "image": "i"}]})
    assert [box["name"] for box in one(own, "StatefulSet")["spec"]["template"]["spec"]["initContainers"]] == ["mine", "metrics-password"]


@look("helm: networkPolicy.metrics says who reaches the exporters, and nothing opens them to all without being asked")
def _():
    ours = {"podSelector": {"matchLabels": {"sessions-slotd-metrics": "true"}}}
    monitoring, ops = ({"kubernetes.io/metadata.name": name} for name in ("monitoring", "ops"))
    prometheus = {"app.kubernetes.io/name": "prometheus"}
    for values, theirs in [
        ({}, {"namespaceSelector": {"matchLabels": monitoring}, "podSelector": {"matchLabels": prometheus}}),
        ({"ingressNSMatchLabels": ops}, {"namespaceSelector": {"matchLabels": ops}}),
        ({"ingressNSPodMatchLabels": {"a": "b"}}, {"namespaceSelector": {"matchLabels": monitoring}, "podSelector": {"matchLabels": {"a": "b"}}}),
        ({"ingressNSMatchLabels": ops, "ingressNSPodMatchLabels": {"a": "b"}}, {"namespaceSelector": {"matchLabels": ops}, "podSelector": {"matchLabels": {"a": "b"}}}),
    ]:
        things = template(metrics={"enabled": True}, networkPolicy={"metrics": values})
        valid(things)
        assert metrics_sources(things) == [ours, theirs], (values, metrics_sources(things))
    assert metrics_sources(template(metrics={"enabled": True}, networkPolicy={"metrics": {"allowExternal": True}})) is None


@look("helm: what slotd cannot do is refused with a word on what to do instead")
def _():
    for values, words in [
        ({"tls": {"enabled": True}}, "slotd has no TLS yet"),
        ({"metrics": {"enabled": True}, "passwordFile": "/f"}, 'Have a second one made, {"redis://127.0.0.1:6379":"PASSWORD"}'),
        ({"networkPolicy": {"dnsPeers": []}}, "networkPolicy.dnsPeers is empty: that would be everybody"),
        ({"metrics": {"prometheusRule": {"enabled": True}}}, "Put the rule into extraDeploy"),
        ({"cluster": {"nodes": 5}}, "makes 2 primaries: a cluster needs at least three. Raise cluster.nodes to 6"),
        ({"cluster": {"externalAccess": {"enabled": True}}}, "not supported"),
        ({"redis": {"useAOFPersistence": "yes"}}, "no append-only file"),
        ({"redis": {"podManagementPolicy": "OrderedReady"}}, "only Parallel forms a cluster"),
        ({"redis": {"containerPorts": {"redis": 7000}}}, "containerPorts.bus must be"),
        ({"passwordFile": "/f", "password": "p"}, "say one of them"),
    ]:
        try:
            template(**values)
        except RuntimeError as error:
            assert words in str(error), (words, str(error))
        else:
            raise AssertionError(f"{values} is accepted")


@look("helm: a value of another name is refused, for values.schema.json has the names of values.yaml (UPDATE_DOCS=1 writes it)")
def _():
    file = deploy / "helm/slotd/values.schema.json"
    wanted = json.dumps(schema_of(yaml.safe_load((deploy / "helm/slotd/values.yaml").read_text())), indent=1) + "\n"
    if os.environ.get("UPDATE_DOCS"):
        file.write_text(wanted)
    assert file.read_text() == wanted
    template(enabled=True, volumePermissions={"enabled": False}, **{"global": {"anything": 1}})
    for values, name in [({"pasword": "p"}, "pasword"), ({"redis": {"resource": {}}}, "resource"), ({"cluster": {"update": {"addNodes": True}}}, "update")]:
        try:
            template(**values)
        except RuntimeError as error:
            assert name in str(error), str(error)
        else:
            raise AssertionError(f"{values} is accepted")


@look("the overlay for production and the chart run the same pod")
def _():
    ours, theirs = container(prod), container(plain)
    for name in ("readinessProbe", "livenessProbe", "lifecycle", "resources"):
        these, those = ours[name], theirs[name]
        same = {key for key in these if key in those}
        assert same and all(these[key] == those[key] for key in same), (name, these, those)
    for name in ("SLOTD_CLUSTER_REPLICAS", "SLOTD_CLUSTER_NODE_TIMEOUT", "SLOTD_PASSWORD_FILE"):
        assert environment(prod)[name] == environment(plain)[name], name


@look("Argo CD and Flux: each path of the examples is there, and each value is one of the chart's")
def _():
    known = yaml.safe_load((deploy / "helm/slotd/values.yaml").read_text())
    seen = 0
    for file in ("argocd/application.yaml", "flux/slotd.yaml"):
        for thing in yaml.safe_load_all((deploy / "kubernetes" / file).read_text()):
            spec = thing["spec"]
            source = spec.get("source", {})
            chart_spec = spec.get("chart", {}).get("spec", {})
            for path in (source.get("path"), spec.get("path"), chart_spec.get("chart")):
                if path:
                    seen += 1
                    assert any((pathlib.Path(path) / name).exists() for name in ("kustomization.yaml", "Chart.yaml")), path
            values = source.get("helm", {}).get("valuesObject") or (spec.get("values") if chart_spec else None) or {}
            assert set(values) <= set(known), values
            if values:
                valid(template(**values))
    assert seen == 4, seen


sys.exit(look.status())
