"""The phase diagram as text."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from scenarios.cells import CellResult
from scenarios.schema import Value
from scenarios.sweeps.definition import load_sweep
from scenarios.sweeps.diagram import Diagram, TheoryLine, theory_line
from scenarios.sweeps.grid import cells_of
from scenarios.sweeps.run import SweptCell
from tui.colours import Colours
from tui.plot_diagram import diagram_text
from tui.words import duration


def filled(
    name: str, result: Callable[[dict[str, Value]], CellResult], **overrides: object
) -> Diagram:
    changes = {key.replace("__", "."): value for key, value in overrides.items()}
    sweep = load_sweep(name, changes)
    diagram = Diagram(sweep)
    for cell in cells_of(sweep):
        diagram.add(SweptCell(cell.index, cell.values, result(cell.values), False))
    return diagram


def drawn(
    diagram: Diagram,
    line: TheoryLine | None = None,
    *,
    columns: int = 80,
    unicode: bool = True,
    colours: Colours = Colours.NONE,
) -> list[str]:
    (panel,) = diagram.panels()
    text = diagram_text(diagram, panel, line, columns=columns, unicode=unicode, colours=colours)
    return text.plain.splitlines()


def by_scale(values: dict[str, Value]) -> CellResult:
    """From far below to far above, 10 decades for each 0.1 of scale."""
    return CellResult("", "healthy", decades=100.0 * (float(values["init.recurrent_scale"]) - 1.0))


SCALES = [0.8, 0.9, 0.95, 1.0, 1.05, 1.08, 1.3]


def test_every_level_has_its_character_and_the_first_row_is_the_lowest() -> None:
    def result(values: dict[str, Value]) -> CellResult:
        if values["task.time_steps"] == 5:
            return by_scale(values)
        return CellResult("", "dead" if values["init.recurrent_scale"] == 0.8 else "overflow")

    diagram = filled(
        "rnn-tanh-time",
        result,
        task__time_steps=[5, 10],
        init__recurrent_scale=SCALES,
        run__seed=0,
    )
    title, top, bottom, ticks, x_title, *legend = drawn(diagram, columns=40)

    assert (title, x_title.strip()) == ("time steps", "recurrent scale")
    assert top == "10 " + "0" * 5 + "!" * 30
    assert bottom == " 5 " + "".join(level * 5 for level in ":--=++%")
    # Seven labels would run into each other, so every second stands below its column.
    assert ticks.split() == ["0.8", "0.95", "1.05", "1.3"]
    assert [ticks.index(label) for label in ticks.split()] == [4, 13, 23, 34]
    assert "exact zero" in "".join(legend) and "forward overflow" in "".join(legend)


@pytest.mark.parametrize(("unicode", "stroke"), [(True, "│"), (False, "|")])
def test_the_theory_line_stands_where_its_scale_would(unicode: bool, stroke: str) -> None:
    diagram = filled(
        "rnn-tanh-time",
        lambda values: CellResult("", "healthy", decades=0.0),
        task__time_steps=[5, 10],
        init__recurrent_scale=[1, 2, 3],
        run__seed=0,
    )
    line = TheoryLine(True, ((1.0, 2.5), ()), "here and there", None)
    _, top, bottom, *rest = drawn(diagram, line, columns=22, unicode=unicode)

    # Six characters a column: 1 stands in the middle of the first, 2.5 between the last two.
    assert top == "10 " + "=" * 18
    assert [place for place, c in enumerate(bottom[3:]) if c == stroke] == [3, 12]
    assert f"{stroke} here and there" in rest[-1]


def test_a_scale_that_runs_upwards_has_its_line_lying_down() -> None:
    diagram = filled(
        "rnn-tanh-time",
        lambda values: CellResult("", "healthy", decades=0.0),
        task__time_steps=[5, 10],
        init__recurrent_scale=[0.5, 1.0, 1.5, 2.0],
        run__seed=0,
        x="task.time_steps",
        y="init.recurrent_scale",
    )
    line = theory_line(diagram, diagram.panels()[0])

    assert line is not None and not line.across
    rows = drawn(diagram, line)[1:5]
    # Mean field puts the edge at 1.19, nearest to 1.
    assert [set(row[4:]) for row in rows] == [{"="}, {"="}, {"─"}, {"="}]


def test_names_are_read_from_the_top_and_do_not_fit_whole_if_long() -> None:
    diagram = filled(
        "mlp-initialiser-activation",
        lambda values: CellResult("", "healthy", decades=0.0),
        network__activation=["tanh", "leaky_relu"],
        init__scheme=["gaussian", "orthogonal", "he"],
        run__seed=0,
    )
    title, first, second, *_ = drawn(diagram)

    assert title == "activation"
    assert first.startswith("      tanh =") and second.startswith("leaky_relu =")


@pytest.mark.parametrize(("columns", "whole"), [(160, True), (80, False), (50, False)])
def test_every_column_of_names_has_its_own(columns: int, whole: bool) -> None:
    schemes = ["gaussian", "uniform", "orthogonal", "identity", "glorot", "he", "lecun"]
    diagram = filled(
        "mlp-initialiser-activation",
        lambda values: CellResult("", "healthy", decades=0.0),
        network__activation=["tanh", "leaky_relu"],
        init__scheme=schemes,
        run__seed=0,
    )
    _, first, _, names, *_ = drawn(diagram, columns=columns)
    wide = (len(first) - 11) // 7
    shown = [name if len(name) < wide else f"{name[: wide - 2]}." for name in schemes]
    assert names.split() == shown and (shown == schemes) == whole
    for place, name in enumerate(shown):
        middle = names.index(name) + len(name) / 2 - 11
        assert place * wide <= middle <= (place + 1) * wide


def test_a_wide_diagram_is_thinned_to_what_fits() -> None:
    scales = [0.5 + 0.005 * index for index in range(200)]
    diagram = filled(
        "rnn-tanh-time",
        by_scale,
        task__time_steps=list(range(2, 92)),
        init__recurrent_scale=scales,
        run__seed=0,
    )
    lines = drawn(diagram, columns=60)
    rows = lines[1:33]

    assert max(map(len, lines)) <= 60 and len(rows) == 32
    assert rows[0].startswith("91 ") and rows[-1].startswith(" 2 ")
    assert rows[0][3] == rows[-1][3] == "," and rows[0][-1] == "%"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (42.4, "42 s"), (150, "2 min"), (9000, "2.5 h"),
     (12 * 86400, "12 days"), (1e9, "11,574 days")],
)  # fmt: skip
def test_a_time_as_people_say_it(seconds: float, words: str) -> None:
    assert duration(seconds) == words
