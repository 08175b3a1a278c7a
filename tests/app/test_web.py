"""The app in a browser: what a headless Chromium sees, and what others are refused."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import aiohttp
import psutil
import pyte
import pytest

from tests.app import chromium
from tests.app.pseudoterminal import SCRIPT, UNKNOWN
from tests.commands.support import environment, nablascope
from tui.themes import DARK

pytestmark = pytest.mark.waits


@pytest.fixture
def server() -> Iterator[tuple[str, subprocess.Popen[str]]]:
    process = subprocess.Popen(
        [SCRIPT, "serve", "chain-sigmoid", "--port", "0"],
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        # The browser's terminal is another than the server's.
        env=environment({"LANG": "C", "LC_ALL": "C", "TERM": "dumb"}),
        text=True,
    )
    assert process.stdout is not None
    said = process.stdout.readline()
    found = re.fullmatch(r"(http://127\.0\.0\.1:\d+/)  \(Ctrl\+C ends it\)\n", said)
    assert found, said
    yield found[1], process
    process.terminate()
    process.wait(20)


async def test_a_browser_sees_the_plot(server: tuple[str, subprocess.Popen[str]]) -> None:
    if chromium.PROGRAM is None:
        pytest.skip("no Chromium here (Debian: the package chromium)")
    url, _ = server
    async with chromium.opened(url) as page:
        background, accent = DARK.background, DARK.accent
        assert background is not None and accent is not None
        # The live curve and its markers, on the background.
        for _ in range(50):
            curve, ground = await page.pixels_like(accent, background)
            if curve > 500:
                break
            await asyncio.sleep(0.2)
        assert curve > 500 and ground > 100_000
        await _shows(page, "finished", "vanishing")
        await page.type("?")
        await _shows(page, "what you see")
        assert all(request.startswith((url, "data:", "blob:")) for request in page.requested)


async def _shows(page: chromium.Page, *texts: str) -> None:
    for _ in range(100):
        if all(text in _text(page.received) for text in texts):
            return
        await page.evaluate("new Promise(done => setTimeout(done, 100))")
    raise AssertionError(f"no {texts!r} on this screen:\n{_text(page.received)}")


def _text(received: list[bytes]) -> str:
    """What a large enough terminal shows after all this."""
    screen = pyte.Screen(300, 100)
    stream = pyte.ByteStream(screen)
    stream.feed(UNKNOWN.sub(b"", b"".join(received)))
    return "\n".join(screen.display)


@asynccontextmanager
async def _session(url: str) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    async with aiohttp.ClientSession() as client:
        address = f"{url}ws?width=100&height=30"
        async with client.ws_connect(address, origin=url.rstrip("/")) as socket:
            yield socket


async def test_a_session_without_a_browser(server: tuple[str, subprocess.Popen[str]]) -> None:
    url, process = server
    async with _session(url) as socket:
        received: list[bytes] = []
        while "vanishing" not in _text(received):
            message = await socket.receive(timeout=30)
            assert message.type in (aiohttp.WSMsgType.BINARY, aiohttp.WSMsgType.TEXT)
            if message.type is aiohttp.WSMsgType.BINARY:
                received.append(message.data)
                if b"\x1b[6n" in message.data:
                    await socket.send_json(["stdin", "\x1b[1;1R"])
        text = _text(received)
        assert "│" in text and "catalogue" in text
        children = psutil.Process(process.pid).children(recursive=True)
        assert children
    # A tab that is closed takes its app along.
    _, alive = await asyncio.to_thread(psutil.wait_procs, children, timeout=20)
    assert not alive


async def test_other_pages_are_refused(server: tuple[str, subprocess.Popen[str]]) -> None:
    url, _ = server
    async with aiohttp.ClientSession() as client:
        # A page of another site, and a name of another site that leads here.
        for headers in ({"Origin": "http://evil.example"}, {"Host": "evil.example"}):
            for path in ("", "ws"):
                async with client.get(f"{url}{path}", headers=headers) as answer:
                    assert answer.status == 403
        async with client.get(url) as answer:
            assert answer.status == 200
            page = await answer.text()
    # Nothing on it is loaded from anywhere else.
    assert set(re.findall(r"(?:https?|wss?)://[^/\"]+", page)) == {
        url.rstrip("/"),
        url.rstrip("/").replace("http", "ws"),
    }


def test_a_server_that_ends_takes_its_sessions_along(
    server: tuple[str, subprocess.Popen[str]],
) -> None:
    async def open_and_end() -> list[psutil.Process]:
        url, process = server
        async with _session(url) as socket:
            await socket.receive(timeout=30)
            children = psutil.Process(process.pid).children(recursive=True)
            process.terminate()
            await asyncio.to_thread(process.wait, 20)
        return children

    children = asyncio.run(open_and_end())
    assert children
    _, alive = psutil.wait_procs(children, timeout=20)
    assert not alive


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--port", "http"], '--port: "http": must be a whole number from 0 to 65535\n'),
        (["--port", "65536"], '--port: "65536": must be a whole number from 0 to 65535\n'),
        (["--host", "no such", "--port", "1"], "no such port 1: cannot listen there: "),
        (["no-such-scenario"], "no-such-scenario: "),
    ],
)
def test_bad_input_is_one_line(arguments: list[str], line: str) -> None:
    done = nablascope("serve", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(line) and done.stderr.count("\n") == 1


def test_a_port_that_is_taken_is_one_line(server: tuple[str, subprocess.Popen[str]]) -> None:
    port = server[0].rstrip("/").rpartition(":")[2]
    done = nablascope("serve", "--port", port)
    line = f"127.0.0.1 port {port}: cannot listen there: address already in use\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", line)


def test_without_the_extra_one_line_says_so() -> None:
    program = (
        "import sys; sys.modules['textual_serve.server'] = None\n"
        "from tui.main import main; sys.exit(main(['serve']))"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    line = "nablascope serve: needs textual-serve, which is not installed; "
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"{line}the extra is nablascope[web]\n"
