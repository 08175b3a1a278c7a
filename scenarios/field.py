"""One key of a scenario: its type, its range, and what a control says of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

Value: TypeAlias = bool | int | float | str


@dataclass(frozen=True, slots=True)
class Field:
    """One key of a scenario.

    Attributes:
        key: dotted, as in network.depth.
        type: bool, int, float or str.
        title: a short name for a control.
        help: one sentence for a tooltip.
        default: the value where a scenario says nothing; None if it has to be said.
        recurrent_default: the same for recurrent kinds, where it differs.
        minimum, maximum: the range, both ends allowed.
        choices: the names on offer, each with what a picker says of it; asked anew every
            time, so that a registry can grow. A str without them is free text.
        pattern: what is allowed beside the choices, a regular expression.
        also: the same in words.
        needs: the only values of a selector that read the key, None if all do.
        scale: whether a control adds its step ("linear") or multiplies by it ("log").
        step: that step, None for choices and switches.
    """

    key: str
    type: type[bool] | type[int] | type[float] | type[str]
    title: str
    help: str
    default: Value | None = None
    recurrent_default: Value | None = None
    minimum: float | None = None
    maximum: float | None = None
    choices: Callable[[], Mapping[str, str]] | None = None
    pattern: str | None = None
    also: str | None = None
    needs: tuple[str, tuple[str, ...]] | None = None
    scale: str = "linear"
    step: float | None = None

    @property
    def section(self) -> str:
        """The table the key stands in."""
        return self.key.partition(".")[0]

    @property
    def attribute(self) -> str:
        """The key within its table."""
        return self.key.partition(".")[2]


def whole(
    key: str,
    title: str,
    help: str,
    default: int,
    minimum: int,
    maximum: int,
    *,
    recurrent_default: int | None = None,
    needs: tuple[str, tuple[str, ...]] | None = None,
    scale: str = "log",
    step: float = 2.0,
) -> Field:
    """A field of whole numbers, both ends allowed."""
    return Field(
        key,
        int,
        title,
        help,
        default,
        recurrent_default,
        minimum,
        maximum,
        needs=needs,
        scale=scale,
        step=step,
    )


def number(
    key: str,
    title: str,
    help: str,
    default: float,
    maximum: float,
    *,
    needs: tuple[str, tuple[str, ...]] | None = None,
    scale: str = "linear",
    step: float = 0.05,
) -> Field:
    """A field of numbers from 0 on."""
    return Field(
        key,
        float,
        title,
        help,
        default,
        None,
        0.0,
        maximum,
        needs=needs,
        scale=scale,
        step=step,
    )


def choice(
    key: str,
    title: str,
    help: str,
    default: str | None,
    choices: Callable[[], Mapping[str, str]],
    *,
    pattern: str | None = None,
    also: str | None = None,
) -> Field:
    """A field of names."""
    return Field(key, str, title, help, default, choices=choices, pattern=pattern, also=also)
