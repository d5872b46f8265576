"""A server that a benchmark starts in a directory of its own, and ends."""
import contextlib
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time

# How long a server may take to answer, seconds.
SOON = 30


class Server:
    """A running server."""

    def __init__(self, name, words, cores=None):
        """`words` is its command line, with {port} where its port belongs; `cores` are those that it may use."""
        self.name, self.port = name, free_port()
        self.directory = tempfile.mkdtemp(prefix="bench-")
        words = [word.replace("{port}", str(self.port)) for word in words]
        if os.path.exists(words[0]):
            words[0] = os.path.abspath(words[0])
        pin = (lambda: os.sched_setaffinity(0, cores)) if cores else None
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen(words, cwd=self.directory, preexec_fn=pin, **quiet)

    def connect(self, patience=SOON):
        """A connection to it, once it answers; calls on it may take `patience` seconds."""
        end = time.monotonic() + SOON
        while time.monotonic() < end and self.process.poll() is None:
            with contextlib.suppress(OSError):
                connection = socket.create_connection(("127.0.0.1", self.port), patience)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connection.sendall(b"PING\r\n")
                if connection.recv(64).startswith(b"+PONG"):
                    return connection
            time.sleep(0.02)
        sys.exit(f"{self.name} does not answer; its status is {self.process.poll()}")

    def end(self):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)


def free_port():
    """A port that is free, as is that of the bus above it. Connections go out from ports above these."""
    for port in random.sample(range(12000, 22000), 100):
        with socket.socket() as client, socket.socket() as bus, contextlib.suppress(OSError):
            client.bind(("127.0.0.1", port))
            bus.bind(("127.0.0.1", port + 10000))
            return port
    sys.exit("no free ports")


def encode(*words):
    """A request."""
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        if not isinstance(word, bytes):
            word = str(word).encode()
        parts.append(b"$%d\r\n%s\r\n" % (len(word), word))
    return b"".join(parts)
