#!/usr/bin/env python3
"""How often threads of a node are in each other's way.

  tests/bench/contention.py target/release/slotd [--requests 1000000] [--clients 50] [--pipelines 1,16] [--only 'one slot']

Starts a node, has stock redis-benchmark (one thread, on the path) play shapes of work to it, and prints for a million commands how often a slot or
the feed was busy at the first try and how often a command was set aside, as SLOTD CONTENTION counts them. Every shape runs outside a cluster and as a
cluster of one node, each with a replica and without. A node has as many workers as it may use cores; `taskset -c 0,1` before the command makes it two.

It is a benchmark, not a test: it judges nothing. How to read it stands in docs/performance.md.
"""
import argparse
import contextlib
import os
import subprocess
import sys
import time

sys.dont_write_bytecode = True  # No folder beside the sources.
from server import SOON, Server, encode

KEYS = 100_000
KEY = "key:__rand_int__"
MSET = ["MSET"] + [word for _ in range(10) for word in (KEY, "value")]
# The name of a shape, its command, and whether a cluster takes it: there, the keys of a command lie in one slot.
SHAPES = [
    ("uniform SET", ["SET", KEY, "value"], True),
    ("uniform GET", ["GET", KEY], True),
    ("one slot SET", ["SET", "{x}" + KEY, "value"], True),
    ("one slot GET", ["GET", "{x}" + KEY], True),
    ("MSET of 10", MSET, False),
]
SLOTS = 16384


class Node(Server):
    """A running node, and a connection to it."""

    def __init__(self, binary, directives):
        super().__init__("the node", [binary, "--port", "{port}", "--save", "", "--logfile", "log", *directives])
        self.socket = self.connect()
        self.replies = self.socket.makefile("rb")

    def call(self, *words):
        self.socket.sendall(encode(*words))
        return self.reply()

    def reply(self):
        line = self.replies.readline().rstrip()
        kind, rest = line[:1], line[1:]
        if kind == b"-":
            sys.exit(f"the node says {rest.decode()}")
        if kind == b"$":
            return self.replies.read(int(rest) + 2)[:-2].decode()
        if kind == b"*":
            return [self.reply() for _ in range(int(rest))]
        return int(rest) if kind == b":" else rest.decode()

    def info(self, field):
        lines = self.call("INFO", "everything").splitlines()
        return next((line.partition(":")[2] for line in lines if line.startswith(field + ":")), None)

    def contention(self):
        words = self.call("SLOTD", "CONTENTION")
        return dict(zip(words[::2], words[1::2]))


def wait_for(what, probe):
    end = time.monotonic() + SOON
    while time.monotonic() < end:
        if found := probe():
            return found
        time.sleep(0.02)
    sys.exit(f"waited {SOON} s in vain for {what}")


@contextlib.contextmanager
def node(binary, cluster, replica):
    """A node with all slots, and, if that is wanted, a replica that is in sync."""
    nodes = []
    directives = ["--cluster-enabled", "yes" if cluster else "no"]
    try:
        nodes.append(Node(binary, directives))
        primary = nodes[0]
        if cluster:
            primary.call("CLUSTER", "ADDSLOTSRANGE", 0, SLOTS - 1)
            wait_for("the cluster", lambda: "cluster_state:ok" in primary.call("CLUSTER", "INFO"))
        if replica:
            nodes.append(Node(binary, directives))
            if cluster:
                nodes[1].call("CLUSTER", "MEET", "127.0.0.1", primary.port)
                name = primary.call("CLUSTER", "MYID")
                wait_for("the nodes to meet", lambda: f"0-{SLOTS - 1}" in nodes[1].call("CLUSTER", "NODES"))
                nodes[1].call("CLUSTER", "REPLICATE", name)
            else:
                nodes[1].call("REPLICAOF", "127.0.0.1", primary.port)
            wait_for("the replica", lambda: "state=online" in (primary.info("slave0") or ""))
        yield primary
    finally:
        for each in reversed(nodes):
            each.end()


def run(primary, command, pipeline, arguments):
    """Plays one shape; the counters for a million commands, and requests per second."""
    benchmark = ["redis-benchmark", "-p", primary.port, "--threads", 1, "-c", arguments.clients, "-n", arguments.requests, "-P", pipeline]
    benchmark += ["-r", KEYS, "-q", *command]
    primary.call("CONFIG", "RESETSTAT")
    began = time.monotonic()
    subprocess.run([str(word) for word in benchmark], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    took = time.monotonic() - began
    counted = primary.contention()
    done = int(primary.info(f"cmdstat_{command[0].lower()}").partition("calls=")[2].partition(",")[0])
    return {name: count * 1_000_000 / done for name, count in counted.items()}, done / took


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", help="the server")
    parser.add_argument("--requests", type=int, default=1_000_000, help="of each shape (1000000)")
    parser.add_argument("--clients", type=int, default=50, help="connections of redis-benchmark (50)")
    parser.add_argument("--pipelines", default="1,16", help="requests in a write (1,16)")
    parser.add_argument("--only", default="", help="shapes whose name contains this")
    arguments = parser.parse_args()
    binary = os.path.abspath(arguments.binary)
    print(f"{len(os.sched_getaffinity(0))} cores, {arguments.clients} clients, {arguments.requests} requests a shape; counts for a million commands")
    heading = None
    for cluster in (False, True):
        for replica in (False, True):
            with node(binary, cluster, replica) as primary:
                for name, command, fits in SHAPES:
                    if arguments.only not in name or (cluster and not fits):
                        continue
                    for pipeline in map(int, arguments.pipelines.split(",")):
                        counts, rate = run(primary, command, pipeline, arguments)
                        if not heading:
                            heading = ["cluster", "replica", "shape", "pipeline", *counts, "requests/s"]
                            print("| " + " | ".join(heading) + " |\n|" + "---|" * len(heading))
                        row = ["yes" if cluster else "no", "yes" if replica else "no", name, pipeline]
                        row += [f"{count:,.0f}" if count >= 1 or not count else f"{count:.1f}" for count in counts.values()]
                        print("| " + " | ".join(map(str, [*row, f"{rate:,.0f}"])) + " |", flush=True)


if __name__ == "__main__":
    main()
