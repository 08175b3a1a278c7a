"""The one error a scenario can cause, and the line it shows."""

from __future__ import annotations

from collections.abc import Iterable

#: Longest value an error line quotes, in characters.
QUOTED_LENGTH = 60


class ScenarioError(Exception):
    """A scenario that cannot be used. `str()` is one line a user can act on.

    Attributes:
        source: where the trouble lies: a file, a catalogue name or an option such as --set.
        key: the dotted scenario key, None where the trouble is the whole file.
        value: what was given for the key, None where nothing was.
        allowed: what is wrong and what would be right, as words.
        nearest: the closest thing that exists, None where nothing is close.
    """

    def __init__(
        self,
        source: str,
        allowed: str,
        *,
        key: str | None = None,
        value: object = None,
        nearest: str | None = None,
    ) -> None:
        self.source = source
        self.key = key
        self.value = value
        self.allowed = allowed
        self.nearest = nearest
        super().__init__(self._line())

    def _line(self) -> str:
        parts = [printable(self.source)]
        if self.key is not None:
            shown = printable(self.key)
            parts.append(shown if self.value is None else f"{shown} = {quoted(self.value)}")
        parts.append(self.allowed)
        line = ": ".join(parts)
        return line if self.nearest is None else f"{line}; did you mean {self.nearest}?"

    def __reduce__(self) -> tuple[object, ...]:
        # The app's engine process sends these back; Exception's own pickling loses keywords.
        state = (self.source, self.allowed, self.key, self.value, self.nearest)
        return (_rebuild, state)


def _rebuild(
    source: str, allowed: str, key: str | None, value: object, nearest: str | None
) -> ScenarioError:
    return ScenarioError(source, allowed, key=key, value=value, nearest=nearest)


def printable(text: str) -> str:
    """`text` on one line, with nothing in it that could steer a terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def quoted(value: object) -> str:
    """`value` as TOML would write it, shortened to fit a line."""
    import json

    if isinstance(value, bool):
        shown = "true" if value else "false"
    elif isinstance(value, str):
        shown = printable(json.dumps(value, ensure_ascii=False))
    elif isinstance(value, int) and abs(value) >= 10**QUOTED_LENGTH:
        # Python refuses to write out integers of thousands of digits.
        return "a whole number of more than 60 digits"
    elif isinstance(value, dict):
        return "a table"
    elif isinstance(value, list | tuple):
        if any(isinstance(one, dict | list | tuple) for one in value):
            return "an array"
        # No more than fits the line is written out.
        shown = f"[{', '.join(map(quoted, value[:QUOTED_LENGTH]))}]"
    else:
        shown = printable(str(value))
    return shown if len(shown) <= QUOTED_LENGTH else f"{shown[: QUOTED_LENGTH - 3]}..."


def nearest_of(word: str, candidates: Iterable[str]) -> str | None:
    """The candidate most like `word`, None if none is like it."""
    import difflib

    lowered = {candidate.lower(): candidate for candidate in candidates}
    close = difflib.get_close_matches(word[:100].lower(), lowered, n=1, cutoff=0.6)
    return lowered[close[0]] if close else None
