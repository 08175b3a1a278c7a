"""A benchmark as JSON lines: start, one workload a line, end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scenarios.bench.growth import Growth
    from scenarios.bench.run import Measured, Plan
    from scenarios.bench.timing import Timing
    from scenarios.events import Event


def start_event(machine: Mapping[str, Any], plan: Plan) -> Event:
    """What is measured on, and for how long."""
    return {
        "event": "start",
        **machine,
        "threads": list(plan.threads),
        "seconds": plan.seconds,
    }


def workload_event(measured: Measured, *, on_gpu: bool) -> Event:
    """One workload; times in seconds, sizes in bytes, ratios are a rival's time / the engine's."""
    workload = measured.workload
    bars = workload.gpu_bars if on_gpu else workload.bars
    return {
        "event": "workload",
        "workload": workload.name,
        "title": workload.title,
        "gradients_differ": measured.agreement,
        "timings": [_timing(timing) for timing in measured.timings],
        "bars": dict(bars),
        "peak_memory_bytes": measured.memory,
        "growth": None if measured.growth is None else _growth(measured.growth),
        "problems": measured.problems,
    }


def end_event(done: int, failed: int) -> Event:
    """How many workloads were measured, and how many could not be."""
    return {"event": "end", "workloads": done, "failed": failed}


def _timing(timing: Timing) -> dict[str, Any]:
    return {
        "threads": timing.threads,
        "seconds": dict(timing.seconds),
        "ratios": {name: timing.ratio(name) for name in timing.seconds if name != "engine"},
        "given_up": dict(timing.given_up),
        "flops": timing.flops,
        "moved_bytes": timing.moved_bytes,
        "gemm_peak_flops_per_second": timing.peak,
        "bandwidth_bytes_per_second": timing.bandwidth,
        "share_of_peak": timing.share_of_peak,
        "share_of_bandwidth": timing.share_of_bandwidth,
        "floor_seconds": timing.floor,
    }


def _growth(growth: Growth) -> dict[str, Any]:
    return {
        "along": growth.along,
        "lengths": list(growth.lengths),
        "seconds": list(growth.seconds),
        "exponent": growth.exponent,
        "error": growth.error,
        "linear": growth.linear,
    }
