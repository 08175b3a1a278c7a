"""What a page consists of: words, formulas and figures, with nothing said about how to draw them.

In words and formulas [ ] encloses a slope phi', { } a weight, * * what matters most; the brackets
stay in sight, the stars do not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph; a question to try if `asks`."""

    text: str
    asks: bool = False


@dataclass(frozen=True, slots=True)
class Formula:
    """Lines that keep their layout."""

    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Curve:
    """One value for each layer or time step, the loss end last; -inf is an exact zero.

    Curves of one `name` are drawn alike and named once.
    """

    name: str
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """Curves of log10 magnitudes from the far end to the loss; a hop is a layer or a step."""

    title: str
    axis: Literal["layer", "time", "hop"]
    curves: tuple[Curve, ...]


@dataclass(frozen=True, slots=True)
class Plane:
    """Points of the complex plane around the unit circle."""

    title: str
    points: tuple[complex, ...]


@dataclass(frozen=True, slots=True)
class Cells:
    """A matrix of short texts, some of them lit, as {(row, column)}."""

    title: str
    rows: tuple[tuple[str, ...], ...]
    lit: frozenset[tuple[int, int]] = frozenset()


@dataclass(frozen=True, slots=True)
class Table:
    """A header and rows; `align` holds < or > for each column."""

    align: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    title: str = ""


@dataclass(frozen=True, slots=True)
class Beside:
    """Figures next to each other, as far as there is room."""

    blocks: tuple[Chart | Plane | Cells, ...]


Block: TypeAlias = Text | Formula | Chart | Plane | Cells | Table | Beside
