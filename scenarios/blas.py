"""The library behind NumPy's matrix products: half of every time here is its."""

from __future__ import annotations

from contextlib import nullcontext
from functools import cache, partial
from math import prod
from typing import TYPE_CHECKING, Any

from engine.architectures import ARCHITECTURES
from engine.companion import Companion
from scenarios.threads import asked

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from engine.network import Network
    from engine.spec import NetworkSpec

#: Multiplications of a layer's product from which on it is shared among threads: some 0.1 ms of
#: one core. Below that, threads that have to wait for a busy core cost more than they save.
_WORTH_THREADS = 2**22

#: Those from which on handing parts of the work over costs little beside it.
_WORTH_COMPANION = 2**24

#: OpenBLAS's names of kernels among which there are some for small products.
_SMALL_KERNELS = {"SkylakeX"}

#: Up to so many, one that works ahead of a time loop saves more than all that share its products.
_FEW_THREADS = 3


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


@cache
def _kernels() -> str | None:
    """The kernels that NumPy's OpenBLAS has chosen for this CPU, once and for all."""
    return _openblas()[1]


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


def share_cores(network: Network) -> Callable[[], AbstractContextManager[object]]:
    """What to put around a network's passes, so that they make the most of the cores.

    A small network runs on one BLAS thread: threads that meet after every product cost it more than
    they share. So does one that gives a companion enough to do. What was before is restored after
    each pass. NumPy has to be imported.
    """
    threads, backend = asked(), network.backend
    # Nothing of a GPU's work is a BLAS's on the CPU, and it is done in the order it is asked for.
    if backend.compiler is not None:
        return nullcontext
    if threads > 1 and largest_product(network.spec) >= _WORTH_THREADS:
        if not _companion_pays(network, threads):
            return nullcontext
        backend.companion = _companion()
    backend.small_products = _kernels() in _SMALL_KERNELS
    if threads == 1:
        return nullcontext
    from threadpoolctl import ThreadpoolController

    return partial(ThreadpoolController().select(user_api="blas").limit, limits=1)


def _companion_pays(network: Network, threads: int) -> bool:
    if largest_product(network.spec) < _WORTH_COMPANION:
        return False
    if not any(layer.shares_work for layer in network.layers):
        return False
    if not network.layers[0].recurrent:
        # What it shares consists of products too small for BLAS to share.
        return True
    return threads <= _FEW_THREADS and step_product(network.spec) < _WORTH_THREADS


@cache
def _companion() -> Companion:
    """The process's one."""
    return Companion()


def step_product(spec: NetworkSpec) -> int:
    """Multiplications of a recurrent layer's product in a time step, which cannot be postponed."""
    layer, size = ARCHITECTURES[spec.kind].layer, spec.hidden_size
    columns = 1 if layer.hop_role == "vector" else size * max(1, len(layer.gates))
    return spec.batch_size * size * columns


def largest_product(spec: NetworkSpec) -> int:
    """Multiplications of the largest matrix product with a layer's W in a pass."""
    gates = max(1, len(ARCHITECTURES[spec.kind].layer.gates))
    *image, features = spec.input_shape
    positions = prod(image) * spec.kernel_size**2 if spec.kind == "cnn" else 1
    inputs = max(features, spec.hidden_size) if spec.depth > 1 else features
    samples = spec.time_steps * spec.batch_size
    return samples * positions * inputs * gates * spec.hidden_size
