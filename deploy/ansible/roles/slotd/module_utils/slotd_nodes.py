"""Nodes of a cluster, asked over their client ports: RESP2 over a socket, with nothing but the standard library."""

import socket
import time


class NodeError(Exception):
    """A node did not answer, or answered with an error."""


class Node:
    """One node of the inventory, and the connection to it."""

    def __init__(self, host, address, port, password):
        self.host, self.port, self.password = host, int(port), password
        try:
            self.address = socket.gethostbyname(address)
        except OSError as error:
            raise NodeError(f"{address}, the address of {host}, is unknown: {error}") from error
        self.at = f"{self.address}:{self.port}"
        self.name = f"{host}:{self.port}"
        self.reader = self.connection = None

    def call(self, *words, patience=5):
        """The reply to a command: str, int, None or list. An error is raised, with the name of the node in front."""
        return self.call_all([words], patience)[0]

    def call_all(self, commands, patience=30):
        """The replies to commands that are sent at once. If some are errors, the first is raised when all have been read."""
        try:
            if self.connection is None:
                self._connect(patience)
            replies = self._exchange(commands, patience)
        except OSError as error:
            self.close()
            raise NodeError(f"{self.name} ({self.at}) does not answer: {error}") from error
        for reply in replies:
            if isinstance(reply, NodeError):
                raise reply
        return replies

    def sign_in(self, password):
        """Connects anew, with this password."""
        self.close()
        self.password = password
        self.call("PING")

    def close(self):
        if self.connection is not None:
            self.connection.close()
        self.connection = self.reader = None

    def _connect(self, patience):
        self.connection = socket.create_connection((self.address, self.port), patience)
        self.reader = self.connection.makefile("rb")
        if self.password:
            reply, = self._exchange([("AUTH", self.password)], patience)
            if isinstance(reply, NodeError):
                self.close()
                raise reply

    def _exchange(self, commands, patience):
        self.connection.settimeout(patience)
        text = bytearray()
        for words in commands:
            parts = [str(word).encode(errors="surrogateescape") for word in words]
            text += b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
        self.connection.sendall(text)
        return [self._read() for _ in commands]

    def _read(self):
        line = self.reader.readline()
        if not line.endswith(b"\r\n"):
            raise OSError("the connection was closed")
        kind, text = line[:1], line[1:-2].decode(errors="surrogateescape")
        if kind == b"-":
            return NodeError(f"{self.name}: {text}")
        if kind == b":":
            return int(text)
        if kind == b"$":
            return None if text == "-1" else self.reader.read(int(text) + 2)[:-2].decode(errors="surrogateescape")
        if kind == b"*":
            return None if text == "-1" else [self._read() for _ in range(int(text))]
        return text

    def info(self, section):
        """A section of INFO as a dictionary."""
        lines = self.call("INFO", section).splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)

    def view(self):
        """What the node knows of its cluster: a list of Member."""
        members = [Member(line) for line in self.call("CLUSTER", "NODES").splitlines() if line]
        for member in members:
            if "myself" in member.flags:
                member.at = self.at  # A node does not know its address before it has met another one.
        return members

    def myself(self):
        return next(member for member in self.view() if "myself" in member.flags)


class Member:
    """A line of CLUSTER NODES."""

    def __init__(self, line):
        words = line.split()
        self.id, self.flags, self.primary = words[0], words[2].split(","), words[3].strip("-")
        self.at = words[1].split("@")[0]
        self.failed = "fail" in self.flags
        self.joining = "handshake" in self.flags
        self.slots = set()
        self.open = []  # What moves: (slot, "<" or ">", the id of the other side).
        for word in words[8:]:
            if word.startswith("["):
                slot, way, other = word.strip("[]").split("-", 2)
                self.open.append((int(slot), way, other))
            else:
                first, _, last = word.partition("-")
                self.slots.update(range(int(first), int(last or first) + 1))

    @property
    def is_primary(self):
        return "master" in self.flags


def until(seconds, what, done, pause=0.1):
    """Waits until `done()` returns something true, and returns it. `what` says what was waited for, should it not come."""
    end = time.monotonic() + seconds
    while True:
        last = None
        try:
            result = done()
            if result:
                return result
        except NodeError as error:
            last = error
        if time.monotonic() > end:
            raise NodeError(f"after {seconds} s still waiting for this: {what}" + (f" ({last})" if last else ""))
        time.sleep(pause)
