"""What Kubernetes does with a StatefulSet, as far as a node notices: each pod is a container, made as its manifest says.

A pod has the name, the environment, the user, the volumes, the probes and the hooks of its manifest, a stable name in DNS and another
address at each start. Deleting one runs its preStop hook first, then SIGTERM, and SIGKILL after its grace. What is not here: scheduling,
limits, network policies, and the API.
"""

import itertools
import os
import pathlib
import socket
import subprocess
import threading
import time

DOCKER = os.environ.get("DOCKER", "docker")


def docker(*words, timeout=60, check=True):
    result = subprocess.run([DOCKER, *words], capture_output=True, text=True, timeout=timeout)
    if check and result.returncode:
        raise RuntimeError(f"docker {' '.join(words)}: {result.stderr.strip() or result.stdout.strip()}")
    return result.stdout.strip() if check else result


class Names:
    """The cluster's DNS, for clients in this process: names of pods and where they are now."""

    def __init__(self):
        self.known = {}
        system = socket.getaddrinfo

        def look_up(host, port, *rest, **more):
            if isinstance(host, str) and "-headless" in host:
                if host not in self.known:
                    raise socket.gaierror(socket.EAI_NONAME, f"{host} is not known")
                host = self.known[host]
            return system(host, port, *rest, **more)
        socket.getaddrinfo = look_up


