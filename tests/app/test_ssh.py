"""The app as a guest over SSH: a real server, a real client, a terminal at this end."""

from __future__ import annotations

import re
import shlex
import shutil
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.app.openssh import Server
from tests.app.pseudoterminal import SCRIPT, PseudoTerminal

pytestmark = pytest.mark.waits


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("ssh")) as server:
        yield server


@pytest.mark.parametrize("term", ["xterm-256color", "xterm", "screen", "tmux-256color", "vt100"])
def test_opens_runs_and_resizes(server: Server, term: str) -> None:
    env = {"TERM": term}
    with PseudoTerminal(server.command(shlex.quote(SCRIPT)), env=env) as terminal:
        terminal.wait_for("catalogue", "controls")
        terminal.wait_for("finished", "vanishing", "layer 10, loss")
        terminal.press("\t", "down", "right")
        terminal.wait_for("◂ tanh ▸", "healthy", "finished")
        terminal.resize(50, 15)
        terminal.wait_for("needs 60 columns")
        terminal.resize(120, 40)
        terminal.wait_for("layer 10, loss", "healthy")
        terminal.press("q")
        assert terminal.wait_for_end() == 0


def test_sixteen_colours_are_all_that_is_sent(server: Server) -> None:
    with PseudoTerminal(server.command(shlex.quote(SCRIPT)), env={"TERM": "xterm"}) as terminal:
        terminal.wait_for("finished", "vanishing")
        cells = [cell for row in terminal.screen.buffer.values() for cell in row.values()]
        # pyte gives the sixteen names, and others as six hexadecimal digits.
        colours = {colour for cell in cells for colour in (cell.fg, cell.bg)}
        assert len(colours) > 3
        assert all(not _is_rgb(colour) for colour in colours), colours


def _is_rgb(colour: str) -> bool:
    return len(colour) == 6 and all(digit in "0123456789abcdef" for digit in colour)


def test_a_locale_without_utf8_gets_ascii(server: Server) -> None:
    env = {"LANG": "C", "LC_ALL": "C", "NO_COLOR": "1"}
    with PseudoTerminal(server.command(shlex.quote(SCRIPT)), env=env) as terminal:
        terminal.wait_for("finished", "vanishing", "layer 10, loss")
        assert terminal.text.isascii()


def test_a_dropped_connection_leaves_nothing_running(server: Server) -> None:
    line = f"{shlex.quote(SCRIPT)} adding-rnn --steps 1000000"
    with PseudoTerminal(server.command(line)) as terminal:
        terminal.wait_for("running")
        there = [process for process in server.guests() if process.name() != "sshd"]
        # The app and its engine.
        assert len(there) >= 2
        psutil.Process(terminal.process.pid).kill()
        _, alive = psutil.wait_procs(there, timeout=30)
        assert not alive


def test_a_dropped_connection_loses_no_finished_step(server: Server, tmp_path: Path) -> None:
    store = tmp_path / "runs.sqlite"
    line = f"{shlex.quote(SCRIPT)} run adding-rnn --steps 1000000 --store {shlex.quote(str(store))}"
    with PseudoTerminal(server.command(line)) as terminal:
        _wait_for_frames(store, 3)
        there = [process for process in server.guests() if process.name() != "sshd"]
        psutil.Process(terminal.process.pid).kill()
        _, alive = psutil.wait_procs(there, timeout=30)
        assert not alive
    with sqlite3.connect(store) as database:
        steps = [step for (step,) in database.execute("SELECT step FROM frames ORDER BY step")]
        sound = database.execute("PRAGMA integrity_check").fetchone()
    assert len(steps) >= 3
    assert steps == list(range(len(steps)))
    assert sound == ("ok",)


def test_a_dropped_connection_loses_no_finished_step_of_the_app(
    server: Server, tmp_path: Path
) -> None:
    store = tmp_path / "runs.sqlite"
    # More steps than it will ever get to.
    line = f"{shlex.quote(SCRIPT)} adding-rnn --steps 1000000 --store {shlex.quote(str(store))}"
    with PseudoTerminal(server.command(line)) as terminal:
        # Longer than a run has to be looked at to be kept.
        _wait_for_frames(store, 3)
        terminal.wait_for("running", "loss", "step")
        shown = int(re.findall(r"loss .*step (\d+)", terminal.text)[-1])
        there = [process for process in server.guests() if process.name() != "sshd"]
        psutil.Process(terminal.process.pid).kill()
        _, alive = psutil.wait_procs(there, timeout=30)
        assert not alive
    with sqlite3.connect(store) as database:
        steps = [step for (step,) in database.execute("SELECT step FROM frames ORDER BY step")]
        runs = database.execute("SELECT name, state FROM runs").fetchall()
    assert runs == [("adding-rnn", "interrupted")]
    assert steps == list(range(len(steps))) and steps[-1] >= shown


def _wait_for_frames(store: Path, count: int) -> None:
    end = time.monotonic() + 60.0
    while time.monotonic() < end:
        if store.exists():
            with sqlite3.connect(store) as database:
                tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
                if "frames" in tables:
                    found = database.execute("SELECT COUNT(*) FROM frames").fetchone()[0]
                    if found >= count:
                        return
        time.sleep(0.05)
    raise AssertionError("no frames in the store")


@pytest.mark.parametrize("multiplexer", ["tmux", "screen"])
def test_inside_a_multiplexer(multiplexer: str, tmp_path: Path) -> None:
    if shutil.which(multiplexer) is None:
        pytest.skip(f"no {multiplexer} here")
    folder = tmp_path / "sockets"
    folder.mkdir(mode=0o700)
    command = {
        "tmux": ["tmux", "-S", str(folder / "tmux"), "-f", "/dev/null", "new-session", SCRIPT],
        "screen": ["screen", "-c", "/dev/null", "-U", SCRIPT],
    }[multiplexer]
    env = {"SCREENDIR": str(folder), "TMUX": "", "STY": ""}
    with PseudoTerminal(command, env=env, size=(100, 30)) as terminal:
        terminal.wait_for("catalogue", "controls")
        terminal.wait_for("finished", "vanishing", "layer 10, loss")
        terminal.press("/", *"rnn-tanh-below", "enter")
        terminal.wait_for("RNN with tanh, weights too small", "vanishing", "time step")
        terminal.press("q")
        assert terminal.wait_for_end() == 0
