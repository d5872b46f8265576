"""redis_exporter as the chart runs it: whom does it give the password?

    exporter.py HELM EXPORTER

Started with the environment and the file that the rendered pod gives it, beside a node and a stranger that are played here and remember
what they are sent. Prints `ok - what` or `not ok - what`.
"""

import json
import os
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

import yaml

from outcomes import Outcomes

helm, exporter = sys.argv[1:3]
PASSWORD = "s3cret \"of\" \\the pods"
scene = Outcomes()


class Listener(socketserver.ThreadingTCPServer):
    """Says OK to whatever comes, and keeps it."""

    allow_reuse_address = daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Keep)
        self.heard, self.port = b"", self.server_address[1]
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()


class Keep(socketserver.BaseRequestHandler):
    def handle(self):
        while got := self.request.recv(4096):
            self.server.heard += got
            self.request.sendall(b"+OK\r\n")


def ask(port, path):
    try:
        return urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10).read().decode()
    except urllib.error.HTTPError as error:
        return str(error.code)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def started(node, web, work):
    """The exporter of the rendered pod, its init container before it."""
    values = {"redis": {"containerPorts": {"redis": node, "bus": node + 10000}}, "metrics": {"enabled": True, "containerPorts": {"http": web}}}
    with open(f"{work}/values.json", "w") as file:
        json.dump(values, file)
    things = yaml.safe_load_all(subprocess.run([helm, "template", "sessions", "deploy/helm/slotd", "-f", f"{work}/values.json"], capture_output=True, text=True, check=True).stdout)
    pod = next(thing for thing in things if thing and thing["kind"] == "StatefulSet")["spec"]["template"]["spec"]
    here = lambda text: text.replace("/run/secrets/slotd", work).replace("/run/metrics", work)
    with open(f"{work}/password", "w") as file:
        file.write(PASSWORD + "\n")
    for box in pod.get("initContainers", []):
        subprocess.run([here(word) for word in box["command"]], check=True, timeout=20)
    box = next(box for box in pod["containers"] if box["name"] == "metrics")
    # What comes from a Secret is the password.
    environment = {variable["name"]: here(variable.get("value", PASSWORD)) for variable in box["env"]}
    return subprocess.Popen([exporter], env={"PATH": os.environ["PATH"], **environment}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@scene("the exporter gives the password to its own node, and to no other target that somebody names")
def _():
    node, stranger, web = Listener(), Listener(), free_port()
    while node.port > 55535:
        node = Listener()
    with tempfile.TemporaryDirectory() as work:
        process = started(node.port, web, work)
        try:
            until = time.monotonic() + 10
            while True:
                try:
                    assert ask(web, "/health") == "ok" or ask(web, "/").startswith("<html")
                    break
                except OSError:
                    assert time.monotonic() < until and process.poll() is None, "the exporter does not start"
                    time.sleep(0.1)
            for target in (f"redis://127.0.0.1:{stranger.port}", f"127.0.0.1:{stranger.port}", f"tcp://127.0.0.1:{stranger.port}", f"redis://u@127.0.0.1:{stranger.port}"):
                ask(web, f"/scrape?target={target}")
            assert b"s3cret" not in stranger.heard, stranger.heard[:200]
            ask(web, "/metrics")
            assert PASSWORD.encode() in node.heard, node.heard[:200]
            return f"the stranger was sent {len(stranger.heard)} bytes"
        finally:
            process.kill()
            process.wait()


sys.exit(scene.status())
