"""deploy/ansible/change-password.yml and its module, without a host: against nodes that are played here.

    passwords.py RULE

plays one of the functions below `rule`. Run by a Python that has ansible-core.
"""

import importlib.util
import json
import os
import pathlib
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading

ROLE = pathlib.Path("deploy/ansible/roles/slotd").resolve()
OLD, NEW = "the old one", "th3 n3w 'one"


def load(name, path):
    spec = importlib.util.spec_from_file_location(name, path)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


nodes = load("ansible.module_utils.slotd_nodes", ROLE / "module_utils/slotd_nodes.py")
plan = load("ansible.module_utils.slotd_plan", ROLE / "module_utils/slotd_plan.py")
slotd = load("slotd_cluster", ROLE / "library/slotd_cluster.py")


class Played(socketserver.ThreadingTCPServer):
    """A node as far as passwords go. `budget` says after how many changes it, or its network, is gone."""

    allow_reuse_address = daemon_threads = True

    def __init__(self, requirepass=OLD, budget=None):
        super().__init__(("127.0.0.1", 0), Talk)
        self.settings = {"requirepass": requirepass, "masterauth": requirepass}
        self.budget, self.changes, self.connections = budget if budget is not None else [1000], 0, 0
        self.at = {"host": f"h{self.server_address[1]}", "address": "127.0.0.1", "port": self.server_address[1]}
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def end(self):
        self.shutdown()
        self.server_close()


class Talk(socketserver.StreamRequestHandler):
    def handle(self):
        node = self.server
        node.connections += 1
        is_in = not node.settings["requirepass"]
        while line := self.rfile.readline():
            words = [self.rfile.read(int(self.rfile.readline()[1:]) + 2)[:-2].decode() for _ in range(int(line[1:]))]
            name = words[0].upper()
            if name == "AUTH":
                secret = node.settings["requirepass"]
                is_in = is_in or words[1] == secret
                reply = "-ERR AUTH <password> called without any password configured" if not secret else "+OK" if words[1] == secret else "-WRONGPASS no"
            elif not is_in:
                reply = "-NOAUTH Authentication required."
            elif words[:2] == ["CONFIG", "SET"]:
                if node.budget[0] == 0:
                    return
                node.budget[0] -= 1
                node.changes += 1
                node.settings[words[2]] = words[3]
                reply = "+OK"
            elif words[:2] == ["CONFIG", "GET"]:
                value = node.settings[words[2]]
                reply = f"*2\r\n${len(words[2])}\r\n{words[2]}\r\n${len(value)}\r\n{value}"
            else:
                text = {"CLUSTER": "cluster_state:ok\r\ncluster_slots_ok:16384\r\n", "INFO": "role:master\r\n"}.get(name, "PONG")
                reply = f"${len(text)}\r\n{text}"
            self.wfile.write(reply.encode() + b"\r\n")


def module(played, state, password=NEW, previous=OLD):
    """What the module did, or the error that it ended with."""
    cluster = slotd.Cluster({"nodes": [getattr(one, "at", one) for one in played], "password": password, "previous": previous, "replicas": 1,
                             "host": None, "timeout": 2})
    try:
        getattr(cluster, state)()
    except (plan.NoPlace, nodes.NodeError) as error:
        return str(error)
    return cluster.actions


def playbook(played, **variables):
    """change-password.yml as it is, on this machine, without its vault: its status and what it said."""
    with tempfile.TemporaryDirectory() as work:
        hosts = {one["host"]: {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, "ansible_become": False,
                               "slotd_address": one["address"], "slotd_ports": [one["port"]]} for one in (getattr(each, "at", each) for each in played)}
        (pathlib.Path(work) / "inventory.json").write_text(json.dumps({"slotd": {"hosts": hosts}}))
        (pathlib.Path(work) / "variables.json").write_text(json.dumps({"slotd_step_seconds": 5, **variables}))
        run = subprocess.run(
            [pathlib.Path(sys.executable).with_name("ansible-playbook"), "-i", f"{work}/inventory.json", "-e", f"@{work}/variables.json", ROLE.parents[1] / "change-password.yml"],
            cwd=work, capture_output=True, text=True, timeout=120,
            env=dict(os.environ, ANSIBLE_ROLES_PATH=str(ROLE.parent), ANSIBLE_NOCOLOR="1", ANSIBLE_HOME=work, ANSIBLE_LOCAL_TEMP=f"{work}/tmp"))
        return run.returncode, run.stdout + run.stderr


