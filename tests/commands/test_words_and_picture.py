"""The verdict in words and the gradient as a picture."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import pytest

from engine.culprits import Culprits
from engine.jacobian import JacobianSpectrum
from engine.verdict import Overflow, Verdict, VerdictName
from tui.plot_text import picture
from tui.words import blame, blame_wordings, isometry, meaning, sentence, spread, wordings


def verdict(
    name: VerdictName,
    decades: float | None = None,
    hops: int = 9,
    axis: Literal["layer", "time"] = "layer",
    overflow: Overflow | None = None,
    dead_at: tuple[int, int] | None = None,
) -> Verdict:
    rate = None if decades is None or not hops else decades / hops
    return Verdict(name, decades, hops, rate, axis, 1, overflow, dead_at)


SENTENCES = [
    (verdict("exploding", 11.7, 100, "time"), "exploding: x1.31 per step, 10^11.7 over 100 steps"),
    (verdict("vanishing", -5.9), "vanishing: x0.221 per layer, 10^-5.9 over 9 layers"),
    (verdict("healthy", 0.0), "healthy: x1.000 per layer, 10^0.0 over 9 layers"),
    (verdict("healthy", -1e-9), "healthy: x1.000 per layer, 10^0.0 over 9 layers"),
    (verdict("healthy", 1.0, 1), "healthy: x10 per layer, 10^1.0 over 1 layer"),
    (verdict("healthy", -2.0, 99, "time"), "healthy: x0.955 per step, 10^-2.0 over 99 steps"),
    (verdict("vanishing", -250.0, 10), "vanishing: x10^-25.0 per layer, 10^-250.0 over 10 layers"),
    (
        verdict("exploding", 400.0, 4, "time"),
        "exploding: x10^100.0 per step, 10^400.0 over 4 steps",
    ),
    (
        verdict("healthy", 0.0, 0),
        "healthy: there is only one layer, so the gradient has no way to go",
    ),
    (
        verdict("dead", dead_at=(4, 1)),
        "dead: the gradient is exactly 0 from layer 4 down to layer 1",
    ),
    (verdict("dead", dead_at=(1, 1)), "dead: the gradient is exactly 0 at layer 1"),
    (
        verdict("dead", axis="time", dead_at=(2, 57)),
        "dead: the gradient is exactly 0 from step 57 back to step 1",
    ),
    (
        verdict("overflow", axis="time", overflow=Overflow(3, 57)),
        "overflow: the forward pass left float32 at layer 3, step 57; try --dtype float64",
    ),
    (
        verdict("overflow", overflow=Overflow(3, 1)),
        "overflow: the forward pass left float32 at layer 3; try --dtype float64",
    ),
]


@pytest.mark.parametrize(("judged", "words"), SENTENCES)
def test_sentences(judged: Verdict, words: str) -> None:
    assert sentence(judged) == words
    assert meaning(judged).endswith(".")
    assert (words + meaning(judged)).isascii()
    told = wordings(judged)
    assert f"{judged.name}: {told[0]}" == words
    assert told == sorted(told, key=len, reverse=True)


def test_sentences_get_shorter() -> None:
    full, *shorter = wordings(verdict("vanishing", -5.8))
    assert full.endswith(", 10^-5.8 over 9 layers")
    assert shorter == [full.removesuffix(" layers"), "10^-5.8 over 9"]
    assert wordings(verdict("dead", dead_at=(3, 1)))[-1] == "exactly 0 from layer 3 down to layer 1"


def test_blames_get_shorter() -> None:
    gates = found(of="c", axis="time", forget_path=-29.71, gate_paths=17.3)
    assert blame_wordings(gates, "U") == [
        "of dL/dc, the forget path took 29.7 decades, the other paths gave back 17.3",
        "of dL/dc, forget path -29.7, others +17.3 decades",
        "of dL/dc, forget path -29.7, others +17.3",
        "forget path -29.7, others +17.3",
        "forget-29.7 rest+17.3",
    ]
    assert blame_wordings(found(activation=-0.444, weights=0.1), "U")[1:] == [
        "phi' -0.44, U +0.10 decades",
        "phi' -0.44, U +0.10",
        "phi'-0.44 U+0.10",
    ]


def test_no_remedy_is_named_that_is_none() -> None:
    judged = verdict("overflow", overflow=Overflow(3, 1))
    line = "overflow: the forward pass left float64 at layer 3; make the weights smaller"
    assert sentence(judged, "float64") == line
    assert sentence(judged, remedy="choose float64").endswith("; choose float64")
    for dtype in ("float32", "float64"):
        assert sentence(judged, dtype, trained=True).endswith("; lower the learning rate")


def found(
    killed: tuple[str, int] | None = None,
    axis: Literal["layer", "time"] = "layer",
    of: Literal["h", "c"] = "h",
    **total: float | None,
) -> Culprits:
    parts = {name.replace("_", " "): value for name, value in total.items()}
    gains = {name: np.full(1, np.nan if v is None else v) for name, v in parts.items()}
    parts = {name: v if v is not None and math.isfinite(v) else None for name, v in parts.items()}
    return Culprits(axis, 1, of, gains, parts, killed)


BLAMES = [
    (found(activation=-60.2, weights=12.1), "phi' took 60.2 decades, W gave back 12.1"),
    (found(activation=-60.2, weights=-12.1), "phi' took 60.2 decades, W took another 12.1"),
    (found(activation=-23.0, weights=29.3), "phi' took 23.0 decades, W gave 29.3"),
    (found(activation=-5.8, weights=0.0), "phi' took 5.8 decades, W took nothing"),
    (found(activation=-5.8, weights=0.01), "phi' took 5.8 decades, W gave next to nothing"),
    (found(activation=-5.8, weights=-0.01), "phi' took 5.8 decades, W took next to nothing"),
    (found(activation=0.0, weights=-12.1), "phi' took nothing, W took 12.1 decades"),
    (found(activation=0.0, weights=12.1), "phi' took nothing, W gave 12.1 decades"),
    (found(activation=-0.02, weights=3.0), "phi' took next to nothing, W gave 3.0 decades"),
    (found(activation=1.2, weights=-0.7), "phi' gave 1.2 decades, W took back 0.7"),
    (found(activation=1.2, weights=-7.0), "phi' gave 1.2 decades, W took 7.0"),
    (found(activation=1.2, weights=3.4), "phi' gave 1.2 decades, W gave another 3.4"),
    (found(activation=-1e-9, weights=0.0), "neither phi' nor W took or gave anything"),
    (
        found(activation=-30.0, normalisation=25.0, weights=-2.0, skip=6.5),
        "phi' took 30.0 decades, normalisation gave back 25.0, W took another 2.0, "
        "the skip path gave back 6.5",
    ),
    (
        found(activation=0.0, weights=0.0, skip=0.0),
        "neither phi', W nor the skip path took or gave anything",
    ),
    (
        found(forget_path=-29.7, gate_paths=17.3, of="c", axis="time"),
        "of dL/dc, the forget path took 29.7 decades, the other paths gave back 17.3",
    ),
    (
        found(update_path=-29.7, gate_paths=17.3, axis="time"),
        "the update path took 29.7 decades, the other paths gave back 17.3",
    ),
    (
        found(("activation", 9), activation=None, weights=None),
        "phi' left nothing at layer 9",
    ),
    (
        found(("weights", 57), "time", activation=None, weights=None),
        "W left nothing at step 57",
    ),
    (found(activation=None, weights=None), "there was no gradient to begin with"),
    (
        found(activation=-math.inf, weights=None, skip=math.inf),
        "the skip path carried on where nothing else did",
    ),
]


@pytest.mark.parametrize(("parts", "words"), BLAMES)
def test_who_is_to_blame(parts: Culprits, words: str) -> None:
    assert blame(parts, "W") == words
    assert blame(parts, "u") == words.replace("W", "u")
    assert words.isascii()


def rows(drawn: str | None) -> list[str]:
    assert drawn is not None
    return drawn.splitlines()


@pytest.mark.parametrize("columns", [40, 80, 120])
@pytest.mark.parametrize("unicode", [True, False])
def test_a_picture_fits_and_names_both_ends(columns: int, unicode: bool) -> None:
    values = [-8.0 + 0.6 * layer for layer in range(10)]
    lines = rows(picture(values, axis="layer", columns=columns, unicode=unicode))
    assert max(map(len, lines)) <= columns
    assert len(lines) == 17
    assert lines[-1].endswith("layer 10")
    assert "layer 1 " in lines[-1]
    # No name is cut within what explains it.
    assert lines[-1].count("(") == lines[-1].count(")")
    assert "\x1b" not in "".join(lines)


def test_the_curve_rises_towards_the_loss_of_a_vanishing_gradient() -> None:
    values = [-8.0 + 0.6 * layer for layer in range(10)]
    lines = rows(picture(values, axis="layer", columns=80, unicode=False))
    stars = [(row, line.index("*")) for row, line in enumerate(lines) if "*" in line]
    assert stars == sorted(stars)
    assert [column for _, column in stars] == sorted((c for _, c in stars), reverse=True)
    ticks = [int(line.split("┤")[0]) for line in lines if "┤" in line]
    assert ticks == [-2, -3, -4, -5, -6, -7, -8]


def test_rounding_does_not_look_like_a_trend() -> None:
    lines = rows(picture([-3.2, -3.2000001, -3.1999999], axis="time", columns=80, unicode=False))
    assert sum("*" in line for line in lines) == 1


def test_gaps_and_nothing_to_draw() -> None:
    lines = rows(
        picture(
            [-1.0, -math.inf, -1.0, math.nan, -1.0, -1.0], axis="layer", columns=80, unicode=False
        )
    )
    (curve,) = [line for line in lines if "*" in line]
    assert len(curve[curve.index("*") :].replace("*", " ").split("   ")) > 2
    for values in ([], [-1.0], [-math.inf] * 5, [math.nan, -2.0]):
        assert picture(values, axis="time", columns=80) is None


def test_colour_only_where_it_is_asked_for() -> None:
    drawn = picture([-1.0, -5.0], axis="layer", columns=80, colour="blue")
    assert drawn is not None and "\x1b[" in drawn


def test_theory_is_dashed_and_keeps_to_its_room() -> None:
    values = [-8.0 + 0.6 * layer for layer in range(10)]
    apart = [value - 3.0 for value in values]
    lines = rows(picture(values, axis="layer", columns=80, unicode=False, theory=apart))
    inner = [line[5:-1] for line in lines[1:-2]]
    assert any("-" in line for line in inner)
    columns = {column for line in inner for column, c in enumerate(line) if c == "-"}
    assert columns and not columns >= set(range(min(columns), max(columns)))
    far = [-1000.0] * 9 + [values[-1]]
    lines = rows(picture(values, axis="layer", columns=80, unicode=False, theory=far))
    ticks = [int(line.split("┤")[0]) for line in lines if "┤" in line]
    assert min(ticks) >= -16
    gaps = [math.nan] * 5 + apart[5:]
    assert picture(values, axis="layer", columns=80, theory=gaps) is not None


def spectrum(values: list[float], zeros: float = 0.0, floor: float | None = None) -> str:
    weights = np.full(len(values), (8 - zeros) / max(len(values), 1))
    method: Literal["exact", "golub-kahan"] = "exact" if floor is None else "golub-kahan"
    logs = np.array(values)
    return spread(JacobianSpectrum(logs, weights, zeros, floor, "d h_3 / d x", method, 8, 9, 0.1))


def test_singular_values_in_words() -> None:
    eight = [0.84, 0.5, 0.1, -0.3, -0.31, -1.0, -2.0, -5.2]
    told = "median 10^-0.3, largest 10^0.8, smallest 10^-5.2; condition 10^6.0"
    assert spectrum(eight) == told
    assert spectrum(eight[:5], 3.0) == "median 10^-0.3, largest 10^0.8, 3 of 8 exactly 0"
    assert spectrum(eight[:3], 5.0) == "median 0, largest 10^0.8, 5 of 8 exactly 0"
    assert spectrum([], 8.0) == "all 8 are 0"
    estimate = "median 10^1.0, largest 10^1.0, smallest below 10^-0.5; condition above 10^1.5"
    assert spectrum([1.0, -0.5], 0.0, -12.0) == estimate
    most = "median below 10^-2.0, largest 10^1.0, 75% below 10^-2.0; condition above 10^3.0"
    assert spectrum([1.0], 6.0, -2.0) == most
    below = "median 10^1.0, largest 10^1.0, 25% below 10^-12.0; condition above 10^13.0"
    assert spectrum([1.0], 2.0, -12.0) == below
    assert isometry("the forward pass overflows") == (
        "no singular values of the end-to-end Jacobian: the forward pass overflows"
    )
