"""nablascope theory: what the papers predict for a scenario, and why where they cannot."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from tui.commands.console import paragraph, speaks_unicode, styled, width, write
from tui.commands.options import add_scenario, load_scenario

if TYPE_CHECKING:
    from engine.theory import Prediction

#: How each number is introduced; the rest of a prediction is for --json.
_TITLES = {
    "phase": "phase",
    "q_star": "q*, variance deep in the network",
    "c_star": "c*, where correlations end",
    "chi_1": "chi_1, factor of the squared gradient a {hop}",
    "xi_1": "xi_1, depth scale of the gradient",
    "xi_c": "xi_c, depth scale of correlations",
    "decades_per_hop": "decades a {hop}",
    "critical_weight_scale": "critical init.weight_scale",
    "critical_recurrent_scale": "critical init.recurrent_scale",
    "spectral_radius": "spectral radius",
    "largest_singular_value": "largest singular value",
    "gate": "the open gate keeps",
    "slope_bound_decades": "decades phi' alone gives at most",
    "bound_decades": "decades at most",
    "decades": "decades from the loss to the far end",
    "spread_decades": "  give or take, between seeds",
}

#: What networks of the other sort have; that this one lacks it needs no words.
_ELSEWHERE = {
    "layer": {"critical_recurrent_scale", "gate"},
    "time": {"critical_weight_scale", "gate"},
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_scenario(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object")


def execute(args: argparse.Namespace) -> int:
    """Print the prediction."""
    scenario = load_scenario(args)
    from scenarios.predictions import predict

    prediction = predict(scenario)
    if args.json:
        import json

        print(json.dumps(prediction.to_dict(), allow_nan=False))
        return 0
    write(styled(scenario.title, "bold"))
    write(f"theory: {prediction.theory}")
    write()
    _write_numbers(prediction)
    _write_reasons(prediction)
    for sentence in prediction.assumptions:
        write(paragraph(f"Taken for granted: {sentence}.", "  ", width()))
    return 0


def _write_numbers(prediction: Prediction) -> None:
    hop = "layer" if prediction.axis == "layer" else "time step"
    titles = {name: title.format(hop=hop) for name, title in _TITLES.items()}
    longest = max(map(len, titles.values()))
    for name, title in titles.items():
        value = getattr(prediction, name)
        if value is not None:
            # Rounded first: an integral that comes out at 1e-17 is a zero.
            shown = value if isinstance(value, str) else f"{round(value, 6):g}"
            write(f"  {title.ljust(longest)}  {shown}")
    write()


def _write_reasons(prediction: Prediction) -> None:
    """Each reason once, behind everything it is the reason for."""
    elsewhere = _ELSEWHERE[prediction.axis]
    by_reason: dict[str, list[str]] = {}
    for name in _TITLES:
        if name in prediction.reasons and name not in elsewhere:
            by_reason.setdefault(prediction.reasons[name], []).append(name)
    dash = "—" if speaks_unicode(sys.stdout) else "-"
    for reason, names in by_reason.items():
        write(paragraph(f"no {', '.join(names)} {dash} {reason}", "  ", width()))
    if by_reason:
        write()
