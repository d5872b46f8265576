"""Pods of the rendered manifests under write load: deleted, crashed, restarted one after the other, all moved at once.

    scenes.py KUBECTL HELM IMAGE

Writers set keys with WAIT 1 and repeat what fails, as a client of a cluster does. A write counts as acknowledged when a replica has it.
Prints `ok - what` or `not ok - what` for each scene.
"""

import os
import subprocess
import sys
import tempfile
import threading
import time

import redis
import yaml
from redis.cluster import ClusterNode, RedisCluster

from outcomes import Outcomes
from pods import Names, StatefulSet, docker

kubectl, helm, image = sys.argv[1:4]
PASSWORD = "s3cret-of-the-pods"
# A write that has not succeeded after so long is an error at the client.
PATIENCE = 30
# Where a replica took over before its primary ended, no write waits for as long as the node timeout, which comes before any election.
HANDED_OVER = 5
names = Names()
scene = Outcomes()
prefix = f"{os.environ.get('PODS_PREFIX', 'slotdpods')}{os.getpid()}"
subnet = os.environ.get("PODS_SUBNET", "10.215")
work = os.environ.get("WORK") or tempfile.mkdtemp(prefix="slotd-pods-")


def rendered(*command):
    output = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    return [thing for thing in yaml.safe_load_all(output) if thing]


def client_of(pods):
    """A client that knows the pods by their names only."""
    port = pods.container["ports"][0]["containerPort"]
    start = [ClusterNode(f"{pods.pod_name(number)}.{pods.spec['serviceName']}", port) for number in pods.all()]
    return RedisCluster(startup_nodes=start, password=PASSWORD, socket_timeout=3, socket_connect_timeout=1, dynamic_startup_nodes=False, protocol=2)


class Writer(threading.Thread):
    """Writes numbers to keys of all shards; remembers what was acknowledged."""

    def __init__(self, pods, label):
        super().__init__(daemon=True)
        self.pods, self.label, self.ended = pods, label, threading.Event()
        self.acknowledged, self.writes, self.retries, self.errors = {}, 0, 0, []
        # The longest time until a primary took a write, what that write met, and the longest until a replica had one: while the only
        # replica of a shard starts elsewhere, nobody has a copy.
        self.longest, self.why, self.longest_copy = 0.0, [], 0.0
        self.client = None
        self.start()

    def run(self):
        number = 0
        while not self.ended.is_set():
            number += 1
            key, began, last, seen, is_taken = f"{self.label}:{number % 500}", time.monotonic(), None, [], False
            while True:
                try:
                    copies = self._write(key, number)
                    took = time.monotonic() - began
                    if not is_taken and took > self.longest:
                        self.longest, self.why = took, seen
                    is_taken = True
                    if copies >= 1:
                        self.acknowledged[key] = number
                        self.writes += 1
                        break
                except Exception as error:
                    last = error
                    seen.append(f"{time.monotonic() - began:.2f} s: {type(error).__name__}: {error}")
                    self.client = None if isinstance(error, (redis.RedisError, OSError)) else self.client
                self.retries += 1
                if time.monotonic() - began > PATIENCE:
                    self.errors.append(f"{key}: {type(last).__name__}: {last}")
                    break
                time.sleep(0.05)
            self.longest_copy = max(self.longest_copy, time.monotonic() - began)
            time.sleep(0.002)

    def _write(self, key, number):
        """SET and WAIT on one connection: WAIT is about what its own connection has written."""
        if self.client is None:
            self.client = client_of(self.pods)
        node = self.client.get_node_from_key(key)
        pipeline = self.client.get_redis_connection(node).pipeline(transaction=False)
        pipeline.set(key, number).wait(1, 1000)
        return pipeline.execute()[1]

    def end(self):
        self.ended.set()
        self.join(PATIENCE + 10)
        assert not self.is_alive(), "a writer does not end"


class Load:
    """Two writers; what they saw at the end."""

    def __init__(self, pods):
        self.pods = pods
        self.writers = [Writer(pods, f"w{number}") for number in range(2)]
        until(lambda: all(writer.writes > 50 for writer in self.writers), 30)

    def check(self):
        """No error that retries did not hide, and no acknowledged write lost."""
        time.sleep(0.5)
        for writer in self.writers:
            writer.end()
        errors = [error for writer in self.writers for error in writer.errors]
        assert not errors, errors[:3]
        client, lost = client_of(self.pods), []
        for writer in self.writers:
            for key, number in writer.acknowledged.items():
                found = client.get(key)
                if found is None or int(found) < number:
                    lost.append((key, number, found))
        assert not lost, f"{len(lost)} acknowledged writes are lost: {lost[:5]}"
        writes, retries = sum(writer.writes for writer in self.writers), sum(writer.retries for writer in self.writers)
        slowest = max(self.writers, key=lambda writer: writer.longest)
        self.longest, self.why = slowest.longest, slowest.why
        copied = max(writer.longest_copy for writer in self.writers)
        return f"{writes} writes acknowledged, 0 lost, 0 errors, {retries} retries; longest {self.longest:.2f} s, with a copy {copied:.2f} s"


def until(condition, seconds):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.1)


def cli(pods, number, *words, seconds=20):
    worked, said = pods.execute(number, ["env", f"REDISCLI_AUTH={PASSWORD}", "redis-cli", "--no-auth-warning", *words], seconds)
    assert worked, said
    return said


def roles(pods):
    """The numbers of the primaries with slots."""
    return [number for number in pods.all() if cli(pods, number, "role").splitlines()[0] == "master"]


def ids(pods):
    return {number: cli(pods, number, "cluster", "myid") for number in pods.all()}


