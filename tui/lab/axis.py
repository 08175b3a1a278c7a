"""Round numbers for axes, and the line of labels under a picture."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

#: Cells left of a picture: a number and the axis.
GUTTER = 7
#: Room that a loose range has beyond its values, as a share of what lies between them.
_ROOM = 0.1


def round_step(span: float, at_most: int) -> int:
    """The smallest of 1, 2, 5, 10, 20, ... that divides `span` into at most `at_most` parts."""
    wanted = max(span / max(at_most, 1), 1.0)
    power = 10 ** math.floor(math.log10(wanted))
    for multiple in (1, 2, 5, 10):
        if multiple * power >= wanted:
            return int(multiple * power)
    return int(10 * power)


def round_up(value: float) -> float:
    """The smallest of 1, 2, 5 times a power of ten that is not below `value`, give or take 0.1%."""
    unit = 10.0 ** math.floor(math.log10(value))
    return next(unit * part for part in (1.0, 2.0, 5.0, 10.0) if unit * part >= value * 0.999)


class StickyRange:
    """Limits of an axis that grow to whole round steps and never shrink."""

    def __init__(self) -> None:
        self.low: int | None = None
        self.high: int | None = None

    def include(self, low: float, high: float) -> None:
        """Grow until [low, high] lies within."""
        if self.low is not None and self.high is not None:
            if self.low <= low and high <= self.high:
                return
            low, high = min(low, self.low), max(high, self.high)
        step = round_step(high - low, 10)
        self.low = math.floor(low / step) * step
        self.high = max(math.ceil(high / step) * step, self.low + step)

    @property
    def limits(self) -> tuple[float, float]:
        """(low, high); one decade around 0 before anything was included."""
        if self.low is None or self.high is None:
            return -1.0, 1.0
        return float(self.low), float(self.high)


class LooseRange:
    """Limits of an axis for values of any size: they stay until a value leaves them."""

    def __init__(self) -> None:
        self.limits = (0.0, 0.0)

    def include(self, low: float, high: float, least: float) -> None:
        """Have room for values from `low` to `high`, and span `least` at least."""
        bottom, top = self.limits
        if bottom < top and bottom <= low <= high <= top:
            return
        if bottom < top:
            low, high = min(low, bottom), max(high, top)
        room = max(_ROOM * (high - low), (least - high + low) / 2.0)
        self.limits = (low - room, high + room)


def row_of(value: float, limits: tuple[float, float], height: int) -> int:
    """The canvas row, 0 at the top, in which `value` lies."""
    low, high = limits
    row = int((high - value) / (high - low) * height)
    return min(max(row, 0), height - 1)


def whole(value: int, sign: str = "-") -> str:
    """A number that fits beside an axis, in thousands or millions where it has too many digits."""
    room = GUTTER - 2
    text = f"{value:{sign}d}"
    if len(text) > room:
        text = f"{value / 1e3:{sign}.0f}k"
    return text if len(text) <= room else f"{value / 1e6:{sign}.2g}M"


def y_labels(limits: tuple[float, float], height: int) -> dict[int, str]:
    """Round numbers by canvas row, as `numbers` has them, whole where there is room for two."""
    return numbers(*limits, height, lambda value: row_of(value, limits, height), least=1.0)


def ticks(low: float, high: float, height: int) -> dict[int, str]:
    """Round numbers by canvas row, as `numbers` has them, whole or not."""
    return numbers(low, high, height, lambda value: row_of(value, (low, high), height))


def numbers(
    low: float,
    high: float,
    height: int,
    row_at: Callable[[float], int],
    *,
    least: float = 0.0,
    sign: str = "-",
) -> dict[int, str]:
    """Round numbers from `low` to `high` by the row that `row_at` says, 0 at the top of `height`.

    They are two rows and `least` apart at least, but nearer where there would be only one of them:
    a number alone is no scale.
    """
    step = max(round_up((high - low) / max(height // 2, 1)), least)
    labels: dict[int, str] = {}
    while len(labels) < min(height, 2):
        digits = max(0, -math.floor(math.log10(step) + 1e-9))
        counts = range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)
        labels = {}
        # Where rows are few, zero has its own before any other number.
        for count in sorted(counts, key=abs):
            value = count * step
            text = f"{value:{sign}.{digits}f}" if digits else whole(round(value), sign)
            labels.setdefault(row_at(value), text if count else "0")
        step = round_up(step / 2.5)
    return labels


def column_of(place: float, span: int, width: int) -> int:
    """The canvas column that holds place `place` of 1 ... span."""
    return min(max(int((place - 0.5) / span * width), 0), width - 1)


def x_labels(
    width: int, span: int, left: str, right: str, numbers: Iterable[tuple[int, str]]
) -> str:
    """A line with both ends named and as many numbers between them as fit.

    `numbers` are (place, text), the most important first.
    """
    if len(left) + len(right) + 1 > width:
        left = left[: max(width - len(right) - 1, 0)]
    line = [" "] * width
    line[: len(left)] = left
    line[width - len(right) :] = right
    line = line[-width:] if width else []
    free = [character == " " for character in line]
    free[: len(left) + 2] = [False] * min(len(left) + 2, width)
    free[max(width - len(right) - 2, 0) :] = [False] * min(len(right) + 2, width)
    for place, text in numbers:
        start = column_of(place, span, width) - len(text) // 2
        if start < 0 or start + len(text) > width:
            continue
        if all(free[max(start - 1, 0) : start + len(text) + 1]):
            line[start : start + len(text)] = text
            free[start : start + len(text)] = [False] * len(text)
    return "".join(line)


def round_places(span: int, at_most: int) -> list[int]:
    """Round places among 1 ... span: multiples of a round step."""
    step = round_step(span, at_most)
    return list(range(step, span + 1, step))
