"""A headless Chromium that is driven as a person would: addresses, clicks, keys; over a pipe, with no library.

`--remote-debugging-pipe` reads JSON messages, each ended by a zero byte, from descriptor 3 and writes to 4.
https://chromedevtools.github.io/devtools-protocol/
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
    "--remote-debugging-pipe", "about:blank",
)  # fmt: skip
SECONDS = 300.0


def find_chromium() -> str | None:
    """Where Chromium is."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


class Browser:
    """The connection: commands and their answers, events as they come."""

    def __init__(self, write: int, read: int) -> None:
        self._write, self._read, self._rest, self._number = write, read, b"", 0
        self.events: list[dict[str, Any]] = []

    def call(self, method: str, session: str = "", **parameters: Any) -> dict[str, Any]:
        """One command and its result."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]
            self.events.append(answer)

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            chunk = os.read(self._read, 1 << 20)
            if not chunk:
                raise RuntimeError("chromium has ended")
            self._rest += chunk
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)


class Tab:
    """One page. Errors of its scripts and console are kept in `problems`."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """A command for this page."""
        return self._browser.call(method, self._session, **parameters)

    def look(self, width: int, *, dark: bool = False, height: int = 900) -> None:
        """The size of the window and the colours that the person likes."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def open(self, address: str) -> None:
        """Go to an address and wait until it is there."""
        self.call("Page.navigate", url=address)
        self.settle()

    def settle(self) -> None:
        """Wait until the page is loaded and does nothing (`data-busy`), and whatever it goes on to too."""
        for _ in range(2):
            time.sleep(0.15)
            self.until("document.readyState == 'complete' && !('busy' in document.documentElement.dataset)")

    def run(self, script: str) -> Any:
        """The value of a script, which may wait."""
        found = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in found:
            details = found["exceptionDetails"]
            raise RuntimeError(details.get("exception", {}).get("description") or details["text"])
        return found["result"].get("value")

    def until(self, script: str) -> None:
        """Wait until a script is true."""
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            try:
                if self.run(f"Boolean({script})"):  # an element by value is an empty object
                    return
            except RuntimeError as error:
                if "context" not in str(error):  # the page was just left
                    raise
            time.sleep(0.05)
        raise RuntimeError(f"never true: {script}")

    def click(self, selector: str) -> None:
        """Press the mouse in the middle of what the selector finds."""
        place = (
            f"(() => {{ const one = document.querySelector({json.dumps(selector)});"
            " one.scrollIntoView({block: 'center'});"
            " const box = one.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        x, y = self.run(place)
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)
        self.settle()

    def press(self, key: str, *, code: str = "", text: str = "") -> None:
        """One key."""
        named = {"key": key, "code": code or f"Key{key.upper()}"}
        self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **named)
        self.call("Input.dispatchKeyEvent", type="keyUp", **named)
        self.settle()

    def type(self, text: str) -> None:
        """Text where the focus is."""
        self.call("Input.insertText", text=text)

    def picture(self, path: Path) -> None:
        """The window as PNG."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    @property
    def problems(self) -> list[str]:
        """What the browser complained about since the last look."""
        found = []
        for event in self._browser.events:
            parameters = event.get("params", {})
            if event["method"] == "Runtime.exceptionThrown":
                found.append(str(parameters["exceptionDetails"].get("exception", {}).get("description")))
            if event["method"] == "Log.entryAdded" and parameters["entry"]["level"] == "error":
                found.append(parameters["entry"]["text"])
        self._browser.events.clear()
        return found


@contextmanager
def chromium(program: str, profile: Path) -> Iterator[Tab]:
    """A tab of a Chromium that ends with the block."""
    commands_read, commands_write = os.pipe()
    answers_read, answers_write = os.pipe()
    process = subprocess.Popen(
        [program, f"--user-data-dir={profile}", *FLAGS],
        preexec_fn=_pipes(commands_read, answers_write),
        close_fds=False,
        stderr=subprocess.DEVNULL,
    )
    try:
        os.close(commands_read)
        os.close(answers_write)
        yield Tab(Browser(commands_write, answers_read))
    finally:
        process.terminate()
        process.wait(timeout=20)


def _pipes(read: int, write: int) -> Callable[[], None]:
    """What gives the child its two descriptors: copies are made first, for one may be in the other's place."""

    def place() -> None:
        first, second = os.dup(read), os.dup(write)
        first, second = (os.dup(one) if one in (3, 4) else one for one in (first, second))
        os.dup2(first, 3)
        os.dup2(second, 4)

    return place
