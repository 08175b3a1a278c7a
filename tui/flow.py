"""Pictures go out no faster than the terminal draws them, however much the way there can hold."""

from __future__ import annotations

import time
from collections.abc import Callable

#: Asks for the cursor's place (DSR 6); the answer comes once everything before it has been drawn.
QUESTION = "\x1b[6n"
#: Seconds to wait for an answer, from a terminal that has answered before and from one that never
#: has, which may not know the question.
PATIENCE, FIRST_PATIENCE = 5.0, 1.0


class Flow:
    """Knows whether the terminal has drawn what was sent to it.

    A slow link hides behind buffers: sshd alone takes in a megabyte before it lets a program wait,
    which is two minutes at 64 kbit/s. So every picture ends with a question, and the next one waits
    for the answer.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._asked: float | None = None
        self._answers = False
        self._more_sent = False
        self._closed = False

    @property
    def waiting(self) -> bool:
        """Whether an answer is still expected."""
        if self._asked is None:
            return False
        return self._clock() - self._asked < (PATIENCE if self._answers else FIRST_PATIENCE)

    def sent(self, write: Callable[[str], None]) -> None:
        """Something was drawn: ask for an answer to it, now or when the one before has come."""
        if self._closed:
            return
        if self.waiting:
            self._more_sent = True
        elif self._answers or self._asked is None:
            self._ask(write)

    def answered(self, write: Callable[[str], None]) -> None:
        """An answer came; what was drawn since the question needs another."""
        self._answers, self._asked = True, None
        if self._more_sent and not self._closed:
            self._ask(write)

    def close(self) -> None:
        """Ask nothing more: an answer that comes after the app has gone lands in the shell."""
        self._closed = True

    def _ask(self, write: Callable[[str], None]) -> None:
        self._asked, self._more_sent = self._clock(), False
        write(QUESTION)
