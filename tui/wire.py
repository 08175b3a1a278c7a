"""What goes to the terminal: only cells that differ from what it shows, and no colour said twice.

Textual sends the whole line of a widget up to where it changed, every piece of it with its colours
spelled out; a dialogue that opens costs 54 KB at 120x40 that way, seven seconds at 64 kbit/s.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, cast

from rich.cells import cell_len
from rich.color import ColorSystem
from rich.console import ConsoleRenderable
from rich.segment import ControlType
from textual._compositor import CompositorUpdate

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.style import Style

_SYSTEMS = {
    "standard": ColorSystem.STANDARD,
    "256": ColorSystem.EIGHT_BIT,
    "truecolor": ColorSystem.TRUECOLOR,
    "windows": ColorSystem.WINDOWS,
}
#: One colour or attribute of a style as the terminal is told it.
_CODE = re.compile(r"[34]8;5;\d+|[34]8;2;\d+;\d+;\d+|\d+")
#: Attributes that show on a space: underlined, blinking, reversed, struck out, framed, overlined.
_SEEN_ON_SPACES = frozenset({"4", "5", "6", "7", "9", "21", "51", "52", "53"})
#: Cells that are alike between two that differ: fewer are sent again, more are jumped over.
_JUMP = 4


class _Pen(NamedTuple):
    """How a cell is drawn, in the terminal's own codes."""

    attributes: str
    ink: str
    ground: str

    def on_space(self) -> _Pen:
        """The simplest pen with which a space looks the same."""
        if _SEEN_ON_SPACES.isdisjoint(self.attributes.split(";")):
            return _Pen("", "39", self.ground)
        return self

    def after(self, before: _Pen) -> str:
        """What makes the terminal take this pen in place of another."""
        if self.attributes != before.attributes:
            codes = ["0", self.attributes]
            codes += [code for code in (self.ink, self.ground) if code not in ("39", "49")]
        else:
            codes = [self.ink] if self.ink != before.ink else []
            codes += [self.ground] if self.ground != before.ground else []
        return f"\x1b[{';'.join(filter(None, codes))}m" if codes else ""


_PLAIN = _Pen("", "39", "49")
#: Characters and pens by column.
_Row: TypeAlias = dict[int, tuple[str, _Pen]]


class Wire:
    """The terminal's screen as it has been told so far, cell by cell."""

    def __init__(self) -> None:
        self._rows: dict[int, _Row] = {}
        # Rows with characters of two cells: nothing is left out there, half of one cannot be sent.
        self._wide: set[int] = set()
        self._size: tuple[float, float] = (math.inf, math.inf)
        self._pens: dict[Style | None, tuple[_Pen, _Pen]] = {None: (_PLAIN, _PLAIN)}

    def resize(self, width: int, height: int) -> None:
        """The terminal has this size now, and what it shows is unknown.

        What is still drawn for a larger one is sent as far as there is room: a terminal puts what
        lies beyond into its last column.
        """
        self._size = (width, height)
        self.forget()

    def forget(self) -> None:
        """Take the screen for unknown: everything will be sent again."""
        self._rows.clear()
        self._wide.clear()

    def lean(self, update: CompositorUpdate) -> CompositorUpdate:
        """The same update with everything left out that is on the screen already."""
        return _LeanUpdate(self, update)

    def text_of(self, update: CompositorUpdate, console: Console) -> str:
        """What to send for an update; from then on it counts as sent."""
        system = _SYSTEMS.get(console.color_system or "", ColorSystem.TRUECOLOR)
        changed: dict[int, _Row] = {}
        width, height = self._size
        x = y = 0
        for segment in console.render(cast(ConsoleRenderable, update)):
            text, style, control = segment
            if control:
                for code in control:
                    if code[0] is ControlType.CURSOR_MOVE_TO and len(code) == 3:
                        x, y = int(code[1]), int(code[2])
                continue
            if text == "\n":
                x, y = 0, y + 1
                continue
            if y >= height:
                continue
            pen, pen_on_space = self._pens_of(style, system)
            shown = self._rows.setdefault(y, {})
            cells = _cells(text)
            if "" in cells:
                self._wide.add(y)
            everything = y in self._wide
            for character in cells:
                if x >= width:
                    break
                cell = (character, pen_on_space if character == " " else pen)
                if everything or shown.get(x) != cell:
                    shown[x] = cell
                    changed.setdefault(y, {})[x] = cell
                x += 1
        return self._told(changed)

    def _pens_of(self, style: Style | None, system: ColorSystem) -> tuple[_Pen, _Pen]:
        """The pen of a style, for anything and for spaces."""
        pens = self._pens.get(style)
        if pens is None:
            assert style is not None
            told = style.update_link(None).render("x", color_system=system)
            attributes, ink, ground = [], "39", "49"
            for code in _CODE.findall(told.partition("x")[0]):
                kind = int(code.partition(";")[0])
                if 30 <= kind <= 39 or 90 <= kind <= 97:
                    ink = code
                elif 40 <= kind <= 49 or 100 <= kind <= 107:
                    ground = code
                else:
                    attributes.append(code)
            pen = _Pen(";".join(attributes), ink, ground)
            pens = self._pens[style] = (pen, pen.on_space())
        return pens

    def _told(self, changed: dict[int, _Row]) -> str:
        """Cells by row and column as text for the terminal, its pen put back at the end."""
        parts: list[str] = []
        pen = _PLAIN
        for y, cells in sorted(changed.items()):
            at: int | None = None
            for x in sorted(cells):
                if at is None or (x != at and y in self._wide):
                    parts.append(f"\x1b[{y + 1};{x + 1}H")
                elif x != at:
                    between = self._alike(y, at, x, pen)
                    parts.append(f"\x1b[{x - at}C" if between is None else between)
                character, wanted = cells[x]
                if not _draws(pen, cells[x]):
                    parts.append(wanted.after(pen))
                    pen = wanted
                parts.append(character)
                at = x + 1
        if pen != _PLAIN:
            parts.append("\x1b[0m")
        return "".join(parts)

    def _alike(self, y: int, start: int, end: int, pen: _Pen) -> str | None:
        """What a row shows between two columns, None if it is longer to say than to jump over."""
        if end - start >= _JUMP:
            return None
        shown = [self._rows[y].get(x) for x in range(start, end)]
        if all(cell is not None and _draws(pen, cell) for cell in shown):
            return "".join(cell[0] for cell in shown if cell is not None)
        return None


class _LeanUpdate(CompositorUpdate):
    """An update that leaves out what the terminal shows already."""

    def __init__(self, wire: Wire, update: CompositorUpdate) -> None:
        self._wire, self._update = wire, update

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield cast(ConsoleRenderable, self._update)

    def render_segments(self, console: Console) -> str:
        return self._wire.text_of(self._update, console)


def _draws(pen: _Pen, cell: tuple[str, _Pen]) -> bool:
    """Whether a pen makes a cell look as it should: nobody sees the ink of a space."""
    character, wanted = cell
    return pen == wanted or (character == " " and pen.on_space() == wanted)


def _cells(text: str) -> list[str]:
    """A text's cells; what is two cells wide is followed by an empty one."""
    if text.isascii() or cell_len(text) == len(text):
        return list(text)
    cells: list[str] = []
    for character in text:
        width = cell_len(character)
        if not width and cells:
            # It sits on the character before it, which may be followed by an empty cell.
            place = -1 if cells[-1] or len(cells) == 1 else -2
            cells[place] += character
        else:
            cells += [character, *[""] * (width - 1)]
    return cells
