"""What storing a frame costs beside computing it, in time and on the disk (`make bench`)."""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from scenarios.runner import Run
from scenarios.scenario import load
from scenarios.store.recording import Recording
from scenarios.store.store import Store
from scenarios.threads import leave_one_core

#: Scenarios, their changes, and how many steps are taken.
WORK: tuple[tuple[str, dict[str, object], int], ...] = (
    ("chain-relu", {}, 500),
    ("rnn-tanh", {}, 200),
    ("adding-indrnn", {}, 200),
    ("mlp-tanh", {}, 100),
    ("lstm", {}, 100),
    ("indrnn-deep", {}, 100),
    ("indrnn-deep", {"task.time_steps": 1000}, 20),
)


def measured(folder: Path, name: str, changes: dict[str, object]) -> str:
    """One row of the table."""
    path = folder / "runs.sqlite"
    run = Run(load(name, changes))
    computing, storing = [], []
    with Store.open(path) as store:
        recording = Recording(store, run, print)
        before = time.perf_counter()
        for frame in run.frames():
            computed = time.perf_counter()
            recording.frame(frame)
            stored = time.perf_counter()
            computing.append(computed - before)
            storing.append(stored - computed)
            before = stored
        recording.end(frame, "done")
    size = path.stat().st_size
    path.unlink()
    # The first frame is stored whole, and computed with cold caches.
    one, other = (1e3 * statistics.median(taken[1:]) for taken in (computing, storing))
    mean = 1e3 * statistics.mean(storing[1:])
    layers, steps = frame.log10_grad_h.shape
    shape = f"{layers} x {steps}"
    return (
        f"{name:16}{shape:>10}{one:10.3f}{other:10.3f}{mean:10.3f}"
        f"{100 * other / one:8.1f}%{size / len(storing) / 1e3:10.1f}"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="The run store's cost per frame.")
    parser.add_argument("--folder", help="where to store, for the disk to measure")
    options = parser.parse_args()
    print(f"Python {sys.version.split()[0]}, load {os.getloadavg()[0]:.1f}; ms a frame, kB a frame")
    head = ("shape", "compute", "store", "mean", "share", "size")
    print(f"{'':16}{head[0]:>10}{head[1]:>10}{head[2]:>10}{head[3]:>10}{head[4]:>9}{head[5]:>10}")
    for name, changes, steps in WORK:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            changed = {"run.device": "cpu", "training.steps": steps, **changes}
            print(measured(Path(folder), name, changed), flush=True)


if __name__ == "__main__":
    # Before NumPy is imported, as in a run.
    leave_one_core(os.environ)
    main()
