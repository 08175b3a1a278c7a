"""Sweep files: what they may say, the cells that follow, and the line that refuses the rest."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from scenarios.errors import ScenarioError
from scenarios.scenario import load
from scenarios.schema import Value
from scenarios.sweeps import catalogue
from scenarios.sweeps.axes import Axis
from scenarios.sweeps.definition import Sweep, load_sweep
from scenarios.sweeps.grid import cells_of, points_of

BASE = """
base = "rnn-tanh"
[network]
hidden_size = 4
[task]
batch_size = 2
input_size = 3
time_steps = 6
[training]
steps = 0
"""


def swept(folder: Path, text: str, **overrides: object) -> Sweep:
    file = folder / "own.toml"
    file.write_text(text, encoding="utf-8")
    return load_sweep(file, {key.replace("__", "."): value for key, value in overrides.items()})


def axis(folder: Path, form: str, field: str = "init.recurrent_scale", top: str = "") -> Axis:
    line = f'field = "{field}"' if field else ""
    return swept(folder, f"{top}\n{BASE}\n[[axes]]\n{line}\n{form}\n").axes[0]


@pytest.mark.parametrize(
    ("form", "field", "values"),
    [
        ("list = [2, 0.5]", "init.recurrent_scale", (2.0, 0.5)),
        ('list = ["gaussian", "orthogonal"]', "init.scheme", ("gaussian", "orthogonal")),
        ("linspace = {from = 0.2, to = 0.4, count = 3}", "init.weight_scale", (0.2, 0.3, 0.4)),
        ("linspace = {from = 1, to = 0, count = 3}", "init.weight_scale", (1.0, 0.5, 0.0)),
        ("linspace = {from = 2, to = 9, count = 1}", "init.weight_scale", (2.0,)),
        ("linspace = {from = 1, to = 5, count = 9}", "task.time_steps", (1, 2, 3, 4, 5)),
        ("logspace = {from = 0.01, to = 1, count = 3}", "training.learning_rate", (0.01, 0.1, 1.0)),
        ("logspace = {from = 1, to = 1000, count = 4}", "task.time_steps", (1, 10, 100, 1000)),
        ("range = {from = 3, to = 5}", "task.time_steps", (3, 4, 5)),
        ("range = {from = 10, to = 35, step = 10}", "task.time_steps", (10, 20, 30)),
        ("seeds = 3", "", (0, 1, 2)),
        ("seeds = 2", "run.seed", (0, 1)),
    ],
)  # fmt: skip
def test_every_way_to_write_an_axis(
    tmp_path: Path, form: str, field: str, values: tuple[Value, ...]
) -> None:
    read = axis(tmp_path, form, field)

    assert read.values == values
    assert list(map(type, read.values)) == list(map(type, values))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "axes: is missing"),
        ("[axes]\nfield = 1", "axes = a table: must be tables, each under [[axes]]"),
        ('[[axes]]\nfield = "init.scale"\nlist = [1]',
         'axes[1].field = "init.scale": is no scenario\'s key; did you mean init.bias_scale?'),
        ("[[axes]]\nlist = [1]", "axes[1].field: is missing; a scenario's key"),
        ('[[axes]]\nfield = "run.device"\nlist = ["cpu"]', "cannot vary"),
        ('[[axes]]\nfield = "run.dtype"\nlist = ["float16"]',
         'run.dtype = "float16": not one of float32, float64; did you mean "float64"?'),
        ('[[axes]]\nfield = "run.seed"', "axes[1]: must have exactly one of list, linspace"),
        ('[[axes]]\nseeds = 2\nlist = [1]', "axes[1].list: must have exactly one of"),
        ('[[axes]]\nseeds = 0', "axes[1].seeds = 0: must be a whole number from 1"),
        ('[[axes]]\nseeds = true', "axes[1].seeds = true: must be a whole number from 1"),
        ('[[axes]]\nfield = "network.depth"\nseeds = 2', "must be run.seed, or left out"),
        ('[[axes]]\nfield = "init.weight_scale"\nlist = []', "must be an array of one value"),
        ('[[axes]]\nfield = "init.weight_scale"\nlist = [1, 1]', "list = [1, 1]: names 1 twice"),
        ('[[axes]]\nfield = "init.weight_scale"\nlist = [-1]',
         "init.weight_scale = -1: must be a number from 0 to 1000000"),
        ('[[axes]]\nfield = "init.weight_scale"\nlist = [nan]', "must be a number from 0"),
        ('[[axes]]\nfield = "init.weight_scale"\nlinspace = [0, 1, 3]',
         "axes[1].linspace = [0, 1, 3]: must be a table, {from = ..., to = ..., count = ...}"),
        ('[[axes]]\nfield = "init.weight_scale"\nlinspace = {from = 0, to = 1}',
         "axes[1].linspace.count: is missing"),
        ('[[axes]]\nfield = "init.weight_scale"\nlinspace = {from = 0, to = 1, cuont = 3}',
         "axes[1].linspace.cuont = 3: unknown key; did you mean count?"),
        ('[[axes]]\nfield = "init.weight_scale"\nlinspace = {from = 0, to = inf, count = 3}',
         "axes[1].linspace.to = inf: must be a number"),
        ('[[axes]]\nfield = "init.weight_scale"\nlinspace = {from = 0, to = 1, count = 0}',
         "axes[1].linspace.count = 0: must be at least 1"),
        ('[[axes]]\nfield = "init.weight_scale"\nlinspace = {from = 0, to = 1, count = 9999999}',
         "axes[1].linspace: gives 9,999,999 values; the most an axis may have is 1,000,000"),
        ('[[axes]]\nfield = "init.weight_scale"\nlogspace = {from = 0, to = 1, count = 3}',
         "axes[1].logspace.from = 0.0: must be above 0"),
        ('[[axes]]\nfield = "init.scheme"\nlinspace = {from = 0, to = 1, count = 3}',
         "does not fit init.scheme, which has no numbers; use list"),
        ('[[axes]]\nfield = "init.weight_scale"\nrange = {from = 0, to = 1}',
         "does not fit init.weight_scale, which has no whole numbers"),
        ('[[axes]]\nfield = "task.time_steps"\nrange = {from = 9, to = 1}',
         "axes[1].range.to = 1: must not be below from, which is 9"),
        ('[[axes]]\nfield = "task.time_steps"\nrange = {from = 1, to = 9, step = 0}',
         "axes[1].range.step = 0: must be at least 1"),
        ('[[axes]]\nfield = "init.weight_scale"\nuniform = {from = 0, to = 1}',
         'axes[1].uniform: needs combine = "random" or "sobol"'),
        ("[[axes]]\nseeds = 2\n[[axes]]\nseeds = 3", 'axes[2].field = "run.seed": varies twice'),
        ('combine = "cross"\n[[axes]]\nseeds = 2', 'combine = "cross": not one of product, zip'),
        ('reduce = "mean"\n[[axes]]\nseeds = 2', 'reduce = "mean": not one of median'),
        ('samples = 4\n[[axes]]\nseeds = 2', 'samples = 4: needs combine = "random" or "sobol"'),
        ('combine = "random"\n[[axes]]\nseeds = 2', "samples: is missing: how many cells to draw"),
        ('combine = "sobol"\nsamples = 6\n[[axes]]\nfield = "init.weight_scale"\n'
         'uniform = {from = 0, to = 1}', "samples = 6: must be a power of two"),
        ('combine = "random"\nsamples = 6\n[[axes]]\nfield = "init.weight_scale"\n'
         'uniform = {from = 1, to = 1}', "axes[1].uniform.to = 1.0: must be above from"),
        ('combine = "zip"\n[[axes]]\nfield = "init.weight_scale"\nlist = [1, 2]\n'
         '[[axes]]\nfield = "task.time_steps"\nlist = [1, 2, 3]',
         'combine = "zip": needs axes of one length: init.weight_scale has 2, task'),
        ('x = "network.depth"\n[[axes]]\nfield = "init.weight_scale"\nlist = [1, 2]',
         'x = "network.depth": must be a field that an axis varies: init.weight_scale'),
        ('y = "init.weight_scale"\n[[axes]]\nfield = "init.weight_scale"\nlist = [1, 2]',
         'y = "init.weight_scale": must differ from x'),
        ('bse = 1\n[[axes]]\nseeds = 2', 'bse = 1: unknown key; did you mean base?'),
        ('[[axes]]\nseeds = 2\n[[axes]]\nfield = "network.residual"\nlist = [true, false]',
         'axes[2].field = "network.residual": does not fit network.kind rnn; only mlp, cnn and'),
        ('[[axes]]\nfield = "init.scheme"\nlist = ["delta_orthogonal"]',
         'init.scheme = "delta_orthogonal": does not fit network.kind rnn'),
        ('[[axes]]\nfield = "network.kind"\nlist = ["mlp", "cnn"]\n'
         '[[axes]]\nfield = "task.time_steps"\nlist = [3, 4]',
         'axes[2].field = "task.time_steps": does not fit network.kind mlp'),
        ('[[axes]]\nfield = "task.name"\nlist = ["adding"]\n'
         '[[axes]]\nfield = "task.time_steps"\nlist = [1]',
         "task.time_steps = 1: must be a whole number from 2 to 1000000 for task.name adding"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_used_says_where_and_why(
    tmp_path: Path, text: str, line: str
) -> None:
    at_top, _, tables = text.partition("[")
    with pytest.raises(ScenarioError) as refusal:
        swept(tmp_path, f"{at_top}{BASE}{'[' if tables else ''}{tables}")

    assert line in str(refusal.value)
    assert str(refusal.value).startswith(str(tmp_path / "own.toml")) and "\n" not in str(
        refusal.value
    )


def test_no_axes_are_nothing_to_vary(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="axes: is empty: there is nothing to vary"):
        swept(tmp_path, f"axes = []\n{BASE}")


def test_a_base_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r'base = "rnn-tan": must be .* did you mean rnn-tanh'):
        swept(tmp_path, 'base = "rnn-tan"\n[[axes]]\nseeds = 2')


def test_a_scenario_is_no_sweep_and_a_sweep_no_scenario(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    with pytest.raises(ScenarioError, match=r"axes: is missing: this is a scenario, and nablasco"):
        swept(tmp_path, '[network]\nkind = "mlp"')
    for text in ('base = "rnn-tanh"\n[[axes]]\nseeds = 2', "[[axes]]\nseeds = 2\n[network]"):
        file.write_text(text, encoding="utf-8")
        with pytest.raises(ScenarioError) as refusal:
            load(file)
        assert refusal.value.allowed == f"is a sweep's; nablascope sweep {file} runs it"


def test_a_base_of_its_own_needs_no_catalogue(tmp_path: Path) -> None:
    sweep = swept(tmp_path, '[network]\nkind = "mlp"\ndepth = 3\n[[axes]]\nseeds = 2')

    assert sweep.base.network.kind == "mlp" and sweep.cells == 2 and sweep.x == "run.seed"


def test_far_too_many_cells_are_refused_before_any_is_made(tmp_path: Path) -> None:
    wide = "linspace = {from = 0, to = 1, count = 100000}"
    text = (
        f'[[axes]]\nfield = "init.weight_scale"\n{wide}\n'
        f'[[axes]]\nfield = "init.bias_scale"\n{wide}\n'
    )
    with pytest.raises(ScenarioError, match="gives 10,000,000,000 cells; the most is 10,000,000"):
        swept(tmp_path, BASE + text)


TWO_AXES = """
[[axes]]
field = "task.time_steps"
list = [5, 6, 7]
[[axes]]
field = "init.recurrent_scale"
list = [0.5, 1.0, 1.5]
[[axes]]
seeds = 2
"""


def test_a_product_crosses_everything_and_seeds_vary_fastest(tmp_path: Path) -> None:
    sweep = swept(tmp_path, BASE + TWO_AXES)
    cells = list(cells_of(sweep))

    assert sweep.cells == len(cells) == 18 and len({cell.key for cell in cells}) == 18
    assert (sweep.y, sweep.x) == ("task.time_steps", "init.recurrent_scale")
    assert [cell.index for cell in cells] == list(range(18))
    first, second, third = (cell.values for cell in cells[:3])
    assert first == {"task.time_steps": 5, "init.recurrent_scale": 0.5, "run.seed": 0}
    assert second == {**first, "run.seed": 1}
    assert third == {**first, "init.recurrent_scale": 1.0}


def test_a_zip_walks_its_axes_side_by_side_and_crosses_seeds(tmp_path: Path) -> None:
    sweep = swept(tmp_path, 'combine = "zip"\n' + BASE + TWO_AXES)
    values = [tuple(cell.values.values()) for cell in cells_of(sweep)]

    assert sweep.cells == len(values) == 6
    assert values[::2] == [(5, 0.5, 0), (6, 1.0, 0), (7, 1.5, 0)]


@pytest.mark.parametrize("method", ["random", "sobol"])
def test_samples_lie_in_their_intervals_and_repeat(tmp_path: Path, method: str) -> None:
    text = f"""
