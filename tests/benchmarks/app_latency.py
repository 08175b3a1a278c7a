"""How long the app lets people wait, at a real pseudo-terminal (`make bench`).

Prints two tables. First paint: from starting the program until its first words are on the terminal,
beside a bare Textual app that says hello, in turns; the bar is 2.5x. Keys: from writing a key until
its answer is on the terminal while the heaviest scenarios of the catalogue train and are stored as
they do, with the engine in a process and in a thread; the bars are 50 ms at the median and 150 ms
at p99 for the process, which is what the app uses.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import random
import select
import signal
import statistics
import struct
import sys
import tempfile
import termios
import time
from collections.abc import Sequence

import pyte

from tests.app.pseudoterminal import UNKNOWN

HELLO = """
from textual.app import App
from textual.widgets import Static
class Hello(App):
    def compose(self):
        yield Static("hello world")
Hello().run()
"""
LAB = """
from pathlib import Path
from tui.app import NablascopeApp
from scenarios.scenario import load
scenario = load({name!r}, {{"training.steps": 1_000_000}})
NablascopeApp(scenario, worker_mode={mode!r}, store=Path({store!r})).run()
"""
OPEN = "from tui.main import main; raise SystemExit(main(['--no-store']))"
FIRST_PAINT_BAR, MEDIAN_BAR, P99_BAR = 2.5, 50.0, 150.0
#: One training step of these takes longest, and holds the interpreter longest.
HEAVIEST = ("cnn-tanh-1000", "indrnn-deep", "rnn-sigmoid")


class Program:
    """A Python program on a pseudo-terminal that answers where its cursor is when it is asked."""

    def __init__(self, code: str, size: tuple[int, int]) -> None:
        columns, rows = size
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)
        self.begin = time.perf_counter()
        self.pid, self._terminal = pty.fork()
        if self.pid == 0:
            os.environ.update(TERM="xterm-256color", COLORTERM="truecolor", LANG="C.UTF-8")
            os.execv(sys.executable, [sys.executable, "-c", code])
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def write(self, keys: bytes) -> None:
        os.write(self._terminal, keys)

    def read(self, seconds: float) -> bytes:
        """What arrives first, nothing if it takes longer than that."""
        if not select.select([self._terminal], [], [], seconds)[0]:
            return b""
        data = os.read(self._terminal, 1 << 16)
        if b"\x1b[6n" in data:
            self.write(b"\x1b[1;1R")
        self._stream.feed(UNKNOWN.sub(b"", data))
        return data

    def wait_for(self, mark: str, seconds: float = 30.0) -> float:
        """Read until `mark` is on the screen, and return when that was."""
        end = time.perf_counter() + seconds
        while (now := time.perf_counter()) < end:
            if self.read(end - now) and any(mark in line for line in self._screen.display):
                return time.perf_counter()
        raise TimeoutError(f"no {mark!r} in {seconds} s")

    def drain(self, seconds: float) -> int:
        """Read and forget for a while; returns how many bytes came."""
        count, end = 0, time.perf_counter() + seconds
        while (now := time.perf_counter()) < end:
            count += len(self.read(end - now))
        return count

    def close(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self._terminal)


def first_paints(rounds: int, size: tuple[int, int]) -> dict[str, list[float]]:
    """Milliseconds to the first words, in turns."""
    programs = {"bare Textual app": (HELLO, "hello world"), "nablascope": (OPEN, "catalogue")}
    times: dict[str, list[float]] = {name: [] for name in programs}
    for turn in range(rounds + 1):
        for name, (code, mark) in programs.items():
            program = Program(code, size)
            painted = program.wait_for(mark)
            program.close()
            # The first turn fills the caches.
            if turn:
                times[name].append(1e3 * (painted - program.begin))
    return times


def key_latencies(name: str, mode: str, keys: int, size: tuple[int, int]) -> list[float]:
    """Milliseconds from a key to its answer, while `name` trains."""
    chance = random.Random(0)
    with tempfile.TemporaryDirectory(prefix="nablascope-latency-") as folder:
        store = os.path.join(folder, "runs.sqlite")
        program = Program(LAB.format(name=name, mode=mode, store=store), size)
        taken = _answered(program, chance, keys)
        program.close()
        # Its engine stores what is to be kept, now that the app is gone.
        time.sleep(2.0)
    return taken


def _answered(program: Program, chance: random.Random, keys: int) -> list[float]:
    program.wait_for("running", 60.0)
    program.drain(2.0)
    program.write(b"\t")
    program.wait_for("architecture:")
    taken = []
    for number in range(keys):
        program.drain(chance.uniform(0.05, 0.15))
        down = number % 2 == 0
        before = time.perf_counter()
        program.write(b"\x1b[B" if down else b"\x1b[A")
        after = program.wait_for("activation:" if down else "architecture:")
        taken.append(1e3 * (after - before))
    return taken


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` of all values do not exceed."""
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def verdict(value: float, bar: float) -> str:
    return f"bar {bar:g}: {'kept' if value <= bar else 'MISSED'}"


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description="First paint and key latency of the app.")
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--keys", type=int, default=200)
    parser.add_argument("--size", default="120x40")
    parser.add_argument("--scenario", action="append")
    options = parser.parse_args()
    columns, rows = map(int, options.size.split("x"))
    size = (columns, rows)
    cores = len(os.sched_getaffinity(0))
    print(f"{cores} cores, load {os.getloadavg()[0]:.1f}, {options.size}, Python {sys.version[:6]}")

    paints = first_paints(options.rounds, size)
    medians = {name: statistics.median(times) for name, times in paints.items()}
    print("\nfirst paint, median ms")
    for name, median in medians.items():
        print(f"  {name:20}{median:8.0f}")
    ratio = medians["nablascope"] / medians["bare Textual app"]
    print(f"  {'ratio':20}{ratio:8.2f}   {verdict(ratio, FIRST_PAINT_BAR)}")

    print("\nkey to screen, ms         engine in     median      p99      max")
    for name in options.scenario or HEAVIEST:
        for mode in ("process", "thread"):
            taken = key_latencies(name, mode, options.keys, size)
            median, slow = statistics.median(taken), percentile(taken, 0.99)
            kept = f"  {verdict(median, MEDIAN_BAR)}; {verdict(slow, P99_BAR)}"
            print(
                f"  {name:24}{mode:10}{median:9.1f}{slow:9.1f}{max(taken):9.1f}"
                f"{kept if mode == 'process' else ''}",
                flush=True,
            )


if __name__ == "__main__":
    main()
