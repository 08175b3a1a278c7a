"""What a catalogue has, in the shell: names, titles, and what each entry asks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tui.commands.console import paragraph, styled, width, write

if TYPE_CHECKING:
    from scenarios.numbered import Entry


def write_entries(found: Sequence[Entry], closing: str, *, as_json: bool) -> None:
    """List the entries and end with a line that says what to do with one; or as a JSON array."""
    if as_json:
        print(json.dumps([entry._asdict() for entry in found], indent=2))
        return
    longest = max(len(entry.name) for entry in found)
    for entry in found:
        write(f"{styled(entry.name.ljust(longest), 'bold')}  {entry.title}")
        indent = " " * (longest + 2)
        write(styled(paragraph(entry.question, indent, min(width(), 100)), "dim"))
    write()
    write(closing)