combine = "{method}"
samples = 64
{BASE}
[[axes]]
field = "init.recurrent_scale"
uniform = {{ from = 0.5, to = 2.0 }}
[[axes]]
field = "training.learning_rate"
loguniform = {{ from = 1e-4, to = 1.0 }}
[[axes]]
field = "task.time_steps"
uniform = {{ from = 3, to = 5 }}
[[axes]]
field = "network.activation"
list = ["tanh", "relu"]
[[axes]]
seeds = 2
"""
    sweep = swept(tmp_path, text)
    points = list(points_of(sweep))
    other = list(points_of(swept(tmp_path, text, sampling_seed=1)))

    assert sweep.cells == 128 and len(points) == 64
    assert points == list(points_of(sweep)) and points != other
    scales = sorted(float(point["init.recurrent_scale"]) for point in points)
    rates = [math.log10(float(point["training.learning_rate"])) for point in points]
    assert scales[0] >= 0.5 and scales[-1] <= 2.0 and max(b - a for a, b in pairwise(scales)) < 0.3
    assert -4.0 <= min(rates) < -3.0 < -1.0 < max(rates) <= 0.0
    assert {point["task.time_steps"] for point in points} == {3, 4, 5}
    assert {point["network.activation"] for point in points} == {"tanh", "relu"}
    assert all(cell.error is None for cell in cells_of(sweep))


def test_sobol_fills_every_strip_evenly(tmp_path: Path) -> None:
    text = f"""
