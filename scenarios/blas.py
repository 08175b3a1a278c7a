"""The library behind NumPy's matrix products: half of every time here is its."""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial
from math import prod
from typing import TYPE_CHECKING, Any

from engine.architectures import ARCHITECTURES
from scenarios.threads import asked

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from engine.spec import NetworkSpec

#: Multiplications of a layer's product from which on it is shared among threads: some 0.2 ms of
#: one core. Below that, threads that have to wait for a busy core cost more than they save.
_WORTH_THREADS = 2**23


def blas() -> dict[str, Any]:
    """Its name and version, and of an OpenBLAS the threads it may use and the kernels it chose.

    Keys name, version, threads, kernels; None for what it does not tell.
    """
    import numpy as np

    config: Any = np.show_config(mode="dicts")
    build = config.get("Build Dependencies", {}).get("blas", {})
    threads, kernels = _openblas()
    return {
        "name": build.get("name"),
        "version": build.get("version"),
        "threads": threads,
        "kernels": kernels,
    }


def _openblas() -> tuple[int | None, str | None]:
    """Asked of the OpenBLAS that NumPy has loaded; None where there is another BLAS."""
    import ctypes
    from pathlib import Path

    maps = Path("/proc/self/maps")
    if not maps.exists():
        return None, None
    lines = maps.read_text(encoding="utf-8", errors="replace").splitlines()
    paths = {line.split(maxsplit=5)[5] for line in lines if "openblas" in line}
    for path in sorted(paths):
        library = ctypes.CDLL(path)
        for prefix in ("scipy_openblas", "openblas"):
            for suffix in ("64_", ""):
                threads = getattr(library, f"{prefix}_get_num_threads{suffix}", None)
                kernels = getattr(library, f"{prefix}_get_corename{suffix}", None)
                if threads is not None and kernels is not None:
                    kernels.restype = ctypes.c_char_p
                    return int(threads()), kernels().decode("ascii")
    return None, None


def blas_threads(spec: NetworkSpec) -> Callable[[], AbstractContextManager[object]]:
    """What to put around a network's passes: one BLAS thread for a small one.

    Threads that meet after every product cost a small network more than they share. What was
    before is restored after each pass. NumPy has to be imported.
    """
    if asked() == 1 or largest_product(spec) >= _WORTH_THREADS:
        return nullcontext
    from threadpoolctl import ThreadpoolController

    return partial(ThreadpoolController().select(user_api="blas").limit, limits=1)


def largest_product(spec: NetworkSpec) -> int:
    """Multiplications of the largest matrix product with a layer's W in a pass."""
    gates = max(1, len(ARCHITECTURES[spec.kind].layer.gates))
    *image, features = spec.input_shape
    positions = prod(image) * spec.kernel_size**2 if spec.kind == "cnn" else 1
    inputs = max(features, spec.hidden_size) if spec.depth > 1 else features
    samples = spec.time_steps * spec.batch_size
    return samples * positions * inputs * gates * spec.hidden_size
