"""Ctrl+C during a run: the first asks for a stop after the step under way, the second insists."""

from __future__ import annotations

import signal
import sys
from types import FrameType, TracebackType
from typing import Self


class Interrupt:
    """While this context is open, Ctrl+C sets `asked`; a second one raises KeyboardInterrupt.

    `finishing` is what is still brought to its end, in words.
    """

    def __init__(self, finishing: str = "this step") -> None:
        self.asked = False
        self._finishing = finishing
        self._installed = False

    def __enter__(self) -> Self:
        # Where Ctrl+C is ignored, as for background jobs, it stays ignored.
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._note)
            self._installed = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._installed:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        if sys.stderr.isatty():
            line = f"\nstopping after {self._finishing}; Ctrl+C again stops at once"
            print(line, file=sys.stderr)
