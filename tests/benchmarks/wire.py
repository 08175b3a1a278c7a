"""What a live picture costs on the wire, at a real pseudo-terminal (`make bench`).

For every scenario and every view under the plot: bytes of one picture while the scenario trains, so
that every picture differs from the one before. The bar is 6 KB at the median for 120x40.
"""

from __future__ import annotations

import argparse
import statistics
import time

from tests.benchmarks.app_latency import Program, percentile, verdict

APP = """
from tui.app import NablascopeApp
from scenarios.scenario import load
NablascopeApp(load({name!r}, {{"training.steps": 1_000_000}})).run()
"""
SCENARIOS = ("mlp-sigmoid", "cnn-tanh", "indrnn-deep", "lstm", "adding-rnn")
BAR = 6 * 1024.0
#: Pictures come at least this many seconds apart; what comes closer together is one.
APART = 0.03


def pictures(program: Program, seconds: float) -> list[int]:
    """Bytes of every picture that arrives."""
    sizes: list[int] = []
    end = time.perf_counter() + seconds
    last = 0.0
    while time.perf_counter() < end:
        data = program.read(0.2)
        now = time.perf_counter()
        if data:
            if now - last > APART:
                sizes.append(0)
            sizes[-1] += len(data)
            last = now
    return sizes[1:-1]


def main() -> None:
    """Print the table."""
    from scenarios.scenario import load
    from tui.lab.live import LiveRun
    from tui.lab.views import VIEWS

    parser = argparse.ArgumentParser(description="Bytes of a live picture.")
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--size", default="120x40")
    parser.add_argument("--scenario", action="append")
    options = parser.parse_args()
    columns, rows = map(int, options.size.split("x"))
    print(f"{options.size}; bytes of one picture{'':25}pictures/s  median     p99     max")
    for name in options.scenario or SCENARIOS:
        program = Program(APP.format(name=name), (columns, rows))
        program.wait_for("running", 60.0)
        program.drain(3.0)
        run = LiveRun(0, load(name, {"training.steps": 1_000_000}))
        for number, view in enumerate(view for view in VIEWS if view.fits(run)):
            if number:
                program.write(b"v")
                program.drain(1.0)
            sizes = pictures(program, options.seconds)
            sizes = sizes or [0]
            median = statistics.median(sizes)
            print(
                f"  {name:24}{view.title_word:24}{len(sizes) / options.seconds:10.1f}"
                f"{median:8.0f}{percentile(sizes, 0.99):8}{max(sizes):8}   {verdict(median, BAR)}",
                flush=True,
            )
        program.close()


if __name__ == "__main__":
    main()
