"""Numbers as Python, JSON and the store hold them: finite or none, logarithms rounded."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.arrays import HostArray

#: Decimals of what is a logarithm: a millionth of a decade is far below rounding in float32.
DECIMALS = 6

#: What gives several values where one or several are asked for.
SEVERAL = (list, tuple, range)


def plain(value: object) -> object:
    """A scalar or an array, of NumPy or alike, as a number or a list; anything else as it is."""
    return value.tolist() if hasattr(value, "tolist") else value


def finite(value: float | None) -> float | None:
    """`value`, None where it is infinite or not a number."""
    return value if value is not None and math.isfinite(value) else None


def logarithm(value: float | None) -> float | None:
    """A logarithm to `DECIMALS`, zero without a sign; None where it is not finite."""
    return None if value is None else finite(round(value, DECIMALS) + 0.0)


def logarithms(field: HostArray) -> list[list[float | None]]:
    """The same of rows of them."""
    import numpy as np

    rows: list[list[float | None]] = (field.round(DECIMALS) + 0.0).tolist()
    # Nearly always: looking at every number costs as much as writing it.
    if np.isfinite(field).all():
        return rows
    return [[finite(value) for value in row] for row in rows]
