#!/usr/bin/env python3
"""How long writers wait while a snapshot is taken: latencies of writes to a collection of a million elements.

  tests/bench/snapshot.py --server slotd='target/release/slotd --port {port} --save ""' \\
      --server valkey='valkey-server --port {port} --save ""' [--elements 1000000] [--rounds 3] [--only hash]

One server after the other is started and filled. Then one client writes to one collection of each type, one write after
the other, first for a second and then until a BGSAVE has ended. Shown are, in milliseconds, the median, the longest of a
thousand (99.9 %) and the longest of all, quiet and beside the snapshot; of several rounds, the one whose longest is the
shortest, since what else the machine does only adds to it. The last column is the longest write of that round as the
server itself has seen it (LATENCY HISTOGRAM, which knows powers of two only): the time that its client had to wait for
a processor is not in it.

It is a benchmark, not a test: it judges nothing.
"""
import argparse
import shlex
import sys
import time

sys.dont_write_bytecode = True  # No folder beside the sources.
from server import Server, encode

BATCH = 1000

# The name of a type, what adds element `n` (the words of a batch follow the first ones), and a write to it.
TYPES = [
    ("hash", ["HSET", "hash"], lambda n: (f"field:{n}", f"value:{n}"), lambda n: ["HSET", "hash", f"field:{n}", "v"]),
    ("set", ["SADD", "set"], lambda n: (f"member:{n}",), lambda n: ["SADD", "set", f"other:{n}"]),
    ("sorted set", ["ZADD", "zset"], lambda n: (n, f"member:{n}"), lambda n: ["ZADD", "zset", -n, f"member:{n}"]),
    ("list", ["RPUSH", "list"], lambda n: (f"element:{n}",), lambda n: ["RPUSH", "list", f"other:{n}"]),
    ("stream", None, None, lambda n: ["XADD", "stream", "*", "field", f"value:{n}"]),
    ("string of 100 MB", None, None, lambda n: ["SETRANGE", "string", n, "x"]),
]


class Peer(Server):
    """A server, and a connection to it."""

    def __init__(self, name, words, elements):
        super().__init__(name, words)
        self.socket = self.connect(patience=120)
        self.replies = self.socket.makefile("rb")
        for _, command, element, _ in TYPES:
            for at in range(0, elements if command else 0, BATCH):
                self.send(encode(*command, *(word for n in range(at, at + BATCH) for word in element(n))), 1)
        for at in range(0, elements, BATCH):
            self.send(b"".join(encode("XADD", "stream", "*", "field", f"value:{n}") for n in range(BATCH)), BATCH)
        self.send(encode("SETRANGE", "string", 100_000_000, "x"), 1)

    def send(self, requests, count):
        """Sends requests, and returns the last of their replies."""
        self.socket.sendall(requests)
        for _ in range(count):
            line = self.replies.readline()
            if line[:1] == b"-":
                sys.exit(f"{self.name} says {line.decode().strip()}")
            if line[:1] == b"$":
                line = self.replies.read(int(line[1:]) + 2)
        return line

    def reply(self):
        """The next reply, as one flat list."""
        line = self.replies.readline()
        if line[:1] == b"*":
            return [word for _ in range(int(line[1:])) for word in self.reply()]
        return [self.replies.read(int(line[1:]) + 2)[:-2] if line[:1] == b"$" else line[1:].strip()]

    def longest(self, command):
        """What the longest call of a command took at most since the statistics were reset, milliseconds."""
        self.socket.sendall(encode("LATENCY", "HISTOGRAM", command))
        *_, bound, _calls = self.reply()
        return int(bound) / 1000

    def is_saving(self):
        return b"rdb_bgsave_in_progress:1" in self.send(encode("INFO", "persistence"), 1)

    def waits(self, write, goes_on):
        """Milliseconds that each write took, while `goes_on(seconds)`, and the longest of them in the server."""
        self.send(encode("CONFIG", "RESETSTAT"), 1)
        took, began = [], time.perf_counter()
        while len(took) % 200 or goes_on(time.perf_counter() - began):
            request = encode(*write(len(took)))
            start = time.perf_counter_ns()
            self.send(request, 1)
            took.append((time.perf_counter_ns() - start) / 1e6)
        return sorted(took), self.longest(write(0)[0])

    def saving(self, write):
        """The same while a snapshot is taken."""
        self.send(encode("BGSAVE"), 1)
        return self.waits(write, lambda _: self.is_saving())


def figures(took, longest):
    return [f"{took[int((len(took) - 1) * part)]:.2f}" for part in (0.5, 0.999, 1)] + [f"{longest:.2f}"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", action="append", required=True, metavar="NAME=COMMAND")
    parser.add_argument("--elements", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="types whose name has this in it")
    arguments = parser.parse_args()
    columns = "median | 99.9 % | longest | in the server"
    print(f"| server | type | quiet: {columns} | snapshot: {columns} |", flush=True)
    for name, command in (each.split("=", 1) for each in arguments.server):
        peer = Peer(name, shlex.split(command), arguments.elements)
        try:
            for kind, _, _, write in TYPES:
                if arguments.only not in kind:
                    continue
                least = lambda run: min((run() for _ in range(arguments.rounds)), key=lambda it: it[0][-1])
                quiet = least(lambda: peer.waits(write, lambda seconds: seconds < 1))
                beside = least(lambda: peer.saving(write))
                print("| " + " | ".join([name, kind, *figures(*quiet), *figures(*beside)]) + " |", flush=True)
        finally:
            peer.end()


if __name__ == "__main__":
    main()
