"""The benchmark: one workload after another, each measurement in a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from scenarios.bench.children import ChildError, in_child
from scenarios.bench.growth import Growth, measure_growth
from scenarios.bench.memory import peak_memory
from scenarios.bench.pytorch import problem_with_pytorch
from scenarios.bench.timing import AGREEMENT, Timing, compare, measure

if TYPE_CHECKING:
    from scenarios.bench.engine import ExtraRival
    from scenarios.bench.workloads import Workload

#: Rivals of PyTorch's whose memory is measured, where they work at a workload at all.
_REMEMBERED = ("loop", "tuned", "nn", "fused")


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured, and how long.

    Attributes:
        threads: numbers of threads, each timed in turn.
        seconds: for the rivals of one workload on one number of threads; the growth gets as many.
        device: "cpu", "cuda" or "cuda:N".
        pytorch: whether PyTorch takes part; `machine` says whether it can.
        compiled: whether torch.compile does, too.
        extra: further rivals by name.
    """

    threads: tuple[int, ...]
    seconds: float
    device: str = "cpu"
    pytorch: bool = False
    compiled: bool = False
    extra: Mapping[str, ExtraRival] = field(default_factory=dict)


@dataclass(slots=True)
class Measured:
    """Everything about one workload.

    Attributes:
        agreement: the largest relative difference of any gradient or norm, by rival, in float64.
        timings: one for each number of threads; none where gradients differ.
        memory: peak bytes by rival, "engine" among them.
        growth: how its cost grows; None where that was not measured.
        problems: what could not be measured, and why, in a line each.
    """

    workload: Workload
    agreement: dict[str, float] = field(default_factory=dict)
    timings: list[Timing] = field(default_factory=list)
    memory: dict[str, int] = field(default_factory=dict)
    growth: Growth | None = None
    problems: list[str] = field(default_factory=list)

    @property
    def agrees(self) -> bool:
        """Whether every rival does the same work."""
        return all(value <= AGREEMENT for value in self.agreement.values())


def bench(
    workloads: Sequence[Workload], plan: Plan, tell: Callable[[str], None] = lambda what: None
) -> Iterator[Measured]:
    """Measure each workload; what fails is a problem of that workload alone.

    `tell` hears what is measured next, in a few words.
    """
    for workload in workloads:
        measured = Measured(workload)
        try:
            _measure(measured, plan, tell)
        except ChildError as error:
            measured.problems.append(str(error))
        yield measured


def _measure(measured: Measured, plan: Plan, tell: Callable[[str], None]) -> None:
    workload, device, extra = measured.workload, plan.device, dict(plan.extra)
    tell(f"{workload.name}: gradients")
    measured.agreement = in_child(1, compare, workload, device, extra, plan.pytorch)
    if not measured.agrees:
        measured.problems.append("gradients differ, so nothing was timed")
        return
    for count in plan.threads:
        tell(f"{workload.name}: times on {count} thread{'s' if count > 1 else ''}")
        options = (plan.seconds, extra, plan.pytorch, plan.compiled)
        measured.timings.append(in_child(count, measure, workload, count, device, *options))
    # Other rivals are ours, or cannot be had alone.
    others = [name for name in _REMEMBERED if name in measured.agreement]
    for rival in ("engine", *others):
        tell(f"{workload.name}: memory of {rival}")
        try:
            peak = in_child(1, peak_memory, workload, rival, device)
        except ChildError as error:
            measured.problems.append(f"memory of {rival}: {error}")
        else:
            if peak is not None:
                measured.memory[rival] = peak
    tell(f"{workload.name}: growth")
    try:
        measured.growth = in_child(1, measure_growth, workload, device, plan.seconds)
    except ChildError as error:
        measured.problems.append(f"growth: {error}")


def machine(device: str, with_pytorch: bool) -> dict[str, Any]:
    """What is measured on: the device, its load, and the libraries. Raises ChildError."""
    return in_child(1, _machine, device, with_pytorch)


def _machine(device: str, with_pytorch: bool) -> dict[str, Any]:
    import datetime
    import os
    import platform

    import numpy as np

    from engine.backend import open_backend
    from scenarios.blas import blas
    from scenarios.threads import cores

    description = open_backend(device, "float32").description
    problem = problem_with_pytorch(device) if with_pytorch else "without PyTorch, as asked"
    versions: dict[str, str | None] = {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": None,
    }
    if problem is None:
        import torch

        versions["torch"] = torch.__version__
    if description["backend"] == "cupy":
        import cupy

        versions["cupy"] = cupy.__version__
    return {
        "date": datetime.date.today().isoformat(),
        "device": description["device"],
        "name": description["name"],
        "cores": cores(),
        "load": round(os.getloadavg()[0], 2),
        "blas": blas(),
        "versions": versions,
        "pytorch_problem": problem,
    }
