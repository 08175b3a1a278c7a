"""A scenario: one network, its initialisation, task and training, validated and complete."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from scenarios import catalogue
from scenarios.errors import ScenarioError
from scenarios.reader import SECTIONS, named_after, read, split
from scenarios.resolve import resolve
from scenarios.schema import FIELDS, Value

if TYPE_CHECKING:
    from pathlib import Path

#: Who asked for a value, by key; what is not in it comes from the default source.
Origins: TypeAlias = Mapping[str, str]

#: A number as other languages write it, TOML among those that do not.
_NUMBER = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"


@dataclass(frozen=True, slots=True)
class Network:
    """The network itself. None: the kind has no such thing."""

    kind: str
    depth: int
    hidden_size: int
    bias: bool
    norm: str
    activation: str | None = None
    kernel_size: int | None = None
    padding: str | None = None
    convolution: str | None = None
    residual: bool | None = None
    dense: bool | None = None
    recurrent_bound: float | None = None


@dataclass(frozen=True, slots=True)
class Init:
    """How its parameters are drawn."""

    scheme: str
    weight_scale: float
    bias_scale: float
    recurrent_scale: float | None = None
    recurrent_lower: float | None = None
    recurrent_upper: float | None = None
    forget_bias: float | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """What it is shown. `time_steps` is None for feed-forward networks."""

    name: str
    batch_size: int
    file: str | None = None
    permuted: bool | None = None
    time_steps: int | None = None
    input_size: int | None = None
    image_size: int | None = None
    image_channels: int | None = None


@dataclass(frozen=True, slots=True)
class Training:
    """How it is trained; 0 steps only look at it as initialised."""

    steps: int
    optimizer: str
    learning_rate: float
    clip_norm: float
    clip_value: float
    schedule: str
    schedule_steps: int | None = None
    schedule_factor: float | None = None
    evaluate_every: int | None = None


@dataclass(frozen=True, slots=True)
class RunSettings:
    """What the run computes with."""

    seed: int
    dtype: str
    device: str


@dataclass(frozen=True, slots=True)
class Scenario:
    """A scenario in which every field that fits has a value.

    Attributes:
        name: what it is called on the command line.
        title: what it is called on the screen.
        question: what it shows and what to look for.
        source_text: the paper and equation behind it.
        origin: the file it came from, or its name; not part of what it is.
    """

    name: str
    title: str
    question: str
    source_text: str
    network: Network
    init: Init
    task: Task
    training: Training
    run: RunSettings
    origin: str = field(default="", compare=False)

    def values(self) -> dict[str, Value]:
        """Every value by dotted key, in the order the fields are declared."""
        found = {key: getattr(getattr(self, f.section), f.attribute) for key, f in FIELDS.items()}
        return {key: value for key, value in found.items() if value is not None}

    def to_dict(self) -> dict[str, object]:
        """Nested plain values, complete: loading them gives this scenario again."""
        tables: dict[str, dict[str, Value]] = {section: {} for section in SECTIONS}
        for key, value in self.values().items():
            tables[FIELDS[key].section][FIELDS[key].attribute] = value
        return {**self._texts(), **tables}

    def to_toml(self) -> str:
        """The same as a scenario file."""
        import tomli_w

        return tomli_w.dumps(self.to_dict())

    def with_changes(
        self,
        changes: Mapping[str, object],
        *,
        source: str = "change",
        origins: Origins | None = None,
    ) -> Scenario:
        """This scenario with some values changed, by dotted key, and everything checked again.

        Where the kind, the initialiser or the task changes, values that fitted only the old one
        give way to defaults. Between feed-forward and recurrent kinds the gradient's path keeps
        its length: depth becomes time_steps and time_steps becomes depth. Raises ScenarioError.
        """
        values = resolve(changes, self.values(), source=source, origins=origins or {})
        return _assemble(self._texts(), values, self.origin)

    def _texts(self) -> dict[str, str]:
        return {
            "name": self.name,
            "title": self.title,
            "question": self.question,
            "source": self.source_text,
        }


def load(
    source: str | Path,
    overrides: Mapping[str, object] | None = None,
    *,
    overrides_source: str = "overrides",
    origins: Origins | None = None,
) -> Scenario:
    """The scenario called `source` in the catalogue, or in the TOML file at that path.

    SET/PART/NET means one of a paper's (`scenarios.papers`). `overrides` are applied on top, by
    dotted key; error lines say that they come from `overrides_source`, or from what `origins`
    names for the key. Raises ScenarioError.
    """
    shown = str(source)
    if "/" in shown:
        from scenarios.papers.definition import load_entry, names_entry

        if names_entry(source):
            return load_entry(shown, overrides, overrides_source=overrides_source, origins=origins)
    file = catalogue.find(source)
    values, texts = split(read(file, shown, catalogue.names()), shown)
    scenario = scenario_of(values, {**named_after(file), **texts}, shown)
    if not overrides:
        return scenario
    return scenario.with_changes(overrides, source=overrides_source, origins=origins)


def define(name: str, title: str, values: Mapping[str, object], *, question: str = "") -> Scenario:
    """A scenario that is written in no file, from values by dotted key. Raises ScenarioError."""
    texts = {"name": name, "title": title, "question": question, "source": ""}
    return scenario_of(values, texts, name)


def scenario_of(values: Mapping[str, object], texts: Mapping[str, str], origin: str) -> Scenario:
    """The scenario of unchecked values by dotted key, and of all its texts.

    Error lines name `origin`. Raises ScenarioError.
    """
    return _assemble(texts, resolve(values, source=origin), origin)


def parse_assignment(
    text: str, source: str = "--set", example: str = "network.depth=50"
) -> tuple[str, object]:
    """Split "network.depth=50" into its key and its value: a TOML value, else bare text.

    Numbers may also be written as .5, 1. or 01, and whole ones as 1e3: what has no fraction is an
    integer, which stands for a float as well. An array may hold bare text, too. Raises
    ScenarioError, with the example, where there is no key or no equals sign.
    """
    key, equals, written = (part.strip() for part in text.partition("="))
    if not equals or not key:
        allowed = f"must be KEY=VALUE, for example {example}"
        raise ScenarioError(source, allowed, key=text)
    return key, _value(written)


def _value(written: str) -> object:
    import tomllib

    try:
        parsed = tomllib.loads(f"value = {written}")
    except (ValueError, RecursionError):
        if re.fullmatch(_NUMBER, written, re.ASCII):
            return _whole(float(written))
        if written[:1] == "[" and written[-1:] == "]" and "[" not in written[1:]:
            return [_value(one.strip()) for one in written[1:-1].split(",")]
        return written
    if len(parsed) > 1:
        return written
    value = parsed["value"]
    return [_whole(one) for one in value] if isinstance(value, list) else _whole(value)


def _whole(value: object) -> object:
    """A number without a fraction as an integer; anything else as it is."""
    # Beyond 2^53 a float names no one integer.
    if isinstance(value, float) and value.is_integer() and abs(value) <= 2**53:
        return int(value)
    return value


def _assemble(texts: Mapping[str, str], values: Mapping[str, Value], origin: str) -> Scenario:
    tables: dict[str, dict[str, Value]] = {section: {} for section in SECTIONS}
    for key, value in values.items():
        tables[FIELDS[key].section][FIELDS[key].attribute] = value
    # `resolve` has given every value its field's type, which no type checker can follow.
    return Scenario(
        name=texts["name"],
        title=texts["title"],
        question=texts["question"],
        source_text=texts["source"],
        network=Network(**tables["network"]),  # type: ignore[arg-type]
        init=Init(**tables["init"]),  # type: ignore[arg-type]
        task=Task(**tables["task"]),  # type: ignore[arg-type]
        training=Training(**tables["training"]),  # type: ignore[arg-type]
        run=RunSettings(**tables["run"]),  # type: ignore[arg-type]
        origin=origin,
    )
