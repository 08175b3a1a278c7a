"""How many threads the BLAS behind NumPy may use."""

from __future__ import annotations

import os
from collections.abc import MutableMapping

#: Read by OpenBLAS, MKL and OpenMP when NumPy is first imported, and never again.
_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def leave_one_core(environ: MutableMapping[str, str]) -> None:
    """Ask for one thread less than there are cores, unless the user has decided.

    BLAS threads wait for each other in busy loops: with another program on one of two cores, a
    small network's matrix products take ten times as long on two threads as on one.
    """
    threads = str(max(1, cores() - 1))
    for variable in _VARIABLES:
        environ.setdefault(variable, threads)


def one_thread(environ: MutableMapping[str, str]) -> None:
    """Ask for one thread, for a process that works beside others on every core."""
    use_threads(environ, 1)


def use_threads(environ: MutableMapping[str, str], count: int) -> None:
    """Ask for so many threads, whatever was asked for before."""
    environ.update(dict.fromkeys(_VARIABLES, str(count)))


def asked() -> int:
    """How many threads such a library starts with here."""
    counts = [os.environ.get(variable, "") for variable in _VARIABLES]
    return next((int(count) for count in counts if count.isdecimal()), cores())


def cores() -> int:
    """Cores this process may use, which a container can limit."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
