"""The session store in a browser: before, during and after failovers, and while there is no cluster.

    scenes.py SLOTD APPLICATION [SCREENSHOT]

prints a line for each scene: `ok - what` or `not ok - what`.
"""

import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

from browser import Browser
from outcomes import Outcomes

slotd, application = sys.argv[1:3]
screenshot = sys.argv[3] if len(sys.argv) > 3 else None
work = pathlib.Path(tempfile.mkdtemp(prefix="slotd-session-"))
password = "s3cret <&>"
scene = Outcomes()


class Cluster:
    """`slotd cluster` in a directory that outlives it."""

    process = None

    def start(self):
        command = [slotd, "cluster", "--port", str(base), "--dir", str(work / "data"), "--enable-test-commands", "yes"]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("SLOTD_")}
        with open(work / "cluster.log", "a") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=environment | {"SLOTD_PASSWORD": password})

    def stop(self):
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(30)
            self.process = None

    def is_ready(self):
        # Whoever is asked says so; a word in the log would be that of an earlier start.
        return "cluster_state:ok" in cli(base, "cluster", "info") and cli(base, "info", "replication").count("state=online") == 1


def cli(port, *words):
    command = ["redis-cli", "-p", str(port), "--no-auth-warning", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=10, env=os.environ | {"REDISCLI_AUTH": password}).stdout.strip()


def until(condition, seconds, what):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(0.05)


def primary_of(slot, port):
    """The port of the primary that has a slot, as a node sees it."""
    for line in cli(port, "cluster", "nodes").splitlines():
        words = line.split()
        for area in words[8:]:
            first, _, last = area.partition("-")
            if "master" in words[2] and first.isdigit() and int(first) <= int(slot) <= int(last or first):
                return int(re.search(r":(\d+)@", words[1]).group(1))
    return None


def fetch(path, headers={}, data=None):
    """Status, headers and body of a request without the browser; redirections are not followed."""
    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_):
            return None
    request = urllib.request.Request(url + path, headers=headers, data=data)
    try:
        with urllib.request.build_opener(Stay).open(request, timeout=20) as reply:
            return reply.status, reply.headers, reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read().decode()


class Visitor(threading.Thread):
    """Loads the page again and again with a session's cookie, and counts what comes."""

    def __init__(self, token):
        super().__init__(daemon=True)
        self.headers = {"Cookie": f"session={token}"}
        self.statuses, self.strangers, self.ended = [], 0, threading.Event()
        self.start()

    def run(self):
        while not self.ended.is_set():
            status, _, body = fetch("/", self.headers)
            self.statuses.append(status)
            self.strangers += status == 200 and "Hello, " not in body
            time.sleep(0.01)

    def end(self):
        self.ended.set()
        self.join(30)
        return self.statuses


def is_free(port):
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
            return True
        except OSError:
            return False


(work / "password").write_text(password + "\n")
# Six nodes with their bus ports, and the application. The first start of the cluster comes later than the application's.
first = int(os.environ.get("SESSION_TEST_PORT", "20000"))
base = next(at for at in range(first, first + 2000, 10) if all(is_free(at + n + bus) for n in range(6) for bus in (0, 10000)) and is_free(at + 9))
port = base + 9
url = f"http://127.0.0.1:{port}"
settings = {"SESSION_NODES": f"127.0.0.1:{base},127.0.0.1:{base + 1}", "SESSION_LISTEN": f"127.0.0.1:{port}",
            "SESSION_PASSWORD_FILE": str(work / "password"), "SESSION_TTL": "600"}
