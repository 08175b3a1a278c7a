"""A headless Chromium, told what to do over its DevTools protocol."""

from __future__ import annotations

import asyncio
import base64
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser")
_FLAGS = (
    "--headless=new",
    # Neither the sandbox nor a GPU is to be had in most containers.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--remote-debugging-port=0",
)


class Page:
    """One tab."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = count(1)
        self._loaded = False
        self.requested: list[str] = []
        #: What came in over the page's own sockets.
        self.received: list[bytes] = []

    async def tell(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command and its answer; events that come before it are noted."""
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        while True:
            message = await self._socket.receive_json(timeout=30)
            if message.get("id") == number:
                assert "error" not in message, message
                return dict(message["result"])
            self._note(message)

    def _note(self, message: dict[str, Any]) -> None:
        match message["method"]:
            case "Network.requestWillBeSent":
                self.requested.append(message["params"]["request"]["url"])
            case "Page.loadEventFired":
                self._loaded = True
            case "Network.webSocketFrameReceived":
                frame = message["params"]["response"]
                if frame["opcode"] == 2:
                    self.received.append(base64.b64decode(frame["payloadData"]))

    async def open(self, url: str) -> None:
        """Go to a page, and wait until all of it is there."""
        await self.tell("Page.navigate", url=url)
        while not self._loaded:
            self._note(await self._socket.receive_json(timeout=30))

    async def evaluate(self, expression: str) -> Any:
        """What a JavaScript expression, or the promise it gives, comes to."""
        told = await self.tell(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    async def type(self, text: str) -> None:
        """Press the keys of a text."""
        for character in text:
            for kind in ("keyDown", "keyUp"):
                extra = {"text": character} if kind == "keyDown" else {}
                await self.tell("Input.dispatchKeyEvent", type=kind, key=character, **extra)

    async def pixels_like(self, *colours: str) -> list[int]:
        """How many pixels of a screenshot have each of these colours, #rrggbb, or nearly so."""
        picture = (await self.tell("Page.captureScreenshot", format="png"))["data"]
        counts = await self.evaluate(_COUNT.replace("PICTURE", picture))
        seen = {tuple(int(colour).to_bytes(3, "big")): number for colour, number in counts.items()}
        return [
            sum(
                number
                for colour, number in seen.items()
                if all(abs(one - other) <= 8 for one, other in zip(colour, wanted, strict=True))
            )
            for wanted in (bytes.fromhex(colour[1:]) for colour in colours)
        ]


_COUNT = """
(async () => {
  const image = new Image();
  image.src = "data:image/png;base64,PICTURE";
  await image.decode();
  const canvas = new OffscreenCanvas(image.width, image.height);
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const data = context.getImageData(0, 0, image.width, image.height).data;
  const counts = {};
  for (let i = 0; i < data.length; i += 4) {
    const colour = (data[i] << 16) | (data[i + 1] << 8) | data[i + 2];
    counts[colour] = (counts[colour] || 0) + 1;
  }
  return counts;
})()
"""


@asynccontextmanager
async def opened(url: str, size: tuple[int, int] = (1280, 800)) -> AsyncIterator[Page]:
    """A page in a browser of its own."""
    assert PROGRAM is not None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        process = await asyncio.create_subprocess_exec(
            PROGRAM,
            *_FLAGS,
            f"--window-size={size[0]},{size[1]}",
            f"--user-data-dir={folder}",
            "about:blank",
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            port = await _port(Path(folder) / "DevToolsActivePort")
            async with aiohttp.ClientSession() as session:
                async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
                    tabs = await answer.json()
                address = next(t["webSocketDebuggerUrl"] for t in tabs if t["type"] == "page")
                async with session.ws_connect(address, max_msg_size=1 << 26) as socket:
                    page = Page(socket)
                    await page.tell("Network.enable")
                    await page.tell("Page.enable")
                    await page.tell("Emulation.setFocusEmulationEnabled", enabled=True)
                    await page.open(url)
                    yield page
        finally:
            process.terminate()
            await process.wait()


async def _port(file: Path) -> int:
    for _ in range(600):
        if file.exists() and (lines := file.read_text().split()):
            return int(lines[0])
        await asyncio.sleep(0.05)
    raise AssertionError("Chromium does not say where it listens")
