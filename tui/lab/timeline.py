"""Back through a run's past: which kept frame the whole picture shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.strip import Strip

from tui.strips import StripWidget, line_of

if TYPE_CHECKING:
    from tui.lab.live import LiveRun

#: Frames that page up and page down pass over.
PAGE = 10


class Timeline(StripWidget, can_focus=True):
    """One line above the plot; in sight while an earlier frame is shown."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"timeline--words", "timeline--line", "timeline--mark"}
    BINDING_GROUP_TITLE = "In history (h)"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "move(-1)", "earlier", key_display="←", tooltip="An earlier frame"),
        Binding("right", "move(1)", "later", key_display="→", tooltip="A later frame"),
        Binding("pageup", f"move(-{PAGE})", "Much earlier", show=False),
        Binding("pagedown", f"move({PAGE})", "Much later", show=False),
        Binding("home", "move(-1000000)", "The first frame", show=False),
        Binding("escape,end", "live", "live", tooltip="Whatever comes"),
    ]

    @dataclass
    class Moved(Message):
        """Another frame is wanted, `by` places later; None for whatever comes live."""

        by: int | None

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._run: LiveRun | None = None
        self.display = False

    def show(self, run: LiveRun | None) -> None:
        """Show where in its past a run is looked at; nothing while it is shown live."""
        self._run = run
        self.display = run is not None and run.recalled is not None
        self.redraw()

    def draw(self, size: Size) -> list[Strip]:
        run = self._run
        if run is None or run.recalled is None or run.latest is None:
            return []
        step, newest = run.recalled.step, run.latest.step
        stride = run.history.stride
        kept = "every frame kept" if stride == 1 else f"1 frame in {stride} kept"
        told = f" history: step {step:,} of {newest:,} "
        after = f" {kept} " if size.width >= len(told) + len(kept) + 24 else " "
        room = max(size.width - len(told) - len(after), 1)
        place = min(int(step / max(newest, 1) * room), room - 1)
        words = self.get_component_rich_style("timeline--words", partial=True)
        line = self.get_component_rich_style("timeline--line", partial=True)
        mark = self.get_component_rich_style("timeline--mark", partial=True)
        parts = (told, words), ("─" * place, line), ("●", mark), ("─" * (room - 1 - place), line)
        return [line_of(size.width, *parts, (after, words))]

    def action_move(self, by: int) -> None:
        """Show a frame further on or back."""
        self.post_message(self.Moved(by))

    def action_live(self) -> None:
        """Show whatever comes."""
        self.post_message(self.Moved(None))
