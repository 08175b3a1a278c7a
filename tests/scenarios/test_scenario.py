"""A scenario keeps what it was given, fills in the rest, and survives being written and changed."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from engine.architectures import ARCHITECTURES
from scenarios import scenario as module
from scenarios.errors import ScenarioError
from scenarios.reader import SECTIONS, TEXTS
from scenarios.scenario import Scenario, load, parse_assignment
from scenarios.schema import FIELDS, Field, choices_for, fields_for, limits_of

KINDS = ("mlp", "cnn", "rnn", "irnn", "indrnn", "lstm", "gru")


def written(folder: Path, document: Mapping[str, object]) -> Path:
    path = folder / "s.toml"
    path.write_text(tomli_w.dumps(document), encoding="utf-8")
    return path


def test_defaults(tmp_path: Path) -> None:
    scenario = load(written(tmp_path, {"network": {"kind": "mlp"}}))
    assert scenario.values() == {
        "network.kind": "mlp",
        "network.activation": "tanh",
        "network.depth": 10,
        "network.hidden_size": 64,
        "network.bias": True,
        "network.residual": False,
        "network.norm": "none",
        "init.scheme": "gaussian",
        "init.weight_scale": 1.0,
        "init.bias_scale": 0.0,
        "task.name": "noise",
        "task.batch_size": 32,
        "task.input_size": 64,
        "training.steps": 100,
        "training.optimizer": "sgd",
        "training.learning_rate": 0.01,
        "training.clip_norm": 0.0,
        "training.clip_value": 0.0,
        "training.schedule": "constant",
        "run.seed": 0,
        "run.dtype": "float32",
        "run.device": "auto",
    }
    assert (scenario.name, scenario.title, scenario.question) == ("s", "s", "")
    recurrent = load(written(tmp_path, {"network": {"kind": "rnn"}}))
    assert (recurrent.network.depth, recurrent.task.time_steps) == (1, 100)
    assert (scenario.task.time_steps, scenario.network.kernel_size) == (None, None)


def test_a_whole_number_stands_for_a_float(tmp_path: Path) -> None:
    path = written(tmp_path, {"network": {"kind": "mlp"}, "init": {"weight_scale": 2}})
    scale = load(path).init.weight_scale
    assert scale == 2.0
    assert type(scale) is float


def test_texts_are_joined_to_one_line(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text('title = """a\n  b"""\nsource = "c"\n[network]\nkind = "mlp"\n')
    scenario = load(path)
    assert (scenario.title, scenario.source_text) == ("a b", "c")


def test_byte_order_mark_and_windows_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_bytes(b'\xef\xbb\xbf[network]\r\nkind = "mlp"\r\n')
    assert load(path).network.kind == "mlp"


def test_every_field_has_its_place() -> None:
    tables = {
        "network": module.Network,
        "init": module.Init,
        "task": module.Task,
        "training": module.Training,
        "run": module.RunSettings,
    }
    declared = {(field.section, field.attribute) for field in FIELDS.values()}
    kept = {(name, f.name) for name, table in tables.items() for f in fields(table)}
    assert declared == kept
    assert tuple(tables) == SECTIONS


def test_every_field_can_be_shown_in_a_control() -> None:
    for field in FIELDS.values():
        assert field.title and field.help.endswith("."), field.key
        if field.choices is None and field.type not in (bool, str):
            assert field.minimum is not None and field.maximum is not None
            assert field.step is not None and field.scale in ("linear", "log")
            assert field.scale == "linear" or field.step > 1


# A scenario with every value drawn from what the schema allows.
def _value(field: Field, kind: str, task: str, file: object) -> st.SearchStrategy[object]:
    if field.type is str and field.choices is None:
        return st.text(st.characters(categories=["L", "N", "P"]), max_size=50)
    if field.type is bool:
        return st.booleans()
    if field.choices is not None:
        names = st.sampled_from(choices_for(kind, field.key))
        return names | st.just("cuda:3") if field.pattern else names
    least, most = limits_of(field, {"task.name": task, "task.file": file})  # type: ignore[dict-item]
    if field.type is int:
        return st.integers(int(least), int(most))
    return st.floats(least, most, allow_nan=False)


@st.composite
def documents(draw: st.DrawFn) -> dict[str, dict[str, object]]:
    kind = draw(st.sampled_from(KINDS))
    scheme = draw(st.sampled_from(choices_for(kind, "init.scheme")))
    task = draw(st.sampled_from(choices_for(kind, "task.name")))
    document: dict[str, dict[str, object]] = {section: {} for section in SECTIONS}
    schedule = draw(st.sampled_from(choices_for(kind, "training.schedule")))
    selected = {
        "network.kind": kind,
        "init.scheme": scheme,
        "task.name": task,
        "training.schedule": schedule,
    }
    for field in fields_for(kind, scheme, task, schedule):
        fixed = selected.get(field.key)
        if fixed is not None or draw(st.booleans()):
            file = document["task"].get("file", "")
            value = fixed if fixed is not None else draw(_value(field, kind, task, file))
            document[field.section][field.attribute] = value
    if document["network"].get("residual"):
        document["network"].pop("dense", None)
    if document["network"].get("residual") or document["network"].get("dense"):
        document["network"]["depth"] = 3
    if document["network"].get("convolution") == "winograd":
        document["network"]["kernel_size"] = 3
    if scheme == "delta_orthogonal":
        document["task"]["image_channels"] = document["network"]["hidden_size"] = 4
    if scheme == "recurrent_range":
        document["init"]["recurrent_upper"] = 2.0
    return document


@given(document=documents(), title=st.text(st.characters(categories=["L", "N", "P"]), max_size=50))
def test_round_trip(
    tmp_path_factory: pytest.TempPathFactory,
    document: dict[str, dict[str, object]],
    title: str,
) -> None:
    folder = tmp_path_factory.getbasetemp()
    scenario = load(written(folder, {"title": title, "source": "x", **document}))
    for section, table in document.items():
        for key, value in table.items():
            assert getattr(getattr(scenario, section), key) == value
    path = folder / "again.toml"
    path.write_text(scenario.to_toml(), encoding="utf-8")
    assert load(path) == scenario
    assert load(path).to_toml() == scenario.to_toml()


@given(document=documents(), kind=st.sampled_from(KINDS))
def test_any_scenario_can_take_any_kind(
    tmp_path_factory: pytest.TempPathFactory,
    document: dict[str, dict[str, object]],
    kind: str,
) -> None:
    folder = tmp_path_factory.getbasetemp()
    changed = load(written(folder, document)).with_changes({"network.kind": kind})
    assert changed.network.kind == kind
    path = folder / "changed.toml"
    path.write_text(changed.to_toml(), encoding="utf-8")
    assert load(path) == changed


SCALARS = st.one_of(
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=30),
    st.dates(),
    st.sampled_from(["mlp", "rnn", "relu", "gaussian", "recurrent_range", "noise", "adding"]),
)
KEYS = st.sampled_from([f.attribute for f in FIELDS.values()]) | st.text(
    st.characters(exclude_categories=["Cs"]), max_size=8
)
JUNK = st.recursive(
    SCALARS, lambda v: st.lists(v, max_size=3) | st.dictionaries(KEYS, v, max_size=3)
)


@given(
    document=st.dictionaries(
        st.sampled_from([*SECTIONS, *TEXTS]) | KEYS,
        JUNK | st.dictionaries(KEYS, JUNK, max_size=4),
        max_size=5,
    )
)
def test_junk_in_toml_is_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, document: dict[str, Any]
) -> None:
    refused_in_one_line(written(tmp_path_factory.getbasetemp(), document))


@given(
    content=st.binary(max_size=300)
    | st.text(max_size=200).map(lambda t: t.encode("utf-8", "surrogatepass"))
)
def test_junk_that_is_no_toml_is_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "junk.toml"
    path.write_bytes(content)
    refused_in_one_line(path)


@given(key=st.sampled_from(list(FIELDS)) | st.text(max_size=20), value=st.text(max_size=40))
def test_junk_in_an_assignment_is_refused_in_one_line(key: str, value: str) -> None:
    try:
        name, parsed = parse_assignment(f"{key}={value}")
        load("rnn-relu", {name: parsed})
    except ScenarioError as error:
        assert len(str(error).splitlines()) == 1


def refused_in_one_line(path: Path) -> None:
    try:
        load(path)
    except ScenarioError as error:
        line = str(error)
        assert len(line.splitlines()) == 1
        assert line.removeprefix(str(path)).isprintable()


@pytest.mark.parametrize(("before", "after"), itertools.product(KINDS, KINDS))
def test_another_kind_keeps_what_fits(tmp_path: Path, before: str, after: str) -> None:
    document = {
        "network": {"kind": before, "hidden_size": 7, "bias": False},
        "init": {"weight_scale": 1.5, "bias_scale": 0.25},
        "task": {"batch_size": 3},
        "training": {"steps": 9, "optimizer": "adam"},
        "run": {"seed": 5, "dtype": "float64", "device": "cpu"},
    }
    chosen = [
        any(field.key == "network.activation" for field in fields_for(kind))
        for kind in (before, after)
    ]
    if chosen[0]:
        document["network"]["activation"] = "relu"
    changed = load(written(tmp_path, document)).with_changes({"network.kind": after})
    if chosen[0] and not chosen[1]:
        del document["network"]["activation"]
    kept = {key: value for key, value in changed.to_dict().items() if key in document}
    for section, table in document.items():
        for key, value in table.items():
            if key != "kind":
                assert kept[section][key] == value, (section, key)  # type: ignore[index]
    assert set(changed.values()) == {
        field.key
        for field in fields_for(
            after, changed.init.scheme, changed.task.name, changed.training.schedule
        )
    }


def of_kind(folder: Path, kind: str, **tables: dict[str, object]) -> Scenario:
    tables["network"] = {"kind": kind, **tables.get("network", {})}
    return load(written(folder, tables))


def test_the_gradients_path_keeps_its_length(tmp_path: Path) -> None:
    deep = of_kind(tmp_path, "cnn", network={"depth": 70})
    long = deep.with_changes({"network.kind": "rnn"})
    assert (long.network.depth, long.task.time_steps) == (1, 70)
    assert long.with_changes({"network.kind": "mlp"}).network.depth == 70
    stacked = of_kind(tmp_path, "indrnn", network={"depth": 6}, task={"time_steps": 30})
    assert stacked.with_changes({"network.kind": "rnn"}).network.depth == 6
    assert stacked.with_changes({"network.kind": "mlp"}).network.depth == 30
    endless = of_kind(tmp_path, "rnn", task={"time_steps": 1_000_000})
    assert endless.with_changes({"network.kind": "mlp"}).network.depth == 10_000
    chosen = deep.with_changes({"network.kind": "rnn", "network.depth": 2, "task.time_steps": 5})
    assert (chosen.network.depth, chosen.task.time_steps) == (2, 5)


def test_what_no_longer_fits_gives_way(tmp_path: Path) -> None:
    ranged = of_kind(tmp_path, "indrnn", init={"scheme": "recurrent_range", "recurrent_upper": 3.0})
    assert ranged.with_changes({"network.kind": "mlp"}).init.scheme == "gaussian"
    assert ranged.with_changes({"init.scheme": "gaussian"}).init.recurrent_upper is None
    again = ranged.with_changes({"init.scheme": "gaussian"}).with_changes(
        {"init.scheme": "recurrent_range"}
    )
    assert again.init.recurrent_upper == 2.0
    adding = of_kind(tmp_path, "rnn", task={"name": "adding"})
    assert adding.with_changes({"network.kind": "cnn"}).task.name == "noise"
    assert adding.with_changes({"task.name": "noise"}).task.input_size == 64
    short = of_kind(tmp_path, "rnn", task={"time_steps": 1}).with_changes({"task.name": "adding"})
    assert short.task.time_steps == 100


def test_changes_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    scenario = of_kind(tmp_path, "cnn")
    with pytest.raises(ScenarioError, match=r"^change: network\.kernel_size = 5: does not fit"):
        scenario.with_changes({"network.kind": "rnn", "network.kernel_size": 5})
    with pytest.raises(ScenarioError, match=r"did you mean network\.depth"):
        scenario.with_changes({"network.depht": 5})
    assert scenario.with_changes({}) == scenario


def test_not_a_number_is_refused_through_the_api_too() -> None:
    for value in (math.nan, math.inf, None, [1.0], object()):
        with pytest.raises(ScenarioError, match="must be a number from 0 to 1000000"):
            load("chain-relu", {"init.weight_scale": value})


def test_numpys_scalars_are_numbers() -> None:
    changes = {
        "network.depth": np.int64(20),
        "init.weight_scale": np.float32(0.5),
        "network.bias": np.bool_(False),
    }
    scenario = load("chain-relu", changes)
    assert scenario == load("chain-relu", {key: value.item() for key, value in changes.items()})
    assert type(scenario.network.depth) is int and type(scenario.network.bias) is bool
    with pytest.raises(ScenarioError, match=r"network\.depth = 0: must be a whole number"):
        load("chain-relu", {"network.depth": np.int64(0)})


def test_zero_has_no_sign() -> None:
    scenario = load("chain-relu", {"init.bias_scale": -0.0})
    assert math.copysign(1.0, scenario.init.bias_scale) == 1.0


def test_a_key_that_is_no_text_is_refused() -> None:
    with pytest.raises(ScenarioError, match=r"^overrides: 3 = true: unknown key$"):
        load("chain-relu", cast(dict[str, object], {3: True}))


def test_origin_is_not_part_of_a_scenario(tmp_path: Path) -> None:
    copy = tmp_path / "copy.toml"
    copy.write_text(load("rnn-relu").to_toml())
    assert load(copy) == load("rnn-relu")
    assert (load(copy).origin, load("rnn-relu").origin) == (str(copy), "rnn-relu")


def test_every_kind_is_covered_here() -> None:
    assert tuple(ARCHITECTURES) == KINDS


def test_connections_give_way_where_a_kind_has_none() -> None:
    skips = load("mlp-relu-residual")
    assert skips.with_changes({"network.kind": "cnn"}).network.residual is True
    # A hundred layers became a hundred time steps of one layer, which has nothing to skip.
    assert skips.with_changes({"network.kind": "indrnn"}).network.residual is False
    deep = skips.with_changes({"network.kind": "indrnn", "network.depth": 3})
    assert deep.network.residual is True
    assert skips.with_changes({"network.kind": "rnn"}).network.residual is None
    dense = load("indrnn-dense", {"network.norm": "layer"})
    assert dense.with_changes({"network.kind": "mlp"}).network.dense is None
    assert dense.with_changes({"network.kind": "lstm"}).network.norm == "layer"
    with pytest.raises(ScenarioError, match=r"network\.dense = true: must be false while"):
        dense.with_changes({"network.residual": True})
