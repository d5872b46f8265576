#!/usr/bin/env python3
"""Whether commands stay as cheap as documented while their collection grows from ten elements to ten million.

  tests/bench/growth.py --server slotd='target/release/slotd --port {port} --save ""' \\
      --server redis='redis-server --port {port} --save ""' [--only zset] [--sizes 10,1000,100000] [--shrunk]
      [--data growth.json] [--markdown FILE] [--svg FILE]

Each server is started on CPU 0, one type of collection after the other; this program runs on CPU 1. At each size, one
collection with that many elements is filled by pipelined variadic commands, and all commands of growth_cases.py are
played to it, on random elements (the same ones in every run and for every server), 200 in a write, the servers by
turns. The cost of a command is the CPU time of the whole server process, in microseconds, divided by the number of
commands: the median of the rounds. What belongs together, as SADD and SREM of a new member, counts as two commands.

How to read it: a row is a command, a column a size. A command that is O(1) may still cost more in a large collection,
since its elements are not in the processor's caches any more: each place in memory that it must visit then costs 0.1
us, and as much again where pages are small and their addresses are not in a cache either. A small collection is one
piece of memory in all servers, and is searched from end to end. So the growth of a command, the last columns, is its
greatest cost at any size divided by its cost at 1,000 elements (or at the smallest size measured beyond that), and it
is accepted

  up to 8 for what is documented O(1), up to 24 for what is O(log n).

That is what caches and depth make of stock servers from a thousand to ten million elements on a busy machine. A
command that visits all of them grows by 10,000, and one that visits their square root by 100. Two things the rule does
not see: a pause that is made up for by a million cheap commands, since the average is judged, and time per element
that is so short that ten million of them cost less than waiting for memory. For the latter, see whether the last
column is much dearer than the one before.

With --shrunk, a collection is filled to the size and then emptied to ten elements, by its own commands, before it is
measured: does a command pay for elements that are gone?

The exit code is 1 if a command of the first server grows more than that; the others are for comparison. A command that
a server does not know has no figure. --data keeps the figures in a file: later runs add to it or replace what they
measure again, and tables and charts are made of all there is.
"""
import argparse
import json
import os
import random
import re
import shlex
import signal
import statistics
import sys
import time

sys.dont_write_bytecode = True  # No folder beside the sources.
import growth_cases as cases
import growth_chart as chart
from server import SOON, Server, encode

SIZES = "10,100,1000,10000,100000,1000000,10000000"
LIMITS = {cases.ONE: 8, cases.LOG: 24}
BASE = 1000
LEFT = 10
SHRUNK = f", shrunk to {LEFT}"
PATIENCE = 600
# Commands in a write, elements in a command that fills, and commands that fill in a write.
BATCH, CHUNK, CHUNKS = 200, 500, 20
MARK = b"$8\r\nthe-mark\r\n"
ERROR = re.compile(rb"(?:^|\r\n)-[A-Z]+ [^\r]*")


class Unknown(Exception):
    """The server lacks a command."""


class Measured(Server):
    """A running server whose CPU time is measured, and a connection to it."""

    def __init__(self, name, command):
        super().__init__(name, shlex.split(command), {CORES[0]} if len(CORES) > 1 else None)
        self.socket = self.connect(PATIENCE)

    def cpu(self):
        """Nanoseconds of CPU of all its threads, ended ones included: what clock_getcpuclockid(3) has a clock for."""
        return time.clock_gettime_ns((~self.process.pid << 3) | 2)

    def send(self, commands):
        self.socket.sendall(commands + encode("ECHO", "the-mark"))

    def replies(self):
        """What it says to all that was sent. The last thing that was sent is the mark."""
        parts, tail = [], b""
        while not tail.endswith(MARK):
            part = self.socket.recv(1 << 20)
            if not part:
                sys.exit(f"{self.name} closed the connection")
            parts.append(part)
            tail = tail[-len(MARK):] + part
        return b"".join(parts)

    def play(self, batches):
        """Nanoseconds of CPU for these batches."""
        before = self.cpu()
        for batch in batches:
            self.send(batch)
            said = self.replies()
            self.check(said)
        return self.cpu() - before

    def check(self, said):
        if not (error := ERROR.search(said)):
            return
        if b"unknown command" in error[0]:
            raise Unknown
        sys.exit(f"{self.name} says {error[0].decode().strip()}")

    def settle(self):
        """Waits until it is idle."""
        end = time.monotonic() + SOON
        while time.monotonic() < end:
            before = self.cpu()
            time.sleep(0.1)
            if self.cpu() - before < 3_000_000:
                return


