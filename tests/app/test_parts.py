"""The Lab's parts without a screen: axes, scale, history, controls, terminals, files."""

from __future__ import annotations

import dataclasses
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.style import Style

from engine.architectures import ARCHITECTURES
from scenarios.fields import FIELDS
from scenarios.runner import Run
from scenarios.scenario import load
from scenarios.schema import choices_for
from tui.lab import axis, scale
from tui.lab.canvas import drawn, overlaid
from tui.lab.choices import choices_with_titles
from tui.lab.culprits import _stacked
from tui.lab.knobs import Knob, knobs_of, parsed, stepped
from tui.lab.live import LiveRun, Pace, binned
from tui.lab.plot import marked_places
from tui.save import save_new
from tui.strips import _difference, line_of, strip_of
from tui.terminal import speaks_unicode, to_ascii

finite = st.floats(-1e4, 1e4, allow_subnormal=False)
steep = st.floats(-1e7, 1e7, allow_subnormal=False)


@given(st.lists(st.tuples(finite, finite), min_size=1, max_size=20))
def test_a_sticky_range_only_grows(spans: list[tuple[float, float]]) -> None:
    sticky = axis.StickyRange()
    before = None
    for low, high in (sorted(span) for span in spans):
        sticky.include(low, high)
        bottom, top = sticky.limits
        assert bottom <= low and high <= top and bottom < top
        if before is not None:
            assert bottom <= before[0] and top >= before[1]
        before = (bottom, top)


def test_a_sticky_range_does_not_move_for_what_fits() -> None:
    sticky = axis.StickyRange()
    sticky.include(-12.3, 1.2)
    limits = sticky.limits
    sticky.include(-11.0, 0.0)
    assert sticky.limits == limits


@given(st.integers(1, 10_000), st.integers(10, 200))
def test_x_labels_fit(span: int, width: int) -> None:
    numbers = [(place, str(place)) for place in axis.round_places(span, 8)]
    line = axis.x_labels(width, span, "◂ 1", f"{span} ▸", numbers)
    assert len(line) == width
    assert line.endswith("▸")


@given(steep, steep, st.integers(1, 60))
@example(-1.0, 13.0, 3)
def test_y_labels_stand_in_their_rows(low: float, high: float, height: int) -> None:
    sticky = axis.StickyRange()
    sticky.include(*sorted((low, high)))
    labels = axis.y_labels(sticky.limits, height)
    # One number alone is no scale.
    assert len(labels) >= min(height, 2)
    assert all(0 <= row < height for row in labels)
    assert all(len(text) <= axis.GUTTER - 2 for text in labels.values())


def test_levels_mark_zeros_and_overflow() -> None:
    values = np.array([-np.inf, np.nan, -500.0, -3.5, 0.0, 2.9, 3.5, 400.0])
    levels = scale.levels_of(values, values).tolist()
    assert levels[:3] == [scale.ZERO, scale.OVERFLOW, 0]
    lows = [scale.LEVELS[level].low for level in levels[3:]]
    assert lows == [-5, -1, 2, 3, 100]
    assert "".join(scale.character(level) for level in levels) == "0!.-==+#"


def test_the_scale_is_symmetric_and_healthy_in_the_middle() -> None:
    limits = [level.low for level in scale.LEVELS[1:]]
    assert limits == sorted(limits)
    assert limits == [-limit for limit in reversed(limits)]
    middle = [level for level in scale.LEVELS if level.character == "="]
    assert middle[0].low == -3
    assert scale.LEVELS[len(scale.LEVELS) // 2].ansi == 15


@pytest.mark.parametrize(("width", "height"), [(40, 8), (120, 30)])
@pytest.mark.parametrize("unicode", [True, False])
def test_a_drawn_curve_falls_where_it_should(width: int, height: int, unicode: bool) -> None:
    rows = drawn(np.linspace(-20, 0, 50), width, height, 50, (-20.0, 0.0), unicode)
    assert [len(row) for row in rows] == [width] * height
    assert rows[0].rstrip()[-1] != " " and rows[-1].lstrip()[0] != " "
    assert len(rows[0].rstrip()) >= width - 2
    assert unicode or "".join(rows).isascii()


def test_gaps_stay_gaps() -> None:
    values = np.array([1.0, 1.0, np.nan, np.nan, np.nan, np.nan, 1.0, 1.0, -np.inf, 1.0])
    rows = drawn(values, 40, 4, 10, (0.0, 2.0), True)
    line = "".join(max(column) for column in zip(*rows, strict=True))
    assert line[10:24].isspace()
    assert not line[:4].isspace() and not line[36:].isspace()


def test_many_gaps_become_points() -> None:
    values = np.where(np.arange(400) % 2 == 0, 1.0, -np.inf)
    rows = drawn(values, 100, 4, 400, (0.0, 2.0), True)
    assert sum(character != " " for row in rows for character in row) == 100


def test_a_million_steps_are_thinned() -> None:
    values = np.zeros(1_000_000)
    values[500_000] = 50.0
    rows = drawn(values, 80, 10, 1_000_000, (0.0, 50.0), True)
    assert rows[0][39:41].strip()


def test_braille_cells_share() -> None:
    assert overlaid("⠁", "⢀") == "⢁"
    assert overlaid("⠁", "●") == "●"
    assert overlaid(" ", "⠁") == "⠁"


@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 250), st.integers(0, 3))
def test_marked_places_exist(count: int, more: int, width: int, slot: int) -> None:
    places = marked_places(count, count + more - 1, width, slot)
    assert places and all(1 <= place <= count for place in places)


