"""The console script as it is installed, in a process of its own."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sysconfig
from collections.abc import Mapping

#: What a shell's settings could change about the output.
_SHELL = (
    "NO_COLOR",
    "FORCE_COLOR",
    "COLORTERM",
    "COLUMNS",
    "LINES",
    "PYTHONIOENCODING",
    "PYTHONUTF8",
)


def script() -> str:
    found = shutil.which("nablascope", path=sysconfig.get_path("scripts"))
    assert found is not None, "the package is not installed: pip install -e ."
    return found


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in _SHELL}
    return {
        **kept,
        "TERM": "xterm-256color",
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        **(extra or {}),
    }


def nablascope(
    *arguments: str,
    env: Mapping[str, str] | None = None,
    cwd: str | os.PathLike[str] = "/",
    timeout: float = 60,
) -> subprocess.CompletedProcess[str]:
    """Run it without a terminal, from a folder that holds none of its modules."""
    return subprocess.run(
        [script(), *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        stdin=subprocess.DEVNULL,
        env=environment(env),
        cwd=cwd,
        timeout=timeout,
        check=False,
    )


def in_a_shell(
    command: str, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run it as a shell does, redirections and all."""
    return subprocess.run(
        ["sh", "-c", f"{shlex.quote(script())} {command}"],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=environment(env),
        cwd="/",
        timeout=60,
        check=False,
    )


def with_full_disk(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it with a stdout that no byte can be written to."""
    with open("/dev/full", "w") as full:
        return subprocess.run(
            [script(), *arguments],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
            cwd="/",
            timeout=60,
            check=False,
        )
