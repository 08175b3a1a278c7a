"""Tasks give the data they promise, the same for the same seed."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from scenarios.errors import ScenarioError
from scenarios.runner import Run
from scenarios.scenario import Scenario, load
from scenarios.tasks import TASKS


def scenario(name: str, **changes: object) -> Scenario:
    return load(name, {key.replace("__", "."): value for key, value in changes.items()})


@pytest.mark.parametrize("steps", [2, 3, 20, 101])
def test_adding_marks_one_value_in_each_half(steps: int) -> None:
    adding = scenario("adding-rnn", task__time_steps=steps, task__batch_size=500)
    inputs, target = next(TASKS["adding"].batches(adding))
    assert inputs.shape == (steps, 500, 2)
    assert target.shape == (500, 1)
    values, markers = inputs[..., 0], inputs[..., 1]
    assert set(np.unique(markers)) <= {0.0, 1.0}
    assert (markers[: steps // 2].sum(axis=0) == 1).all()
    assert (markers[steps // 2 :].sum(axis=0) == 1).all()
    assert values.min() >= 0.0 and values.max() < 1.0
    np.testing.assert_allclose(target[:, 0], (values * markers).sum(axis=0), rtol=1e-6)
    # Every place is used, the first and the last among them.
    assert (markers.sum(axis=1) > 0).all()


def test_always_answering_one_scores_a_sixth() -> None:
    adding = scenario("adding-rnn", task__time_steps=10, task__batch_size=20_000)
    _, target = next(TASKS["adding"].batches(adding))
    # The score's own standard deviation is 0.0014 at this batch size.
    assert float(np.mean((target - 1.0) ** 2)) == pytest.approx(1 / 6, abs=0.007)


def test_adding_draws_anew_and_noise_keeps_its_batch() -> None:
    first, second = islice(TASKS["adding"].batches(scenario("adding-rnn")), 2)
    assert not np.array_equal(first[0], second[0])
    kept = list(islice(TASKS["noise"].batches(scenario("rnn-relu")), 3))
    assert kept[0][0] is kept[1][0] is kept[2][0]
    assert kept[0][1] is kept[2][1]


@pytest.mark.parametrize("name", ["adding-rnn", "rnn-relu", "mlp-tanh", "cnn-tanh"])
def test_the_seed_decides(name: str) -> None:
    def batches(**changes: object) -> list[bytes]:
        made = scenario(name, **changes)
        drawn = islice(TASKS[made.task.name].batches(made), 2)
        return [array.tobytes() for batch in drawn for array in batch]

    assert batches() == batches()
    assert batches(run__seed=1) != batches()
    # Data does not depend on what is drawn for the parameters.
    assert batches(network__depth=3, network__hidden_size=20, init__weight_scale=0.3) == batches()


def test_both_dtypes_see_the_same_data() -> None:
    for name in ("adding-rnn", "rnn-relu"):
        task = TASKS[scenario(name).task.name]
        narrow = next(task.batches(scenario(name)))
        wide = next(task.batches(scenario(name, run__dtype="float64")))
        for one, other in zip(narrow, wide, strict=True):
            assert (one.dtype, other.dtype) == (np.float32, np.float64)
            np.testing.assert_array_equal(one, other.astype(np.float32))


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("mlp-tanh", (1, 32, 64)),
        ("cnn-tanh", (1, 16, 8, 8, 3)),
        ("rnn-relu", (100, 32, 64)),
        ("indrnn", (100, 32, 64)),
    ],
)
def test_noise_has_the_networks_shape_and_is_standard_normal(
    name: str, shape: tuple[int, ...]
) -> None:
    noise = scenario(name)
    inputs, target = next(TASKS["noise"].batches(noise))
    assert inputs.shape == shape
    assert inputs.shape[2:] == TASKS["noise"].input_shape(noise)
    assert target.shape == (shape[1], 1)
    tolerance = 5 / np.sqrt(inputs.size)
    assert abs(float(inputs.mean())) < tolerance
    assert abs(float(inputs.std()) - 1.0) < tolerance


def test_data_and_parameters_come_from_different_streams() -> None:
    # With this scale U is drawn as N(0, 1), like the data, and rounded nowhere.
    changes = {"run__dtype": "float64", "init__recurrent_scale": 8.0, "training__steps": 0}
    run = Run(scenario("rnn-relu", run__device="cpu", **changes))
    next(run.frames())
    drawn = set(np.asarray(run.network.parameters["layer1.U"]).ravel().tolist())
    assert len(drawn) == 64 * 64
    assert not drawn & set(np.asarray(run.input).ravel().tolist())


@pytest.mark.parametrize("steps", [21, 30, 120])
def test_copy_shows_ten_symbols_a_silence_and_a_delimiter(steps: int) -> None:
    copy = scenario("adding-rnn", task__name="copy", task__time_steps=steps, task__batch_size=300)
    inputs, target = next(TASKS["copy"].batches(copy))
    assert inputs.shape == (steps, 300, 10)
    assert target.shape == (10, 300, 8)
    for rows in (inputs, target):
        assert set(np.unique(rows)) == {0.0, 1.0}
        assert (rows.sum(axis=-1) == 1.0).all()
    signs = inputs.argmax(axis=-1)
    np.testing.assert_array_equal(signs[:10], target.argmax(axis=-1))
    # Arjovsky et al.: T - 1 blanks, the delimiter, and ten blanks to answer in.
    assert (signs[10:-11] == 8).all() and (signs[-11] == 9).all() and (signs[-10:] == 8).all()
    counts = np.bincount(signs[:10].ravel(), minlength=8)
    assert len(counts) == 8 and counts.min() > 250
    assert float(np.mean(inputs**2)) == pytest.approx(TASKS["copy"].input_variance(copy))


@pytest.mark.parametrize("name", ["adding", "copy", "digits", "text"])
def test_batches_go_on_from_any_number(name: str) -> None:
    steps = 64 if name == "digits" else 25
    made = scenario("adding-rnn", task__name=name, task__time_steps=steps)
    task = TASKS[name]
    unbroken = list(islice(task.batches(made), 100))
    for start in (1, 44, 45, 90):
        going_on = list(islice(task.batches(made, start), 5))
        for one, other in zip(unbroken[start:], going_on, strict=False):
            np.testing.assert_array_equal(one[0], other[0])
            np.testing.assert_array_equal(one[1], other[1])


@pytest.mark.parametrize("name", ["adding", "copy", "digits"])
def test_what_is_held_out_is_always_the_same_and_never_trained_on(name: str) -> None:
    steps = 64 if name == "digits" else 25
    made = scenario("adding-rnn", task__name=name, task__time_steps=steps, task__batch_size=50)
    task = TASKS[name]
    held_out = list(task.held_out(made))
    again = list(task.held_out(made))
    assert sum(examples for _, examples in held_out) >= 300
    for ((inputs, target), examples), (other, _) in zip(held_out, again, strict=True):
        assert 0 < examples <= 50 == inputs.shape[1] == target.shape[-2]
        np.testing.assert_array_equal(inputs, other[0])
        np.testing.assert_array_equal(target, other[1])
    tested = {column.tobytes() for (x, _), n in held_out for column in x[:, :n].swapaxes(0, 1)}
    trained = {
        column.tobytes()
        for x, _ in islice(task.batches(made), 40)
        for column in np.ascontiguousarray(x.swapaxes(0, 1))
    }
    assert len(trained) > 1400
    assert not tested & trained


def test_an_epoch_shows_every_digit_once() -> None:
    digits = scenario("adding-rnn", task__name="digits", task__batch_size=7)
    epochs = 1438 / 7
    drawn = [
        column.tobytes()
        for inputs, _ in islice(TASKS["digits"].batches(digits), int(2 * epochs))
        for column in np.ascontiguousarray(inputs.swapaxes(0, 1))
    ]
    first, second = drawn[:1438], drawn[1438 : 2 * 1438]
    assert len(set(first)) >= 1430
    assert sorted(first[:100]) != sorted(second[:100])
    assert set(second) <= set(first)
    other = scenario("adding-rnn", task__name="digits", task__batch_size=7, run__seed=1)
    one = next(TASKS["digits"].batches(other))[0]
    assert one.swapaxes(0, 1)[0].tobytes() != drawn[0]


def test_digits_are_scikit_learns_read_row_by_row() -> None:
    from sklearn.datasets import load_digits

    digits = scenario("adding-rnn", task__name="digits", task__batch_size=20)
    inputs, target = next(TASKS["digits"].batches(digits))
    assert inputs.shape == (64, 20, 1) and target.shape == (20, 10)
    found = load_digits()
    known = {image.tobytes(): label for image, label in zip(found.data, found.target, strict=True)}
    for column, label in zip((16.0 * inputs[:, :, 0].T).astype(float), target, strict=True):
        assert known[column.tobytes()] == label.argmax()
    permuted = scenario("adding-rnn", **{"task__name": "digits", "task__permuted": True})
    again = scenario("adding-rnn", task__name="digits", task__permuted=True, run__seed=3)
    for made in (permuted, again):
        shuffled = next(TASKS["digits"].batches(made))[0]
        assert shuffled[:, 0, 0].tobytes() not in known
    # The order is no matter of the seed: what never has ink is the same in both.
    blank = [
        {t for t in range(64) if not x[t].any()}
        for x in (next(TASKS["digits"].batches(made))[0] for made in (permuted, again))
    ]
    assert len(blank[0] & blank[1]) >= 3


def test_digits_without_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    from scenarios import images

    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    images._small_digits.cache_clear()
    with pytest.raises(ScenarioError) as caught:
        Run(scenario("adding-rnn", task__name="digits"))
    assert str(caught.value) == (
        'adding-rnn: task.name = "digits": needs scikit-learn, which is not installed '
        "(the extra nablascope[data]); or give an MNIST file as task.file"
    )


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {"task.name": "digits", "task.time_steps": 100},
            "overrides: task.time_steps = 100: must be 64 for task.name digits",
        ),
        (
            {"task.name": "digits", "task.file": "m.npz", "task.time_steps": 64},
            "overrides: task.time_steps = 64: must be 784 for task.name digits",
        ),
        (
            {"task.name": "copy", "task.time_steps": 20},
            "overrides: task.time_steps = 20: must be a whole number from 21 to 1000000 "
            "for task.name copy",
        ),
        (
            {"task.permuted": True},
            "overrides: task.permuted = true: does not fit task.name adding; only digits has it",
        ),
        (
            {"training.schedule_steps": 10},
            "overrides: training.schedule_steps = 10: does not fit training.schedule constant; "
            "only step and plateau read it",
        ),
        (
            {"task.name": "noise", "training.evaluate_every": 10},
            "overrides: training.evaluate_every = 10: does not fit task.name noise, "
            "which has nothing to learn but its one batch",
        ),
        (
            {"task.name": "digits", "task.file": 3},
            "overrides: task.file = 3: must be text of at most 1024 characters, "
            "all of them printable",
        ),
    ],
)
def test_what_tasks_and_schedules_refuse(changes: dict[str, object], line: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        load("adding-rnn", changes)
    assert str(caught.value) == line


def test_the_sequence_is_as_long_as_the_digits_have_pixels() -> None:
    assert scenario("adding-rnn", task__name="digits").task.time_steps == 64
    longer = scenario("adding-rnn", task__name="digits", task__file="mnist.npz")
    assert longer.task.time_steps == 784
    assert longer.with_changes({"task.file": ""}).task.time_steps == 64
    assert longer.with_changes({"task.name": "adding"}).task.time_steps == 784


@pytest.mark.parametrize(
    ("name", "loss"),
    [("adding-rnn", 1 / 6), ("copy-rnn", np.log(8.0)), ("digits-indrnn", np.log(10.0))],
)
def test_what_a_guess_scores(name: str, loss: float) -> None:
    made = scenario(name)
    found = TASKS[made.task.name].trivial(made)
    assert found.loss == pytest.approx(loss) and found.answer


def test_the_trivial_answers_score_what_they_say() -> None:
    noise = scenario("rnn-relu", task__batch_size=50)
    _, target = next(TASKS["noise"].batches(noise))
    assert TASKS["noise"].trivial(noise).loss == pytest.approx(float((target**2).mean()))
    text = scenario("text-indrnn", task__batch_size=400)
    _, target = next(TASKS["text"].batches(text))
    found = TASKS["text"].trivial(text)
    assert found.loss < np.log(target.shape[-1])
    # Answering with the characters' shares in many windows of the same text.
    shares = target.mean(axis=(0, 1))
    kept = shares > 0
    assert -(shares[kept] * np.log(shares[kept])).sum() == pytest.approx(found.loss, rel=0.02)
