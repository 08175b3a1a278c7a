"""A training step beside PyTorch's, update included: `make bench`.

Work: what `nablascope bench` times, every parameter gradient and the log10 norm of dL/dh of every
step, and then the optimiser's update. `engine` is timed without the statistics that only a frame
shows, `frame` with them. `loop`, `tuned` and `nn` are those of scenarios/bench/pytorch.py with
torch.optim's step; `nn` has no norms. Ratios are a rival's time / the engine's, beside their bars.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import torch

from engine.backend import open_backend
from engine.network import Network
from engine.optimizers import OPTIMIZERS
from scenarios.bench.children import in_child
from scenarios.bench.engine import Problem, data
from scenarios.bench.pytorch import Module, PyTorch, Way
from scenarios.bench.timing import race
from scenarios.bench.workloads import WORKLOADS
from scenarios.blas import share_cores

#: By kind: how many times the engine's step should go into a rival's.
BARS: dict[str, dict[str, float]] = {
    "rnn": {"loop": 3.0},
    "indrnn": {"loop": 10.0},
    "lstm": {"nn": 0.9},
    "gru": {"nn": 0.9},
}

#: So small that thousands of steps leave the work what it was.
LEARNING_RATE = 1e-7

OPTIMIZERS_OF_TORCH: dict[str, Callable[..., Any]] = {
    "sgd": torch.optim.SGD,
    "adam": torch.optim.Adam,
}


def ours(network: Network, x: Any, target: Any, optimizer: str, statistics: bool) -> Callable:
    rule, cores = OPTIMIZERS[optimizer], share_cores(network)

    def step() -> None:
        with cores():
            network.evaluate(x, target, statistics=statistics)
        network.update(rule, [LEARNING_RATE], [0.0])

    return step


def theirs(way: Way, optimizer: str) -> Callable:
    own = way._module.parameters() if isinstance(way, Module) else ()
    rule = OPTIMIZERS_OF_TORCH[optimizer]([*way.peer.leaves.values(), *own], lr=LEARNING_RATE)

    def step() -> None:
        way()
        rule.step()

    return step


def measure(name: str, optimizer: str, seconds: float) -> dict[str, float]:
    """Median seconds of every rival's step."""
    workload = WORKLOADS[name]
    slots = OPTIMIZERS[optimizer].slots
    network = Network(workload.spec, [workload.init], open_backend("cpu", "float32"), slots)
    x, target = data(workload)
    parameters = {key: array[0].copy() for key, array in network.parameters.items()}
    rivals = {
        "engine": ours(network, x[None], target[None], optimizer, False),
        "frame": ours(network, x[None], target[None], optimizer, True),
    }
    problem = Problem(workload.spec, parameters, x, target)
    for rival in PyTorch(problem).rivals():
        # Each has leaves of its own to update.
        rivals[rival] = theirs(PyTorch(problem).rivals()[rival], optimizer)
    return race(rivals, seconds)[0]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="W3,W4,W5,W6,W7", help="e.g. W3,W5")
    parser.add_argument("--threads", default="1,2", help="thread counts, e.g. 1,2")
    parser.add_argument("--optimizer", choices=OPTIMIZERS_OF_TORCH, default="adam")
    parser.add_argument("--seconds", type=float, default=4.0, help="per workload and thread count")
    options = parser.parse_args()
    for name in options.only.split(","):
        print(f"{name}  {WORKLOADS[name].title}, {options.optimizer}")
        for count in map(int, options.threads.split(",")):
            median = in_child(count, measure, name, options.optimizer, options.seconds)
            engine = median.pop("engine")
            parts = [f"    {count} thread{'s' * (count > 1)}: engine {1e3 * engine:.2f} ms"]
            for rival, theirs_took in median.items():
                bar = BARS[WORKLOADS[name].spec.kind].get(rival)
                asked = "" if bar is None else f" (bar {bar:g})"
                parts.append(f"{rival} {theirs_took / engine:.2f}{asked}")
            print(", ".join(parts), flush=True)


if __name__ == "__main__":
    # By its name, so that the processes which measure find `measure`.
    from tests.benchmarks.training import main as named

    named()
