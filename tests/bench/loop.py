#!/usr/bin/env python3
"""How long others wait while a script loops: latencies of GET beside a script of some seconds in another slot.

  tests/bench/loop.py --server slotd='target/release/slotd --port {port} --save ""' [--seconds 3] [--rounds 3]

One client has a script loop for some seconds (`EVAL`, one key), another one sends GETs of a key in another slot, one
after the other: first for as long while nothing else happens, then beside the script. Shown are, in milliseconds, the
median, 99 % and the longest, quiet and beside the script; of several rounds, the one whose 99 % are the shortest, since
what else the machine does only adds to it. A GET that is told BUSY is sent again. A server that has one thread for its
clients shows the script's length.

It is a benchmark, not a test: it judges nothing.
"""
import argparse
import shlex
import sys
import threading
import time

sys.dont_write_bytecode = True  # No folder beside the sources.
from server import Server, encode

LOOP = """local function now() local t = redis.call('TIME') return t[1] + t[2] / 1e6 end
local ends, n = now() + tonumber(ARGV[1]), 0
redis.call('SET', KEYS[1], 'x')
while now() < ends do for i = 1, 10000 do n = n + i end end return 1"""


def waits(socket, goes_on):
    """Milliseconds that each GET took, while `goes_on()`."""
    took, request = [], encode("GET", "other")
    while goes_on():
        start = time.perf_counter_ns()
        reply = b"-BUSY"
        while reply.startswith(b"-BUSY"):
            socket.sendall(request)
            reply = socket.recv(4096)
        took.append((time.perf_counter_ns() - start) / 1e6)
        if not reply.endswith(b"value\r\n"):
            sys.exit(f"GET is answered {reply!r}")
    return sorted(took)


def beside(server, reader, seconds):
    """The same while a script loops."""
    looping, ended = server.connect(), threading.Event()

    def loop():
        try:
            looping.settimeout(10 * seconds)
            looping.sendall(encode("EVAL", LOOP, 1, "loop", seconds))
            reply = looping.recv(4096)
            if reply != b":1\r\n":
                print(f"{server.name} answers the script {reply!r}", file=sys.stderr)
        finally:
            ended.set()

    thread = threading.Thread(target=loop)
    thread.start()
    time.sleep(0.1)
    took = waits(reader, lambda: not ended.is_set())
    thread.join()
    looping.close()
    return took or sys.exit(f"{server.name}: the script did not loop")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", action="append", required=True, metavar="NAME=COMMAND")
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    at = lambda took, part: took[int((len(took) - 1) * part)]
    figures = lambda took: [f"{at(took, part):.2f}" for part in (0.5, 0.99, 1)]
    print("| server | quiet: median | 99 % | longest | beside a script: median | 99 % | longest |", flush=True)
    for name, command in (each.split("=", 1) for each in arguments.server):
        server = Server(name, shlex.split(command))
        try:
            reader = server.connect()
            # Outside of a cluster, slotd lets others run beside a script once that has kept to its keys.
            for request in [encode("SET", "other", "value"), encode("EVAL", LOOP, 1, "loop", 0)]:
                reader.sendall(request)
                reader.recv(64)

            def quiet():
                end = time.monotonic() + arguments.seconds
                return waits(reader, lambda: time.monotonic() < end)

            least = lambda run: min((run() for _ in range(arguments.rounds)), key=lambda took: at(took, 0.99))
            still = least(quiet)
            loud = least(lambda: beside(server, reader, arguments.seconds))
            print("| " + " | ".join([name, *figures(still), *figures(loud)]) + " |", flush=True)
        finally:
            server.end()


if __name__ == "__main__":
    main()
