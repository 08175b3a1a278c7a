"""The app at full speed for a long time: does its memory stay flat, and does anything queue up?

    python -m tests.benchmarks.soak --minutes 60

A network trains on and on at a real pseudo-terminal while keys turn the views, go back through
history and inspect places. Prints, over time, the resident memory of the app and of the engine
beside it, and how many frames the engine holds back and how many writes the terminal still waits
for. After a tenth of the time to fill what is bounded, memory may grow by 5%, and no more than what
the engine keeps for a slow reader may wait.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.benchmarks.app_latency import Program

#: Runs the app and writes what waits, a line of JSON a second, to a file.
APP = """
import json, sys
from tui.app import NablascopeApp
from scenarios.scenario import load
from scenarios.worker import Frames
changes = {{"training.steps": 10_000_000, **{changes!r}}}
class Soaked(NablascopeApp):
    most = 0
    def on_mount(self):
        super().on_mount()
        self.log_file = open({log!r}, "w")
        self.set_interval(1.0, self.report)
    def make_worker(self):
        worker = super().make_worker()
        poll = worker.poll
        def counting():
            messages = poll()
            frames = sum(len(m.frames) for m in messages if isinstance(m, Frames))
            self.most = max(self.most, frames)
            return messages
        worker.poll = counting
        return worker
    def report(self):
        writer = getattr(self._driver, "_writer_thread", None)
        live = self.lab.session.live
        line = dict(
            frames=self.most,
            writes=writer._queue.qsize(),
            step=-1 if live is None or live.latest is None else live.latest.step,
            kept=0 if live is None else len(live.history),
        )
        self.most = 0
        print(json.dumps(line), file=self.log_file, flush=True)
Soaked(load({name!r}, changes)).run()
"""
SCENARIO = "indrnn-deep"
CHANGES = {"task.time_steps": 200, "network.hidden_size": 16}
GROWTH_BAR = 0.05
#: The share of the time in which what is bounded fills up.
WARM_UP = 0.1
#: Keys that a person looking around presses, one every so many seconds.
KEYS = (b"v", b"v", b"o", b"\x1b[D", b"\x1b[C", b"\x1b", b"h", b"\x1b[D", b"\x1b[D", b"\x1b", b"l")


@dataclass(frozen=True)
class Sample:
    """What was seen at one moment; memory in MiB, frames and writes are those that waited."""

    seconds: float
    app: float
    engine: float
    frames: int
    writes: int
    step: int
    kept: int


def soak(
    seconds: float, every: float, changes: Mapping[str, object], *, quiet: bool = False
) -> list[Sample]:
    """Run the app for so long, and look at it every so many seconds."""
    samples: list[Sample] = []
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "waiting.jsonl")
        program = Program(APP.format(name=SCENARIO, log=str(log), changes=dict(changes)), (120, 40))
        try:
            program.wait_for("running", 60.0)
            process = psutil.Process(program.pid)
            begin = time.monotonic()
            pressed = 0
            while (now := time.monotonic() - begin) < seconds:
                program.drain(min(every, 1.0))
                program.write(KEYS[pressed % len(KEYS)])
                pressed += 1
                if now >= every * len(samples):
                    samples.append(_sample(now, process, log))
                    if not quiet:
                        print(_row(samples[-1]), flush=True)
            samples.append(_sample(time.monotonic() - begin, process, log))
        finally:
            program.close()
    return samples


def _sample(now: float, process: psutil.Process, log: Path) -> Sample:
    lines = log.read_text().splitlines()
    seen = [json.loads(line) for line in lines] or [dict.fromkeys(("frames", "writes"), 0)]
    (engine,) = process.children()
    return Sample(
        seconds=now,
        app=process.memory_info().rss / 2**20,
        engine=engine.memory_info().rss / 2**20,
        frames=max(line["frames"] for line in seen),
        writes=max(line["writes"] for line in seen),
        step=seen[-1].get("step", -1),
        kept=seen[-1].get("kept", 0),
    )


def growth(samples: Sequence[Sample], warm_up: float = WARM_UP) -> dict[str, float]:
    """How much each process grew from the end of the warm-up to the end, as a share."""
    start = next(s for s in samples if s.seconds >= warm_up * samples[-1].seconds)
    last = samples[-1]
    return {"app": last.app / start.app - 1.0, "engine": last.engine / start.engine - 1.0}


def _row(sample: Sample) -> str:
    return (
        f"{sample.seconds:9.0f}{sample.app:10.1f}{sample.engine:10.1f}{sample.frames:10}"
        f"{sample.writes:10}{sample.step:12,}{sample.kept:8}"
    )


def main() -> None:
    """Print the table."""
    from scenarios.worker import _PENDING_FRAMES

    parser = argparse.ArgumentParser(description="Memory and queues over a long time.")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--every", type=float, default=30.0, help="seconds between two lines")
    options = parser.parse_args()
    print("  seconds  app, MiB   engine    frames    writes        step    kept")
    samples = soak(60.0 * options.minutes, options.every, CHANGES)
    for name, share in growth(samples).items():
        kept = "kept" if share <= GROWTH_BAR else "MISSED"
        print(f"{name}: memory {share:+.1%} after the warm-up; bar {GROWTH_BAR:.0%}: {kept}")
    most = max(sample.frames for sample in samples)
    kept = "kept" if most <= _PENDING_FRAMES else "MISSED"
    print(f"frames that came at once: {most} at most; bar {_PENDING_FRAMES}: {kept}")


if __name__ == "__main__":
    main()
