"""What went wrong in a run, in one line, whichever library it came from."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from engine.errors import EngineError
from scenarios.errors import ScenarioError

if TYPE_CHECKING:
    from engine.jacobian import JacobianSpectrum
    from scenarios.runner import Run

Found = TypeVar("Found")


def jacobian_or_reason(run: Run) -> JacobianSpectrum | str:
    """The run's singular values, or in one line why there are none."""
    return found_or_reason(run.jacobian)


def found_or_reason(look: Callable[[], Found]) -> Found | str:
    """What a look at a network finds, or in one line why it finds nothing."""
    try:
        return look()
    except EngineError as error:
        return str(error)
    except Exception as error:
        return describe(error)[0]


def describe(error: BaseException) -> tuple[str, str | None]:
    """The line to show for an error that stopped a run, and the scenario key to blame if any."""
    if isinstance(error, ScenarioError):
        return str(error), error.key
    module, text = type(error).__module__, " ".join(str(error).split())
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        where = "the GPU" if module.startswith("cupy") else "this machine"
        way_on = "a smaller network, or --device cpu" if where == "the GPU" else "a smaller network"
        return f"{where} ran out of memory ({text or 'no details'}); try {way_on}", "run.device"
    if module.startswith("cupy"):
        return f"the GPU failed: {text}; use --device cpu", "run.device"
    return f"the run failed: {type(error).__name__}: {text}", None
