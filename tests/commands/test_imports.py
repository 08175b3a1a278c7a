"""Commands that compute nothing import nothing that computes or draws."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = (
    *("numpy", "scipy", "psutil", "textual", "rich", "plotext", "difflib", "asyncio"),
    *("sqlite3", "platformdirs"),
)
PROGRAM = """
import sys
from tui.main import main
code = main({arguments!r})
print(code, *sorted({{name.partition(".")[0] for name in sys.modules}}), file=sys.stderr)
"""


def imported(*arguments: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(arguments=list(arguments))],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    code, *modules = done.stderr.split()
    assert code == "0"
    return set(modules)


@pytest.mark.parametrize(
    ("arguments", "also_not"),
    [
        (("list",), ("tomli_w", "json", "engine", "dataclasses", "pathlib")),
        (("list", "--json"), ("tomli_w", "engine", "dataclasses")),
        (("show", "chain-sigmoid"), ("json",)),
        (("show", "chain-sigmoid", "--json", "--set", "network.depth=3"), ("tomli_w",)),
        (("--help",), ("tomllib", "engine")),
        (("run", "--help"), ("tomllib", "engine")),
        (("export", "--help"), ("tomllib", "engine")),
        (("learn",), ("json",)),
    ],
)
def test_nothing_heavy_is_imported(arguments: tuple[str, ...], also_not: tuple[str, ...]) -> None:
    assert not imported(*arguments) & {*HEAVY, *also_not}


def test_a_quiet_run_draws_nothing() -> None:
    run = ("run", "chain-relu", "--device", "cpu", "--steps", "0")
    assert not imported(*run, "--quiet") & {"textual", "rich", "plotext", "cupy", "dask"}
    assert not imported(*run, "--json") & {"textual", "rich", "plotext", "cupy", "dask"}
    assert not imported(*run) & {"textual", "cupy", "dask", "pyarrow"}
    assert not imported(*run, "--no-store") & {"sqlite3", "platformdirs"}


def test_a_page_of_the_lesson_needs_no_app() -> None:
    assert not imported("learn", "6") & {"textual", "rich", "plotext", "cupy", "dask"}
