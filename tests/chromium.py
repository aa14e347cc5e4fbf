"""A headless Chromium that tests drive through its DevTools protocol: pages, clicks, keys, pictures, its console."""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
import tempfile
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tornado.websocket import WebSocketClientConnection, websocket_connect  # Luigi brings it

OPTIONS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--hide-scrollbars",
    "--force-device-scale-factor=1",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
]
DEADLINE_SECONDS = 60.0


class Chromium:
    """One page of a browser; a context manager.

    Parameters
    ----------
    program
        Path of Chromium.
    """

    def __init__(self, program: str) -> None:
        self._program = program
        self._loop = asyncio.new_event_loop()
        self._next = 0
        self._profile = tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True)
        self.console: list[str] = []
        """What the page wrote to its console, and errors of any kind, since it was opened."""
        self.dialogs: list[str] = []
        """What the page opened an alert, or another dialog, with."""
        self.requests: list[str] = []
        """Addresses that the page asked for."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [self._program, *OPTIONS, f"--user-data-dir={self._profile.name}", "about:blank"],
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stderr is not None
        address = next(
            line.split("//")[1].split("/")[0] for line in self._process.stderr if "DevTools listening" in line
        )
        with urllib.request.urlopen(f"http://{address}/json", timeout=DEADLINE_SECONDS) as answer:
            (url,) = (page["webSocketDebuggerUrl"] for page in json.load(answer) if page["type"] == "page")
        self._socket = self._loop.run_until_complete(_connect(url))
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._loop.run_until_complete(self._hang_up())
        self._process.terminate()
        self._process.communicate(timeout=DEADLINE_SECONDS)
        self._loop.run_until_complete(self._wait_for_the_end())
        self._loop.close()
        self._profile.cleanup()

    async def _hang_up(self) -> None:
        self._socket.close()  # asks for the running loop

    async def _wait_for_the_end(self) -> None:
        """Read until the connection is closed, so that no socket is left open."""
        while await asyncio.wait_for(self._socket.read_message(), DEADLINE_SECONDS) is not None:
            pass
        await asyncio.sleep(0)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol and return its result."""
        return self._loop.run_until_complete(self._call(method, parameters))

    def open(self, url: str) -> None:
        """Open a page, and wait until it is loaded."""
        self._loop.run_until_complete(self._open(url))

    def evaluate(self, expression: str) -> Any:
        """Return what a JavaScript expression comes to, promises awaited."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def see_as(self, *, width: int = 1280, height: int = 900, scheme: str = "light") -> None:
        """Set the size of the window, and whether its user prefers light or dark."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def press(self, key: str, code: int) -> None:
        """Press a key, and let go of it."""
        text = {"Enter": "\r"}.get(key)
        event = {"key": key, "code": key, "windowsVirtualKeyCode": code, **({"text": text} if text else {})}
        self.call("Input.dispatchKeyEvent", type="keyDown", **event)
        self.call("Input.dispatchKeyEvent", type="keyUp", **event)

    def type(self, text: str) -> None:
        """Type a text where the focus is."""
        self.call("Input.insertText", text=text)

    def take_picture(self, path: Path, *, whole: bool = False) -> None:
        """Write a picture of what is seen, or of the whole page."""
        answer = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(answer["data"]))

    async def _open(self, url: str) -> None:
        self.console.clear()
        self.dialogs.clear()
        self.requests.clear()
        self._is_loaded = False
        await self._call("Page.navigate", {"url": url})
        while not self._is_loaded:
            self._note(await self._receive())

    async def _call(self, method: str, parameters: dict[str, Any]) -> dict[str, Any]:
        self._next += 1
        number = self._next
        await self._socket.write_message(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = await self._receive()
            if message.get("id") == number:
                assert "error" not in message, message
                result: dict[str, Any] = message["result"]
                return result
            self._note(message)

    async def _receive(self) -> dict[str, Any]:
        message = await asyncio.wait_for(self._socket.read_message(), DEADLINE_SECONDS)
        assert message is not None, "Chromium has gone"
        read: dict[str, Any] = json.loads(message)
        if read.get("method") == "Page.javascriptDialogOpening":
            self._next += 1
            await self._socket.write_message(
                json.dumps({"id": self._next, "method": "Page.handleJavaScriptDialog", "params": {"accept": True}})
            )
        return read

    def _note(self, message: dict[str, Any]) -> None:
        parameters = message.get("params", {})
        match message.get("method"):
            case "Page.loadEventFired":
                self._is_loaded = True
            case "Page.javascriptDialogOpening":
                self.dialogs.append(parameters["message"])
            case "Runtime.consoleAPICalled":
                self.console.append(" ".join(str(one.get("value")) for one in parameters["args"]))
            case "Runtime.exceptionThrown":
                self.console.append(json.dumps(parameters["exceptionDetails"]))
            case "Log.entryAdded":
                self.console.append(parameters["entry"]["text"])
            case "Network.requestWillBeSent":
                self.requests.append(parameters["request"]["url"])


async def _connect(url: str) -> WebSocketClientConnection:
    return await websocket_connect(url, max_message_size=1 << 28)
