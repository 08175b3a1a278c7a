"""Lines of styled text, and words wrapped into them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TypeAlias

from tui.learn.notation import plain

#: Text and the name of its style; see STYLES.
Piece: TypeAlias = tuple[str, str]
Line: TypeAlias = list[Piece]

#: Every style there is. Meaning never hangs on them alone: slopes stand in [ ], weights in { }, a
#: lit cell in < >, and curves carry markers.
STYLES = (
    "text",
    "dim",
    "strong",
    "slope",
    "weight",
    "lit",
    "ask",
    *(f"curve{i}" for i in range(4)),
)

_MARK = re.compile(r"\[[^\]]*\]|\{[^}]*\}|\*[^*]+\*")


def styled(text: str, base: str = "text", *, unicode: bool = True) -> Line:
    """`text` with its marks turned into styles; stars go, brackets stay."""
    line = _marked(text, base)
    # Only now: what stands for a product in ASCII is a star, too.
    return line if unicode else [(plain(part), style) for part, style in line]


def _marked(text: str, base: str) -> Line:
    line: Line = []
    end = 0
    for found in _MARK.finditer(text):
        if found.start() > end:
            line.append((text[end : found.start()], base))
        mark = found[0]
        if mark[0] == "*":
            line.append((mark[1:-1], "strong"))
        else:
            line.append((mark, "slope" if mark[0] == "[" else "weight"))
        end = found.end()
    if end < len(text):
        line.append((text[end:], base))
    return line


def wrapped(text: str, width: int, base: str = "text", *, unicode: bool = True) -> list[Line]:
    """`text` in lines of at most `width` cells, broken between words."""
    lines: list[Line] = [[]]
    used = 0
    for word in _words(styled(text, base, unicode=unicode)):
        size = cells(word)
        if used and used + 1 + size > width:
            lines.append([])
            used = 0
        if used:
            lines[-1].append((" ", base))
        lines[-1].extend(word)
        used += size + (1 if used else 0)
    return [joined(line) for line in lines]


def _words(line: Line) -> Iterator[Line]:
    """What stands between spaces, in pieces of one style each."""
    word: Line = []
    for text, style in line:
        for number, part in enumerate(text.split(" ")):
            if number and word:
                yield word
                word = []
            if part:
                word.append((part, style))
    if word:
        yield word


def joined(pieces: Iterable[Piece]) -> Line:
    """The same line in as few pieces as there are changes of style."""
    line: Line = []
    for text, style in pieces:
        if line and line[-1][1] == style:
            line[-1] = (line[-1][0] + text, style)
        elif text:
            line.append((text, style))
    return line


def cells(line: Line) -> int:
    """How wide a line is; nothing in the lesson is wider than one cell a character."""
    return sum(len(text) for text, _ in line)


def padded(line: Line, width: int) -> Line:
    """`line` with spaces up to `width`."""
    missing = width - cells(line)
    return [*line, (" " * missing, "text")] if missing > 0 else line


def side_by_side(parts: list[list[Line]], gap: int = 3) -> list[Line]:
    """Columns of lines next to each other, top to top."""
    widths = [max((cells(line) for line in part), default=0) for part in parts]
    lines: list[Line] = []
    for row in range(max(map(len, parts))):
        line: Line = []
        for place, part in enumerate(parts):
            own = part[row] if row < len(part) else []
            last = place == len(parts) - 1
            line += own if last else padded(own, widths[place] + gap)
        lines.append(joined(line))
    return lines
