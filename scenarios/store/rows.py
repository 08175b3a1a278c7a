"""Rows of the store: frames and verdicts as plain columns, arrays as the JSON events' text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scenarios.events import frame_event, to_json
from scenarios.plain import finite, logarithm, logarithms

if TYPE_CHECKING:
    from engine.frame import Frame
    from scenarios.cells import CellResult

Row = dict[str, Any]

#: Up to here every step's arrays are kept, then every 10th step's up to ten times as far, ...
_EVERY_STEP = 1000

#: What a frame's row and its run's have in common.
RESULT_COLUMNS = (
    *("step", "loss", "verdict", "decades", "decades_per_hop", "hops", "axis", "layer"),
    *("dead_layer", "dead_step", "overflow_layer", "overflow_step"),
)
#: What a cell's row and its result call the same.
_CELL_COLUMNS = (
    *("key", "verdict", "decades", "decades_per_hop", "hops"),
    *("step", "loss", "seconds", "error"),
)


def keeps_arrays(step: int) -> bool:
    """Whether a step's arrays are kept: all below 1,000, every 10th below 10,000, and so on.

    A run's file so grows with the logarithm of its length, its scalars aside.
    """
    stride = 1
    while step >= _EVERY_STEP * stride:
        stride *= 10
    return step % stride == 0


def result_columns(frame: Frame) -> Row:
    """What a frame says in single numbers and words: RESULT_COLUMNS."""
    verdict, overflow = frame.verdict, frame.overflow
    left = None if overflow is None else (overflow.layer, overflow.step)
    return {
        "step": frame.step,
        "loss": finite(frame.loss),
        "verdict": verdict.name,
        "decades": logarithm(verdict.decades),
        "decades_per_hop": logarithm(verdict.decades_per_hop),
        "hops": verdict.hops,
        "axis": verdict.axis,
        "layer": verdict.layer,
        **_places(verdict.dead_at, left),
    }


def training_columns(frame: Frame) -> Row:
    """How well the network does at its task, and the learning rate that led there."""
    return {
        "accuracy": frame.accuracy,
        "evaluation_loss": finite(frame.evaluation_loss),
        "evaluation_accuracy": frame.evaluation_accuracy,
        "learning_rate": frame.learning_rate,
    }


def array_columns(frame: Frame) -> Row:
    """The gradient at every layer and time step, and at every parameter, as JSON text."""
    import numpy as np

    parameters = frame.log10_grad_params
    (sizes,) = logarithms(np.array([list(parameters.values())]))
    return {
        "log10_grad_h": _text(logarithms(frame.log10_grad_h)),
        "log10_grad_params": _text(dict(zip(parameters, sizes, strict=True))),
    }


def whole_frame(frame: Frame) -> str:
    """The frame as `run --json` prints it."""
    return to_json(frame_event(frame))


def cell_columns(result: CellResult) -> Row:
    """A cell's result as columns of `cells`."""
    profile = result.final_log10_grad
    return {
        **{name: getattr(result, name) for name in _CELL_COLUMNS},
        **_places(result.dead_at, result.overflow),
        "final_log10_grad": None if profile is None else _text(profile),
    }


def cell_result(row: Row) -> CellResult:
    """The cell's result that `cell_columns` made a row of."""
    import json

    from scenarios.cells import CellResult

    profile = row["final_log10_grad"]
    return CellResult(
        **{name: row[name] for name in _CELL_COLUMNS},
        dead_at=_place(row, "dead"),
        overflow=_place(row, "overflow"),
        final_log10_grad=None if profile is None else tuple(json.loads(profile)),
    )


def _places(dead: tuple[int, int] | None, overflow: tuple[int, int] | None) -> Row:
    found = {"dead": dead or (None, None), "overflow": overflow or (None, None)}
    return {
        f"{name}_{part}": place[index]
        for name, place in found.items()
        for index, part in enumerate(("layer", "step"))
    }


def _place(row: Row, name: str) -> tuple[int, int] | None:
    layer, step = row[f"{name}_layer"], row[f"{name}_step"]
    return None if layer is None else (layer, step)


def _text(value: object) -> str:
    import json

    return json.dumps(value, separators=(",", ":"), allow_nan=False)
