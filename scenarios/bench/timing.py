"""Rivals at one workload: their gradients compared, then their times, taking turns."""

from __future__ import annotations

import gc
import random
import statistics
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from scenarios.bench.engine import Engine, ExtraRival, Rival, synchroniser
from scenarios.bench.floors import bandwidth, flops, gemm_peak, moved_bytes
from scenarios.bench.pytorch import Compiled, PyTorch
from scenarios.failures import describe

if TYPE_CHECKING:
    from engine.arrays import HostArray
    from scenarios.bench.workloads import Workload

#: Time steps, and layers, over which gradients are compared: in float64 a whole workload and its
#: graphs can take gigabytes, and fewer show the same agreement.
CHECKED_STEPS, CHECKED_LAYERS = 200, 20

#: Gradients further apart than this, in float64, are not the same work.
AGREEMENT = 1e-9

#: Bytes that rivals may take, as a share of what is free, and at most. An indexed loop's gradients
#: now and then break up the heap until it takes ten times what it holds.
_SHARE, _MOST_BYTES = 0.5, 8_000_000_000

#: Seconds a rival runs untimed at the start of its turn, and about as many timed.
_TURN = 0.02
#: A run of more seconds does not notice what the rival before it left in the caches.
_LONG = 0.2
#: Turns that every rival has at least.
_TURNS = 3


@dataclass(frozen=True, slots=True)
class Timing:
    """One workload on one number of threads.

    Attributes:
        threads: how many.
        seconds: the median of each rival, of `engine` and `frame`.
        given_up: why rivals have no time, or how often memory was short, in a line each.
        flops, moved_bytes: as `floors` counts them.
        peak, bandwidth: what the machine reaches, operations and bytes a second, on these threads.
    """

    threads: int
    seconds: Mapping[str, float]
    given_up: Mapping[str, str]
    flops: float
    moved_bytes: float
    peak: float
    bandwidth: float

    def ratio(self, rival: str) -> float | None:
        """How many times the engine's time goes into a rival's."""
        theirs = self.seconds.get(rival)
        return None if theirs is None else theirs / self.seconds["engine"]

    @property
    def share_of_peak(self) -> float:
        """Of the best plain matrix product's rate; above 1 where an algorithm saves work."""
        return self.flops / self.seconds["engine"] / self.peak

    @property
    def share_of_bandwidth(self) -> float:
        """Of the best plain copy's rate; above 1 where caches serve."""
        return self.moved_bytes / self.seconds["engine"] / self.bandwidth

    @property
    def floor(self) -> dict[str, float]:
        """Seconds that its products and its memory traffic alone would take."""
        return {"flops": self.flops / self.peak, "bytes": self.moved_bytes / self.bandwidth}


@dataclass(slots=True)
class Contest:
    """The rivals at a workload."""

    engine: Engine
    others: dict[str, Rival]
    given_up: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        workload: Workload,
        device: str,
        extra: Mapping[str, ExtraRival],
        *,
        with_pytorch: bool,
        with_compiled: bool,
    ) -> Contest:
        """All rivals that there are, ready to go."""
        engine = Engine(workload, device)
        others: dict[str, Rival] = {}
        for name, make in extra.items():
            rival = make(engine.problem)
            if rival is not None:
                others[name] = rival
        contest = cls(engine, others)
        if with_pytorch:
            peer = PyTorch(engine.problem, device)
            others |= peer.rivals()
            if with_compiled:
                try:
                    others["compiled"] = Compiled(peer)
                except Exception as error:
                    contest.given_up["compiled"] = describe(error)[0].partition("; ")[0]
        return contest


