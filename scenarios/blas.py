"""The library behind NumPy's matrix products: half of every time here is its."""

from __future__ import annotations

from typing import Any


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
