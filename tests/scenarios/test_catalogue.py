"""Every scenario of the catalogue shows what its question promises."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import scenarios
from engine.architectures import ARCHITECTURES
from engine.frame import Frame
from engine.verdict import Verdict, judge
from scenarios import catalogue
from scenarios.errors import ScenarioError
from scenarios.scenario import load

#: The verdict, the decades before training, and how many of the steps are made here: the verdict
#: has to hold throughout. None: all of them.
PROMISES: dict[str, tuple[str, tuple[float, float], int | None]] = {
    "chain-sigmoid": ("vanishing", (-6.1, -5.6), None),
    "chain-relu": ("healthy", (-0.3, 0.0), None),
    "mlp-sigmoid": ("vanishing", (-66, -60), 20),
    "mlp-tanh-below": ("vanishing", (-11, -9.5), 20),
    "mlp-tanh": ("healthy", (-2.0, -0.5), 20),
    "mlp-tanh-above": ("exploding", (5.5, 7.5), 20),
    "mlp-relu-below": ("vanishing", (-17, -14), 20),
    "mlp-relu": ("healthy", (-1.5, 1.0), 20),
    "mlp-relu-residual": ("exploding", (20, 24), 20),
    "mlp-relu-batch": ("exploding", (8, 10), 20),
    "mlp-sigmoid-batch": ("healthy", (0.5, 2.5), 20),
    "mlp-sigmoid-layer": ("vanishing", (-43, -39), 20),
    "cnn-sigmoid": ("vanishing", (-66, -60), 3),
    "cnn-tanh": ("healthy", (-3.0, 0.0), 3),
    "cnn-relu": ("healthy", (-1.0, 1.0), 3),
    "cnn-tanh-1000": ("healthy", (-1.5, 0.0), 0),
    "cnn-tanh-1000-gaussian": ("vanishing", (-9.0, -4.5), 0),
    "cnn-sigmoid-residual": ("healthy", (-0.2, 0.5), 3),
    "cnn-relu-batch": ("exploding", (7, 9), 3),
    "cnn-resnet": ("healthy", (1, 2.7), 3),
    "rnn-sigmoid": ("vanishing", (-65, -55), None),
    "rnn-tanh-below": ("vanishing", (-30, -25), None),
    "rnn-tanh": ("healthy", (-2.0, 1.0), None),
    "rnn-tanh-above": ("exploding", (12, 16), None),
    "rnn-relu-below": ("vanishing", (-17, -14), None),
    "rnn-relu": ("healthy", (-2.0, 2.0), None),
    "rnn-relu-above": ("exploding", (14, 18), None),
    "rnn-tanh-layer": ("vanishing", (-21, -18), None),
    "irnn": ("healthy", (-1.0, 0.0), None),
    "indrnn": ("healthy", (-0.5, 0.5), None),
    "indrnn-vanishing": ("vanishing", (-6.5, -4.0), None),
    "indrnn-exploding": ("exploding", (4.0, 6.0), None),
    "indrnn-tanh": ("vanishing", (-27, -20), None),
    "indrnn-deep": ("healthy", (-1.0, 0.5), 20),
    "indrnn-residual": ("healthy", (-1.0, 0.5), 20),
    "indrnn-dense": ("healthy", (-1.0, 0.5), 20),
    "lstm": ("vanishing", (-15, -11), 20),
    "lstm-forget-1": ("healthy", (-2.9, -0.5), 20),
    "gru": ("vanishing", (-14, -11), 20),
    "gru-update-1": ("vanishing", (-8, -5), 20),
    "gru-chrono": ("healthy", (-1.0, 0.0), 20),
    "adding-rnn": ("vanishing", (-10, -7), None),
    "adding-indrnn": ("healthy", (-0.5, 0.5), None),
    "copy-rnn": ("vanishing", (-6.5, -4.0), 5),
    "copy-lstm": ("healthy", (0.5, 2.5), 5),
    "copy-indrnn": ("healthy", (-0.5, 1.0), 20),
    "digits-irnn": ("healthy", (-1.2, 0.0), 20),
    "digits-indrnn": ("healthy", (-1.0, 0.5), 20),
    "text-indrnn": ("healthy", (0.5, 2.0), 20),
}


def frames(name: str, **changes: object) -> Iterator[Frame]:
    overrides = {key.replace("__", "."): value for key, value in changes.items()}
    return scenarios.run(name, {"run.device": "cpu", **overrides})


@cache
def verdicts_and_losses(name: str, steps: int | None) -> tuple[list[Verdict], list[float]]:
    """Of so many steps, or of all; more than one test looks at some of them."""
    shortened = {} if steps is None else {"training__steps": steps}
    seen = [(frame.verdict, frame.loss) for frame in frames(name, **shortened)]
    return [verdict for verdict, _ in seen], [loss for _, loss in seen]


def initial(name: str, **changes: object) -> Frame:
    return next(frames(name, training__steps=0, **changes))


def test_every_scenario_promises_something() -> None:
    assert list(PROMISES) == [
        name
        for kind in ("mlp", "cnn")
        for name in catalogue.names()
        if load(name).network.kind == kind
    ] + [name for name in catalogue.names() if ARCHITECTURES[load(name).network.kind].recurrent]


@pytest.mark.parametrize("name", PROMISES)
def test_the_promised_verdict_is_the_measured_one(name: str) -> None:
    verdict, (low, high), steps = PROMISES[name]
    seen, _ = verdicts_and_losses(name, steps)
    assert {v.name for v in seen} == {verdict}
    assert seen[0].decades is not None
    assert low <= seen[0].decades <= high


def test_chain_relu_drops_once_and_then_not_at_all() -> None:
    gradient = initial("chain-relu").log10_grad_h[:, 0]
    assert gradient[-1] > gradient[-2]
    np.testing.assert_allclose(gradient[:-1], gradient[0], atol=1e-6)


def test_chain_sigmoid_never_keeps_more_than_a_quarter() -> None:
    hops = np.diff(initial("chain-sigmoid").log10_grad_h[:, 0])
    assert (hops >= np.log10(4.0)).all()


def test_mlp_sigmoid_goes_below_float32() -> None:
    frame = initial("mlp-sigmoid")
    assert frame.log10_grad_h[0, 0] < np.log10(np.finfo(np.float32).smallest_subnormal)


def test_residual_relu_doubles_near_the_loss_and_then_does_more() -> None:
    hops = [
        -2.0 * np.diff(initial("mlp-relu-residual", run__seed=seed).log10_grad_h[:, 0])
        for seed in range(4)
    ]
    growth = 10.0 ** np.mean(hops, axis=0)
    assert growth[-10:].mean() == pytest.approx(2.0, abs=0.2)
    assert growth[:50].mean() == pytest.approx(2.9, abs=0.2)


@pytest.mark.parametrize("name", ["mlp-relu-batch", "cnn-resnet"])
def test_skips_tame_batch_normalisation(name: str) -> None:
    def decades(residual: bool) -> float:
        value = initial(name, network__residual=residual).verdict.decades
        assert value is not None
        return value

    assert decades(residual=False) > 7
    assert decades(residual=True) < 2.7


def test_cnn_resnet_explodes_without_its_normalisation() -> None:
    assert initial("cnn-resnet", network__norm="none").verdict.decades > 20  # type: ignore[operator]


@pytest.mark.parametrize("name", ["mlp-relu-batch", "rnn-tanh-layer"])
def test_normalised_weights_have_no_scale(name: str) -> None:
    one, ten = (initial(name, init__weight_scale=scale) for scale in (1.0, 10.0))
    # A batch normalised ReLU net is chaotic: eps alone sets the two runs apart.
    assert one.verdict.decades == pytest.approx(ten.verdict.decades, abs=1.0)


def test_batch_normalised_relu_grows_by_what_mean_field_theory_says() -> None:
    """Yang et al. 2019: pi / (pi - 1) in the square at every layer, at a large batch."""
    rates = [
        initial("mlp-relu-batch", run__seed=seed, task__batch_size=256).verdict.decades_per_hop
        for seed in range(3)
    ]
    predicted = 0.5 * np.log10(np.pi / (np.pi - 1.0))
    assert np.mean(rates) == pytest.approx(predicted, rel=0.08)  # type: ignore[arg-type]


def test_a_larger_recurrent_scale_makes_up_for_normalised_inputs() -> None:
    assert initial("rnn-tanh-layer", init__recurrent_scale=2.0).verdict.name == "healthy"


def test_a_thousand_layers_are_flat_with_delta_orthogonal_kernels_alone() -> None:
    def extent(name: str) -> float:
        return float(np.ptp(initial(name).log10_grad_h))

    assert extent("cnn-tanh-1000") < 1.5
    assert extent("cnn-tanh-1000-gaussian") > 4.5
    spec = load("cnn-tanh-1000")
    assert (spec.network.depth, spec.network.hidden_size, spec.task.image_size) == (1000, 32, 8)


def test_rnn_tanh_loses_twenty_decades_to_large_inputs() -> None:
    verdict = initial("rnn-tanh", init__weight_scale=1.0).verdict
    assert verdict.decades == pytest.approx(-20, abs=2)


def test_rnn_tanh_above_dies_of_its_first_update_without_clipping() -> None:
    verdicts = [
        f.verdict.name for f in frames("rnn-tanh-above", training__clip_norm=0.0, training__steps=1)
    ]
    assert verdicts == ["exploding", "dead"]


def test_rnn_relu_strays_both_ways() -> None:
    decades = [initial("rnn-relu", run__seed=seed).verdict.decades for seed in range(4)]
    assert min(d for d in decades if d is not None) < 0.0
    assert max(d for d in decades if d is not None) > 1.0


def test_rnn_relu_above_overflows_on_the_way_forward() -> None:
    frame = initial("rnn-relu-above", task__time_steps=400)
    assert frame.verdict.name == "overflow"
    assert frame.overflow is not None
    assert 200 < frame.overflow.step < 300
    wide = initial("rnn-relu-above", task__time_steps=400, run__dtype="float64")
    assert wide.verdict.name == "exploding"


def test_indrnn_vanishing_can_be_dead() -> None:
    assert "dead" in {initial("indrnn-vanishing", run__seed=seed).verdict.name for seed in range(4)}


def test_indrnn_deep_grows_in_its_lower_layers() -> None:
    field = initial("indrnn-deep").log10_grad_h
    decades = [judge(field, True, layer=layer).decades for layer in range(1, 7)]
    assert all(d is not None for d in decades)
    assert decades == sorted(decades, reverse=True)  # type: ignore[type-var]
    assert decades[0] is not None and decades[0] > 3.0


def test_connections_flatten_the_lower_layers_of_a_deep_indrnn() -> None:
    def first_layer(name: str, **changes: object) -> float:
        decades = [
            judge(initial(name, run__seed=seed, **changes).log10_grad_h, True, layer=1).decades
            for seed in range(3)
        ]
        return float(np.mean([d for d in decades if d is not None]))

    plain = first_layer("indrnn-residual", network__residual=False)
    residual, dense = first_layer("indrnn-residual"), first_layer("indrnn-dense")
    assert plain > 6
    assert residual < 2
    assert dense < residual


def test_only_the_indrnn_learns_to_add() -> None:
    def last_losses(name: str) -> float:
        # Of three seeds the middle one: how well a single one ends depends on how products round.
        ends = [
            np.mean([frame.loss for frame in frames(name, run__seed=seed)][-50:])
            for seed in range(3)
        ]
        return float(np.median(ends))

    assert last_losses("adding-rnn") > 0.15
    assert last_losses("adding-indrnn") < 0.02


def held_out(name: str, steps: int) -> Frame:
    *_, last = frames(name, training__steps=steps, training__evaluate_every=steps)
    assert last.evaluation_loss is not None and last.evaluation_accuracy is not None
    return last


def test_only_what_crosses_the_blanks_learns_to_copy() -> None:
    guessing = float(np.log(8.0))
    losses = {
        name: held_out(name, 250).evaluation_loss
        for name in ("copy-rnn", "copy-lstm", "copy-indrnn")
    }
    assert losses["copy-rnn"] > guessing - 0.05  # type: ignore[operator]
    assert losses["copy-lstm"] < guessing - 0.1  # type: ignore[operator]
    assert losses["copy-indrnn"] < guessing - 0.2  # type: ignore[operator]


def test_the_indrnn_names_more_digits_than_the_irnn() -> None:
    named = {
        name: held_out(name, 300).evaluation_accuracy for name in ("digits-irnn", "digits-indrnn")
    }
    assert 0.25 < named["digits-irnn"] < 0.65 < named["digits-indrnn"]  # type: ignore[operator]


def test_sonnets_are_learnt_by_heart() -> None:
    seen = list(frames("text-indrnn"))
    held = {f.step: f.evaluation_loss for f in seen if f.evaluation_loss is not None}
    best = min(held, key=lambda step: held[step])
    assert held[0] > np.log(54.0) - 0.1 > 3.0 > held[best]
    assert 100 <= best <= 400 and held[500] > held[best] + 0.2
    assert seen[500].loss < held[best] - 0.5


def test_what_stands_side_by_side_is_of_one_size() -> None:
    for name in catalogue.names():
        scenario = load(name)
        recurrent = ARCHITECTURES[scenario.network.kind].recurrent
        length = scenario.task.time_steps if recurrent else scenario.network.depth
        assert length == 100 or name.startswith(("chain-", "cnn-tanh-1000", "digits-"))


def test_files_name_themselves_and_say_what_to_look_for() -> None:
    for entry in catalogue.entries():
        scenario = load(entry.path)
        assert scenario.name == entry.name
        assert entry.path.name.partition("-")[2] == f"{entry.name}.toml"
        assert (entry.title, entry.kind) == (scenario.title, scenario.network.kind)
        assert 60 < len(scenario.question) < 400 and "?" in scenario.question
        assert len(scenario.source_text) > 20
        assert entry.path.read_text(encoding="utf-8").isascii()


def test_names_are_paths_and_the_other_way_round() -> None:
    for entry in catalogue.entries():
        assert Path(catalogue.find(entry.name)) == entry.path
        assert load(entry.name) == load(entry.path)
    with pytest.raises(
        ScenarioError,
        match=r"^rnn-rleu: neither a scenario of the catalogue nor a file; did you mean rnn-relu",
    ):
        catalogue.find("rnn-rleu")


def test_a_name_wins_over_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("rnn-relu").write_text('[network]\nkind = "mlp"\n')
    assert load("rnn-relu").network.kind == "rnn"
    assert load("./rnn-relu").network.kind == "mlp"
    Path("mine").write_text('[network]\nkind = "cnn"\n')
    assert load("mine").network.kind == "cnn"
