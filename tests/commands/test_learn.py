"""nablascope learn: pages in a plain shell."""

from __future__ import annotations

import json

import pytest

from scenarios.lesson.pages import PAGES
from tests.commands.support import nablascope
from tui.main import main

Capture = pytest.CaptureFixture[str]


def shown(capsys: Capture, *arguments: str) -> str:
    assert main(["learn", *arguments]) == 0
    return capsys.readouterr().out


def test_the_list_names_every_page(capsys: Capture) -> None:
    text = shown(capsys)
    for number, page in enumerate(PAGES, 1):
        assert f"{number:>2}  {page.name}" in text
    listed = json.loads(shown(capsys, "--json"))
    assert [entry["name"] for entry in listed] == [page.name for page in PAGES]


def test_a_page_by_number_and_by_name() -> None:
    by_number, by_name = nablascope("learn", "4"), nablascope("learn", "sigmoid")
    assert by_number.returncode == by_name.returncode == 0
    assert by_number.stderr == ""
    assert by_number.stdout == by_name.stdout
    assert by_number.stdout.startswith("4  Ten sigmoids: 0.25^10\n")
    assert "0.25^10 = 9.54e-07" in by_number.stdout
    assert "From: Hochreiter 1991" in by_number.stdout
    assert "next: nablascope learn 5" in by_number.stdout
    assert "\x1b" not in by_number.stdout
    assert max(map(len, by_number.stdout.splitlines())) <= 80


def test_a_knob_changes_what_is_said(capsys: Capture) -> None:
    text = shown(capsys, "sigmoid", "--set", "layers=50", "--set", "activation=tanh")
    assert "Measured over 50 tanh layers" in text
    assert "--set: layers=50, weight=1, activation=tanh" in text


def test_the_numbers_as_json(capsys: Capture) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    found = json.loads(shown(capsys, "relu", "--set", "width=2", "--json"), parse_constant=refuse)
    assert (found["number"], found["name"]) == (5, "relu")
    assert found["settings"] == {"layers": 50, "gain": 1.4, "width": 2}
    assert found["numbers"]["relu_decades"] is None


def test_all_of_them(capsys: Capture) -> None:
    text = shown(capsys, "all")
    for number, page in enumerate(PAGES, 1):
        assert f"{number}  {page.title}" in text
    assert [page["number"] for page in json.loads(shown(capsys, "all", "--json"))] == [
        *range(1, len(PAGES) + 1)
    ]


def test_a_terminal_without_unicode() -> None:
    done = nablascope("learn", "all", env={"LC_ALL": "C", "LANG": "C"})
    assert done.returncode == 0
    assert done.stdout.isascii()
    assert "?" not in done.stdout.replace("?\n", "").replace("? ", "")
    assert "dL/dh_(l-1) = dL/da_l * {W_l^T}" in done.stdout


def test_a_wide_and_a_narrow_terminal() -> None:
    for columns, widest in ((60, 60), (200, 96)):
        done = nablascope("learn", "all", env={"COLUMNS": str(columns)})
        # What is typed is not wrapped.
        lines = [line for line in done.stdout.splitlines() if not line.startswith("--set")]
        assert max(map(len, lines)) <= widest


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("99",), 'nablascope learn: no page "99"; there are 1 to 12: im2col, '),
        (("sigmod",), "did you mean sigmoid?"),
        (("4", "--set", "laers=3"), "--set: laers: page sigmoid has no such knob, only layers"),
        (("4", "--set", "layers=0"), "--set: layers = 0: must be a whole number from 2 to 500"),
        (
            ("4", "--set", "layers"),
            "--set: layers: must be KEY=VALUE, for example layers=",
        ),
        (("4", "--set", "activation=tan"), "did you mean tanh?"),
        (("--set", "layers=3"), "nablascope learn: --set needs a PAGE"),
        (("all", "--set", "layers=3"), "nablascope learn: --set needs a PAGE"),
    ],
)
def test_bad_input_is_one_line(arguments: tuple[str, ...], line: str) -> None:
    done = nablascope("learn", *arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert line in done.stderr
    assert done.stderr.count("\n") == 1