def test_binning_says_what_it_swallowed() -> None:
    values = np.array([[1.0, 3.0, -np.inf, 5.0, np.nan, 7.0]])
    assert binned(values, 3).tolist()[0][:2] == [2.0, -np.inf]
    assert np.isnan(binned(values, 3)[0, 2])
    assert binned(values, 6) is values


def test_another_layer_is_judged_on_its_own() -> None:
    scenario = load("indrnn-deep", {"training.steps": 0})
    live = LiveRun(1, scenario)
    live.add(list(Run(scenario).frames()))
    last = live.verdict
    live.judge_layer(1)
    first = live.verdict
    assert last is not None and first is not None
    assert (last.layer, first.layer) == (4, 1)
    assert last.decades != first.decades


def test_pace() -> None:
    now = 0.0
    pace = Pace(lambda: now)
    assert pace.per_second is None
    pace.mark(0)
    assert pace.per_second is None
    now = 0.5
    pace.mark(50)
    assert pace.per_second == 100.0
    for tick in range(1, 40):
        now = 0.5 + tick / 10
        pace.mark(50 + tick)
    assert pace.per_second == pytest.approx(10.0)


def knob(key: str, value: object) -> Knob:
    return Knob(FIELDS[key], value, False)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("key", "value", "by", "expected"),
    [
        ("network.depth", 1, 1, 2),
        ("network.depth", 1, -1, 1),
        ("network.depth", 100, 1, 125),
        ("network.depth", 10_000, 1, 10_000),
        ("task.time_steps", 3, -1, 2),
        ("init.weight_scale", 0.0, -1, 0.0),
        ("init.weight_scale", 1.4, 1, 1.45),
        ("training.learning_rate", 0.0, 1, 0.001),
        ("training.learning_rate", 0.01, -1, 0.005),
        ("run.seed", 2**32 - 1, 1, 2**32 - 1),
        ("network.activation", "linear", 1, "sigmoid"),
        ("training.steps", 100, 1, 0),
        ("training.steps", 0, -1, 77),
        ("network.bias", True, 1, False),
        ("run.device", "cuda:3", 1, "auto"),
    ],
)
def test_steps(key: str, value: object, by: int, expected: object) -> None:
    assert stepped(knob(key, value), "rnn", by, 77) == expected


@given(st.sampled_from(sorted(FIELDS)), st.integers(-12, 12), st.data())
def test_no_step_leaves_the_range(key: str, by: int, data: st.DataObject) -> None:
    field = FIELDS[key]
    if field.type not in (int, float) or field.choices is not None or key == "training.steps":
        return
    assert field.minimum is not None and field.maximum is not None
    numbers = st.integers if field.type is int else st.floats
    value = data.draw(numbers(field.type(field.minimum), field.type(field.maximum)))  # type: ignore[operator]
    moved = stepped(knob(key, value), "rnn", by, 100)
    assert isinstance(moved, field.type)
    assert field.minimum <= moved <= field.maximum  # type: ignore[operator]


@pytest.mark.parametrize(
    ("key", "text", "expected"),
    [
        ("network.depth", "12", 12),
        ("network.depth", "1.5", 1.5),
        ("network.depth", "many", "many"),
        ("init.weight_scale", " 1e-3 ", 1e-3),
        ("init.weight_scale", "1.2.3", "1.2.3"),
        ("network.depth", "9" * 5000, float("inf")),
    ],
)
def test_what_is_typed(key: str, text: str, expected: object) -> None:
    assert parsed(FIELDS[key], text) == expected


def test_a_list_says_what_each_choice_is() -> None:
    named = dict(choices_with_titles("mlp", FIELDS["network.norm"]))
    assert named["layer"] == "layer normalisation"
    named = dict(choices_with_titles("cnn", FIELDS["network.convolution"]))
    assert named["winograd"] == "Winograd F(4x4, 3x3)"
    fitting = choices_with_titles("rnn", FIELDS["init.scheme"])
    assert [name for name, _ in fitting] == list(choices_for("rnn", "init.scheme"))
    assert choices_with_titles("mlp", FIELDS["network.depth"]) == []