# What is said of a look in vain. The module changes the nodes when the hosts have their files.
UNCHANGED = {"rekeyable": "Nothing was changed", "rekeyed": "No node was changed, but hosts may have the file"}


def closed():
    """A node that is down."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    return {"host": "down", "address": "127.0.0.1", "port": port}


def refused_by_the_module():
    """A new password that is empty, or that a node would read as another one from its file, is refused before a node is asked."""
    for password, words in [("", "is empty"), (None, "is empty"), (" \t\n", "is empty"), ("a\n", "line end"), ("a\r", "line end"), ("a\nb", "line end"), ("a\0", "control"),
                            (" a", "blank"), ("a ", "blank"), ("a" * 65536, "longer than 65535")]:
        for state in ("rekeyable", "rekeyed"):
            played = [Played() for _ in range(3)]
            said = module(played, state, password)
            assert words in said and UNCHANGED[state] in said, (password, said)
            assert password is None or len(password.strip()) < 2 or password not in said
            assert not any(one.connections for one in played)
    played = [Played() for _ in range(3)]
    assert module(played, "rekeyable", "a" * 65535) == []


def refused_by_the_playbook():
    """The playbook says so in its first task, with whatever a vault may hold by mistake."""
    for password in ("", "  ", None):
        played = [Played() for _ in range(3)]
        status, said = playbook(played, slotd_password=password, slotd_previous_password=OLD)
        assert status and "slotd_password is empty" in said and "Nothing was changed" in said, said
        assert "TASK [Write]" not in said and not any(one.connections for one in played), said
    status, said = playbook(played, slotd_password="a\n", slotd_previous_password=OLD)
    assert status and "has a line end" in said and "TASK [Write]" not in said, said


def looked_at_before_anything():
    """A node that is down, or that has another password, ends the play before a file is written and before a node is changed."""
    for other, words in [(closed(), "does not answer"), (Played("another one"), "has another password than slotd_password, and than slotd_previous_password")]:
        played = [Played(), Played(), other]
        status, said = playbook(played, slotd_password=NEW, slotd_previous_password=OLD)
        assert status and words in said and "Nothing was changed" in said and "TASK [Write]" not in said, said
        assert NEW not in said and OLD not in said, said
        said = module(played, "rekeyed")
        assert words in said and UNCHANGED["rekeyed"] in said, said
        assert not any(one.changes for one in played[:2])
    if not os.path.exists("/etc/slotd"):
        status, said = playbook([Played(), Played()], slotd_password=NEW, slotd_previous_password=OLD)
        assert status and "There is no /etc/slotd" in said and "TASK [Write]" not in said, said


def goes_on_after_an_interruption():
    """After an interruption at any point a second run ends the work, and a third has nothing to do."""
    for point in range(7):
        budget = [point]
        played = [Played(budget=budget) for _ in range(3)]
        said = module(played, "rekeyed")
        assert isinstance(said, str) is (point < 6), (point, said)
        budget[0] = 1000
        assert isinstance(module(played, "rekeyable"), list), point
        assert isinstance(module(played, "rekeyed"), list), point
        assert all(set(one.settings.values()) == {NEW} and one.changes == 2 for one in played), (point, [one.settings for one in played])
        assert module(played, "rekeyed", previous="") == []


def nodes_without_any():
    """A node that asks for no password gets the new one: that is the way back, should all of them have lost theirs."""
    played = [Played(""), Played(), Played(NEW)]
    assert len(module(played, "rekeyed")) == 4
    assert all(set(one.settings.values()) == {NEW} for one in played)


if __name__ == "__main__":
    globals()[sys.argv[1]]()
