"""Cells per second of a sweep beside the same cells one by one: `make bench`.

Work: the map of recurrent scale over seeds of a tanh RNN over 100 time steps, each cell from its
draw to its verdict. `alone` runs every scenario as `nablascope run` does. `torch` writes the same
out in PyTorch as one usually would, h = tanh(x[t] W + h U + b) with one network and one graph a
cell, keeping dL/dh of every step; `tuned` is the best we could write, the input's projection
hoisted out of the loop. All three in one process and thread. `stacked` is the sweep in this
process, `processes` the sweep on every core,
`stored` the same into a run store. Rivals take turns, the best of each counts. CPU time, of all
processes together, says what a cell costs where other programs share the cores. Last, what a cell
costs, stored, in sweeps of 100 to 100,000 small cells, and the peak memory of the process that
stores them: both should stay as they are.
"""

from __future__ import annotations

import argparse
import math
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

from scenarios.bench.children import in_child
from scenarios.bench.growth import fit
from scenarios.bench.memory import process_bytes
from scenarios.sweeps.definition import Sweep, load_sweep
from scenarios.threads import cores, one_thread


def sweep_of(hidden_size: int, batch_size: int, cells: int) -> Sweep:
    overrides = {
        "network.hidden_size": hidden_size,
        "task.input_size": hidden_size,
        "task.batch_size": batch_size,
        "task.time_steps": 100,
        "run.device": "cpu",
        "init.recurrent_scale": [0.2 + 0.03 * index for index in range(100)],
        "run.seed": list(range(max(1, cells // 100))),
    }
    return load_sweep("rnn-tanh-time", overrides)


def alone(sweep: Sweep, limit: int) -> int:
    from scenarios.runner import Run
    from scenarios.sweeps.grid import cells_of

    count = 0
    for cell in islice(cells_of(sweep), limit):
        for _ in Run(cell.scenario).frames():
            pass
        count += 1
    return count


def in_torch(sweep: Sweep, limit: int, tuned: bool) -> int:
    import torch

    from scenarios.sweeps.grid import cells_of

    count = 0
    for cell in islice(cells_of(sweep), limit):
        scenario = cell.scenario
        size, batch = scenario.network.hidden_size, scenario.task.batch_size
        torch.manual_seed(scenario.run.seed)
        scales = (scenario.init.weight_scale, scenario.init.recurrent_scale)
        w, u = (
            (torch.randn(size, size) * (scale / math.sqrt(size))).requires_grad_()
            for scale in scales
        )
        b = torch.zeros(size, requires_grad=True)
        v = (torch.randn(size, 1) / math.sqrt(size)).requires_grad_()
        x = torch.randn(scenario.task.time_steps, batch, size)
        target = torch.randn(batch, 1)
        h, kept = torch.zeros(batch, size), []
        for step in (x @ w + b if tuned else x).unbind():
            a = torch.addmm(step, h, u) if tuned else step @ w + h @ u + b
            h = torch.tanh(a)
            h.retain_grad()
            kept.append(h)
        torch.nn.functional.mse_loss(h @ v, target).backward()
        norms = torch.stack([h.grad.norm() for h in kept]).log10()
        float(norms[0] - norms[-1])
        count += 1
    return count


def swept(sweep: Sweep, workers: int | None, store: bool) -> int:
    from scenarios.store.store import Store
    from scenarios.sweeps.executors import local_executor
    from scenarios.sweeps.run import SweepRun

    executor = local_executor(workers, sweep)
    if not store:
        return sum(1 for _ in SweepRun(sweep, executor).cells())
    with (
        tempfile.TemporaryDirectory() as folder,
        Store.open(Path(folder) / "runs.sqlite") as opened,
    ):
        return sum(1 for _ in SweepRun(sweep, executor, opened).cells())


def rivals(sweep: Sweep, few: int) -> Iterator[tuple[str, Callable[[], int]]]:
    yield "alone", lambda: alone(sweep, few)
    try:
        import torch
    except ImportError:
        print("PyTorch is not installed: no comparison with it")
    else:
        torch.set_num_threads(1)
        yield "torch", lambda: in_torch(sweep, few, False)
        yield "tuned", lambda: in_torch(sweep, few, True)
    yield "stacked", lambda: swept(sweep, 1, False)
    yield "processes", lambda: swept(sweep, cores(), False)
    yield "stored", lambda: swept(sweep, cores(), True)


def costs(cells: int) -> tuple[float, float, float]:
    """Seconds and CPU seconds a cell of a stored sweep, and bytes that this process took."""
    sweep = sweep_of(16, 4, cells)
    # Libraries are loaded before.
    swept(sweep_of(16, 4, 100), 1, True)
    begin, spent = time.perf_counter(), cpu_seconds()
    count = swept(sweep, None, True)
    taken, used = time.perf_counter() - begin, cpu_seconds() - spent
    return taken / count, used / count, process_bytes("VmHWM")


def print_growth(most: int) -> None:
    counts = [count for count in (100, 1_000, 10_000, 100_000) if count <= most]
    print("\nStored sweeps of small cells, H=16, batch 4:")
    spent = []
    for count in counts:
        taken, used, peak = in_child(1, costs, count)
        spent.append(used * count)
        print(
            f"  {count:7,} cells: {1e3 * taken:.3f} ms a cell, {1e3 * used:.3f} ms CPU, "
            f"peak memory {peak / 1e6:.0f} MB"
        )
    if len(counts) > 2:
        found = fit("cells", counts, spent)
        print(f"  CPU time ~ cells^{found.exponent:.2f} ± {found.error:.2f}")


def cpu_seconds() -> float:
    """Of this process and of all it has waited for."""
    times = os.times()
    return sum(times[:4])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=4000)
    parser.add_argument("--few", type=int, default=100, help="cells that are run one by one")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--most", type=int, default=100_000, help="cells of the largest sweep")
    parser.add_argument("--only-growth", action="store_true")
    args = parser.parse_args()
    for hidden_size, batch_size in () if args.only_growth else ((64, 16), (16, 4)):
        sweep = sweep_of(hidden_size, batch_size, args.cells)
        print(f"\nRNN tanh, T=100, H={hidden_size}, batch {batch_size}: {sweep.cells} cells")
        contest = dict(rivals(sweep, args.few))
        wall, cpu = (dict.fromkeys(contest, math.inf) for _ in range(2))
        for _ in range(args.rounds):
            for name, run in contest.items():
                begin, spent = time.perf_counter(), cpu_seconds()
                count = run()
                wall[name] = min(wall[name], (time.perf_counter() - begin) / count)
                cpu[name] = min(cpu[name], (cpu_seconds() - spent) / count)
        for name in contest:
            ratios = [
                f"{wall[rival] / wall[name]:6.2f} x {rival} ({cpu[rival] / cpu[name]:.2f} by CPU)"
                for rival in ("alone", "torch", "tuned")
                if rival in contest
            ]
            rate = f"{1.0 / wall[name]:7.0f} cells/s  {1e3 * cpu[name]:7.3f} ms CPU a cell"
            print(f"  {name:10} {rate}  {'  '.join(ratios)}")
    print_growth(args.most)


if __name__ == "__main__":
    one_thread(os.environ)
    # By its name, so that a process which measures finds `costs`.
    from tests.benchmarks.sweeps import main as named

    named()