cluster = Cluster()
app = browser = None
name, evil = "Ada", "<script>alert(1)</script> & <b>Eve"
try:
    with open(work / "app.log", "a") as log:
        app = subprocess.Popen([application], stdout=log, stderr=log, env=os.environ | settings)
    until(lambda: "http://" in (work / "app.log").read_text(), 10, "the application serves")
    browser = Browser()

    @scene("without a cluster the form is there, and signing in says what is wrong")
    def _():
        assert fetch("/readyz")[0] == 503 and fetch("/livez")[0] == 200
        browser.open(url)
        browser.write("#name", evil)
        browser.click("Sign in")
        assert browser.documents[-1][0] == 503, browser.documents
        assert "so you are not signed in" in browser.text() and f"127.0.0.1:{base + 1}" in browser.text(), browser.text()
        assert browser.run("document.querySelector('#name').value") == evil

    @scene("whoever was signed in sees a page that comes back by itself when the cluster does, and then the application is ready")
    def _():
        browser.call("Network.setCookie", name="session", value="0" * 32, url=url)
        browser.open(url)
        assert browser.documents[-1][0] == 503 and "You need not sign in again" in browser.text(), browser.text()
        cluster.start()
        until(cluster.is_ready, 30, "the cluster is ready")
        browser.until(lambda: browser.part("h1") == "Sign in", 15, "the form")
        assert "Your session has ended" in browser.text() and browser.cookie() is None
        until(lambda: fetch("/readyz")[0] == 200, 10, "the application is ready")

    @scene("a name with mark-up is shown as it was typed")
    def _():
        browser.write("#name", evil)
        browser.click("Sign in")
        assert browser.part("h1") == f"Hello, {evil}", browser.text()
        assert browser.run("document.scripts.length") == 0
        first_token = browser.cookie()["value"]
        # Signing in anew gives another token and ends the old session.
        status, headers, _ = fetch("/login", {"Cookie": f"session={first_token}"}, b"name=Ada")
        token = re.match("session=([0-9a-f]+);", headers["Set-Cookie"]).group(1)
        assert status == 303 and token != first_token
        assert "Your session has ended" in fetch("/", {"Cookie": f"session={first_token}"})[2]
        browser.open(url)
        browser.write("#name", name)
        browser.click("Sign in")
        assert browser.part("h1") == f"Hello, {name}", browser.text()

    @scene("the cookie is a random token out of reach of scripts and other sites; the hash in the cluster has an expiry")
    def _():
        cookie = browser.cookie()
        assert re.fullmatch("[0-9a-f]{32}", cookie["value"]) and cookie["httpOnly"] and cookie["sameSite"] == "Strict", cookie
        assert browser.run("document.cookie") == ""
        assert cookie["value"] not in browser.run("document.documentElement.outerHTML")
        key = "session:" + cookie["value"]
        at = primary_of(browser.part("#slot"), base)
        assert cli(at, "type", key) == "hash" and cli(at, "hget", key, "name") == name
        assert 590 <= int(cli(at, "ttl", key)) <= 600

    @scene("the page shows the slot, and the primary that the cluster names")
    def _():
        slot = browser.part("#slot")
        assert slot == cli(base, "cluster", "keyslot", "session:" + browser.cookie()["value"])
        assert browser.part("#node") == f"127.0.0.1:{primary_of(slot, base)}"
        assert browser.part("#copies").startswith("127.0.0.1:")

    @scene("a screen reader meets headings, a labelled field, a described picture and buttons with names")
    def _():
        names = browser.names()
        for wanted in [("heading", "Where your session is"), ("button", "Fail this shard over"), ("button", "Sign out"), ("columnheader", "Primary")]:
            assert wanted in names, (wanted, names)
        assert any(role in ("image", "img") and "yours is" in text for role, text in names), names
        assert browser.run("document.documentElement.lang") == "en"
        label = re.search(r'<label for="(\w+)">', fetch("/")[2])
        assert label and f'<input id="{label.group(1)}"' in fetch("/")[2]

    @scene("the button fails the shard over, the session lives on, and no visit meanwhile fails")
    def _():
        before, visits = browser.part("#node"), int(browser.part("#visits"))
        visitor = Visitor(browser.cookie()["value"])
        time.sleep(0.3)
        browser.click("Fail this shard over")
        time.sleep(0.3)
        statuses = visitor.end()
        after = browser.part("#node")
        assert after != before and after == f"127.0.0.1:{primary_of(browser.part('#slot'), base)}", (before, after)
        assert browser.part("h1") == f"Hello, {name}" and int(browser.part("#visits")) > visits
        assert f"Lived through 1 failover: the last went from {before} to {after}" in browser.text(), browser.text()
        assert set(statuses) == {200} and visitor.strangers == 0 and len(statuses) > 5, statuses
        print(f"    {len(statuses)} visits, all served", flush=True)

    if screenshot:
        browser.screenshot(screenshot)

    @scene("when the primary is killed, visitors wait or are told to, nobody is signed out, and the page comes back by itself")
    def _():
        killed, slot = browser.part("#node"), browser.part("#slot")
        # It can only take over when the old primary follows it.
        until(lambda: cli(int(killed.split(":")[1]), "info", "replication").count("state=online") == 1, 20, "it has a replica")
        other = next(at for at in range(base, base + 6) if not killed.endswith(str(at)))
        visitor = Visitor(browser.cookie()["value"])
        started = time.monotonic()
        assert cli(other, "slotd", "node", "kill", killed.split(":")[1]) == "OK"
        browser.open(url)
        browser.until(lambda: browser.part("#node") not in (None, killed), 30, "another node has the session")
        took = time.monotonic() - started
        statuses = visitor.end()
        assert browser.part("h1") == f"Hello, {name}" and primary_of(slot, other) == int(browser.part("#node").split(":")[1])
        assert set(statuses) <= {200, 503} and statuses[-1] == 200 and visitor.strangers == 0, statuses
        print(f"    {took:.1f} s; {statuses.count(200)} visits served, {statuses.count(503)} told to wait", flush=True)
        assert cli(other, "slotd", "node", "restart", killed.split(":")[1]) == "OK"

    @scene("the whole cluster stops and starts again: a page that says so, then the same session")
    def _():
        until(lambda: all("master_link_status:down" not in cli(at, "info", "replication") and cli(at, "ping") == "PONG" for at in range(base, base + 6)), 20, "all nodes are there")
        visits = int(browser.part("#visits"))
        # slotd saves at its end if it has save points.
        cluster.stop()
        browser.open(url)
        assert browser.documents[-1][0] == 503 and "does not answer" in browser.text()
        assert any(role == "alert" for role, _ in browser.names()) or browser.run("!!document.querySelector('[role=alert]')")
        cluster.start()
        browser.until(lambda: browser.part("h1") == f"Hello, {name}", 40, "the session is back")
        assert int(browser.part("#visits")) > visits

    @scene("signing out ends the session in the cluster, and the old cookie is worth nothing")
    def _():
        token, at = browser.cookie()["value"], primary_of(browser.part("#slot"), base)
        browser.click("Sign out")
        assert browser.part("h1") == "Sign in" and browser.cookie() is None
        assert cli(at, "exists", "session:" + token) == "0"
        assert "Your session has ended" in fetch("/", {"Cookie": f"session={token}"})[2]

    @scene("an expired session is not brought back by a late visit")
    def _():
        browser.write("#name", "Grace")
        browser.click("Sign in")
        key, at = "session:" + browser.cookie()["value"], primary_of(browser.part("#slot"), base)
        assert cli(at, "pexpire", key, "1") == "1"
        time.sleep(0.05)
        browser.open(url)
        assert "Your session has ended" in browser.text() and cli(at, "exists", key) == "0"

    @scene("forms of other sites, foreign tokens, long names and bodies are refused")
    def _():
        form = b"name=Eve"
        assert fetch("/login", {"Sec-Fetch-Site": "cross-site"}, form)[0] == 403
        assert fetch("/login", {"Origin": "http://evil.example"}, form)[0] == 403
        assert fetch("/login", {"Origin": url}, form)[0] == 303
        assert fetch("/login", {}, b"name=" + b"a" * 65)[0] == 422
        assert fetch("/login", {}, b"name=+")[0] == 422
        assert fetch("/login", {}, b"name=" + b"a" * 5000)[0] == 413
        for token in ["x" * 32, "{a}", "../" * 8]:
            assert "<h1>Sign in</h1>" in fetch("/", {"Cookie": f"session={token}"})[2]
        assert fetch("/nothing")[0] == 404

    @scene("browsers had nothing to complain about")
    def _():
        assert browser.complaints == [], browser.complaints

    @scene("it ends in order when it is told to")
    def _():
        browser.close()
        app.send_signal(signal.SIGTERM)
        assert app.wait(10) == 0
finally:
    if browser:
        try:
            browser.close()
        except Exception:
            pass
    if app and app.poll() is None:
        app.kill()
    cluster.stop()
    if scene.failed:
        for log in ("app.log", "cluster.log"):
            print(f"--- {log}\n" + "\n".join((work / log).read_text().splitlines()[-15:]) if (work / log).exists() else "")
    subprocess.run(["rm", "-rf", str(work)], check=False)
sys.exit(scene.status())
