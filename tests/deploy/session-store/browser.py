"""Headless Chromium through its DevTools protocol: one page, asked as a person would use it.

No driver and no browser of a package's own: Debian's chromium, a WebSocket, and JSON.
"""

import base64
import json
import re
import shutil
import subprocess
import tempfile
import threading
import time

import websocket


class Browser:
    """One browser with one page, and no memory of earlier ones."""

    def __init__(self, dark=False):
        self.profile = tempfile.mkdtemp(prefix="slotd-chromium-")
        flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-extensions",
                 "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--remote-debugging-port=0",
                 "--remote-allow-origins=*", f"--user-data-dir={self.profile}", "--window-size=880,1000", "--lang=en"]
        if dark:
            flags.append("--blink-settings=preferredColorScheme=0")
        self.process = subprocess.Popen(["chromium", *flags, "about:blank"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        said = []
        for line in self.process.stderr:
            said.append(line)
            found = re.search(r"listening on (ws://\S+)", line)
            if found:
                break
        else:
            raise RuntimeError("chromium does not start: " + "".join(said[-5:]))
        # What it says later is read by nobody, and must not fill the pipe.
        threading.Thread(target=self.process.stderr.read, daemon=True).start()
        self.socket = websocket.create_connection(found.group(1), timeout=30)
        self.number = 0
        self.session = None
        # What a page complained about: scripts and styles that were refused, errors.
        self.complaints = []
        # (status, url) of each document that came.
        self.documents = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log", "Accessibility"):
            self.call(f"{domain}.enable")

    def close(self):
        try:
            self.session = None
            self.call("Browser.close")
        except Exception:
            self.process.kill()
        self.process.wait(20)
        shutil.rmtree(self.profile, ignore_errors=True)

    def call(self, method, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        self.socket.send(json.dumps(message))
        while True:
            reply = json.loads(self.socket.recv())
            if reply.get("id") == self.number:
                if "error" in reply:
                    raise RuntimeError(f"{method}: {reply['error']}")
                return reply["result"]
            self._event(reply)

    def _event(self, event):
        params = event.get("params", {})
        match event.get("method"):
            case "Log.entryAdded" if params["entry"]["level"] == "error" and params["entry"]["source"] != "network":
                self.complaints.append(params["entry"]["text"])
            case "Runtime.exceptionThrown":
                self.complaints.append(params["exceptionDetails"]["text"])
            case "Page.javascriptDialogOpening":
                self.complaints.append("a dialog: " + params["message"])
            case "Network.responseReceived" if params["type"] == "Document":
                self.documents.append((params["response"]["status"], params["response"]["url"]))

    def run(self, script):
        """The value of a script, which may be a promise."""
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise RuntimeError(result["exceptionDetails"].get("exception", {}).get("description", "a script failed"))
        return result["result"].get("value")

    def open(self, url):
        self.call("Page.navigate", url=url)
        self.settle()

    def settle(self):
        self.until(lambda: self.run("document.readyState") == "complete", 20, "a page is loaded")

    def until(self, condition, seconds, what):
        end = time.monotonic() + seconds
        while True:
            try:
                value = condition()
                if value:
                    return value
            except RuntimeError:
                pass  # between two pages there is nothing to ask
            if time.monotonic() > end:
                raise AssertionError(f"{what}: not within {seconds} s; the page says: {self.text()[:400]}")
            time.sleep(0.05)

    def text(self):
        try:
            return self.run("document.body.innerText") or ""
        except RuntimeError:
            return ""

    def part(self, selector):
        """The text of an element, or None."""
        return self.run(f"document.querySelector({json.dumps(selector)})?.innerText")

    def write(self, selector, text):
        """Types into a field."""
        self.run(f"document.querySelector({json.dumps(selector)}).focus()")
        self.call("Input.insertText", text=text)

    def click(self, text):
        """Presses the button with this text with the mouse, and waits for the page that comes."""
        place = self.run(f"""(() => {{
            const button = [...document.querySelectorAll('button, a')].find(b => b.innerText === {json.dumps(text)});
            if (!button) return null;
            button.scrollIntoView({{block: 'center'}});
            const box = button.getBoundingClientRect();
            window.isOld = true;
            return [box.x + box.width / 2, box.y + box.height / 2];
        }})()""")
        assert place, f"there is no button '{text}': {self.text()[:400]}"
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button="left", clickCount=1)
        self.until(lambda: self.run("window.isOld !== true && document.readyState === 'complete'"), 20, f"'{text}' leads to a page")

    def cookie(self):
        cookies = [cookie for cookie in self.call("Network.getCookies")["cookies"] if cookie["name"] == "session"]
        return cookies[0] if cookies else None

    def names(self):
        """What a screen reader meets: (role, name) of each thing that has a name."""
        nodes = self.call("Accessibility.getFullAXTree")["nodes"]
        return [(node["role"]["value"], node["name"]["value"]) for node in nodes if node.get("name", {}).get("value") and not node["ignored"]]

    def screenshot(self, path):
        """The whole page as a PNG."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        self.call("Emulation.setDeviceMetricsOverride", width=880, height=int(size["height"]), deviceScaleFactor=1, mobile=False)
        image = self.call("Page.captureScreenshot", format="png")["data"]
        self.call("Emulation.clearDeviceMetricsOverride")
        with open(path, "wb") as file:
            file.write(base64.b64decode(image))
