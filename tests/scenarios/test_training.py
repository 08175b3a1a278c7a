"""Training as a run does it: schedules, what is held out, and the end of what diverges."""

from __future__ import annotations

import math

import numpy as np
import pytest

from engine.frame import Frame
from scenarios.events import divergence, end_event, frame_event, to_json
from scenarios.runner import Run
from scenarios.scenario import Scenario, load
from scenarios.schedules import SCHEDULES, Memory

SMALL = {
    "network.hidden_size": 8,
    "task.batch_size": 16,
    "training.steps": 12,
    "training.learning_rate": 0.1,
    "run.device": "cpu",
}


def scenario(name: str = "adding-rnn", **changes: object) -> Scenario:
    steps = {} if changes.get("task__name") == "digits" else {"task.time_steps": 12}
    return load(
        name,
        {**SMALL, **steps, **{key.replace("__", "."): value for key, value in changes.items()}},
    )


def frames(name: str = "adding-rnn", **changes: object) -> list[Frame]:
    return list(Run(scenario(name, **changes)).frames())


def rates(
    schedule: str, losses: list[float | None] | None = None, **changes: object
) -> list[float]:
    made = scenario(training__schedule=schedule, **changes)
    memory = Memory(made.training.schedule_steps)
    found = []
    for step in range(1, made.training.steps + 1):
        memory.take(1.0 if losses is None else losses[step - 1])
        found.append(SCHEDULES[schedule].rate(made, step, memory))
    return found


def test_constant() -> None:
    assert rates("constant") == [0.1] * 12


def test_step_falls_after_every_so_many_updates() -> None:
    found = rates("step", training__schedule_steps=5, training__schedule_factor=0.5)
    assert found == [0.1] * 5 + [0.05] * 5 + [0.025] * 2


def test_cosine_starts_at_the_full_rate_and_ends_near_zero() -> None:
    found = rates("cosine", training__steps=4)
    assert found == pytest.approx(
        [0.1, 0.1 * (2 + math.sqrt(2)) / 4, 0.05, 0.1 * (2 - math.sqrt(2)) / 4]
    )


def test_a_plateau_is_a_window_whose_mean_loss_is_no_better() -> None:
    # Windows of two: means 5, 4, 4 (stuck), 3, 6 (stuck), 3 (stuck).
    losses = [6.0, 4.0, 4.0, 4.0, 3.0, 5.0, 2.0, 4.0, 9.0, 3.0, 3.0, 3.0]
    found = rates("plateau", list(losses), training__schedule_steps=2)
    assert found == pytest.approx([0.1] * 5 + [0.01] * 4 + [0.001] * 2 + [0.0001])


def test_a_plateau_waits_where_nobody_looked_and_minds_a_nan() -> None:
    losses = [None, None, None, 1.0, None, None, 1.0, None, math.nan, None, None, None]
    found = rates("plateau", losses, training__schedule_steps=2)
    assert found == pytest.approx([0.1] * 6 + [0.01] * 2 + [0.001] * 4)


def test_frames_say_the_rate_of_the_update_before() -> None:
    seen = frames(training__schedule="step", training__schedule_steps=5, training__optimizer="sgd")
    assert [frame.learning_rate for frame in seen] == pytest.approx(
        [None, *[0.1] * 5, *[0.01] * 5, *[0.001] * 2]
    )


def test_a_rate_of_zero_stands_still() -> None:
    changes = {"training__schedule": "step", "training__schedule_steps": 1}
    run = Run(scenario(**changes, training__schedule_factor=0.0, training__optimizer="sgd"))
    parameters = []
    for _ in run.frames():
        parameters.append(np.array(run.network.parameters["layer1.W"]))
    assert not np.array_equal(parameters[0], parameters[1])
    np.testing.assert_array_equal(parameters[1], parameters[-1])


def test_clip_value_reaches_the_network() -> None:
    run = Run(scenario(training__clip_value=1e-3, training__clip_norm=0.0, training__steps=1,
                       training__optimizer="sgd"))  # fmt: skip
    before = {}
    for frame in run.frames():
        if not frame.step:
            before = {name: np.array(value) for name, value in run.network.parameters.items()}
    moved = [np.abs(value - before[name]).max() for name, value in run.network.parameters.items()]
    assert max(moved) == pytest.approx(1e-4, rel=1e-2)


def test_evaluation_is_on_a_schedule_and_changes_nothing_else() -> None:
    plain, looked = frames(), frames(training__evaluate_every=5)
    assert [f.step for f in looked if f.evaluation_loss is not None] == [0, 5, 10]
    for one, other in zip(plain, looked, strict=True):
        assert one.loss == other.loss
        np.testing.assert_array_equal(one.log10_grad_h, other.log10_grad_h)
        np.testing.assert_array_equal(one.activation_rms, other.activation_rms)
    assert all(f.evaluation_accuracy is None and f.accuracy is None for f in looked)