def compare(
    workload: Workload, device: str, extra: Mapping[str, ExtraRival], with_pytorch: bool
) -> dict[str, float]:
    """The largest relative difference of any parameter gradient and any norm from the engine's.

    By rival and, for the norms, "RIVAL norms". In float64, by the code that is timed: in float32 a
    deep ReLU net takes other branches after other roundings.
    """
    most = CHECKED_STEPS if workload.recurrent else CHECKED_LAYERS
    workload = workload.with_length(min(workload.length, most))
    contest = Contest.of(
        workload.with_dtype("float64"),
        device,
        extra,
        with_pytorch=with_pytorch,
        with_compiled=False,
    )
    engine = contest.engine
    engine()
    ours, norms = engine.gradients, engine.log10_grad_h
    worst = {}
    for name, rival in contest.others.items():
        rival()
        theirs = rival.gradients
        worst[name] = max(_difference(ours[key], theirs[key]) for key in theirs)
        if rival.log10_grad_h is not None:
            worst[f"{name} norms"] = float(abs(rival.log10_grad_h - norms).max())
    return worst


def _difference(ours: HostArray, theirs: HostArray) -> float:
    import numpy as np

    return float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs))


def measure(
    workload: Workload,
    threads: int,
    device: str,
    seconds: float,
    extra: Mapping[str, ExtraRival],
    with_pytorch: bool,
    with_compiled: bool,
) -> Timing:
    """Time every rival for about `seconds` in all, in this process, which has so many threads."""
    from engine.plan import workspace_bytes

    if device == "cpu":
        # A GPU's rivals cannot take more than it has, and its driver reserves what it never uses.
        _limit_memory(workspace_bytes(workload.spec))
    contest = Contest.of(
        workload, device, extra, with_pytorch=with_pytorch, with_compiled=with_compiled
    )
    engine = contest.engine
    wait = synchroniser(engine.backend)
    actions: dict[str, Callable[[], None]] = {"engine": engine, "frame": engine.frame}
    medians, short = race({**actions, **contest.others}, seconds)
    shapes = {name: array.shape[1:] for name, array in engine.network.parameters.items()}
    return Timing(
        threads=threads,
        seconds=medians,
        given_up={**contest.given_up, **short},
        flops=flops(workload.spec, shapes),
        moved_bytes=moved_bytes(workload.spec, shapes),
        peak=gemm_peak(engine.backend, wait),
        bandwidth=bandwidth(engine.backend, threads, wait),
    )


def race(
    rivals: Mapping[str, Callable[[], None]], seconds: float
) -> tuple[dict[str, float], dict[str, str]]:
    """Median seconds of each rival, taking turns for about `seconds` in all; and what was given up.

    A turn starts untimed: the rival before left its data in the caches and, if it was PyTorch on
    two threads, one of them spinning on the core that the next would use. The order changes from
    turn to turn, so that none always comes after the same one.
    """
    times: dict[str, list[float]] = {name: [] for name in rivals}
    short: dict[str, int] = {}
    gc.collect()
    gc.disable()
    order, shuffle = list(rivals.items()), random.Random(0).shuffle
    end = time.perf_counter() + seconds
    turns = 0
    while turns < _TURNS or time.perf_counter() < end:
        turns += 1
        shuffle(order)
        for name, action in order:
            try:
                if not times[name] or times[name][-1] < _LONG:
                    _repeat(action)
                times[name] += _repeat(action)
            except RuntimeError as error:
                # PyTorch has no exception of its own for this on a CPU.
                if "allocate memory" not in str(error) and "out of memory" not in str(error):
                    raise
                short[name] = short.get(name, 0) + 1
    gc.enable()
    medians = {name: statistics.median(taken) for name, taken in times.items() if taken}
    return medians, {name: f"{count} turns short of memory" for name, count in short.items()}


def _repeat(action: Callable[[], None]) -> list[float]:
    """Seconds of each run, as many as fit in a turn and at least one."""
    taken: list[float] = []
    end = time.perf_counter() + _TURN
    while not taken or time.perf_counter() < end:
        before = time.perf_counter()
        action()
        taken.append(time.perf_counter() - before)
    return taken


def _limit_memory(ours: int) -> None:
    """Let this process take a share of the memory beside what is ours, and no more."""
    import resource

    import psutil

    limit = ours + int(min(_MOST_BYTES, _SHARE * psutil.virtual_memory().available))
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    # Where the system has no such limit, everything is as without it.
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))
