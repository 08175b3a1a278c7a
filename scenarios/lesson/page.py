"""A page, its knobs, and what it says when they are turned."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from scenarios.errors import ScenarioError, nearest_of

if TYPE_CHECKING:
    from scenarios.lesson.blocks import Block
    from scenarios.scenario import Scenario

KnobValue: TypeAlias = int | float | str
#: A number of a page as JSON has it; None is an overflow or an exact zero's logarithm.
Number: TypeAlias = "int | float | str | Sequence[Number] | None"


@dataclass(frozen=True, slots=True)
class Knob:
    """One thing on a page that the reader can change.

    Attributes:
        key: the word to type.
        title: the name to show.
        default: what it is until it is turned; its type is the knob's.
        minimum, maximum: the range of a number, both ends allowed.
        step: what one turn adds to a number.
        times: what one turn multiplies it by instead, where that is not 1.
        choices: the words on offer, empty for a number.
    """

    key: str
    title: str
    default: KnobValue
    minimum: float = 0.0
    maximum: float = 0.0
    step: float = 1.0
    times: float = 1.0
    choices: tuple[str, ...] = ()

    def checked(self, value: object, source: str) -> KnobValue:
        """`value` in the knob's type. Raises ScenarioError where it is not allowed."""
        if self.choices:
            if isinstance(value, str) and value in self.choices:
                return value
            nearest = nearest_of(value, self.choices) if isinstance(value, str) else None
            allowed = f"not one of {', '.join(self.choices)}"
            raise ScenarioError(source, allowed, key=self.key, value=value, nearest=nearest)
        whole = isinstance(self.default, int)
        if (
            isinstance(value, bool)
            or not isinstance(value, int if whole else (int, float))
            or not self.minimum <= value <= self.maximum
        ):
            what = "a whole number" if whole else "a number"
            allowed = f"must be {what} from {self.minimum:g} to {self.maximum:g}"
            raise ScenarioError(source, allowed, key=self.key, value=value)
        return value if whole else float(value)

    def turned(self, value: KnobValue, by: int) -> KnobValue:
        """The value `by` turns on: choices go round, numbers stop at their ends."""
        if self.choices:
            place = self.choices.index(str(value)) + by
            return self.choices[place % len(self.choices)]
        assert isinstance(value, int | float)
        moved = value + by * self.step if self.times == 1.0 else value * self.times**by
        moved = min(max(moved, self.minimum), self.maximum)
        return round(moved) if isinstance(self.default, int) else round(moved, 10)


class Settings(Mapping[str, KnobValue]):
    """What every knob of a page is set to."""

    def __init__(self, values: Mapping[str, KnobValue]) -> None:
        self._values = dict(values)

    def __getitem__(self, key: str) -> KnobValue:
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def whole(self, key: str) -> int:
        """A whole number."""
        return int(self._values[key])

    def number(self, key: str) -> float:
        """A number."""
        return float(self._values[key])

    def word(self, key: str) -> str:
        """A choice."""
        return str(self._values[key])


@dataclass(frozen=True, slots=True)
class Reading:
    """A page at some setting of its knobs.

    Attributes:
        blocks: what it shows, in reading order.
        numbers: what it has computed, by name.
        scenario: what it has run, for the Lab.
    """

    blocks: tuple[Block, ...]
    numbers: Mapping[str, Number]
    scenario: Scenario


@dataclass(frozen=True, slots=True)
class Page:
    """One step of the argument.

    Attributes:
        name: the word to type.
        title: what it says, in a line.
        knobs: what can be changed on it.
        source: paper and section behind it.
        read: what it says at some setting of its knobs, computed anew.
    """

    name: str
    title: str
    knobs: tuple[Knob, ...]
    source: str
    read: Callable[[Settings], Reading]

    def settings(self, changes: Mapping[str, object] | None = None, source: str = "") -> Settings:
        """Every knob at its default but for `changes`. Raises ScenarioError."""
        known = {knob.key: knob for knob in self.knobs}
        values: dict[str, KnobValue] = {key: knob.default for key, knob in known.items()}
        for key, value in (changes or {}).items():
            if key not in known:
                allowed = f"page {self.name} has no such knob, only {', '.join(known)}"
                raise ScenarioError(source, allowed, key=key, nearest=nearest_of(key, known))
            values[key] = known[key].checked(value, source)
        return Settings(values)
