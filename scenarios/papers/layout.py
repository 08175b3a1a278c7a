"""A set's file, checked table by table: everything in it that is not a scenario's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scenarios import reader
from scenarios.errors import ScenarioError, nearest_of
from scenarios.fields import FIELDS
from scenarios.reader import SECTIONS, TEXTS

#: What is compared, always on what is never trained on: updates until the loss is below
#: `solved_below`, the loss, or the share of right answers after the last update.
MEASURES = ("steps", "loss", "accuracy")

#: The keys of a set, of a net and of a part that are not a scenario's.
_OWN = ("measure", "solved_below", "stop_when_solved", "seeds", "asks_for", "nets", "parts")
_NET, _PART = (), ("nets", "paper", "paper_source", "order")

#: Characters of the paper's words for a result.
_LONGEST_WORDS = 40


@dataclass(frozen=True, slots=True)
class NetTable:
    """One of [[nets]]: its texts, and its scenario's values by dotted key, unchecked."""

    name: str
    title: str
    values: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class PartTable:
    """One of [[parts]]: names of nets are those of [[nets]]; `values` as there."""

    name: str
    nets: tuple[str, ...]
    paper: Mapping[str, float | str]
    paper_source: str
    order: tuple[tuple[str, ...], ...]
    values: Mapping[str, object]


class Layout:
    """A parsed file. Every error line names it as `shown`.

    Raises ScenarioError for whatever no set can have.
    """

    def __init__(self, document: Mapping[str, object], shown: str) -> None:
        self._shown = shown
        self._own = {key: document[key] for key in _OWN if key in document}
        self.values, self.texts = self._split(document, _OWN, "")
        self.nets = [self._net(table, place) for place, table in self._tables("nets")]
        names = tuple(net.name for net in self.nets)
        self._distinct(names, "nets")
        self.parts = [self._part(table, place, names) for place, table in self._tables("parts")]
        self._distinct([part.name for part in self.parts], "parts")
        self.measure = self._measure()
        self.solved_below = self._solved_below()
        self.stop_when_solved = self._stop_when_solved()
        self.seeds = self._own.get("seeds", [0])
        self.asks_for = self._asks_for()

    def _error(
        self, allowed: str, key: str, value: object = None, nearest: str | None = None
    ) -> ScenarioError:
        return ScenarioError(self._shown, allowed, key=key, value=value, nearest=nearest)

    def _split(
        self, table: Mapping[str, object], own: Sequence[str], place: str
    ) -> tuple[dict[str, object], dict[str, str]]:
        """A table's scenario values by dotted key, and its texts."""
        rest = {key: value for key, value in table.items() if key not in own}
        known = (*own, *SECTIONS, *TEXTS)
        for key, value in rest.items():
            if key not in known:
                quoted = None if isinstance(value, dict) else value
                nearest = nearest_of(key, known)
                raise self._error("unknown key", f"{place}{key}", quoted, nearest)
        return reader.split(rest, self._shown)

    def _tables(self, key: str) -> list[tuple[str, dict[str, Any]]]:
        """The tables under [[key]], each with its place as error lines name it."""
        tables = self._own.get(key)
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            allowed = "is missing" if tables is None else f"must be tables, each under [[{key}]]"
            raise self._error(allowed, key, tables)
        if not tables:
            raise self._error("is empty: there is nothing to run", key)
        return [(f"{key}[{number}].", table) for number, table in enumerate(tables, 1)]

    def _net(self, table: Mapping[str, object], place: str) -> NetTable:
        values, texts = self._split(table, _NET, place)
        name = self._name(texts, place)
        return NetTable(name, texts.get("title", name), values)

    def _part(self, table: Mapping[str, object], place: str, names: tuple[str, ...]) -> PartTable:
        values, texts = self._split(table, _PART, place)
        name = self._name(texts, place)
        nets = self._names(table.get("nets", list(names)), f"{place}nets", names)
        paper = table.get("paper", {})
        if not isinstance(paper, dict):
            raise self._error("must be a table of results by net", f"{place}paper", paper)
        for net, result in paper.items():
            self._check_result(result, f"{place}paper.{net}", net, nets)
        written = table.get("paper_source", "")
        if not isinstance(written, str) or not written.isprintable():
            allowed = 'must be text, such as "Table 2"'
            raise self._error(allowed, f"{place}paper_source", written)
        order = self._order(table.get("order", []), f"{place}order", nets)
        return PartTable(name, nets, paper, written, order, values)

    def _name(self, texts: Mapping[str, str], place: str) -> str:
        if "name" not in texts:
            raise self._error("is missing", f"{place}name")
        return texts["name"]

    def _names(self, given: object, key: str, known: tuple[str, ...]) -> tuple[str, ...]:
        if not isinstance(given, list) or not given:
            raise self._error("must be an array of names of nets", key, given)
        for name in given:
            if name not in known:
                allowed = f"not one of {', '.join(known)}"
                raise self._error(allowed, key, name, nearest_of(str(name), known))
        return tuple(given)

    def _check_result(self, result: object, key: str, net: str, nets: tuple[str, ...]) -> None:
        if net not in nets:
            raise self._error("no such net in this part", key, nearest=nearest_of(net, nets))
        if isinstance(result, int | float) and not isinstance(result, bool):
            return
        if not isinstance(result, str) or not result.isprintable() or len(result) > _LONGEST_WORDS:
            allowed = f"must be a number, or at most {_LONGEST_WORDS} characters of words"
            raise self._error(allowed, key, result)

    def _order(self, given: object, key: str, nets: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
        allowed = 'must be an array of texts such as "indrnn > rnn", the better one first'
        if not isinstance(given, list):
            raise self._error(allowed, key, given)
        chains = []
        for chain in given:
            names = [name.strip() for name in chain.split(">")] if isinstance(chain, str) else []
            if len(names) < 2:
                raise self._error(allowed, key, chain)
            for name in names:
                if name not in nets:
                    why = f'"{name}" is no net of this part'
                    raise self._error(why, key, chain, nearest_of(name, nets))
            chains.append(tuple(names))
        return tuple(chains)

    def _measure(self) -> str:
        measure = self._own.get("measure", MEASURES[0])
        if not isinstance(measure, str) or measure not in MEASURES:
            allowed = f"not one of {', '.join(MEASURES)}"
            raise self._error(allowed, "measure", measure, nearest_of(str(measure), MEASURES))
        return measure

    def _solved_below(self) -> float | None:
        value = self._own.get("solved_below")
        if value is None:
            if self.measure == "steps":
                allowed = 'is missing: the loss to get below, which measure = "steps" counts to'
                raise self._error(allowed, "solved_below")
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
            raise self._error("must be a number above 0", "solved_below", value)
        return float(value)

    def _stop_when_solved(self) -> bool:
        stops = self._own.get("stop_when_solved", False)
        if not isinstance(stops, bool):
            raise self._error("must be true or false", "stop_when_solved", stops)
        if stops and self.solved_below is None:
            raise self._error("needs solved_below", "stop_when_solved", stops)
        return stops

    def _asks_for(self) -> str | None:
        key = self._own.get("asks_for")
        if key is None:
            return None
        if not isinstance(key, str) or key not in FIELDS:
            nearest = nearest_of(str(key), FIELDS)
            raise self._error("must be a scenario's key", "asks_for", key, nearest)
        return key

    def _distinct(self, names: Sequence[str], key: str) -> None:
        for number, name in enumerate(names, 1):
            if name in names[: number - 1]:
                raise self._error("is there twice", f"{key}[{number}].name", name)
