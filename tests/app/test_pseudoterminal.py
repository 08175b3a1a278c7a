"""The installed program in a real terminal, by keys, with its engine in a process of its own."""

from __future__ import annotations

import shlex
import signal
from pathlib import Path

import pytest

from tests.app.pseudoterminal import SCRIPT, PseudoTerminal

pytestmark = pytest.mark.waits

#: A run that is still going on when something happens to it, on however fast a machine.
ENDLESS = ["adding-rnn", "--steps", "1000000"]


def test_a_session_at_a_terminal(tmp_path: Path) -> None:
    with PseudoTerminal([SCRIPT], cwd=str(tmp_path)) as terminal:
        terminal.wait_for("catalogue", "controls")
        terminal.wait_for("finished", "vanishing", "layer 10, loss")
        # Another activation, by the controls.
        terminal.press("\t", "down", "right")
        terminal.wait_for("◂ tanh ▸", "healthy", "finished")
        # A value that is not allowed.
        terminal.press("down", "0", "enter")
        terminal.wait_for("from 1 to 10000")
        # Another scenario, by searching.
        terminal.press("/", *"rnn-tanh-below", "enter")
        terminal.wait_for("RNN with tanh, weights too small", "vanishing", "time step")
        terminal.press("p", "w")
        terminal.wait_for("Saved rnn-tanh-below.toml")
        terminal.resize(50, 15)
        terminal.wait_for("needs 60 columns")
        terminal.resize(100, 40)
        terminal.wait_for("the loss")
        terminal.press("?")
        terminal.wait_for("what you see")
        terminal.press("\x1b")
        terminal.wait_while("what you see")
        terminal.press("q")
        assert terminal.wait_for_end() == 0
    assert (tmp_path / "rnn-tanh-below.toml").exists()


def test_a_scenario_of_ones_own_without_colour_or_unicode(tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text('title = "My own"\n[network]\nkind = "mlp"\nactivation = "relu"\ndepth = 7\n')
    env = {"NO_COLOR": "1", "LANG": "C", "LC_ALL": "C"}
    with PseudoTerminal([SCRIPT, str(mine)], env=env) as terminal:
        terminal.wait_for("My own", "finished", "layer 7, loss")
        assert terminal.text.isascii()
        colours = {cell.fg for row in terminal.screen.buffer.values() for cell in row.values()}
        assert colours == {"default"}
        terminal.press("q")
        assert terminal.wait_for_end() == 0


def test_ctrl_c_and_a_lost_connection_leave_nothing_running(tmp_path: Path) -> None:
    import psutil

    for sent in (signal.SIGHUP, signal.SIGTERM, signal.SIGKILL):
        with PseudoTerminal([SCRIPT, *ENDLESS]) as terminal:
            terminal.wait_for("running")
            children = psutil.Process(terminal.process.pid).children(recursive=True)
            assert children
            terminal.process.kill(sent)
            _, alive = psutil.wait_procs(children, timeout=30)
            assert not alive


def test_a_terminal_that_closes_under_a_waiting_parent_leaves_nothing_running() -> None:
    import psutil

    # As with `make lab`: SIGHUP goes to the session's leader, which waits for the app.
    waiting = f"trap : HUP; {shlex.join([SCRIPT, *ENDLESS])}; true"
    with PseudoTerminal(["/bin/sh", "-c", waiting]) as terminal:
        terminal.wait_for("running")
        there = psutil.Process(terminal.process.pid).children(recursive=True)
        # The app and its engine.
        assert len(there) >= 2
        terminal.hang_up()
        _, alive = psutil.wait_procs(there, timeout=30)
        for process in alive:
            process.kill()
        assert not alive


def test_it_draws_itself_again_after_others_wrote() -> None:
    import psutil

    with PseudoTerminal([SCRIPT]) as terminal:
        terminal.wait_for("finished", "vanishing", "layer 10, loss")
        # Something else cleared the screen.
        terminal.screen.reset()
        terminal.press("\x0c")
        terminal.wait_for("catalogue", "finished", "vanishing", "layer 10, loss")
        # Stopped by the shell, and brought back.
        process = psutil.Process(terminal.process.pid)
        terminal.process.kill(signal.SIGTSTP)
        while process.status() != psutil.STATUS_STOPPED:
            terminal.read(0.05)
        terminal.screen.reset()
        terminal.process.kill(signal.SIGCONT)
        terminal.wait_for("catalogue", "finished", "vanishing", "layer 10, loss")
        terminal.press("q")
        assert terminal.wait_for_end() == 0
