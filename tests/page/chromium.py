"""A real Chromium without a window, driven over the DevTools protocol through two pipes: no driver, no port."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_PATIENCE_S = 60.0
_OVER_STDIN = 10
"""The pipes' numbers here, out of the way of 3 and 4, which the browser reads and writes."""

FLAGS = (
    "--headless=new",
    "--remote-debugging-pipe",
    "--no-sandbox",  # within containers there is none, and the pages are our own
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND",
)


def chromium_path() -> str | None:
    """Where a Chromium is, None without one."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Page:
    """One page that is open; everything it asks for and complains of is kept."""

    def __init__(self, send: int, receive: int) -> None:
        self._send, self._receive = send, receive
        self._number = 0
        self._session: str | None = None
        self._held = b""
        self._asked: dict[str, str] = {}
        self.complaints: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    @property
    def requests(self) -> list[str]:
        """Every address that the page asked for; not those that its own policy stopped, which are complaints."""
        return list(self._asked.values())

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """A command and its answer."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        rest = json.dumps(message).encode() + b"\0"
        while rest:
            rest = rest[os.write(self._send, rest) :]
        for heard in self._messages():
            if heard.get("id") == self._number:
                if "error" in heard:
                    raise RuntimeError(f"{method}: {heard['error']}")
                return dict(heard["result"])
            self._keep(heard)
        raise AssertionError("unreachable")

    def open(self, path: Path) -> None:
        """Load a file and wait until it and its pictures are there."""
        self._asked.clear()
        self.complaints.clear()
        self.call("Page.navigate", url=path.resolve().as_uri())
        until = time.monotonic() + _PATIENCE_S
        while self.value("document.readyState") != "complete":
            if time.monotonic() > until:
                raise TimeoutError(f"{path} does not load")
            time.sleep(0.02)
        self.value("Promise.all([...document.images].map((image) => image.decode().catch(() => 0))).then(() => 1)")

    def value(self, expression: str) -> Any:
        """What a JavaScript expression gives."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(json.dumps(answer["exceptionDetails"])[:400])
        return answer["result"].get("value")

    def resize(self, width: int, height: int, *, printed: bool = False) -> None:
        """Another window, or the page as it is laid out for paper of that width."""
        self.call("Emulation.setEmulatedMedia", media="print" if printed else "")
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def press(self, key: str, code: int) -> None:
        """A key goes down and up."""
        text = {"Enter": "\r"}.get(key, "")
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, text=text)

    def click(self, selector: str) -> None:
        """The left button, on the middle of the first such element."""
        chosen = f"const e = document.querySelector({json.dumps(selector)});"
        middle = "const b = e.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2];"
        box = self.value(f"(() => {{ {chosen} e.scrollIntoView({{block: 'center'}}); {middle} }})()")
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=box[0], y=box[1], button="left", clickCount=1)

    def screenshot(self) -> bytes:
        """PNG of the window."""
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])

    def pdf(self) -> bytes:
        """The page as it is printed."""
        answer = self.call("Page.printToPDF", preferCSSPageSize=True, printBackground=True)
        return base64.b64decode(answer["data"])

    def _keep(self, heard: dict[str, Any]) -> None:
        said = heard.get("params", {})
        match heard.get("method"):
            case "Network.requestWillBeSent":
                self._asked[said["requestId"]] = said["request"]["url"]
            case "Network.loadingFailed" if said.get("blockedReason") == "csp":  # it never left the page
                self._asked.pop(said["requestId"], None)
            case "Runtime.consoleAPICalled" | "Runtime.exceptionThrown" | "Log.entryAdded":
                self.complaints.append(json.dumps(said)[:400])

    def _messages(self) -> Iterator[dict[str, Any]]:
        until = time.monotonic() + _PATIENCE_S
        while True:
            while b"\0" in self._held:
                line, self._held = self._held.split(b"\0", 1)
                yield json.loads(line)
            ready, _, _ = select.select([self._receive], [], [], max(until - time.monotonic(), 0))
            data = os.read(self._receive, 1 << 20) if ready else b""
            if not data:
                raise TimeoutError("the browser does not answer")
            self._held += data


@contextmanager
def chromium(path: str, profile: Path) -> Iterator[Page]:
    """A page of a browser that ends with the block; bash puts its pipes where the browser looks for them."""
    ours_in, theirs_out = map(_up, os.pipe())
    theirs_in, ours_out = map(_up, os.pipe())
    started = f'exec "$0" "$@" 3<&{theirs_in} 4>&{theirs_out}'
    command = ["bash", "-c", started, path, *FLAGS, f"--user-data-dir={profile}", "about:blank"]
    environment = {**os.environ, "HOME": str(profile)}
    browser = subprocess.Popen(
        command, pass_fds=(theirs_in, theirs_out), env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    os.close(theirs_in)
    os.close(theirs_out)
    try:
        yield Page(ours_out, ours_in)
    finally:
        os.close(ours_out)  # the browser ends when its pipe does
        with contextlib.suppress(subprocess.TimeoutExpired):
            browser.wait(10)
        browser.kill()
        browser.wait()
        os.close(ours_in)


def _up(descriptor: int) -> int:
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _OVER_STDIN)
    os.close(descriptor)
    return moved
