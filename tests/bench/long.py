#!/usr/bin/env python3
"""What commands cost that visit whole collections: CPU time of the server for one call, in milliseconds.

  tests/bench/long.py --server slotd='target/release/slotd --port {port} --save ""' \\
      --server valkey='valkey-server --port {port} --save ""' [--rounds 9] [--only SORT]

All servers are started on CPU 0 and filled with the same data; this program runs on CPU 1. Round by round, each command is
sent to one server after the other, and the CPU time of the whole server process is read before and after it, in
nanoseconds (schedstat). Shown is the least of the rounds, since whatever else the machine does only adds to it, and the
ratio of the first server to each of the others. Commands that take less than a tenth of a millisecond are sent a
thousand times in a row.

It is a benchmark, not a test: it judges nothing.
"""
import argparse
import glob
import os
import random
import shlex
import sys

sys.dont_write_bytecode = True  # No folder beside the sources.
from server import Server, encode

ELEMENTS = 100_000
BATCH = 1000


def filled(command, words):
    """Commands with so many elements at once that a request stays small."""
    for at in range(0, len(words), BATCH):
        yield [*command, *(word for element in words[at : at + BATCH] for word in element)]


def data(chance):
    """What all servers hold."""
    numbers = list(range(2 * ELEMENTS))
    chance.shuffle(numbers)
    half = ELEMENTS // 2
    yield from filled(["SADD", "s1"], [(f"member:{n}",) for n in range(ELEMENTS)])
    yield from filled(["SADD", "s2"], [(f"member:{n}",) for n in range(half, half + ELEMENTS)])
    yield from filled(["ZADD", "z1"], [(numbers[n], f"member:{n}") for n in range(ELEMENTS)])
    yield from filled(["ZADD", "z2"], [(numbers[n], f"member:{n}") for n in range(half, half + ELEMENTS)])
    yield from filled(["RPUSH", "numbers"], [(n,) for n in numbers[:ELEMENTS]])
    yield from filled(["RPUSH", "words"], [(f"word:{n}",) for n in numbers[:ELEMENTS]])
    yield from filled(["HSET", "h"], [(f"field:{n}", f"value:{n}") for n in range(10_000)])
    yield ["SETRANGE", "b1", 10_000_000, "x"]
    yield ["SETRANGE", "b2", 9_999_999, "yz"]
    yield from (["XADD", key, f"{n}-1", "field", "value"] for key in ("x1", "x2") for n in range(1, 1001))


# The name of a row, the command, and how often it is sent at once.
COMMANDS = [
    ("ZUNIONSTORE of 100,000 and 100,000", "ZUNIONSTORE out 2 z1 z2", 1),
    ("SINTERSTORE of 100,000 and 100,000", "SINTERSTORE out s1 s2", 1),
    ("SUNIONSTORE of the same", "SUNIONSTORE out s1 s2", 1),
    ("SDIFFSTORE of the same", "SDIFFSTORE out s1 s2", 1),
    ("SINTERCARD of the same", "SINTERCARD 2 s1 s2", 1),
    ("SORT of 100,000", "SORT numbers", 1),
    ("SORT ALPHA LIMIT 0 10 of 100,000", "SORT words ALPHA LIMIT 0 10", 1),
    ("BITOP AND of 10 MB and 10 MB", "BITOP AND out b1 b2", 1),
    ("BITOP NOT of 10 MB", "BITOP NOT out b1", 1),
    ("ZRANGEBYSCORE of 10,000", "ZRANGEBYSCORE z1 0 20000", 1),
    ("HGETALL of 10,000", "HGETALL h", 1),
    ("XADD MAXLEN 1000", "XADD x1 MAXLEN 1000 * field value", 1000),
    ("XADD MAXLEN ~ 1000", "XADD x2 MAXLEN ~ 1000 * field value", 1000),
]


class Peer(Server):
    """A server, a connection to it, and what it has cost so far."""

    def __init__(self, name, words):
        super().__init__(name, words, cores={0})
        self.socket = self.connect()
        self.replies = self.socket.makefile("rb")

    def skip(self):
        """Reads a reply and forgets it."""
        line = self.replies.readline()
        kind, rest = line[:1], line[1:].strip()
        if kind == b"-":
            sys.exit(f"{self.name} says {rest.decode()}")
        if kind == b"$" and int(rest) >= 0:
            self.replies.read(int(rest) + 2)
        if kind == b"*":
            for _ in range(max(int(rest), 0)):
                self.skip()

    def call(self, *words, times=1):
        self.socket.sendall(encode(*words) * times)
        for _ in range(times):
            self.skip()

    def cpu_ns(self):
        tasks = glob.glob(f"/proc/{self.pid()}/task/*/schedstat")
        return sum(int(open(task).read().split()[0]) for task in tasks)

    def pid(self):
        """The server's: its command may be a script that starts it as a child."""
        pid = self.process.pid
        while children := open(f"/proc/{pid}/task/{pid}/children").read().split():
            pid = int(children[0])
        return pid

    def cost(self, words, times):
        """Milliseconds of a call."""
        before = self.cpu_ns()
        self.call(*words, times=times)
        return (self.cpu_ns() - before) / times / 1e6


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", action="append", required=True, metavar="NAME=COMMAND")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--only", default="", help="commands whose name has this in it")
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {1})
    peers = [Peer(name, shlex.split(command)) for name, command in (each.split("=", 1) for each in arguments.server)]
    try:
        for peer in peers:
            for words in data(random.Random(1)):
                peer.call(*words)
        print("| command | " + " | ".join(peer.name for peer in peers) + " | " + " | ".join("ratio" for _ in peers[1:]) + " |")
        for name, command, times in COMMANDS:
            if arguments.only not in name:
                continue
            costs = [[peer.cost(command.split(), times) for peer in peers] for _ in range(arguments.rounds)]
            least = [min(column) for column in zip(*costs)]
            figures = [f"{cost:.5f}" if times > 1 else f"{cost:.2f}" for cost in least]
            print("| " + " | ".join([name, *figures, *(f"{least[0] / other:.2f}" for other in least[1:])]) + " |", flush=True)
    finally:
        for peer in peers:
            peer.end()


if __name__ == "__main__":
    main()