def test_a_new_architecture_appears_by_itself() -> None:
    last = list(ARCHITECTURES)[-1]
    entry = dataclasses.replace(ARCHITECTURES["rnn"], name="elman", title="Elman")
    ARCHITECTURES.register(entry)
    try:
        origin = load("rnn-tanh")
        assert stepped(knob("network.kind", last), last, 1, 100) == "elman"
        changed = origin.with_changes({"network.kind": "elman"})
        keys = [row.field.key for row in knobs_of(changed, origin, False)]
        assert "task.time_steps" in keys and "init.recurrent_scale" in keys
        assert knobs_of(changed, origin, False)[0].changed
    finally:
        ARCHITECTURES.unregister("elman")


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, True),
        ({"LANG": "en_GB.UTF-8"}, True),
        ({"LANG": "C"}, False),
        ({"LANG": "C", "LC_CTYPE": "C.UTF-8"}, False),
        ({"LANG": "C", "LC_CTYPE": "en_US.UTF-8"}, True),
        ({"LC_ALL": "C", "LANG": "en_GB.UTF-8"}, False),
        ({"LC_ALL": "C.utf8", "LANG": "C"}, True),
        ({"LANG": "de_DE.ISO-8859-1"}, False),
    ],
)
def test_locales(environ: dict[str, str], expected: bool) -> None:
    assert speaks_unicode(environ) is expected


def test_ascii_keeps_every_width() -> None:
    text = "∇ ●■▲◆○ │╌┤└ ▶‖■✗ ◂▸ 10⁻³ ≤ φ … ▀█▃ ⠿ 漢"
    plain = to_ascii(text)
    assert plain.isascii()
    assert len(plain) == len(text) + 1


def test_only_what_changed_is_repainted() -> None:
    style, other = Style(bold=True), Style()
    before = strip_of("aaaabbbb", [style] * 4 + [other] * 4)
    after = strip_of("aaaaxxbb", [style] * 4 + [style, style, other, other])
    assert _difference(before, before, 3) is None
    region = _difference(before, after, 3)
    assert region is not None
    assert (region.y, region.height) == (3, 1)
    assert region.x <= 4 and region.right >= 6
    assert line_of(6, ("abc", style), ("defgh", other)).text == "abcdef"


def test_saving_finds_a_free_name(tmp_path: Path) -> None:
    paths = [save_new(tmp_path, "a b/../c", ".toml", text) for text in "xyz"]
    assert [path.name for path in paths] == ["a-b-..-c.toml", "a-b-..-c-2.toml", "a-b-..-c-3.toml"]
    assert [path.read_text() for path in paths] == ["x", "y", "z"]
    assert save_new(tmp_path, "///", ".svg", "").name == "scenario.svg"


def test_no_numpy_before_the_first_paint() -> None:
    code = (
        "import sys, asyncio\n"
        "from tui.app import NablascopeApp\n"
        "class Worker:\n"
        "    def start(self, scenario, paused=False): return 1\n"
        "    def poll(self): return []\n"
        "    def close(self): pass\n"
        "class Quiet(NablascopeApp):\n"
        "    def make_worker(self): return Worker()\n"
        "async def main():\n"
        "    app = Quiet()\n"
        "    async with app.run_test() as pilot:\n"
        "        await pilot.pause()\n"
        "        heavy = {'numpy', 'scipy', 'plotext', 'textual_plotext', 'psutil', 'tomli_w'}\n"
        "        print(sorted(heavy & set(sys.modules)))\n"
        "asyncio.run(main())\n"
    )
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environ, check=False
    )
    assert done.stdout == "[]\n", done.stderr


@given(
    st.lists(
        st.lists(st.floats(-80, 80, allow_subnormal=False), min_size=5, max_size=5),
        min_size=2,
        max_size=4,
    ),
    st.floats(0.1, 50),
)
def test_stacked_bars_are_as_long_as_what_they_stand_for(
    sums: list[list[float]], decades: float
) -> None:
    field = np.array(sums)
    rows = int(np.abs(field).sum() / decades) + 2
    cells = _stacked(field, decades, rows)
    assert cells.shape == (rows, 5)
    for part, column in np.ndindex(field.shape):
        length = max(field[part, column], 0.0) / decades
        assert abs((cells[:, column] == part + 1).sum() - length) <= 1.0
    filled = (cells > 0).sum(axis=0)
    np.testing.assert_allclose(filled, np.maximum(field, 0.0).sum(axis=0) / decades, atol=0.5001)
    # Outward from the line, in order and without a gap.
    for column in range(5):
        kept = [part for part in cells[:, column].tolist() if part]
        assert kept == sorted(kept) and cells[: len(kept), column].all()


def test_what_is_held_out_stays_in_sight_between_two_looks() -> None:
    from tui.lab.verdict import _skill

    changes = {"training.steps": 3, "training.evaluate_every": 2, "run.device": "cpu"}
    small = {"network.hidden_size": 4, "task.time_steps": 25, **changes}
    for task, shown in (("adding", r"0\.\d+|1\.\d+"), ("copy", r"\d+\.\d%")):
        scenario = load("rnn-tanh", {"task.name": task, **small})
        live = LiveRun(1, scenario)
        assert _skill(live) == []
        frames = list(Run(scenario).frames())
        live.add(frames)
        looked = (frames[2].evaluation_loss, frames[2].evaluation_accuracy)
        assert live.held_out.items[-1] == looked
        ((name, value),) = _skill(live)
        assert name == "held out" and re.fullmatch(shown, value)
