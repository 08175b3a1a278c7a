"""Every refusal is one line that names the source, the key, the value and what is allowed."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from scenarios.duels.definition import load_duel
from scenarios.errors import ScenarioError, nearest_of, printable, quoted
from scenarios.papers.definition import load_set
from scenarios.scenario import load, parse_assignment
from scenarios.sweeps.definition import load_sweep

ACTIVATIONS = "sigmoid, tanh, relu, leaky_relu, elu, selu, gelu, silu, softplus, linear"
BASE = '[network]\nkind = "{kind}"\n'


def refusal(path: Path, text: str | bytes) -> str:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ScenarioError) as caught:
        load(path)
    line = str(caught.value)
    assert len(line.splitlines()) == 1
    assert line.isprintable()
    prefix = f"{path}: "
    assert line.startswith(prefix)
    return line.removeprefix(prefix)


VALUES = [
    ("mlp", "network", "depht = 50", "unknown key; did you mean network.depth?"),
    ("mlp", "network", "depth = 0", "must be a whole number from 1 to 10000"),
    ("mlp", "network", "depth = 10001", "must be a whole number from 1 to 10000"),
    ("mlp", "network", "depth = 2.0", "must be a whole number from 1 to 10000"),
    ("mlp", "network", "depth = true", "must be a whole number from 1 to 10000"),
    ("mlp", "network", 'depth = "ten"', "must be a whole number from 1 to 10000"),
    ("mlp", "network", "bias = 1", "must be true or false"),
    ("mlp", "network", 'activation = "rleu"', f'not one of {ACTIVATIONS}; did you mean "relu"?'),
    ("mlp", "network", 'activation = "ReLU"', f'not one of {ACTIVATIONS}; did you mean "relu"?'),
    ("mlp", "network", "activation = 3", f"not one of {ACTIVATIONS}"),
    ("mlp", "network", "kernel_size = 3", "does not fit network.kind mlp; only cnn has it"),
    ("rnn", "network", 'padding = "zero"', "does not fit network.kind rnn; only cnn has it"),
    ("cnn", "network", 'padding = "none"', "not one of zero, circular"),
    (
        "cnn",
        "network",
        'convolution = "wino"',
        'not one of auto, im2col, winograd; did you mean "winograd"?',
    ),
    ("cnn", "network", "kernel_size = 32", "must be a whole number from 1 to 31"),
    ("mlp", "init", "weight_scale = -0.5", "must be a number from 0 to 1000000"),
    ("mlp", "init", "weight_scale = nan", "must be a number from 0 to 1000000"),
    ("mlp", "init", "weight_scale = inf", "must be a number from 0 to 1000000"),
    ("mlp", "init", "weight_scale = false", "must be a number from 0 to 1000000"),
    (
        "cnn",
        "init",
        "recurrent_scale = 1.0",
        "does not fit network.kind cnn; only rnn, irnn, indrnn, lstm and gru have it",
    ),
    (
        "rnn",
        "init",
        "recurrent_lower = 0.5",
        "does not fit network.kind rnn; only indrnn has it",
    ),
    (
        "indrnn",
        "init",
        "recurrent_lower = 0.5",
        "does not fit init.scheme gaussian; only recurrent_range reads it",
    ),
    (
        "rnn",
        "init",
        'scheme = "recurrent_range"',
        "does not fit network.kind rnn; what fits: "
        "gaussian, uniform, orthogonal, identity, glorot, he, lecun",
    ),
    (
        "mlp",
        "task",
        'name = "adding"',
        "does not fit network.kind mlp, it needs a recurrent network; what fits: noise",
    ),
    (
        "mlp",
        "task",
        'name = "noies"',
        'not one of noise, adding, copy, digits, text; did you mean "noise"?',
    ),
    (
        "mlp",
        "task",
        "time_steps = 5",
        "does not fit network.kind mlp; only rnn, irnn, indrnn, lstm and gru have it",
    ),
    ("mlp", "task", "image_size = 8", "does not fit network.kind mlp; only cnn has it"),
    ("rnn", "task", "batch_size = 0", "must be a whole number from 1 to 65536"),
    ("mlp", "training", "steps = -1", "must be a whole number from 0 to 10000000"),
    ("mlp", "training", "learning_rate = 1001", "must be a number from 0 to 1000"),
    (
        "mlp",
        "training",
        'optimizer = "adan"',
        'not one of sgd, momentum, rmsprop, adam; did you mean "adam"?',
    ),
    ("mlp", "run", "seed = 4294967296", "must be a whole number from 0 to 4294967295"),
    ("mlp", "run", 'dtype = "float16"', 'not one of float32, float64; did you mean "float64"?'),
    (
        "mlp",
        "run",
        'device = "cuda:-1"',
        'not one of auto, cpu, cuda, cuda:N; did you mean "cuda"?',
    ),
    (
        "mlp",
        "run",
        'device = "cuda:0x"',
        'not one of auto, cpu, cuda, cuda:N; did you mean "cuda"?',
    ),
]


@pytest.mark.parametrize(("kind", "table", "assignment", "problem"), VALUES)
def test_a_value_that_is_not_allowed(
    tmp_path: Path, kind: str, table: str, assignment: str, problem: str
) -> None:
    head = BASE.format(kind=kind)
    text = head + assignment if table == "network" else f"{head}[{table}]\n{assignment}"
    assert refusal(tmp_path / "my.toml", text) == f"{table}.{assignment}: {problem}"


FILES = [
    ("", "network.kind: is missing; one of mlp, cnn, rnn, irnn, indrnn, lstm, gru"),
    (
        '[network]\nkind = "rrn"',
        'network.kind = "rrn": not one of mlp, cnn, rnn, irnn, indrnn, lstm, gru; '
        'did you mean "rnn"?',
    ),
    ("network = 5", "network = 5: must be a table, [network]"),
    ("network = []", "network = []: must be a table, [network]"),
    ("[netwrok]\ndepth = 3", "netwrok.depth = 3: unknown key; did you mean network.depth?"),
    ("[netwrok]", "netwrok: unknown table; did you mean network?"),
    ("titel = 'x'", 'titel = "x": unknown key; did you mean title?'),
    ("depth = 3", "depth = 3: unknown key; did you mean network.depth?"),
    ("learning-rate = 3", "learning-rate = 3: unknown key; did you mean training.learning_rate?"),
    ("zzzzzz = 3", "zzzzzz = 3: unknown key"),
    ("title = 5", "title = 5: must be text of 0 to 200 printable characters"),
    ("name = ''", 'name = "": must be text of 1 to 100 printable characters'),
    (
        'title = "a\\u001B[2Jb"',
        'title = "a\\u001b[2Jb": must be text of 0 to 200 printable characters',
    ),
    (
        'title = "\\u202Eevil"',
        'title = "\\u202eevil": must be text of 0 to 200 printable characters',
    ),
    (
        f"title = '{'x' * 201}'",
        f'title = "{"x" * 56}...: must be text of 0 to 200 printable characters',
    ),
    ("a = ", "line 1, at the end: not valid TOML: Invalid value"),
    ("a = 1\nb = = 2", "line 2, column 5: not valid TOML: Invalid value"),
    ("a = 1\na = 2\n", "line 2, column 6: not valid TOML: Cannot overwrite a value"),
    ("x" * 70_000, "is larger than 64 KiB, too large for a scenario"),
    ("a = " + "[" * 5000, "not valid TOML: nested too deeply"),
    (b"\x7fELF\x00\x01", "is a binary file, not a scenario in TOML"),
    (b"a = 1\nb = '\xff'", "line 2: byte 0xff is not UTF-8 text"),
    ("a = 1".encode("utf-16"), "is UTF-16 text; a scenario file has to be UTF-8"),
    (
        f"[network]\nkind = 'mlp'\n[run]\nseed = {'9' * 100}",
        "run.seed = a whole number of more than 60 digits: "
        "must be a whole number from 0 to 4294967295",
    ),
    (
        "[network]\nkind = 'indrnn'\n"
        "[init]\nscheme = 'recurrent_range'\nrecurrent_lower = 1\nrecurrent_upper = 0.5",
        "init.recurrent_lower = 1.0: must not be above init.recurrent_upper, which is 0.5",
    ),
    (
        "[network]\nkind = 'cnn'\nhidden_size = 2\n[init]\nscheme = 'delta_orthogonal'",
        "network.hidden_size = 2: must be at least task.image_channels, which is 3, "
        "for init.scheme delta_orthogonal",
    ),
    (
        "[network]\nkind = 'cnn'\nkernel_size = 5\nconvolution = 'winograd'",
        'network.convolution = "winograd": needs network.kernel_size 3, which is 5 here',
    ),
    (
        "[network]\nkind = 'indrnn'\nresidual = true\ndense = true",
        "network.dense = true: must be false while network.residual is true",
    ),
    (
        "[network]\nkind = 'indrnn'\nresidual = true",
        "network.depth = 1: must be at least 3 for network.residual in network.kind indrnn",
    ),
    (
        "[network]\nkind = 'indrnn'\ndense = true",
        "network.depth = 1: must be at least 2 for network.dense in network.kind indrnn",
    ),
    (
        "[network]\nkind = 'mlp'\ndepth = 1\nresidual = true",
        "network.depth = 1: must be at least 2 for network.residual in network.kind mlp",
    ),
    (
        "[network]\nkind = 'lstm'\nresidual = false",
        "network.residual = false: does not fit network.kind lstm; "
        "only mlp, cnn and indrnn have it",
    ),
    (
        "[network]\nkind = 'mlp'\nnorm = 'Layer'",
        'network.norm = "Layer": not one of none, layer, batch; did you mean "layer"?',
    ),
    (
        "[network]\nkind = 'rnn'\n[task]\nname = 'adding'\ntime_steps = 1",
        "task.time_steps = 1: must be a whole number from 2 to 1000000 for task.name adding",
    ),
    (
        "[network]\nkind = 'rnn'\n[task]\nname = 'adding'\ninput_size = 2",
        "task.input_size = 2: does not fit task.name adding, "
        "which always has 2 inputs, a value and a marker",
    ),
]


@pytest.mark.parametrize(("content", "problem"), FILES)
def test_a_file_that_is_no_scenario(tmp_path: Path, content: str | bytes, problem: str) -> None:
    assert refusal(tmp_path / "my.toml", content) == problem


def test_digits_beyond_pythons_own_limit(tmp_path: Path) -> None:
    problem = refusal(tmp_path / "my.toml", f"a = {'9' * 5000}")
    assert problem.startswith("not valid TOML: Exceeds the limit")


def test_keys_cannot_steer_the_terminal(tmp_path: Path) -> None:
    problem = refusal(tmp_path / "my.toml", '"\\u001B[2J\\n" = 1')
    assert problem == "\\x1b[2J\\n = 1: unknown key"


def test_missing_directory_and_unreadable(tmp_path: Path) -> None:
    cases = {
        tmp_path / "none.toml": "no such file",
        tmp_path: "is a directory, not a scenario file",
        Path("bad\0name.toml"): "is not a file name: embedded null byte",
        tmp_path / ("x" * 300): "cannot be read: file name too long",
    }
    for path, problem in cases.items():
        with pytest.raises(ScenarioError) as caught:
            load(path)
        assert caught.value.allowed == problem


def test_a_path_gets_the_nearest_name_too() -> None:
    with pytest.raises(
        ScenarioError, match=r"^rnn-rleu\.toml: no such file; did you mean rnn-relu"
    ):
        load("rnn-rleu.toml")


@pytest.mark.parametrize(
    ("read", "missing", "nearest"),
    [
        (load_sweep, "mlp-tanh-dept.toml", "mlp-tanh-depth"),
        (load_sweep, "chain-sigmod.toml", None),
        (load_duel, "recurrent-rleu.toml", "recurrent-relu"),
        (load_duel, "indrnn-dep.toml", None),
        (load_set, "li-2018-ading.toml", "li-2018-adding"),
    ],
)
def test_the_nearest_is_of_the_same_catalogue(
    read: Callable[[str], object], missing: str, nearest: str | None
) -> None:
    with pytest.raises(ScenarioError) as caught:
        read(missing)
    assert (caught.value.allowed, caught.value.nearest) == ("no such file", nearest)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        (
            "chain-sigmod",
            "chain-sigmod: neither a scenario of the catalogue nor a file; "
            "did you mean chain-sigmoid?",
        ),
        ("qqqq", "qqqq: neither a scenario of the catalogue nor a file; see nablascope list"),
        ("", '"": neither a scenario of the catalogue nor a file; see nablascope list'),
    ],
)
def test_unknown_name(name: str, line: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        load(name)
    assert str(caught.value) == line


def test_overrides_name_where_they_come_from() -> None:
    with pytest.raises(ScenarioError) as caught:
        load("chain-relu", {"network.depth": 0})
    assert str(caught.value).startswith("overrides: network.depth = 0: ")
    with pytest.raises(ScenarioError) as caught:
        load(
            "chain-relu",
            {"network.depth": 5, "run.seed": -1},
            overrides_source="--set",
            origins={"run.seed": "--seed"},
        )
    assert str(caught.value).startswith("--seed: run.seed = -1: ")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("network.depth=50", ("network.depth", 50)),
        (" network.depth = 50 ", ("network.depth", 50)),
        ("init.weight_scale=1e-3", ("init.weight_scale", 0.001)),
        ("network.bias=false", ("network.bias", False)),
        ("network.activation=relu", ("network.activation", "relu")),
        ('network.activation="relu"', ("network.activation", "relu")),
        ("run.device=cuda:1", ("run.device", "cuda:1")),
        ("init.weight_scale=.5", ("init.weight_scale", 0.5)),
        ("init.weight_scale=-.5e-1", ("init.weight_scale", -0.05)),
        ("init.weight_scale=1.", ("init.weight_scale", 1)),
        ("network.depth=05", ("network.depth", 5)),
        ("training.steps=1e3", ("training.steps", 1000)),
        ("run.seed=[0, 1e1, 2.5]", ("run.seed", [0, 10, 2.5])),
        ("a=[.5, 1., tanh, true]", ("a", [0.5, 1, "tanh", True])),
        ("a=" + "[" * 5000 + "]" * 5000, ("a", "[" * 5000 + "]" * 5000)),
        ("init.weight_scale=1e300", ("init.weight_scale", 1e300)),
        ("init.weight_scale=.", ("init.weight_scale", ".")),
        ("task.file=1.npz", ("task.file", "1.npz")),
        ("a=b=c", ("a", "b=c")),
        ("a=1\nb=2", ("a", "1\nb=2")),
        ("a=", ("a", "")),
        ("a=" + "[" * 5000, ("a", "[" * 5000)),
    ],
)
def test_assignments(text: str, expected: tuple[str, object]) -> None:
    key, value = parse_assignment(text)
    assert (key, value) == expected
    assert type(value) is type(expected[1])


@pytest.mark.parametrize("text", ["network.depth", "", "=5", "  =5"])
def test_assignments_without_key_or_value(text: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        parse_assignment(text)
    shown = f"--set: {text}: must be KEY=VALUE, for example network.depth=50"
    assert str(caught.value) == shown


@pytest.mark.parametrize(
    ("read", "name", "line"),
    [
        (load, "rnn-tanh-time", "is a sweep; nablascope sweep rnn-tanh-time runs it"),
        (load, "le-2015-adding", "is a paper's set; nablascope reproduce le-2015-adding runs it"),
        (load, "rnn-scales", "is a duel, and D in the app opens it"),
        (load_sweep, "rnn-tanh", "is a scenario; nablascope run rnn-tanh runs it"),
        (load_set, "mlp-tanh-depth", "is a sweep; nablascope sweep mlp-tanh-depth runs it"),
        (load_duel, "rnn-tanh", "is a scenario; nablascope run rnn-tanh runs it"),
    ],
)
def test_a_name_of_another_catalogue_is_known(
    read: Callable[[str], object], name: str, line: str
) -> None:
    with pytest.raises(ScenarioError) as caught:
        read(name)
    assert str(caught.value) == f"{name}: {line}"


def test_errors_survive_the_way_from_another_process() -> None:
    error = ScenarioError("a.toml", "must be odd", key="x.y", value=2, nearest="3")
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error) == "a.toml: x.y = 2: must be odd; did you mean 3?"
    assert (again.key, again.value) == ("x.y", 2)


def test_quoting() -> None:
    assert quoted(True) == "true"
    assert quoted("a\nb") == '"a\\nb"'
    assert quoted({"a": 1}) == "a table"
    assert quoted([]) == "[]"
    assert quoted([0, 1.5, True, "a"]) == '[0, 1.5, true, "a"]'
    assert quoted((1, [2])) == "an array"
    assert quoted([7] * 1000) == f"[{'7, ' * 18}7,..."[:60]
    assert quoted("\x1b") == '"\\u001b"'
    assert printable("tab\there \x9b") == "tab\\there \\x9b"
    assert nearest_of("TANH", ["tanh", "relu"]) == "tanh"
    assert nearest_of("x" * 10_000, ["tanh"]) is None
