"""What a plain shell gets: text in its own encoding, colour only where it is wanted."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Mapping
from io import TextIOWrapper
from typing import TextIO

from tui.ascii import to_ascii

#: What writing to a redirected stdout fails with that is no fault of the program: the disk is full,
#: the terminal has gone away, or it was closed before the program began.
UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EBADF)

_SGR = {"bold": "1", "dim": "2", "reverse": "7", "red": "31", "blue": "34", "magenta": "35"}
#: Blue against red stays apart for colour-blind eyes; each verdict is also a word.
VERDICT_STYLES = {
    "vanishing": ("bold", "blue"),
    "exploding": ("bold", "red"),
    "healthy": ("bold",),
    "dead": ("bold", "magenta"),
    "overflow": ("bold", "magenta"),
}
#: The same for plotext's curves.
PICTURE_COLOURS = {
    "vanishing": "blue",
    "exploding": "red",
    "healthy": None,
    "dead": "magenta",
    "overflow": "magenta",
}


def prepare_streams() -> None:
    """Let no character stop a command: what the encoding lacks is replaced.

    A stream that is closed has its place taken: stdin is empty, stdout cannot be written, and what
    goes to stderr goes nowhere.
    """
    # From 0 up, so that each gets its own number and no file of ours does.
    for name, flags, mode in (
        ("stdin", os.O_RDONLY, "r"),
        ("stdout", os.O_RDONLY, "w"),
        ("stderr", os.O_WRONLY, "w"),
    ):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, flags), mode, encoding="utf-8"))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace" if stream is sys.stdout else "backslashreplace")


def silence_stdout() -> None:
    """Send what is still to come nowhere: its reader has gone away."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)


def is_live(stream: TextIO) -> bool:
    """Whether colour and motion are welcome there."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def speaks_unicode(stream: TextIO, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether more than ASCII can be shown on `stream`."""
    encoding = (getattr(stream, "encoding", None) or "ascii").lower().replace("-", "")
    # In a C locale Python writes UTF-8 all the same (PEP 540); the terminal may not read it.
    locale = environ.get("LC_ALL") or environ.get("LANG")
    return encoding == "utf8" and locale not in ("C", "POSIX")


def styled(text: str, *styles: str) -> str:
    """`text` in bold, dim or a colour, if stdout shows any."""
    if not styles or not is_live(sys.stdout):
        return text
    return f"\x1b[{';'.join(_SGR[style] for style in styles)}m{text}\x1b[0m"


def write(text: str = "") -> None:
    """One line, or several, on stdout."""
    if not text.isascii() and not speaks_unicode(sys.stdout):
        text = to_ascii(text)
    print(text)


def width() -> int:
    """Columns of the terminal, 80 where there is none."""
    import shutil

    return max(40, shutil.get_terminal_size((80, 24)).columns)


def paragraph(text: str, indent: str, columns: int) -> str:
    """`text` wrapped to `columns`, every line indented."""
    import textwrap

    return textwrap.fill(
        text, columns, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
    )
