"""What is left out on the wire is not missed on the screen."""

from __future__ import annotations

from typing import Any

import pyte
import pytest
from rich.segment import Segment
from rich.style import Style
from textual._compositor import CompositorUpdate, LayoutUpdate
from textual.geometry import Region
from textual.strip import Strip

from tests.app.support import LabApp, finished
from tui.terminal import Colours
from tui.wire import Wire


class _TwoScreens(LabApp):
    """Draws on one terminal what Textual would send, on another what is sent."""

    def __init__(self, *arguments: Any, size: tuple[int, int], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.screens_ = [pyte.Screen(*size), pyte.Screen(*size)]
        self._streams = [pyte.Stream(screen) for screen in self.screens_]
        self.bytes_ = [0, 0]

    def _display(self, screen: Any, renderable: Any) -> None:
        if isinstance(renderable, CompositorUpdate):
            whole = renderable.render_segments(self.console)
            lean = self.wire.text_of(renderable, self.console)
            for number, text in enumerate((whole, lean)):
                self._streams[number].feed(text)
                self.bytes_[number] += len(text.encode())
        super()._display(screen, renderable)

    def check(self) -> None:
        whole, lean = (looks(screen) for screen in self.screens_)
        assert lean == whole


def looks(screen: pyte.Screen) -> list[list[tuple[object, ...]]]:
    """Every cell as an eye sees it: the ink of a plain space is not seen."""
    return [
        [
            (c.data, c.bg)
            if c.data == " " and not (c.underscore or c.reverse or c.strikethrough)
            else (c.data, c.fg, c.bg, c.bold, c.italics, c.underscore, c.reverse, c.strikethrough)
            for c in (screen.buffer[row][column] for column in range(screen.columns))
        ]
        for row in range(screen.lines)
    ]


@pytest.mark.parametrize("colours", list(Colours), ids=lambda colours: colours.name)
async def test_a_session_looks_the_same(colours: Colours) -> None:
    size = (100, 30)
    app = _TwoScreens("chain-sigmoid", size=size, colours=colours)
    async with app.run_test(size=size) as pilot:
        await finished(pilot)
        app.check()
        for keys in (["v"], ["v"], ["?"], ["escape"], ["tab", "down", "right"], ["p"], ["ctrl+p"]):
            await pilot.press(*keys)
            await pilot.pause()
            app.check()
        await pilot.press("escape")
        for keys in (["/", "r", "n"], ["enter"], ["x"], ["escape"], ["b"], ["i"]):
            await pilot.press(*keys)
            await pilot.pause()
            app.check()
        await pilot.press("escape")
        await finished(pilot)
        app.check()
        whole, lean = app.bytes_
        assert lean < whole / 3


def _line(*texts: str) -> CompositorUpdate:
    pens = [Style(color="red"), Style(color="blue", bold=True), Style(bgcolor="green")]
    parts = [Segment(text, pens[number % 3]) for number, text in enumerate(texts)]
    return LayoutUpdate([[Strip(parts)]], Region(2, 1, 20, 1))


def test_characters_of_two_cells_and_of_none() -> None:
    from rich.console import Console

    console = Console(force_terminal=True, color_system="truecolor", width=40)
    whole, lean = pyte.Screen(40, 5), pyte.Screen(40, 5)
    one, other = pyte.Stream(whole), pyte.Stream(lean)
    wire = Wire()
    for texts in (
        ("plain text", "and more", " end"),
        ("宽字 text", "宽字宽字", " end"),
        ("字宽 text", "a宽字字b", " end"),
        ("e\u0301te\u0301 text", "plain one", " end"),
        ("plain text", "and more", " end "),
    ):
        update = _line(*texts)
        one.feed(update.render_segments(console))
        other.feed(wire.text_of(update, console))
        assert lean.display == whole.display


def test_nothing_is_said_twice_until_it_is_forgotten() -> None:
    from rich.console import Console

    console = Console(force_terminal=True, color_system="truecolor", width=40)
    wire = Wire()
    first = wire.text_of(_line("text", " ", "ground"), console)
    assert first.count("\x1b[") == 4
    assert wire.text_of(_line("text", " ", "ground"), console) == ""
    assert wire.text_of(_line("test", " ", "ground"), console) == "\x1b[2;5H\x1b[31ms\x1b[0m"
    wire.forget()
    assert wire.text_of(_line("text", " ", "ground"), console) == first


def test_what_is_drawn_for_a_larger_terminal_ends_at_its_edge() -> None:
    from rich.console import Console

    console = Console(force_terminal=True, color_system="truecolor", width=40)
    screen = pyte.Screen(10, 2)
    stream = pyte.Stream(screen)
    wire = Wire()
    wire.resize(10, 2)
    for texts in (("twelve cells", "and", "more"), ("twelve cellz", "and", "more")):
        stream.feed(wire.text_of(_line(*texts), console))
        assert screen.display[1] == "  twelve c"
    wire.resize(40, 1)
    assert wire.text_of(_line("below", "the", "last"), console) == ""


async def test_the_terminals_size_is_what_the_app_was_told() -> None:
    app = LabApp()
    async with app.run_test(size=(100, 30)) as pilot:
        await finished(pilot)
        assert app.wire._size == (100, 30)
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        assert app.wire._size == (80, 24)