combine = "sobol"
samples = 16
{BASE}
[[axes]]
field = "init.recurrent_scale"
uniform = {{ from = 0.0, to = 16.0 }}
"""
    strips = [int(float(p["init.recurrent_scale"])) for p in points_of(swept(tmp_path, text))]

    assert sorted(strips) == list(range(16))


def test_quick_cells_are_those_that_with_changes_gives(tmp_path: Path) -> None:
    text = (
        BASE
        + TWO_AXES
        + """
[[axes]]
field = "network.kind"
list = ["rnn", "lstm", "mlp"]
[[axes]]
field = "init.forget_bias"
list = [0, 1]
"""
    )
    sweep = swept(tmp_path, text, run__seed=7)
    cells = list(cells_of(sweep))

    assert len(cells) == 54
    for cell in cells:
        fits = cell.values["network.kind"] == "lstm"
        assert (cell.error is None) == fits
        if fits:
            assert cell.scenario == sweep.base.with_changes(cell.values)
        else:
            assert cell.error is not None and "does not fit network.kind" in cell.error


def test_overrides_change_the_base_the_sweep_or_an_axis(tmp_path: Path) -> None:
    changes: dict[str, object] = {"network__hidden_size": 5, "init__recurrent_scale": [1, 2]}
    sweep = swept(tmp_path, BASE + TWO_AXES, task__time_steps=9, reduce="log_of_mean", **changes)

    assert sweep.base.network.hidden_size == 5 and sweep.reduce == "log_of_mean"
    assert sweep.axis("init.recurrent_scale").values == (1.0, 2.0)
    assert sweep.axis("task.time_steps").values == (9,) and sweep.cells == 4
    with pytest.raises(ScenarioError, match=r"^overrides: init.recurrent_scale = -1"):
        swept(tmp_path, BASE + TWO_AXES, init__recurrent_scale=-1)


def test_an_axis_takes_arrays_and_ranges(tmp_path: Path) -> None:
    scales, seeds = np.linspace(0.5, 1.0, 2, dtype=np.float32), range(3)
    sweep = swept(tmp_path, BASE + TWO_AXES, init__recurrent_scale=scales, run__seed=seeds)

    assert sweep.axis("init.recurrent_scale").values == (0.5, 1.0)
    assert sweep.axis("run.seed").values == (0, 1, 2)
    with pytest.raises(ScenarioError) as caught:
        swept(tmp_path, BASE + TWO_AXES, network__depth=seeds)
    line = (
        "overrides: network.depth = range(0, 3): takes one value: it is no axis of this sweep, "
        "whose axes are task.time_steps, init.recurrent_scale, run.seed"
    )
    assert str(caught.value) == line


@pytest.mark.parametrize(
    ("written", "twice"),
    [("[5.0, 5.0, 5.0]", "5.0"), ("[1, 2, 1.0]", "1.0"), ("[0.0, -0.0]", "-0.0")],
)
def test_a_value_twice_is_named(tmp_path: Path, written: str, twice: str) -> None:
    with pytest.raises(ScenarioError, match=rf"\.list = \{written}: names {twice} twice$"):
        axis(tmp_path, f"list = {written}")


@pytest.mark.parametrize("name", catalogue.names())
def test_every_sweep_of_the_catalogue_can_be_run_and_says_what_to_look_for(name: str) -> None:
    sweep = load_sweep(name)

    assert sweep.name == name
    assert sweep.title and sweep.question.endswith("?") and sweep.source_text
    assert sweep.seeds is not None and 10 <= sweep.cells <= 20_000
    assert all(cell.error is None for cell in cells_of(sweep))


def test_names_that_are_nearly_right_are_offered() -> None:
    with pytest.raises(ScenarioError, match="did you mean rnn-tanh-time"):
        load_sweep("rnn-tanh-tmie")
