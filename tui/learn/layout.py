"""A page's reading as lines of text, the same for the command line and the app."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scenarios.lesson.blocks import Beside, Cells, Chart, Formula, Plane, Text
from tui.learn import figures
from tui.learn.lines import Line, cells, padded, side_by_side, styled, wrapped

if TYPE_CHECKING:
    from scenarios.lesson.blocks import Block
    from scenarios.lesson.page import Page, Reading

#: Words are not set wider than this, or the eye loses the line.
READABLE = 96
#: From here on figures stand beside the words.
TWO_COLUMNS = 130
_CHART_HEIGHT, _PLANE_HEIGHT = 9, 10
#: The least a chart is drawn in.
_CHART_WIDTH = 40
_GAP = 4


class Layout:
    """How wide to set blocks, and in which characters."""

    def __init__(self, width: int, *, unicode: bool, chart_height: int = _CHART_HEIGHT) -> None:
        self.width = width
        self._unicode = unicode
        self._chart_height = chart_height

    def column(self, blocks: tuple[Block, ...]) -> list[Line]:
        """Blocks one below the other, an empty line between them."""
        lines: list[Line] = []
        for block in blocks:
            lines += [[], *self.block(block)] if lines else self.block(block)
        return lines

    def block(self, block: Block) -> list[Line]:
        """The lines of one block."""
        if isinstance(block, Text):
            return self.words(block.text) if not block.asks else self._question(block.text)
        if isinstance(block, Formula):
            return [line for text in block.lines for line in self._formula(text)]
        if isinstance(block, Beside):
            return self._beside(block)
        if isinstance(block, Chart):
            return figures.chart(block, self.width, self._chart_height, self._unicode)
        if isinstance(block, Plane):
            return figures.plane(block, _PLANE_HEIGHT, self._unicode)
        if isinstance(block, Cells):
            return [_cut(line, self.width) for line in figures.matrix(block, self._unicode)]
        return figures.table(block, self.width, self._unicode)

    def words(self, text: str, base: str = "text") -> list[Line]:
        """A paragraph."""
        return wrapped(text, self.width, base, unicode=self._unicode)

    def _question(self, text: str) -> list[Line]:
        lines = wrapped(text, self.width - 5, unicode=self._unicode)
        return [[("     " if row else "Try  ", "ask"), *line] for row, line in enumerate(lines)]

    def _formula(self, text: str) -> list[Line]:
        """One line where it fits; what is too long goes on below, a little further in."""
        line = styled(text, unicode=self._unicode)
        if cells(line) <= self.width - 2:
            return [[("  ", "text"), *line]]
        first, *rest = wrapped(text, self.width - 6, unicode=self._unicode)
        return [[("  ", "text"), *first], *([("      ", "text"), *more] for more in rest)]

    def _beside(self, block: Beside) -> list[Line]:
        """Fixed figures first; a chart takes what room is left, or stands below."""
        fixed = [self.block(part) for part in block.blocks if not isinstance(part, Chart)]
        charts = [part for part in block.blocks if isinstance(part, Chart)]
        if not charts:
            needed = sum(max(map(cells, part)) + 3 for part in fixed) - 3
            return side_by_side(fixed) if needed <= self.width else self.column(block.blocks)
        left = self.width - sum(max(map(cells, part)) + 3 for part in fixed)
        if left < _CHART_WIDTH:
            return [*side_by_side(fixed), [], *self.column(tuple(charts))]
        beside = Layout(left, unicode=self._unicode, chart_height=self._chart_height)
        return side_by_side([*fixed, *(beside.block(part) for part in charts)])


def lay_out(page: Page, reading: Reading, width: int, *, unicode: bool) -> list[Line]:
    """The whole page but for its title and knobs, in one column."""
    layout = Layout(min(width, READABLE), unicode=unicode)
    source = layout.words(f"From: {page.source}.", "dim")
    return [*layout.column(reading.blocks), [], *source]


def lay_out_wide(page: Page, reading: Reading, width: int, *, unicode: bool) -> list[Line]:
    """The same with figures to the right of the words, for TWO_COLUMNS or more."""
    words = tuple(block for block in reading.blocks if isinstance(block, Text | Formula))
    pictures = tuple(block for block in reading.blocks if not isinstance(block, Text | Formula))
    room = min((width - _GAP) // 2, READABLE)
    left = Layout(min(width - _GAP - room, READABLE), unicode=unicode)
    right = Layout(room, unicode=unicode, chart_height=2 * _CHART_HEIGHT)
    source = left.words(f"From: {page.source}.", "dim")
    written = [padded(line, left.width) for line in [*left.column(words), [], *source]]
    return side_by_side([written, right.column(pictures)], _GAP)


def _cut(line: Line, width: int) -> Line:
    """What fits of a matrix that is too wide."""
    kept: Line = []
    for text, style in line:
        room = width - cells(kept)
        if room > 0:
            kept.append((text[:room], style))
    return kept