def progress(text):
    print(text, file=sys.stderr, flush=True)


class Measurement:
    """Plays the cases of one type to its servers."""

    def __init__(self, arguments, kind, servers):
        self.arguments, self.kind, self.servers = arguments, kind, servers
        self.lacking = set()

    def in_chunks(self, high, command):
        """Sends command(low, high) for all elements below `high`, in chunks, to all servers."""
        pending = []
        for low in range(0, high, CHUNK):
            pending += cases.several(command(low, min(low + CHUNK, high)))
            if len(pending) >= CHUNKS or low + CHUNK >= high:
                encoded = b"".join(encode(*words) for words in pending)
                for server in self.servers:
                    server.send(encoded)
                for server in self.servers:
                    server.check(server.replies())
                pending = []

    def fill(self, size):
        names = cases.Names(0, size, random.Random(f"{self.kind.name} {size}"))
        for server in self.servers:
            server.play([encode("FLUSHALL"), *(encode(*words) for words in self.kind.before)])
        self.in_chunks(size, lambda low, high: self.kind.fill(names, low, high))
        low = 0
        if self.arguments.shrunk and size > LEFT:
            low = size - LEFT
            self.in_chunks(low, self.kind.drain)
        for server in self.servers:
            server.settle()
        return low

    def batches(self, case, names, count):
        """Encoded commands, about `count` of them, and their exact number."""
        batches, total = [], 0
        while total < count:
            batch = []
            while len(batch) < BATCH:
                batch += [encode(*words) for words in case.commands(names)]
            batches.append(b"".join(batch))
            total += len(batch)
        return batches, total

    def warm_up(self, case, names, servers):
        """The number of commands in a round, so that the dearest server takes as long as wanted. Some may drop out."""
        cost = 1
        batches, total = self.batches(case, names, 1)
        for server in list(servers):
            try:
                cost = max(cost, server.play(batches) / total)
            except Unknown:
                self.lacking.add((server.name, case.name))
                servers.remove(server)
        return min(self.arguments.commands, int(self.arguments.milliseconds * 1e6 / cost))

    def cost(self, case, low, size):
        """Microseconds a command by server."""
        servers = [server for server in self.servers if (server.name, case.name) not in self.lacking]
        names = cases.Names(low, size, random.Random(f"{self.kind.name} {case.name} {size} {low}"), self.added)
        count = self.warm_up(case, names, servers)
        seen = {server.name: [] for server in servers}
        for turn in range(self.arguments.rounds):
            batches, total = self.batches(case, names, count)
            for server in servers if turn % 2 else servers[::-1]:
                seen[server.name].append(server.play(batches) / total / 1000)
        self.added = names.added
        return {name: statistics.median(costs) for name, costs in seen.items()}

    def run(self, sizes, record):
        for size in sizes:
            began = time.monotonic()
            low = self.fill(size)
            filled = time.monotonic()
            self.added = 0
            for case in self.kind.cases:
                if self.arguments.command.lower() in case.name.lower():
                    record(case, size, self.cost(case, low, size))
            progress(f"{self.kind.name}: {size:,} {self.kind.unit}, filled in {filled - began:.1f} s, measured in {time.monotonic() - filled:.1f} s")


def growth(costs):
    """The greatest cost, divided by that at 1,000 elements or the smallest size above; `costs` by size."""
    sizes = sorted(costs)
    base = next((size for size in sizes if size >= BASE), sizes[-1])
    return max(costs.values()) / costs[base]


