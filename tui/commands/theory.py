"""nablascope theory: what the papers predict for a scenario, why where they cannot, and what they
have to say about its own draw.
"""

from __future__ import annotations

import argparse
import math
import sys
from typing import TYPE_CHECKING

from tui.commands.console import paragraph, speaks_unicode, styled, width, write
from tui.commands.options import add_scenario, load_scenario
from tui.theory_words import no_theory

if TYPE_CHECKING:
    from engine.theory import Prediction
    from scenarios.drawn import Drawn, DrawnWeights

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

#: Decades below the largest power of u that bars are drawn for; no sum sees what is below.
_REACH = 12.0

_MEANING = (
    "Lyapunov exponents are what a gradient keeps a step along the first sample's own trajectory, "
    "in the direction that loses least and in the next ones; measured is the batch as a whole."
)
_DEAD = " At -inf every direction of that sample meets an exact zero."


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_scenario(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object")


def execute(args: argparse.Namespace) -> int:
    """Print the prediction."""
    scenario = load_scenario(args)
    from scenarios.drawn import look_at_draw
    from scenarios.predictions import predict

    prediction = predict(scenario)
    drawn = look_at_draw(scenario)
    if args.json:
        import json

        reasons = dict(sorted({**prediction.reasons, **drawn.reasons}.items()))
        told = {**prediction.to_dict(), **drawn.to_dict(), "reasons": reasons}
        print(json.dumps(told, allow_nan=False))
        return 0
    write(styled(scenario.title, "bold"))
    reason = _only_reason(prediction)
    if reason is not None:
        write(paragraph(no_theory(reason), "", width()))
    else:
        write(paragraph(f"theory: {prediction.theory}", "", width()))
        write()
        _write_numbers(prediction)
        _write_reasons(prediction)
    for sentence in prediction.assumptions:
        write(paragraph(f"Taken for granted: {sentence}.", "  ", width()))
    if drawn.recurrent_weights is not None:
        _write_weights(drawn.recurrent_weights)
    if prediction.axis == "time":
        _write_trajectory(drawn)
    return 0


def _only_reason(prediction: Prediction) -> str | None:
    """The one reason why there is no number at all; None with numbers or with more reasons."""
    reasons = {prediction.reasons.get(name) for name in prediction.numbers()}
    return reasons.pop() if len(reasons) == 1 else None


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
    """Why the theory is silent, where it is."""
    elsewhere = _ELSEWHERE[prediction.axis]
    told = {name: prediction.reasons.get(name) for name in _TITLES if name not in elsewhere}
    reasons = {name: reason for name, reason in told.items() if reason is not None}
    _write_silence(reasons)
    if reasons:
        write()


def _write_silence(reasons: dict[str, str]) -> None:
    """Each reason once, behind everything it is the reason for."""
    by_reason: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        by_reason.setdefault(reason, []).append(name)
    dash = "—" if speaks_unicode(sys.stdout) else "-"
    for reason, names in by_reason.items():
        write(paragraph(f"no {', '.join(names)} {dash} {reason}", "  ", width()))


def _write_weights(weights: DrawnWeights) -> None:
    """Histograms of |u| and of its T-th power, and who is beyond which bound."""
    from tui.commands.histogram import histogram

    look, steps, columns = weights.look, weights.time_steps, width() - 4
    count = len(look.u)
    plain = weights.max_slope == 1.0
    bound = "2^(1/T)" if plain else "2^(1/T) / sup phi'"
    told = f"{bound} = {look.line:.6g}: {weights.beyond} of {count} beyond"
    draw = "" if weights.draw is None else f", {weights.draw}"
    title = f"|u| of layer {weights.layer}, {count} neurons as drawn{draw}:"
    _write_bars(title, histogram(abs(look.u), look.line, told, columns))
    power = f"|u|^{steps}" if plain else f"(|u| sup phi')^{steps}"
    title = f"{power}, the most that T = {steps} steps make of a neuron's gradient:"
    mark = math.log10(2.0)
    _write_bars(title, histogram(look.log10_bound, mark, "a factor of 2", columns, "10^", _REACH))
    within = (
        f"{steps - 1} hops stay within 3 decades for |u| from {weights.low:.4g} to "
        f"{weights.high:.4g}, phi' at its steepest: {weights.within} of {count} neurons."
    )
    write()
    write(paragraph(within, "  ", width()))


def _write_bars(title: str, lines: list[str]) -> None:
    write()
    write(paragraph(title, "  ", width()))
    for line in lines:
        write(f"    {line}")


def _write_trajectory(drawn: Drawn) -> None:
    """Lyapunov exponents beside what was measured, and what they mean."""
    exponents, rate = drawn.lyapunov_exponents, drawn.measured_decades_per_hop
    titles = ("Lyapunov exponents, decades a time step", "measured decades a time step")
    write()
    if exponents is not None:
        write(f"  {titles[0]}  {_row(exponents.tolist())}")
    if rate is not None:
        write(f"  {titles[1].ljust(len(titles[0]))}  {_row([rate])}")
    if exponents is not None:
        dead = _DEAD if exponents[0] == -math.inf else ""
        write(paragraph(_MEANING + dead, "  ", width()))
    names = ("lyapunov_exponents", "measured_decades_per_hop")
    _write_silence({name: drawn.reasons[name] for name in names if name in drawn.reasons})


def _row(values: list[float]) -> str:
    return "  ".join(f"{round(value, 4) + 0.0:.4f}" for value in values)
