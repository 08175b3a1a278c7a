"""Peak memory of one rival, in a process of its own.

What counts is what the process takes beyond its libraries, warmed up on a tiny sibling of the
workload, and beyond the input and target that every rival is given: parameters, gradients,
activations, workspace, and whatever the allocator lost between them.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scenarios.bench.engine import Engine, Problem, data
from scenarios.bench.pytorch import PyTorch

if TYPE_CHECKING:
    from collections.abc import Callable

    from scenarios.bench.workloads import Workload

#: How often the work is done: what an allocator reuses it has then reused.
_TIMES = 3


def peak_memory(workload: Workload, rival: str, device: str) -> int | None:
    """Bytes that `rival`, "engine" or one of PyTorch's, takes at its peak.

    None where the system does not tell.
    """
    start = _start_engine if rival == "engine" else _start_pytorch
    given = data(workload)
    start(workload.tiny(), rival, device, data(workload.tiny()))()
    if device != "cpu":
        return _device_peak(lambda: start(workload, rival, device, given), rival)
    if not _forget_peak():
        return None
    before = process_bytes("VmRSS")
    action = start(workload, rival, device, given)
    for _ in range(_TIMES):
        action()
    return max(0, process_bytes("VmHWM") - before)


def _start_engine(workload: Workload, rival: str, device: str, given: Any) -> Callable[[], None]:
    return Engine(workload, device, given)


def _start_pytorch(workload: Workload, rival: str, device: str, given: Any) -> Callable[[], None]:
    # Without the engine, whose arrays would leave room in the heap. The values do not matter.
    import numpy as np

    from engine.plan import parameter_shapes

    draw = np.random.default_rng(0)
    dtype = workload.spec.dtype
    parameters = {
        name: (0.1 * draw.standard_normal(shape)).astype(dtype)
        for name, shape in parameter_shapes(workload.spec).items()
    }
    return PyTorch(Problem(workload.spec, parameters, *given), device).rivals()[rival]


def _device_peak(start: Callable[[], Callable[[], None]], rival: str) -> int:
    """The most that a GPU's allocator had handed out."""
    if rival == "engine":
        pool = import_module("cupy").get_default_memory_pool()
        pool.free_all_blocks()
        before = pool.total_bytes()
        action = start()
        for _ in range(_TIMES):
            action()
        # A pool gives nothing back by itself, so what it holds is its peak.
        return int(pool.total_bytes() - before)
    cuda = import_module("torch").cuda
    cuda.empty_cache()
    cuda.reset_peak_memory_stats()
    before = cuda.memory_reserved()
    action = start()
    for _ in range(_TIMES):
        action()
    return int(cuda.max_memory_reserved() - before)


def _forget_peak() -> bool:
    """Let the process's peak start anew; whether the system can."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return False
    return True


def process_bytes(key: str) -> int:
    """What Linux knows of this process: VmRSS, the bytes it has now, or VmHWM, its peak."""
    lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    found = next(line for line in lines if line.startswith(f"{key}:"))
    return 1024 * int(found.split()[1])
