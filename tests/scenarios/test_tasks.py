"""Tasks give the data they promise, the same for the same seed."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

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
    from scenarios.runner import Run

    # With this scale U is drawn as N(0, 1), like the data, and rounded nowhere.
    changes = {"run__dtype": "float64", "init__recurrent_scale": 8.0, "training__steps": 0}
    run = Run(scenario("rnn-relu", run__device="cpu", **changes))
    next(run.frames())
    drawn = set(np.asarray(run.network.parameters["layer1.U"]).ravel().tolist())
    assert len(drawn) == 64 * 64
    assert not drawn & set(np.asarray(run.input).ravel().tolist())