class StatefulSet:
    """Pods of one manifest, in a network of their own."""

    def __init__(self, things, namespace, image, prefix, subnet, work, names, secrets):
        self.manifest = next(thing for thing in things if thing["kind"] == "StatefulSet")
        self.name, self.spec = self.manifest["metadata"]["name"], self.manifest["spec"]
        self.pod = self.spec["template"]["spec"]
        self.container = self.pod["containers"][0]
        self.namespace, self.image, self.prefix, self.subnet, self.names = namespace, image, prefix, subnet, names
        self.network = f"{prefix}-{self.name}"
        self.work = pathlib.Path(work) / self.name
        self.secrets = secrets
        self.next_address = itertools.count(10)
        self.addresses = {}
        self.told = []
        self.volumes = set()
        docker("network", "create", "--subnet", f"{subnet}.0/24", self.network)

    def pod_name(self, number):
        return f"{self.name}-{number}"

    def box(self, number):
        return f"{self.prefix}-{self.pod_name(number)}"

    def all(self):
        return range(self.spec["replicas"])

    def fresh_address(self):
        return f"{self.subnet}.{next(self.next_address)}"

    def _environment(self, number, address):
        fields = {"metadata.name": self.pod_name(number), "metadata.namespace": self.namespace, "status.podIP": address}
        values = {}
        for variable in self.container["env"]:
            if "value" in variable:
                value = str(variable["value"])
                for name, earlier in values.items():
                    value = value.replace(f"$({name})", earlier)
            else:
                value = fields[variable["valueFrom"]["fieldRef"]["fieldPath"]]
            values[variable["name"]] = value
        return values

    def _volumes(self, number):
        known = {volume["name"]: volume for volume in self.pod.get("volumes", [])}
        claims = {claim["metadata"]["name"] for claim in self.spec.get("volumeClaimTemplates", [])}
        for mount in self.container["volumeMounts"]:
            name, path = mount["name"], mount["mountPath"]
            if name in claims:
                volume = f"{self.prefix}-{name}-{self.pod_name(number)}"
                self.volumes.add(volume)
                yield from ("-v", f"{volume}:{path}")
            elif "secret" in known[name]:
                directory = self.work / name
                if not directory.exists():
                    directory.mkdir(parents=True)
                    for item in known[name]["secret"]["items"]:
                        file = directory / item["path"]
                        file.write_text(self.secrets[item["key"]])
                        os.chown(file, 0, self.pod["securityContext"]["fsGroup"])
                        file.chmod(known[name]["secret"]["defaultMode"])
                yield from ("-v", f"{directory}:{path}:ro")
            else:
                assert "emptyDir" in known[name], known[name]
                yield from ("--tmpfs", f"{path}:mode=2770,gid={self.pod['securityContext']['fsGroup']}")

    def start(self, number, address=None):
        address = address or self.fresh_address()
        inner, outer = self.container["securityContext"], self.pod["securityContext"]
        user = inner.get("runAsUser", outer.get("runAsUser"))
        words = ["run", "-d", "--pull", "never", "--name", self.box(number), "--hostname", self.pod_name(number), "--network", self.network, "--ip", address,
                 "--user", f"{user}:{inner.get('runAsGroup', outer.get('runAsGroup', user))}", "--group-add", str(outer["fsGroup"])]
        base = f"{self.pod_name(number)}.{self.spec['serviceName']}"
        for name in (base, f"{base}.{self.namespace}.svc", f"{base}.{self.namespace}.svc.cluster.local"):
            words += ["--network-alias", name]
        if inner["readOnlyRootFilesystem"]:
            words.append("--read-only")
        if not inner["allowPrivilegeEscalation"]:
            words += ["--security-opt", "no-new-privileges"]
        for capability in inner["capabilities"]["drop"]:
            words += ["--cap-drop", capability]
        for name, value in self._environment(number, address).items():
            words += ["-e", f"{name}={value}"]
        words += self._volumes(number)
        docker(*words, self.image, *self.container.get("command", []), *self.container.get("args", []))
        self.addresses[number] = address
        self.names.known[base] = address

    def execute(self, number, command, seconds):
        """Whether a command in the pod succeeds in time, and what it says."""
        try:
            result = docker("exec", self.box(number), *command, timeout=seconds, check=False)
            return result.returncode == 0, (result.stdout + result.stderr).strip()
        except subprocess.TimeoutExpired:
            return False, "no answer in time"

    def is_ready(self, number):
        probe = self.container["readinessProbe"]
        return self.execute(number, probe["exec"]["command"], probe["timeoutSeconds"] + 1)

    def delete(self, number):
        """As `kubectl delete pod`: the hook, SIGTERM, and the end of the grace."""
        hook = self.container.get("lifecycle", {}).get("preStop")
        grace = self.pod["terminationGracePeriodSeconds"]
        began = time.monotonic()
        if hook:
            worked, said = self.execute(number, hook["exec"]["command"], grace)
            self.told.append((number, worked, said))
        left = max(2, int(grace - (time.monotonic() - began)))
        docker("stop", "-t", str(left), self.box(number), timeout=grace + 30)
        code = docker("inspect", "-f", "{{.State.ExitCode}}", self.box(number))
        assert code == "0", f"{self.pod_name(number)} ended with {code}: {self.log(number)}"
        self._remove(number)

    def kill(self, number):
        """The machine is gone."""
        docker("kill", self.box(number))
        self._remove(number)

    def _remove(self, number):
        docker("rm", "-f", self.box(number))
        self.addresses.pop(number, None)
        self.names.known.pop(f"{self.pod_name(number)}.{self.spec['serviceName']}", None)

    def wait_ready(self, numbers, seconds):
        """Waits until these pods are ready; how long that took."""
        began = time.monotonic()
        left = set(numbers)
        said = {}
        while left:
            for number in sorted(left):
                ready, said[number] = self.is_ready(number)
                if ready:
                    left.discard(number)
            if left and time.monotonic() - began > seconds:
                logs = "\n".join(self.log(number) for number in left)
                raise AssertionError(f"not ready after {seconds} s: { {number: said[number] for number in left} }\n{logs}")
            if left:
                time.sleep(0.2)
        return time.monotonic() - began

    def rolling_restart(self, seconds_each=60):
        """As `kubectl rollout restart`: from the last pod to the first, each when the one before is ready and stays so."""
        for number in reversed(self.all()):
            self.delete(number)
            self.start(number)
            self.wait_ready([number], seconds_each)
            time.sleep(self.spec.get("minReadySeconds", 0))
            assert self.is_ready(number)[0], f"{self.pod_name(number)} did not stay ready"

    def reschedule_all(self):
        """All pods end at once, and start at once where another one was."""
        before = dict(self.addresses)
        together([lambda number=number: self.delete(number) for number in self.all()])
        moved = {number: before[(number + 1) % len(before)] for number in self.all()}
        together([lambda number=number: self.start(number, moved[number]) for number in self.all()])

    def log(self, number, lines=8):
        result = docker("logs", "--tail", str(lines), self.box(number), check=False)
        return f"--- {self.pod_name(number)}\n{result.stdout}{result.stderr}"

    def cleanup(self):
        docker("rm", "-fv", *[self.box(number) for number in self.all()], check=False)
        if self.volumes:
            docker("volume", "rm", "-f", *self.volumes, check=False)
        docker("network", "rm", self.network, check=False)


def together(works):
    """Does things at the same time; raises what the first of them raised."""
    errors = []

    def guarded(work):
        try:
            work()
        except Exception as error:
            errors.append(error)
    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
