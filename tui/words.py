"""The verdict in words, the same in the app and in the shell."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.culprits import Culprits
    from engine.jacobian import JacobianSpectrum
    from engine.verdict import Verdict

REMEDY = "try --dtype float64"

#: Parts of a hop as a sentence names them; the weights go by the name of their parameter.
_PARTS = {
    "activation": "phi'",
    "skip": "the skip path",
    "forget path": "the forget path",
    "update path": "the update path",
    # The forget gate is a gate too, and has its own path.
    "gate paths": "the other paths",
}
#: Shorter names beside their figures, and those that go without a space as well.
_SHORT, _BRIEF = {"gate paths": "others"}, {"gate paths": "rest"}
#: Decades below which a part counts as nothing: what events round away.
_NOTHING = 1e-6


def sentence(
    verdict: Verdict, dtype: str = "float32", remedy: str = REMEDY, *, trained: bool = False
) -> str:
    """The verdict and the numbers behind it, as in "vanishing: x0.22 per layer, 10^-5.9 over 9
    layers". `dtype` is what the run computed in, `remedy` what to try where float32 is too small;
    `trained` says that the network has been updated, so that an overflow is the training's doing.
    """
    return f"{verdict.name}: {_numbers(verdict, dtype, remedy, trained)}"


def wordings(
    verdict: Verdict, dtype: str = "float32", remedy: str = REMEDY, *, trained: bool = False
) -> list[str]:
    """What `sentence` says behind the name, and ever shorter where there is less room for it."""
    full = _numbers(verdict, dtype, remedy, trained)
    if verdict.name == "dead":
        return [full, full.removeprefix("the gradient is ")]
    if verdict.decades_per_hop is None:
        return [full]
    without_unit = full.rpartition(" ")[0]
    return [full, without_unit, without_unit.partition(", ")[2]]


def _numbers(verdict: Verdict, dtype: str, remedy: str, trained: bool) -> str:
    if verdict.name == "overflow":
        way_on = remedy if dtype == "float32" else "make the weights smaller"
        return _overflow(verdict, dtype, "lower the learning rate" if trained else way_on)
    if verdict.name == "dead":
        return _dead(verdict)
    if verdict.decades is None or verdict.decades_per_hop is None:
        return f"there is only one {hop(verdict)}, so the gradient has no way to go"
    over = f"{verdict.hops} {hop(verdict, verdict.hops)}"
    per_hop = factor(verdict.decades_per_hop)
    return f"{per_hop} per {hop(verdict)}, {power(verdict.decades)} over {over}"


def _overflow(verdict: Verdict, dtype: str, way_on: str) -> str:
    place = "some layer" if verdict.overflow is None else f"layer {verdict.overflow.layer}"
    if verdict.overflow is not None and verdict.axis == "time":
        place += f", step {verdict.overflow.step}"
    return f"the forward pass left {dtype} at {place}; {way_on}"


def _dead(verdict: Verdict) -> str:
    layer, step = verdict.dead_at or (verdict.layer, 1)
    if verdict.axis == "time":
        where = f"from step {step} back to step 1" if step > 1 else "at step 1"
    else:
        where = f"from layer {layer} down to layer 1" if layer > 1 else "at layer 1"
    return f"the gradient is exactly 0 {where}"


def meaning(verdict: Verdict) -> str:
    """What the verdict means for learning, in one sentence."""
    time = verdict.axis == "time"
    if verdict.name == "overflow":
        return "Numbers grew beyond what the format can hold, so there is no gradient to show."
    if verdict.name == "dead":
        return f"No training will ever change what {'those steps' if time else 'those layers'} do."
    if verdict.name == "vanishing":
        if time:
            return "The network cannot learn from what happened early in the sequence."
        return "The layers next to the input hardly learn, however long the training."
    if verdict.name == "exploding":
        if time:
            return "What happened early decides every update, which then goes much too far."
        return "The layers next to the input get updates far too large for them."
    if verdict.decades_per_hop is None:
        return "With a second one there would be a way to go."
    if time:
        return "What happened at the first step can still be learned from."
    return "The first layer still gets a gradient that it can learn from."


def blame(found: Culprits, weights: str) -> str:
    """Who kills it, as in "phi' took 60.2 decades, W gave back 12.1".

    `weights` is the parameter that each hop multiplies by (`Layer.hop_weight`).
    """
    return _of(found) + ", ".join(text for _, text in clauses(found, weights))


def blame_wordings(found: Culprits, weights: str) -> list[str]:
    """`blame`, and ever shorter where there is less room for it."""
    short, of = figures(found, weights), _of(found)
    shorter = [f"{of}{short} decades", f"{of}{short}", short, figures(found, weights, brief=True)]
    return [blame(found, weights), *dict.fromkeys(shorter)]


def _of(found: Culprits) -> str:
    return "of dL/dc, " if found.of == "c" else ""


def clauses(found: Culprits, weights: str) -> list[tuple[str | None, str]]:
    """The clauses of `blame`, each with the part it is about; None for one about all of them."""
    names = {part: part_name(part, weights) for part in found.parts}
    first, *_, last = names
    if found.killed is not None:
        part, place = found.killed
        return [(None, f"{names[part]} left nothing at {hop(found)} {place}")]
    decades = {part: value for part, value in found.total.items() if value is not None}
    if len(decades) < len(names):
        if math.isnan(found.parts[first][-1]):
            return [(None, "there was no gradient to begin with")]
        return [(None, f"{names[last]} carried on where nothing else did")]
    if all(abs(value) < _NOTHING for value in decades.values()):
        others = ", ".join(name for part, name in names.items() if part != last)
        return [(None, f"neither {others} nor {names[last]} took or gave anything")]
    told: list[tuple[str | None, str]] = []
    so_far, unit = 0.0, " decades"
    for part, value in decades.items():
        text = f"{names[part]} {_deed(value, so_far)}"
        if round(abs(value), 1):
            text, unit = text + unit, ""
        told.append((part, text))
        so_far += value
    return told


def figures(found: Culprits, weights: str, *, brief: bool = False) -> str:
    """Every part and its decades, as in "forget path -29.7, others +17.3".

    In brief, in as few characters as it takes: "forget-29.7 rest+17.3".
    """
    parts = []
    digits = 1 if any(abs(total or 0.0) >= 9.995 for total in found.total.values()) else 2
    for part, total in found.total.items():
        name = part_name(part, weights).removeprefix("the ")
        size = "–" if total is None else f"{total:+.{digits}f}"
        if brief:
            parts.append(f"{_BRIEF.get(part, name.partition(' path')[0])}{size}")
        else:
            parts.append(f"{_SHORT.get(part, name)} {size}")
    return (" " if brief else ", ").join(parts)


def chief_culprit(found: Culprits, verdict: Verdict, weights: str) -> str:
    """The part that most made the verdict, as in "phi' -60.2"; empty where nobody did harm."""
    if found.killed is not None:
        return part_name(found.killed[0], weights)
    decades = {part: value for part, value in found.total.items() if value is not None}
    if not decades or verdict.decades is None or verdict.name == "healthy":
        return ""
    pick = min if verdict.decades < 0.0 else max
    part = pick(decades, key=lambda name: decades[name])
    return f"{part_name(part, weights)} {decades[part]:+.1f}"


def part_name(part: str, weights: str) -> str:
    """A part of a hop as a sentence names it."""
    return weights if part == "weights" else _PARTS.get(part, part)


def _deed(value: float, so_far: float) -> str:
    """What a part did, after others had changed the gradient by `so_far` decades."""
    verb = "took" if value <= 0.0 else "gave"
    size, before = round(abs(value), 1), round(abs(so_far), 1)
    if abs(value) < _NOTHING:
        return "took nothing"
    if not size:
        return f"{verb} next to nothing"
    if not before:
        return f"{verb} {size}"
    if (value < 0.0) == (so_far < 0.0):
        return f"{verb} another {size}"
    return f"{verb} back {size}" if size <= before else f"{verb} {size}"


def half_life(hops: float, unit: str, *, brief: bool = False) -> str:
    """How fast a gradient changes, from `engine.stretches.halving`: "halves every 3.1 steps".

    In brief: "x0.5 in 3.1".
    """
    if math.isnan(hops):
        return "nothing left"
    if hops == 0.0:
        return "lost altogether"
    if abs(hops) >= 99_999.5:
        return "keeps its size"
    verb, size = ("halves", hops) if hops > 0.0 else ("doubles", -hops)
    shown = f"{size:,.0f}" if size >= 99.5 else f"{size:.2g}" if size < 9.95 else f"{size:.0f}"
    if brief:
        return f"{'x0.5' if hops > 0.0 else 'x2'} in {shown}"
    if math.isclose(size, 1.0, abs_tol=0.005):
        return f"{verb} every {unit}"
    return f"{verb} every {shown} {unit}s"


def isometry(found: JacobianSpectrum | str) -> str:
    """The singular values in a sentence, or why there are none."""
    if isinstance(found, str):
        return f"no singular values of the end-to-end Jacobian: {found}"
    return f"singular values of the end-to-end Jacobian: {spread(found)}"


def spread(found: JacobianSpectrum) -> str:
    """How far the singular values lie apart, as in "median 10^-0.3, largest 10^0.8, smallest
    10^-5.2; condition 10^6.0". An estimate's smallest one is only known to be as small as that.
    """
    if found.largest == -math.inf:
        return f"all {found.count} are 0"
    median = "0" if found.median == -math.inf else power(found.median)
    if found.log10_floor is not None and found.median == -math.inf:
        median = f"below {power(found.log10_floor)}"
    told = f"median {median}, largest {power(found.largest)}, "
    if found.log10_floor is None:
        if found.zeros:
            return f"{told}{found.zeros:.0f} of {found.count} exactly 0"
        return f"{told}smallest {power(found.smallest)}; condition {power(found.log10_condition)}"
    if found.zeros:
        share = f"{found.zeros / found.count:.0%} below {power(found.log10_floor)}"
        return f"{told}{share}; condition above {power(found.largest - found.log10_floor)}"
    above = f"condition above {power(found.log10_condition)}"
    return f"{told}smallest below {power(found.smallest)}; {above}"


def hop(crossed: Verdict | Culprits, count: int = 1) -> str:
    """What the gradient crosses: "layer" or "step", in the plural for other counts than 1."""
    word = "step" if crossed.axis == "time" else "layer"
    return word if count == 1 else f"{word}s"


def factor(decades: float) -> str:
    """A factor given as a logarithm, as in x1.31; in powers of ten where it is extreme."""
    if not -2.0 <= decades < 3.0:
        return f"x{power(decades)}"
    value = 10.0**decades
    return f"x{value:.3f}" if 0.9 < value < 1.1 else f"x{value:.3g}"


def power(decades: float) -> str:
    """A power of ten with one decimal, as in 10^-5.9."""
    # Adding 0.0 turns a rounded -0.0 into 0.0.
    return f"10^{round(decades, 1) + 0.0:.1f}"


def duration(seconds: float) -> str:
    """A time as people say it, as in "0.4 s", "42 s", "3 min", "2.5 h" or "12 days"."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    if seconds < 99.5 * 60:
        return f"{seconds / 60:.0f} min"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:,.0f} days"
