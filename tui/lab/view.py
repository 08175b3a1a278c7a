"""What every picture under the plot has: a name, a title, and a run to show."""

from __future__ import annotations

import textwrap
from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from textual.strip import Strip

from tui.strips import StripWidget, line_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.style import Style
    from textual.geometry import Size

    from tui.lab.live import Extra, LiveRun, Pin
    from tui.terminal import Colours


class View(StripWidget):
    """One way to look at a run; `tui.lab.views` lists them.

    A subclass writes `draw`, which reads `run`, and `title`. Its style sheet entry is `#` and its
    `name_id`; without one it has the height that all views have.

    Attributes:
        name_id: its id among the widgets.
        title_word: what its title begins with.
        hint: for those who have a mouse.
        wants: what it shows beside the frames, which costs extra.
        run: what it shows, None before there is a first frame.
        pins: the runs beside it in the plot.
    """

    DEFAULT_CLASSES = "view"
    name_id: ClassVar[str]
    title_word: ClassVar[str]
    hint: ClassVar[str]
    wants: ClassVar[Extra | None] = None

    def __init__(self, *, colours: Colours, unicode: bool) -> None:
        super().__init__(id=self.name_id)
        self.colours, self.unicode = colours, unicode
        self.run: LiveRun | None = None
        self.pins: Sequence[Pin] = ()
        self.tooltip = self.hint
        self.border_title = self.title_word

    def show(self, run: LiveRun | None, pins: Sequence[Pin] = ()) -> None:
        """Show a run as it is now; called for the view in sight alone."""
        self.run, self.pins = run, pins
        if run is not None:
            self.entitle(f"{self.title_word}: {self.title(run)}")
        self.redraw()

    @abstractmethod
    def title(self, run: LiveRun) -> str:
        """What the axes of the picture are, in a few words."""

    @classmethod
    def fits(cls, run: LiveRun) -> bool:
        """Whether it has anything to show of this run; the key `v` passes over one that has not."""
        return True

    def note(self, size: Size, text: str, style: Style) -> list[Strip]:
        """A few words in place of a picture, half way down."""
        lines = textwrap.wrap(text, max(size.width - 2, 1)) or [""]
        blank = [Strip.blank(size.width)] * max((size.height - len(lines)) // 2, 0)
        return [*blank, *(line_of(size.width, (f"  {line}", style)) for line in lines)]
