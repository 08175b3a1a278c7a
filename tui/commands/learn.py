"""nablascope learn: the lesson in a plain shell, a page at a time."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from scenarios.threads import leave_one_core
from tui.commands.console import speaks_unicode, styled, width, write

if TYPE_CHECKING:
    from scenarios.lesson.page import Page, Reading, Settings
    from tui.learn.lines import Line

_SGR = {
    "text": (),
    "dim": ("dim",),
    "strong": ("bold",),
    "slope": ("bold", "red"),
    "weight": ("bold", "blue"),
    "lit": ("reverse",),
    "ask": ("bold",),
    "curve0": ("bold",),
    "curve1": ("blue",),
    "curve2": ("magenta",),
    "curve3": ("red",),
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "page", metavar="PAGE", nargs="?", help="a number or a name from the list, or all"
    )
    parser.add_argument(
        "--set",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        dest="assignments",
        help="turn one of the page's knobs, as in layers=50; may be repeated",
    )
    parser.add_argument("--json", action="store_true", help="the numbers, as JSON")


def execute(args: argparse.Namespace) -> int:
    """Print the list of pages, or the pages asked for."""
    from scenarios.errors import ScenarioError
    from scenarios.lesson.pages import PAGES, find

    # Before NumPy is imported: matrices this small are slower on several threads.
    leave_one_core(os.environ)
    if args.page in (None, "all") and args.assignments:
        raise ScenarioError("nablascope learn", "--set needs a PAGE whose knob it turns")
    if args.page is None:
        _list(PAGES, args.json)
        return 0
    pages = PAGES if args.page == "all" else (find(args.page, "nablascope learn"),)
    # Every value is checked before the first page is computed.
    turned = [(page, _settings(page, args.assignments)) for page in pages]
    read = ((page, settings, page.read(settings)) for page, settings in turned)
    if args.json:
        found = [_as_json(*each) for each in read]
        _print_json(found if args.page == "all" else found[0])
        return 0
    for number, (page, settings, reading) in enumerate(read):
        if number:
            write()
            write()
        _show(page, settings, reading)
    return 0


def _settings(page: Page, assignments: list[str]) -> Settings:
    from scenarios.scenario import parse_assignment

    knob = page.knobs[0]
    example = f"{knob.key}={_plain(knob.default)}"
    changes = dict(parse_assignment(text, example=example) for text in assignments)
    return page.settings(changes, "--set")


def _list(pages: tuple[Page, ...], as_json: bool) -> None:
    if as_json:
        _print_json(
            [
                {"number": number, "name": page.name, "title": page.title}
                for number, page in enumerate(pages, 1)
            ]
        )
        return
    longest = max(len(page.name) for page in pages)
    write(styled("Why do gradients vanish or explode? A lesson on live numbers.", "bold"))
    write()
    for number, page in enumerate(pages, 1):
        write(f"  {number:>2}  {page.name.ljust(longest)}  {_shown(page.title)}")
    write()
    write("nablascope learn 1     the first page; a name does as well, and all shows all")
    write("nablascope learn 4 --set layers=50")
    write("                       the same page with a knob turned; each page names its own")
    write("nablascope, then L     the lesson in the app, knobs on the arrow keys")


def _show(page: Page, settings: Settings, reading: Reading) -> None:
    from scenarios.lesson.pages import PAGES, number_of
    from tui.learn.layout import READABLE, lay_out
    from tui.learn.lines import styled as marked

    number = number_of(page)
    columns = min(width(), READABLE)
    _write_line([(f"{number}  {_shown(page.title)}", "strong")])
    write()
    for line in lay_out(page, reading, columns, unicode=speaks_unicode(sys.stdout)):
        _write_line(line)
    write()
    turned = ", ".join(f"{key}={_plain(settings[key])}" for key in settings)
    _write_line(marked(f"--set: {turned}", "dim"))
    if number < len(PAGES):
        _write_line([(f"next: nablascope learn {number + 1}", "dim")])


def _plain(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _shown(text: str) -> str:
    from tui.learn.notation import plain

    return text if speaks_unicode(sys.stdout) else plain(text)


def _write_line(line: Line) -> None:
    write("".join(styled(text, *_SGR[style]) for text, style in line).rstrip())


def _as_json(page: Page, settings: Settings, reading: Reading) -> dict[str, object]:
    from scenarios.lesson.pages import number_of

    return {
        "number": number_of(page),
        "name": page.name,
        "title": page.title,
        "source": page.source,
        "settings": dict(settings),
        "numbers": dict(reading.numbers),
    }


def _print_json(found: object) -> None:
    import json

    print(json.dumps(found, allow_nan=False))
