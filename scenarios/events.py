"""A run as JSON lines: start, one frame a step, end. The same run gives the same bytes, the frames'
`seconds` aside.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeAlias

from scenarios.plain import DECIMALS, finite, logarithm, logarithms

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from engine.culprits import Culprits
    from engine.frame import Frame
    from engine.jacobian import JacobianSpectrum
    from engine.theory import Prediction
    from engine.verdict import Overflow, Verdict
    from scenarios.runner import Run
    from scenarios.scenario import Scenario

Event: TypeAlias = dict[str, Any]


def run_id(scenario: Scenario, device: str | None) -> str:
    """Twelve hex digits that tell runs apart: the same scenario on the same device has the same."""
    import hashlib

    identity = to_json({"scenario": scenario.to_dict(), "device": device})
    return hashlib.sha256(identity.encode()).hexdigest()[:12]


def start_event(run: Run) -> Event:
    """What is about to run, where and with which versions."""
    return {
        "event": "start",
        "run": run_id(run.scenario, run.device["device"]),
        "scenario": run.scenario.to_dict(),
        "device": run.device,
        "versions": run.versions,
    }


def frame_event(frame: Frame) -> Event:
    """One frame. Arrays are lists of layers, each a list of time steps, first to last.

    `gates` and `path` hold the same by name where a kind has them (`engine.frame.Frame`), and
    `culprits` who changed the gradient that the verdict is about (`engine.culprits`).
    Evaluation is on what is never trained on, null at steps where nobody looked.
    null stands for the logarithm of an exact zero, and for whatever an overflow made meaningless.
    """
    hidden, pre = frame.log10_grad_h, frame.log10_grad_a
    return {
        "event": "frame",
        "step": frame.step,
        "loss": finite(frame.loss),
        "accuracy": finite(frame.accuracy),
        "evaluation_loss": finite(frame.evaluation_loss),
        "evaluation_accuracy": finite(frame.evaluation_accuracy),
        "learning_rate": frame.learning_rate,
        "log10_grad_h": logarithms(hidden),
        "log10_grad_a": None if pre is None else logarithms(pre),
        "gates": {gate: logarithms(field) for gate, field in frame.log10_grad_gates.items()},
        "path": {name: logarithms(field) for name, field in frame.log10_path.items()},
        "log10_grad_params": {
            name: logarithm(value) for name, value in frame.log10_grad_params.items()
        },
        "activation_rms": _shares(frame.activation_rms),
        "zero_fraction": _shares(frame.zero_fraction),
        "saturated_fraction": _shares(frame.saturated_fraction),
        "overflow": _place(frame.overflow),
        **verdict_fields(frame.verdict),
        "culprits": culprits_fields(frame.culprits),
        "seconds": round(frame.seconds, 6),
    }


def jacobian_event(found: JacobianSpectrum | str, step: int) -> Event:
    """The end-to-end Jacobian's singular values after training step `step`, or why there are none.

    Largest first. `weights` says how many singular values each one stands for; zeros are apart.
    """
    event: Event = {"event": "jacobian", "step": step, **jacobian_fields(found)}
    if isinstance(found, str):
        return event
    return event | {
        "log10_singular_values": logarithms(found.log10_values[None])[0],
        "weights": _shares(found.weights[None])[0],
        "seconds": round(found.seconds, 6),
    }


def jacobian_fields(found: JacobianSpectrum | str) -> Event:
    """What a spectrum is and its sums, without the values themselves."""
    if isinstance(found, str):
        return {"reason": found}
    return {
        "of": found.of,
        "method": found.method,
        "outputs": found.outputs,
        "inputs": found.inputs,
        "log10_largest": logarithm(found.largest),
        "log10_median": logarithm(found.median),
        "log10_smallest": logarithm(found.smallest),
        "log10_condition": logarithm(found.log10_condition),
        "zeros": round(found.zeros, DECIMALS),
        "log10_floor": logarithm(found.log10_floor),
    }


def end_event(
    frame: Frame | None, *, interrupted: bool = False, theory: float | None = None
) -> Event:
    """How the run ended, from its last frame; null throughout where there was none.

    `theory` is what theory predicts for the verdict's decades (`theory_decades`).
    """
    if frame is None:
        verdict: Event = dict.fromkeys(
            ("verdict", "decades", "decades_per_hop", "hops", "axis", "layer", "dead_at")
        )
        return {
            "event": "end",
            "step": None,
            "loss": None,
            **verdict,
            "theory_decades": None,
            "overflow": None,
            "diverged": None,
            "interrupted": interrupted,
        }
    lost = divergence(frame)
    return {
        "event": "end",
        "step": frame.step,
        "loss": finite(frame.loss),
        **verdict_fields(frame.verdict),
        "theory_decades": logarithm(theory),
        "overflow": _place(frame.overflow),
        "diverged": None
        if lost is None
        else {
            "step": frame.step,
            "layer": lost.layer,
            "time_step": lost.step,
        },
        "interrupted": interrupted,
    }


def divergence(frame: Frame) -> Overflow | None:
    """Where training drove the forward pass, or only the loss, out of the dtype; None if nowhere.

    A loss that alone is not finite counts with the last layer's last step. What overflows before
    any training has not diverged.
    """
    from engine.verdict import Overflow

    if frame.step == 0:
        return None
    if frame.overflow is None and not math.isfinite(frame.loss):
        layers, steps = frame.log10_grad_h.shape
        return Overflow(layer=layers, step=steps)
    return frame.overflow


def theory_decades(
    scenario: Scenario, frame: Frame | None, prediction: Prediction | None = None
) -> float | None:
    """The decades that theory predicts for a frame's verdict; `prediction` spares a second one.

    None where no theory covers it: a trained network, a layer below the last and whatever else
    `engine.theory.silence` names, and where only a bound or a single path is known.
    """
    if frame is None or frame.step:
        return None
    from engine.theory import silence
    from scenarios.predictions import predict

    verdict, prediction = frame.verdict, prediction or predict(scenario)
    last_layer = verdict.axis == "layer" or verdict.layer == scenario.network.depth
    if prediction.curve != "prediction" or silence(prediction, last_layer=last_layer) is not None:
        return None
    return prediction.decades


def verdict_fields(verdict: Verdict) -> Event:
    """A verdict as an event carries it."""
    dead = verdict.dead_at
    return {
        "verdict": verdict.name,
        "decades": logarithm(verdict.decades),
        "decades_per_hop": logarithm(verdict.decades_per_hop),
        "hops": verdict.hops,
        "axis": verdict.axis,
        "layer": verdict.layer,
        "dead_at": None if dead is None else {"layer": dead[0], "step": dead[1]},
    }


def culprits_fields(found: Culprits | None) -> Event | None:
    """Who killed the gradient the verdict is about; null where there is no hop, or an overflow.

    A part's log10 gains go from the farthest hop to the one next to the loss, so the first takes
    place 2 to place 1.
    """
    if found is None:
        return None
    killed = found.killed
    return {
        "axis": found.axis,
        "layer": found.layer,
        "of": found.of,
        "parts": {name: logarithms(gains[None])[0] for name, gains in found.parts.items()},
        "total": {name: logarithm(decades) for name, decades in found.total.items()},
        "killed": None if killed is None else {"part": killed[0], "place": killed[1]},
    }


def to_json(event: Event) -> str:
    """One line of JSON in ASCII. Raises ValueError on a NaN or an infinity."""
    import json

    return json.dumps(event, allow_nan=False, separators=(",", ":"))


def _place(overflow: Overflow | None) -> dict[str, int] | None:
    return None if overflow is None else {"layer": overflow.layer, "step": overflow.step}


def _shares(field: NDArray[np.float64]) -> list[list[float | None]]:
    # Six digits, not six decimals: an activation's size has no fixed scale.
    rows: list[list[float]] = field.tolist()
    return [[finite(float(f"{value:.6g}")) for value in layer] for layer in rows]
