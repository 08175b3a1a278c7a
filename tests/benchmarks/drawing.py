"""What drawing costs: the app's share of one core, at a real pseudo-terminal (`make bench`).

A recurrent net of 6 layers and 1,000 time steps trains in the engine's process while the app draws
each of its views, beside a bare plotext widget that draws one curve of 1,000 points ten times a
second. The bars: 25% of a core at 10 pictures a second, 1% once nothing happens any more.
"""

from __future__ import annotations

import argparse
import os

import psutil

from tests.benchmarks.app_latency import Program, verdict
from tests.benchmarks.wire import pictures

LIVE = """
from tui.app import NablascopeApp
from scenarios.scenario import load
changes = {"training.steps": 1_000_000, "task.time_steps": 1000, "task.batch_size": 4}
changes |= {"network.hidden_size": 8}
NablascopeApp(load("indrnn-deep", changes)).run()
"""
IDLE = """
from tui.app import NablascopeApp
from scenarios.scenario import load
NablascopeApp(load("chain-sigmoid")).run()
"""
PLOTEXT = """
import math
from textual.app import App
from textual_plotext import PlotextPlot
class Bare(App):
    def compose(self):
        yield PlotextPlot()
    def on_mount(self):
        self.turn = 0
        self.set_interval(0.1, self.draw)
    def draw(self):
        self.turn += 1
        plot = self.query_one(PlotextPlot)
        plot.plt.clear_data()
        values = [math.sin(0.01 * x + 0.1 * self.turn) for x in range(1000)]
        plot.plt.plot(values, marker="braille")
        plot.plt.title("running")
        plot.refresh()
Bare().run()
"""
DRAWING_BAR, IDLE_BAR = 25.0, 1.0
PER_SECOND = 10.0


def share(program: Program, seconds: float) -> tuple[float, float]:
    """Percent of one core that the app itself takes, and its pictures a second."""
    process = psutil.Process(program.pid)
    before = process.cpu_times()
    drawn = len(pictures(program, seconds))
    after = process.cpu_times()
    used = after.user + after.system - before.user - before.system
    return 100.0 * used / seconds, drawn / seconds


def main() -> None:
    """Print the table."""
    from tui.lab.views import VIEWS

    parser = argparse.ArgumentParser(description="What drawing costs.")
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--size", default="120x40")
    options = parser.parse_args()
    columns, rows = map(int, options.size.split("x"))
    print(f"load {os.getloadavg()[0]:.1f}, {options.size}")
    print(f"percent of one core{'':13}pictures/s   here   at {PER_SECOND:g}/s")

    def row(name: str, program: Program, bar: bool = True) -> None:
        used, rate = share(program, options.seconds)
        scaled = used * PER_SECOND / max(rate, 1e-9)
        kept = verdict(scaled, DRAWING_BAR) if bar else ""
        print(f"  {name:32}{rate:8.1f}{used:7.1f}{scaled:9.1f}   {kept}", flush=True)

    program = Program(LIVE, (columns, rows))
    program.wait_for("running", 60.0)
    program.drain(3.0)
    for number, view in enumerate(VIEWS):
        if number:
            program.write(b"v")
            program.drain(1.0)
        row(view.title_word, program)
    program.close()

    program = Program(PLOTEXT, (columns, rows))
    program.wait_for("running", 60.0)
    program.drain(2.0)
    row("bare plotext widget", program, bar=False)
    program.close()

    program = Program(IDLE, (columns, rows))
    program.wait_for("finished", 60.0)
    program.drain(3.0)
    used, _ = share(program, 2.0 * options.seconds)
    print(f"  {'idle':32}{'':8}{used:7.1f}{'':12}{verdict(used, IDLE_BAR)}")
    program.close()


if __name__ == "__main__":
    main()
