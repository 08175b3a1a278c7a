"""nablascope list: the catalogue, grouped by architecture."""

from __future__ import annotations

import argparse

from tui.commands.console import paragraph, styled, width, write


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--json", action="store_true", help="an array of JSON objects")


def execute(args: argparse.Namespace) -> int:
    """Print the catalogue."""
    from scenarios.catalogue import entries

    found = entries()
    if args.json:
        import json

        keys = ("name", "title", "kind", "question")
        print(json.dumps([{key: getattr(entry, key) for key in keys} for entry in found], indent=2))
        return 0
    columns = min(width(), 100)
    longest = max((len(entry.name) for entry in found), default=0)
    # Titles of the kinds would cost importing the engine, half of the time this takes.
    for kind in dict.fromkeys(entry.kind for entry in found):
        write(styled(kind, "bold"))
        for entry in found:
            if entry.kind != kind:
                continue
            write(f"  {styled(entry.name.ljust(longest), 'bold')}  {entry.title}")
            indent = " " * (longest + 4)
            write(styled(paragraph(entry.question, indent, columns), "dim"))
        write()
    write("nablascope NAME opens one in the app; nablascope run NAME runs it here.")
    write("nablascope sweep lists the sweeps: many scenarios at once, as a phase diagram.")
    return 0
