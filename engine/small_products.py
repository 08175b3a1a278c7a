"""A product over many samples as a stack of small ones, where BLAS is quicker at those.

OpenBLAS first copies what it multiplies into the order its kernels read. Its kernels for AVX-512
take small products as they are, a fifth to a quarter quicker (OpenBLAS pull request 3335).
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.arrays import Array

#: Multiplications up to which a product is small to them.
_SMALL = 10**6

#: Samples a part has at least: fewer do not fill a kernel's tiles.
MULTIPLIED = 32
#: The same where parts are added up afterwards, as dear as some dozens of samples.
SUMMED = 96


@lru_cache
def part_count(samples: int, weights: int, least: int) -> int:
    """How many equal parts, each of at least `least` samples, make small products.

    Every sample costs `weights` multiplications. 1 where the whole is small, or does not divide.
    """
    fewest = _fewest(samples, weights)
    most = most_parts(samples, weights, least)
    return next((count for count in range(fewest, most + 1) if samples % count == 0), 1)


def most_parts(samples: int, weights: int, least: int) -> int:
    """The most that `part_count` gives for so many samples or fewer."""
    return min(2 * _fewest(samples, weights) - 1, samples // least)


def _fewest(samples: int, weights: int) -> int:
    return -(-samples * weights // _SMALL)


def in_parts(samples: Array, count: int) -> Array:
    """A view (..., count, N / count, features) of samples (..., N, features)."""
    return samples.reshape(*samples.shape[:-2], count, -1, samples.shape[-1])