def measure(arguments, data):
    sizes = [int(size) for size in arguments.sizes.split(",")]
    for kind in cases.KINDS:
        if arguments.only and kind.name not in arguments.only or arguments.shrunk and not kind.drain:
            continue

        def record(case, size, costs):
            title = case.table or kind.title
            entry = data.setdefault(title + SHRUNK if arguments.shrunk else title, {"cases": {}})
            row = entry["cases"].setdefault(case.name, {"documented": case.documented, "costs": {}})
            for server, cost in costs.items():
                row["costs"].setdefault(server, {})[str(size)] = cost

        servers = []
        try:
            for spec in arguments.server:
                servers.append(Measured(*spec.split("=", 1)))
            Measurement(arguments, kind, servers).run(sizes, record)
        finally:
            for server in servers:
                server.end()
        if arguments.data:
            with open(arguments.data, "w") as file:
                json.dump(data, file, indent=1)


def ordered(data):
    """Tables in the order of their types; what belongs to no single type is last, and what was shrunk after that."""
    titles = [kind.title for kind in cases.KINDS]
    place = {title: position for position, title in enumerate([*titles, cases.LARGE, *(title + SHRUNK for title in [*titles, cases.LARGE])])}
    return {title: data[title] for title in sorted(data, key=place.__getitem__)}


def judge(data, first):
    """Sentences about what grows more than documented, for the first server."""
    found = []
    for title, entry in data.items():
        for name, row in entry["cases"].items():
            costs = {int(size): cost for size, cost in row["costs"].get(first, {}).items()}
            if costs and growth(costs) > LIMITS[row["documented"]]:
                points = ", ".join(f"{size:,}: {cost:.2f}" for size, cost in sorted(costs.items()))
                found.append(f"{title}: {name} is {row['documented']} and grows by {growth(costs):.1f} (us at {points})")
    return found


def main():
    global CORES
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", action="append", default=[], metavar="NAME=COMMAND", help="a server, {port} in its command is replaced")
    parser.add_argument("--sizes", default=SIZES, help=f"elements ({SIZES})")
    parser.add_argument("--only", action="append", default=[], choices=[kind.name for kind in cases.KINDS], help="this type")
    parser.add_argument("--command", default="", help="commands whose name contains this")
    parser.add_argument("--shrunk", action="store_true", help="empty the collection to ten elements before it is measured")
    parser.add_argument("--rounds", type=int, default=5, help="of each command; the median counts (5)")
    parser.add_argument("--milliseconds", type=float, default=40, help="CPU time of a round (40)")
    parser.add_argument("--commands", type=int, default=20_000, help="at most so many in a round (20000)")
    parser.add_argument("--data", metavar="FILE", help="keep the figures there, and use those that are there")
    parser.add_argument("--markdown", metavar="FILE", help="write the tables there instead of printing them")
    parser.add_argument("--svg", metavar="FILE", help="draw the chart there")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    CORES = sorted(os.sched_getaffinity(0))
    if len(CORES) > 1:
        os.sched_setaffinity(0, {CORES[1]})
    data = {}
    if arguments.data and os.path.exists(arguments.data):
        with open(arguments.data) as file:
            data = json.load(file)
    if arguments.server:
        measure(arguments, data)
    data = ordered(data)
    names = list(dict.fromkeys(server for entry in data.values() for row in entry["cases"].values() for server in row["costs"]))
    if not names:
        parser.error("neither --server nor figures in --data")
    tables = chart.markdown(data, names, growth, LIMITS)
    if arguments.markdown:
        with open(arguments.markdown, "w") as file:
            file.write(tables)
    else:
        print(tables, end="")
    if arguments.svg:
        with open(arguments.svg, "w") as file:
            file.write(chart.svg(data, names))
    found = judge(data, names[0])
    print("\n".join(found) or f"No command of {names[0]} grows more than documented.", file=sys.stderr if not arguments.markdown else sys.stdout)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