def test_what_is_held_out_counts_once_whatever_the_batch() -> None:
    """360 digits in batches of 16 and of 7: the last batch is filled up, but not counted."""
    changes = {"task__name": "digits", "training__steps": 0, "training__evaluate_every": 1}
    (one,), (other,) = (frames(**changes, task__batch_size=size) for size in (16, 7))
    assert one.evaluation_loss == pytest.approx(other.evaluation_loss, rel=1e-6)
    assert one.evaluation_accuracy == pytest.approx(other.evaluation_accuracy, abs=1 / 359)
    assert one.evaluation_loss == pytest.approx(math.log(10), abs=1.5)


def test_accuracy_and_evaluation_are_in_the_events() -> None:
    changes = {"task__name": "copy", "task__time_steps": 25, "training__evaluate_every": 6}
    events = [frame_event(frame) for frame in frames(**changes)]
    for event in events:
        assert 0.0 <= event["accuracy"] <= 1.0
        looked = event["step"] % 6 == 0
        assert (event["evaluation_loss"] is None) == (event["evaluation_accuracy"] is None)
        assert (event["evaluation_loss"] is not None) == looked
        to_json(event)
    assert events[0]["evaluation_loss"] == pytest.approx(math.log(8), abs=0.5)
    assert events[0]["learning_rate"] is None and events[1]["learning_rate"] == 0.1
    plain = frame_event(frames()[0])
    assert plain["accuracy"] is plain["evaluation_loss"] is None


def test_training_that_diverges_ends_as_a_result() -> None:
    changes = {
        "network__kind": "rnn",
        "network__activation": "relu",
        "training__clip_norm": 0.0,
        "training__optimizer": "sgd",
        "training__learning_rate": 1000.0,
        "training__steps": 500,
    }
    seen = frames(**changes)
    last = seen[-1]
    assert 1 <= last.step < 100 and len(seen) == last.step + 1
    place = divergence(last)
    assert place is not None and last.verdict.name == "overflow"
    assert all(divergence(frame) is None for frame in seen[:-1])
    end = end_event(last)
    assert end["diverged"] == {
        "step": last.step,
        "layer": place.layer,
        "time_step": place.step,
    }
    assert 1 <= place.layer <= 1 and 1 <= place.step <= 12
    to_json(end)


def test_what_overflows_before_training_has_not_diverged() -> None:
    (only,) = frames("rnn-relu", init__recurrent_scale=1e6)
    assert only.step == 0 and only.overflow is not None
    assert divergence(only) is None and end_event(only)["diverged"] is None


def test_digits_are_learnt() -> None:
    seen = frames(
        network__kind="indrnn",
        network__hidden_size=32,
        network__depth=2,
        init__scheme="recurrent_range",
        init__weight_scale=1.0,
        task__name="digits",
        task__batch_size=32,
        training__optimizer="adam",
        training__learning_rate=0.003,
        training__steps=250,
        training__evaluate_every=250,
        training__clip_norm=1.0,
    )
    assert seen[-1].evaluation_accuracy is not None
    assert seen[-1].evaluation_accuracy > 0.35
    assert np.mean([frame.accuracy for frame in seen[-20:] if frame.accuracy]) > 0.35


@pytest.mark.parametrize(
    "changes",
    [
        {"training.schedule": "cosine", "training.clip_value": 0.01},
        {"training.schedule": "plateau", "training.schedule_steps": 2},
        {
            "training.schedule": "plateau",
            "training.schedule_steps": 2,
            "training.evaluate_every": 2,
            "task.name": "copy",
            "task.time_steps": 25,
        },
        {"training.learning_rate": 1000.0, "network.activation": "relu", "training.clip_norm": 0.0},
    ],
    ids=["cosine", "plateau", "plateau-held-out", "diverging"],
)
def test_a_sweeps_cells_are_trained_alike(changes: dict[str, object]) -> None:
    from scenarios.sweeps.stack import Batch, run_batch, stack_key

    flat = {key.replace(".", "__"): value for key, value in changes.items()}
    made = [
        scenario(training__optimizer="sgd", run__dtype="float64", init__weight_scale=scale, **flat)
        for scale in (0.5, 1.0, 2.0)
    ]
    assert len({stack_key(each) for each in made}) == 1
    together = run_batch(Batch(("0", "1", "2"), tuple(made)))
    for each, result in zip(made, together, strict=True):
        *_, frame = Run(each).frames()
        assert result.error is None and result.step == frame.step
        assert result.verdict == frame.verdict.name
        if frame.overflow is None:
            assert result.loss == pytest.approx(frame.loss, rel=1e-9)
