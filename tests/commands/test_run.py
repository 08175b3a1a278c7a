"""`run` in this process: what it reports, what it refuses, and how it fails."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

from engine.errors import MemoryShortage
from engine.frame import Frame
from scenarios.runner import Run
from tui.main import main

Capture = pytest.CaptureFixture[str]
SMALL = ("--device", "cpu", "--set", "network.hidden_size=8", "--set", "task.batch_size=4")


def run(capsys: Capture, name: str, *arguments: str, code: int = 0) -> tuple[str, str]:
    assert main(["run", name, *SMALL, *arguments]) == code
    captured = capsys.readouterr()
    return captured.out, captured.err


def events(capsys: Capture, name: str, *arguments: str, code: int = 0) -> list[dict[str, Any]]:
    out, err = run(capsys, name, "--json", *arguments, code=code)
    assert err == ""

    def refuse(constant: str) -> NoReturn:
        raise AssertionError(constant)

    return [json.loads(line, parse_constant=refuse) for line in out.splitlines()]


def test_json_lines(capsys: Capture) -> None:
    start, *frames, end = events(capsys, "rnn-relu", "--steps", "3", "--seed", "4")
    assert start["scenario"]["run"]["seed"] == 4
    assert [frame["step"] for frame in frames] == [0, 1, 2, 3]
    assert end["verdict"] == frames[-1]["verdict"]
    assert end["interrupted"] is False


def test_same_bytes_twice_but_for_the_clock(capsys: Capture) -> None:
    def lines() -> list[str]:
        kept = events(capsys, "adding-indrnn", "--steps", "3")
        return [json.dumps({k: v for k, v in e.items() if k != "seconds"}) for e in kept]

    assert lines() == lines()


def test_frames_are_the_python_apis(capsys: Capture) -> None:
    import scenarios
    from scenarios.events import frame_event

    changes = {"run.device": "cpu", "network.hidden_size": 8, "task.batch_size": 4}
    expected = [frame_event(f) for f in scenarios.run("rnn-tanh", {**changes, "training.steps": 2})]
    _, *frames, _ = events(capsys, "rnn-tanh", "--steps", "2")
    for one, other in zip(frames, expected, strict=True):
        assert {**one, "seconds": 0} == {**other, "seconds": 0}


def test_layer_judges_another_layers_steps(capsys: Capture) -> None:
    def verdicts(*arguments: str) -> list[tuple[int, float]]:
        found = events(capsys, "indrnn-deep", "--steps", "1", *arguments)[1:]
        return [(event["layer"], event["decades"]) for event in found]

    last, first = verdicts(), verdicts("--layer", "1")
    assert {layer for layer, _ in last} == {6}
    assert {layer for layer, _ in first} == {1}
    assert verdicts("--layer", "6") == last
    assert first != last


@pytest.mark.parametrize(
    ("name", "layer", "line"),
    [
        (
            "indrnn-deep",
            "7",
            "--layer: 7: must be a whole number from 1 to 6, the depth of indrnn-deep",
        ),
        (
            "indrnn-deep",
            "0",
            "--layer: 0: must be a whole number from 1 to 6, the depth of indrnn-deep",
        ),
        (
            "indrnn-deep",
            "1.5",
            "--layer: 1.5: must be a whole number from 1 to 6, the depth of indrnn-deep",
        ),
        (
            "indrnn-deep",
            "",
            '--layer: "": must be a whole number from 1 to 6, the depth of indrnn-deep',
        ),
        (
            "mlp-relu",
            "1",
            "--layer: 1: only fits recurrent networks; mlp-relu is judged across its layers",
        ),
    ],
)
def test_layers_that_are_not_there(capsys: Capture, name: str, layer: str, line: str) -> None:
    assert run(capsys, name, "--layer", layer, code=2) == ("", f"{line}\n")


def test_a_deep_recurrent_net_gets_a_line_per_layer(capsys: Capture) -> None:
    out, _ = run(capsys, "indrnn-deep", "--steps", "0")
    lines = [line for line in out.splitlines() if line.startswith("  layer ")]
    assert [line.split()[1] for line in lines] == ["6", "5", "4", "3", "2", "1"]
    assert "every time step, layer 6 of 6, after step 0" in out
    out, _ = run(capsys, "indrnn-deep", "--steps", "0", "--set", "network.depth=40")
    shown = [int(line.split()[1]) for line in out.splitlines() if line.startswith("  layer ")]
    assert shown[0] == 40 and shown[-1] == 1 and len(shown) <= 12


def test_text_tells_where_training_began_and_ended(capsys: Capture) -> None:
    unclipped = ("--set", "training.clip_norm=0", "--steps", "1")
    assert main(["run", "rnn-tanh-above", "--device", "cpu", *unclipped]) == 0
    out = capsys.readouterr().out
    assert "\ndead: the gradient is exactly 0 from step " in out
    # A chaotic run: its digits depend on how this processor rounds.
    assert re.search(r"\n  before training: exploding: x1\.\d+ per step, 10\^1\d\.\d over 99", out)
    assert "at step 1 of 1" in out


def test_text_says_how_far_theory_is_from_this(capsys: Capture) -> None:
    assert main(["run", "mlp-tanh-below", "--steps", "0", "--device", "cpu"]) == 0
    out = capsys.readouterr().out
    assert "dashes: theory (mean field)" in " ".join(out.split())
    assert re.search(r"theory 10\^-9\.\d: 0\.\d decades apart \(spread 0\.4\)", out)
    assert main(["run", "mlp-tanh-below", "--steps", "1", "--device", "cpu"]) == 0
    out = capsys.readouterr().out
    assert "dashes" not in out and "no theory of trained weights; at step 0 theory 10^" in out


def test_text_says_why_there_is_no_theory(capsys: Capture) -> None:
    for changes, reason in (
        (["network.padding=zero"], "zero padding"),
        (["network.norm=layer"], "layer normalisation"),
        (["network.hidden_size=8"], "8 units are too few"),
    ):
        options = [word for change in changes for word in ("--set", change)]
        assert main(["run", "cnn-tanh", "--steps", "0", "--device", "cpu", *options]) == 0
        out = " ".join(capsys.readouterr().out.split())
        assert f"no theory: {reason}" in out and "dashes" not in out


def test_layers_below_the_last_have_no_theory(capsys: Capture) -> None:
    command = ["run", "indrnn-deep", "--steps", "0", "--device", "cpu", "--layer", "2"]
    assert main(command) == 0
    assert "no theory: layers below the last" in capsys.readouterr().out


def test_an_overflow_is_a_result(capsys: Capture) -> None:
    out, _ = run(capsys, "rnn-relu", "--steps", "0", "--set", "init.recurrent_scale=1000")
    assert "overflow: the forward pass left float32 at layer 1, step " in out
    assert "; try --dtype float64" in out
    assert "nan" not in out
    out, _ = run(
        capsys, "rnn-relu", "--steps=0", "--dtype=float64", "--set", "init.recurrent_scale=1000"
    )
    assert "exploding: " in out


def test_quiet_prints_nothing_that_was_not_asked_for(capsys: Capture, tmp_path: Path) -> None:
    dump = tmp_path / "x.npz"
    assert run(capsys, "rnn-relu", "--steps", "1", "--quiet", "--dump", str(dump)) == ("", "")
    assert dump.exists()
    assert len(events(capsys, "rnn-relu", "--steps", "1", "--quiet")) == 4


def test_a_device_that_is_not_there(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    from engine.errors import DeviceError

    def missing() -> None:
        raise DeviceError("no driver; use --device cpu")

    monkeypatch.setattr("engine.devices._import_cupy", missing)
    assert main(["run", "rnn-relu", "--device", "cuda:1"]) == 2
    captured = capsys.readouterr()
    assert captured.err == 'rnn-relu: run.device = "cuda:1": no driver; use --device cpu\n'
    # auto falls back by itself and says so.
    assert main(["run", "rnn-relu", "--device", "auto", "--steps", "0"]) == 0
    assert "\nno GPU: no driver\n" in capsys.readouterr().out


def test_more_memory_than_there_is(capsys: Capture) -> None:
    large = ("--set", "network.depth=10000", "--set", "network.hidden_size=60000")
    _, err = run(capsys, "mlp-relu", *large, code=2)
    assert err.count("\n") == 1
    assert err.startswith("mlp-relu: network.")
    assert "GiB are free" in err


def test_memory_that_runs_out_during_the_run(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Run.frames

    def failing(self: Run) -> Iterator[Frame]:
        yield next(original(self))
        raise MemoryError("cannot allocate 3 TiB")

    monkeypatch.setattr(Run, "frames", failing)
    out, err = run(capsys, "rnn-relu", "--json", code=1)
    assert [json.loads(line)["event"] for line in out.splitlines()] == ["start", "frame"]
    assert err.startswith("rnn-relu: this machine ran out of memory")
    assert err.count("\n") == 1


def test_the_engines_refusals_name_the_key(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise MemoryShortage(2**40, 2**30)

    monkeypatch.setattr("scenarios.runner.Network", refuse)
    _, err = run(capsys, "rnn-relu", code=2)
    assert err.startswith("rnn-relu: ") and "1.0 GiB are free" in err


def test_two_interrupts_stop_within_a_step(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    original = Run.frames

    def slow(self: Run) -> Iterator[Frame]:
        frames = original(self)
        yield next(frames)
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError("the step went on")

    monkeypatch.setattr(Run, "frames", slow)
    dump = tmp_path / "x.npz"
    out, err = run(capsys, "rnn-relu", "--json", "--dump", str(dump), code=130)
    last = json.loads(out.splitlines()[-1])
    assert (last["event"], last["interrupted"], last["step"]) == ("end", True, 0)
    assert err == "--dump: nothing written: the run stopped within a step\n"
    assert not dump.exists()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_interrupt_before_the_run(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr("scenarios.runner.open_backend", interrupted)
    assert run(capsys, "rnn-relu", code=130) == ("", "")


def test_singular_values_come_before_the_end(capsys: Capture) -> None:
    *_, frame, jacobian, end = events(capsys, "rnn-relu", "--steps", "2", "--jacobian")
    assert (frame["event"], jacobian["event"], end["event"]) == ("frame", "jacobian", "end")
    assert (jacobian["step"], jacobian["of"]) == (2, "d h_100 / d h_1")
    values = jacobian["log10_singular_values"]
    assert values == sorted(values, reverse=True)
    assert len(values) + jacobian["zeros"] == jacobian["inputs"] == 8
    assert sum(jacobian["weights"]) == len(values)


def test_nothing_but_the_jacobian_differs_where_it_is_asked_for(capsys: Capture) -> None:
    def lines(*arguments: str) -> list[str]:
        kept = events(capsys, "mlp-tanh", "--steps", "3", *arguments)
        timeless = [{k: v for k, v in e.items() if k != "seconds"} for e in kept]
        return [json.dumps(e) for e in timeless if e["event"] != "jacobian"]

    assert lines("--jacobian") == lines()


def test_singular_values_in_words(capsys: Capture) -> None:
    out, _ = run(capsys, "mlp-tanh", "--steps", "0", "--jacobian", "--set", "network.depth=3")
    words = " ".join(out.split())
    number = r"10\^-?\d+\.\d"
    assert re.search(
        f"singular values of the end-to-end Jacobian: median {number}, largest {number}, "
        f"smallest {number}; condition {number}",
        words,
    )
    assert "singular values" not in run(capsys, "mlp-tanh", "--steps", "0")[0]


def test_no_singular_values_after_an_overflow(capsys: Capture) -> None:
    changes = ("--set", "init.weight_scale=1e6", "--set", "network.activation=linear")
    out, _ = run(capsys, "mlp-tanh", "--steps", "0", "--jacobian", *changes)
    words = " ".join(out.split())
    assert "no singular values of the end-to-end Jacobian: the forward pass overflows" in words


DIVERGING = ("--set", "training.learning_rate=1000", "--set", "training.clip_norm=0")


def test_training_that_diverges_is_a_result_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "rnn-relu", "--no-store", "--set", "run.device=cpu", *DIVERGING]) == 0
    shown = capsys.readouterr().out
    assert "  diverged at step " in shown
    assert "the numbers left float32 at layer 1, time step" in shown


def test_what_is_held_out_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    options = ("task.name=digits", "training.evaluate_every=2", "run.device=cpu")
    assignments = [part for option in options for part in ("--set", option)]
    assert main(["run", "adding-indrnn", "--no-store", "--steps", "5", *assignments]) == 0
    line = next(x for x in capsys.readouterr().out.splitlines() if "held out" in x)
    assert re.fullmatch(r"  on what is held out: loss \S+, accuracy \S+%, at step 4", line)
