"""What every report of a command shares: its output may stop being read, or fill the disk."""

from __future__ import annotations

import sys
from collections.abc import Callable

from tui.commands.console import UNWRITABLE, silence_stdout


class BaseReport:
    """Shows nothing yet, and goes on in silence where stdout can take no more.

    Attributes:
        unread: whether whoever read the output has gone away.
        unwritten: why the output could not be written; nobody reads it then either. To be
            raised once everything else is done.
    """

    def __init__(self) -> None:
        self.unread = False
        self.unwritten: OSError | None = None

    def close(self) -> None:
        """Leave the terminal as it was."""

    def _say(self, show: Callable[[], None]) -> None:
        if self.unread:
            return
        try:
            show()
            sys.stdout.flush()
        except BrokenPipeError:
            self.unread = True
            silence_stdout()
        except OSError as error:
            if error.errno not in UNWRITABLE:
                raise
            self.unread, self.unwritten = True, error
            silence_stdout()
