"""Bars of a histogram, drawn in eighths of a cell."""

from __future__ import annotations

_EIGHTHS = " ▁▂▃▄▅▆▇█"


def bar_cell(count: float, tallest: float, rows: int, floor: int) -> str:
    """A bar's cell, `floor` cells above the lowest, where the tallest bar fills `rows` cells.

    What is there at all can be seen.
    """
    eighths = max(round(8.0 * count * rows / tallest), 1) if count else 0
    return _EIGHTHS[min(max(eighths - 8 * floor, 0), 8)]
