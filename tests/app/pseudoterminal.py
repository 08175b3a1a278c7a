"""A pseudo-terminal whose screen can be read: pexpect runs the program, pyte draws it."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import pexpect
import pyte

SCRIPT = str(Path(sys.executable).with_name("nablascope"))
KEYS = {"down": "\x1b[B", "up": "\x1b[A", "right": "\x1b[C", "left": "\x1b[D", "enter": "\r"}
#: What pyte does not know and would print: private modes it cannot parse, and the keyboard's.
UNKNOWN = re.compile(rb"\x1b\[[<>=][0-9;]*u|\x1b\[\?[0-9;]*\$p|\x1b\[>[0-9;]*[a-zA-Z]")


class PseudoTerminal:
    """A program on a terminal of its own."""

    def __init__(
        self,
        command: Sequence[str],
        size: tuple[int, int] = (80, 24),
        env: dict[str, str] | None = None,
        cwd: str | None = None,
    ) -> None:
        columns, rows = size
        self.screen = pyte.Screen(columns, rows)
        # It answers when it is asked where its cursor is.
        self.screen.write_process_input = self._answer
        self._stream = pyte.ByteStream(self.screen)
        plain = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "COLUMNS", "LINES")}
        self.process = pexpect.spawn(
            command[0],
            list(command[1:]),
            dimensions=(rows, columns),
            env={**plain, "TERM": "xterm-256color", "LANG": "C.UTF-8", **(env or {})},
            cwd=cwd,
            timeout=None,
        )
        self.process.delaybeforesend = None

    def __enter__(self) -> PseudoTerminal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.process.close(force=True)

    @property
    def text(self) -> str:
        """What is on the screen."""
        return "\n".join(self.screen.display)

    def press(self, *keys: str) -> None:
        """Type keys: characters, or names of `KEYS`."""
        for key in keys:
            self.process.send(KEYS.get(key, key))

    def resize(self, columns: int, rows: int) -> None:
        """Give the terminal another size, as a window manager would."""
        self.process.setwinsize(rows, columns)
        self.screen.resize(rows, columns)

    def hang_up(self) -> None:
        """Close the terminal, as a lost connection would, and send nobody a signal."""
        self.process.ptyproc.fileobj.close()

    def read(self, seconds: float) -> bool:
        """Take in what arrives within a moment. False once the program is gone."""
        try:
            data = self.process.read_nonblocking(1 << 16, timeout=seconds)
        except pexpect.TIMEOUT:
            return True
        except pexpect.EOF:
            return False
        self.take_in(data)
        return True

    def take_in(self, data: bytes) -> None:
        """Draw what has arrived."""
        self._stream.feed(UNKNOWN.sub(b"", data))

    def _answer(self, data: str) -> None:
        if self.process.isalive():
            self.process.send(data)

    def wait_for(self, *texts: str, seconds: float = 60.0) -> None:
        """Read until all texts are on the screen. Raises AssertionError if they do not come."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if all(text in self.text for text in texts):
                return
            if not self.read(0.05):
                break
        raise AssertionError(f"no {texts!r} on this screen:\n{self.text}")

    def wait_while(self, text: str, seconds: float = 60.0) -> None:
        """Read until a text has gone from the screen. Raises AssertionError if it stays."""
        end = time.monotonic() + seconds
        while text in self.text:
            assert time.monotonic() < end, f"{text!r} is still there:\n{self.text}"
            self.read(0.05)

    def wait_for_end(self, seconds: float = 30.0) -> int:
        """Read until the program has ended, and return its exit code."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if not self.read(0.05):
                self.process.wait()
                return int(self.process.exitstatus or 0)
        raise AssertionError(f"still running:\n{self.text}")