def set_of(things, namespace, net, secrets):
    return StatefulSet(things, namespace, image, prefix, f"{subnet}.{net}", work, names, secrets)


prod = set_of(rendered(kubectl, "kustomize", "deploy/kubernetes/overlays/prod"), "slotd", 1, {"password": PASSWORD})
chart = dev = None
try:
    @scene("production: six pods become a cluster with a password, restricted as they are")
    def _():
        for number in prod.all():
            prod.start(number)
        took = prod.wait_ready(prod.all(), 60)
        assert len(roles(prod)) == 3
        assert "NOAUTH" in prod.execute(0, ["redis-cli", "ping"], 5)[1]
        assert "slotd-3.slotd-headless.slotd.svc" in cli(prod, 0, "cluster", "nodes")
        return f"ready after {took:.1f} s"

    @scene("a primary's pod is deleted under write load: its replica takes over first, nothing is lost, it comes back elsewhere")
    def _():
        load, number, before = Load(prod), roles(prod)[0], dict(prod.addresses)
        prod.delete(number)
        _, worked, said = prod.told[-1]
        assert worked and "handed over to" in said, prod.told[-1]
        prod.start(number)
        prod.wait_ready(prod.all(), 60)
        assert prod.addresses[number] not in before.values()
        told = load.check()
        assert load.longest < HANDED_OVER, (told, load.why, prod.told)
        return f"{told}; {said}"

    @scene("a primary's pod is gone without a word: the others take over, and nothing is lost")
    def _():
        load, number = Load(prod), roles(prod)[-1]
        prod.kill(number)
        time.sleep(8)
        prod.start(number)
        prod.wait_ready(prod.all(), 60)
        return load.check()

    @scene("a rolling restart under write load: each pod hands over, starts elsewhere and is in sync before the next one ends")
    def _():
        load, before = Load(prod), ids(prod)
        prod.told.clear()
        began = time.monotonic()
        prod.rolling_restart()
        took = time.monotonic() - began
        assert ids(prod) == before and all(worked for _, worked, _ in prod.told), prod.told
        handed = sum("handed over to" in said for _, _, said in prod.told)
        assert handed >= 3, prod.told
        told = load.check()
        assert load.longest < HANDED_OVER, (told, load.why, prod.told)
        return f"{told}; {took:.0f} s, {handed} handovers"

    @scene("scaled by hand under write load: two pods more become a fourth shard with a replica")
    def _():
        load = Load(prod)
        prod.spec["replicas"] = 8
        for number in (6, 7):
            prod.start(number)
        at = {number: f"{address}:6379" for number, address in prod.addresses.items()}
        until(lambda: all(prod.execute(number, prod.container["livenessProbe"]["exec"]["command"], 5)[0] for number in (6, 7)), 20)
        cli(prod, 6, "--cluster", "add-node", at[6], at[0], seconds=60)
        until(lambda: all("cluster_known_nodes:7" in cli(prod, number, "cluster", "info") for number in range(7)), 20)
        new = ids(prod)[6]
        cli(prod, 7, "--cluster", "add-node", at[7], at[0], "--cluster-slave", "--cluster-master-id", new, seconds=60)
        # A tenth of an equal part: moving slots takes redis-cli a while.
        cli(prod, 6, "--cluster", "rebalance", at[0], "--cluster-use-empty-masters", "--cluster-weight", f"{new}=0.1", seconds=180)
        prod.wait_ready(prod.all(), 60)
        assert "cluster_size:4" in cli(prod, 0, "cluster", "info") and len(roles(prod)) == 4
        return load.check()

    @scene("all pods are moved at once, each to where another one was: the same cluster with the same data")
    def _():
        load, before = Load(prod), ids(prod)
        for writer in load.writers:
            writer.end()
        prod.reschedule_all()
        took = prod.wait_ready(prod.all(), 90)
        assert ids(prod) == before and len(roles(prod)) == 4
        assert all(address in cli(prod, 0, "cluster", "nodes") for address in prod.addresses.values())
        told = load.check()
        after = Load(prod)
        after.check()
        return f"ready after {took:.1f} s; {told}"
    prod.cleanup()

    @scene("the chart: six pods with its names and its password become a cluster, and a deleted one comes back")
    def _():
        global chart
        chart = set_of(rendered(helm, "template", "sessions", "deploy/helm/slotd", "-n", "web"), "web", 2, {"redis-password": PASSWORD})
        for number in chart.all():
            chart.start(number)
        took = chart.wait_ready(chart.all(), 60)
        load, number = Load(chart), roles(chart)[0]
        chart.delete(number)
        chart.start(number)
        chart.wait_ready(chart.all(), 60)
        return f"ready after {took:.1f} s; {load.check()}"
    if chart:
        chart.cleanup()

    @scene("development: one pod is the whole cluster, and others reach all its nodes")
    def _():
        global dev
        dev = set_of(rendered(kubectl, "kustomize", "deploy/kubernetes/overlays/dev"), "default", 3, {"password": PASSWORD})
        dev.start(0)
        took = dev.wait_ready([0], 30)
        client = client_of(dev)
        for number in range(100):
            client.set(f"key:{number}", number)
        assert [int(client.get(f"key:{number}")) for number in range(100)] == list(range(100))
        assert len(client.get_primaries()) == 3 and len(client.get_replicas()) == 3
        assert all(node.host == dev.addresses[0] for node in client.get_nodes()), client.get_nodes()
        dev.delete(0)
        return f"ready after {took:.1f} s"
finally:
    for pods in (prod, chart, dev):
        if pods:
            pods.cleanup()
sys.exit(scene.status())
