"""What `run` shows of its frames: nothing, JSON lines, or a progress bar, a picture and words."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING

from scenarios.events import (
    divergence,
    end_event,
    frame_event,
    jacobian_event,
    start_event,
    theory_decades,
    to_json,
)
from tui.commands.base_report import BaseReport
from tui.commands.console import (
    PICTURE_COLOURS,
    VERDICT_STYLES,
    is_live,
    paragraph,
    speaks_unicode,
    styled,
    width,
    write,
)

if TYPE_CHECKING:
    from rich.progress import Progress

    from engine.frame import Frame
    from engine.jacobian import JacobianSpectrum
    from engine.theory import Prediction
    from scenarios.runner import Run

#: Layers of a deep recurrent net that get a line of their own.
_MOST_LINES = 12


class Report(BaseReport):
    """Keeps the frames that matter and shows nothing.

    Attributes:
        first, last: the first and the latest frame, None before there is one.
        spectrum: the singular values asked for, or why there are none.
    """

    def __init__(self) -> None:
        super().__init__()
        self.first: Frame | None = None
        self.last: Frame | None = None
        self.spectrum: JacobianSpectrum | str | None = None

    def start(self, run: Run) -> None:
        """The run is ready to go."""
        self._say(lambda: self.show_start(run))

    def frame(self, frame: Frame) -> None:
        """One more frame."""
        self.first = self.first or frame
        self.last = frame
        self._say(lambda: self.show_frame(frame))

    def end(self, run: Run, *, interrupted: bool) -> None:
        """There will be no more frames."""
        self.close()
        self._say(lambda: self.show_end(run, interrupted))

    def jacobian(self, found: JacobianSpectrum | str) -> None:
        """The last frame's singular values, or why there are none; before the end."""
        self.spectrum = found
        self._say(lambda: self.show_jacobian(found))

    def show_jacobian(self, found: JacobianSpectrum | str) -> None:
        """What is printed for the singular values at once."""

    def show_start(self, run: Run) -> None:
        """What is printed before the first frame."""

    def show_frame(self, frame: Frame) -> None:
        """What is printed for a frame."""

    def show_end(self, run: Run, interrupted: bool) -> None:
        """What is printed after the last frame."""


class JsonReport(Report):
    """Every event as a line of JSON, written at once."""

    def show_start(self, run: Run) -> None:
        print(to_json(start_event(run)))

    def show_frame(self, frame: Frame) -> None:
        print(to_json(frame_event(frame)))

    def show_jacobian(self, found: JacobianSpectrum | str) -> None:
        step = 0 if self.last is None else self.last.step
        print(to_json(jacobian_event(found, step)))

    def show_end(self, run: Run, interrupted: bool) -> None:
        theory = theory_decades(run.scenario, self.last)
        print(to_json(end_event(self.last, interrupted=interrupted, theory=theory)))


class TextReport(Report):
    """A progress bar on stderr, then the last frame as a picture and the verdict in words."""

    def __init__(self) -> None:
        super().__init__()
        self._progress: Progress | None = None
        # The latest frame with a look at what is held out.
        self._looked: Frame | None = None

    def close(self) -> None:
        if self._progress is not None:
            self._progress.stop()

    def show_start(self, run: Run) -> None:
        scenario = run.scenario
        write(styled(scenario.title, "bold"))
        settings = f"{run.device['device']}, {scenario.run.dtype}, seed {scenario.run.seed}"
        write(styled(f"{scenario.name} on {settings}", "dim"))
        if run.device["note"] is not None and scenario.run.device == "auto":
            note = paragraph(f"no GPU: {run.device['note']}", "", width())
            write(styled(note, "dim"))
        if run.state.step:
            write(styled(f"going on from step {run.state.step}", "dim"))
        if scenario.question:
            write()
            write(paragraph(scenario.question, "  ", min(width(), 100)))
        write()
        if scenario.training.steps and is_live(sys.stderr):
            self._progress = _progress(scenario.training.steps)

    def show_frame(self, frame: Frame) -> None:
        if frame.evaluation_loss is not None:
            self._looked = frame
        if self._progress is not None:
            loss = f"loss {_loss(frame)}{_accuracy(frame.accuracy)}"
            self._progress.update(self._progress.task_ids[0], completed=frame.step, loss=loss)

    def show_end(self, run: Run, interrupted: bool) -> None:
        frame, first = self.last, self.first
        if frame is None or first is None:
            write("interrupted before the first frame")
            return
        from scenarios.predictions import predict

        prediction = predict(run.scenario)
        _draw(run, frame, prediction)
        _judge(run, frame)
        _compare(run, first, frame, prediction)
        if frame.verdict.axis == "time" and len(frame.log10_grad_h) > 1:
            _judge_layers(run, frame)
        if self.spectrum is not None:
            from tui.words import isometry

            write(paragraph(isometry(self.spectrum), "  ", width()))
        if not first.step and first.verdict.name != frame.verdict.name:
            from tui.words import sentence

            write(f"  before training: {sentence(first.verdict, run.scenario.run.dtype)}")
        steps = f"step {frame.step} of {run.scenario.training.steps}"
        lost = divergence(frame)
        if lost is not None:
            place = f"layer {lost.layer}"
            if frame.verdict.axis == "time":
                place += f", time step {lost.step}"
            left = f"the numbers left {run.scenario.run.dtype} at {place}"
            write(f"  diverged at {steps}: {left}, and training stopped")
        if interrupted:
            write(f"  interrupted at {steps}")
        if frame.step and frame.step == first.step:
            done = frame.step == run.scenario.training.steps
            write(f"  loss {_loss(frame)} at {steps}{', nothing was left to train' * done}")
        elif frame.step:
            start = f"step {first.step}" if first.step else "the start"
            write(f"  loss {_loss(first)} at {start}, {_loss(frame)} at {steps}")
        else:
            write(f"  loss {_loss(frame)}, before any training")
        if self._looked is not None:
            loss = f"loss {self._looked.evaluation_loss:.4g}"
            accuracy = _accuracy(self._looked.evaluation_accuracy)
            write(f"  on what is held out: {loss}{accuracy}, at step {self._looked.step}")


def _loss(frame: Frame) -> str:
    return f"{frame.loss:.4g}" if math.isfinite(frame.loss) else "overflowed"


def _accuracy(share: float | None) -> str:
    return "" if share is None else f", accuracy {100.0 * share:.1f}%"


def _progress(steps: int) -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    progress = Progress(
        TextColumn("step"),
        MofNCompleteColumn(),
        BarColumn(bar_width=30),
        TextColumn("{task.fields[loss]}"),
        console=Console(stderr=True),
        transient=True,
    )
    progress.add_task("", total=steps, loss="")
    progress.start()
    return progress


def _draw(run: Run, frame: Frame, prediction: Prediction) -> None:
    from tui.plot_text import picture
    from tui.theory_words import curve_names

    verdict = frame.verdict
    time = verdict.axis == "time"
    profile = frame.profile()
    unicode = speaks_unicode(sys.stdout)
    colour = PICTURE_COLOURS[verdict.name] if is_live(sys.stdout) else None
    columns = min(width(), 120)
    theory: list[float] = []
    if _silence(run, frame, prediction) is None:
        assert prediction.log10_gradient is not None
        gaps = (math.nan if value is None else value for value in prediction.log10_gradient)
        theory = [float(profile[-1]) + value for value in gaps]
    drawn = picture(
        profile.tolist(),
        axis=verdict.axis,
        columns=columns,
        unicode=unicode,
        colour=colour,
        theory=theory,
    )
    if drawn is not None:
        of = f", layer {verdict.layer} of {run.scenario.network.depth}" if time else ""
        unit = "time step" if time else "layer"
        dashes = f"; dashes: {curve_names(prediction)[0]}" if theory else ""
        told = f"log10 of the gradient's size at every {unit}{of}, after step {frame.step}{dashes}"
        write(paragraph(told, "", width()))
        write(drawn)
        write()


def _judge(run: Run, frame: Frame) -> None:
    from engine.architectures import ARCHITECTURES
    from tui.words import blame, meaning, sentence

    words = sentence(frame.verdict, run.scenario.run.dtype, trained=frame.step > 0)
    name, _, numbers = words.partition(": ")
    write(f"{styled(name, *VERDICT_STYLES[name])}: {numbers}")
    found = frame.culprits
    if found is not None:
        layer = ARCHITECTURES[run.scenario.network.kind].layer
        write(f"  {blame(found, layer.hop_weight)}")
    write(f"  {meaning(frame.verdict)}")


def _silence(run: Run, frame: Frame, prediction: Prediction) -> str | None:
    """Why theory has nothing to say of this frame, None if it has."""
    from engine.theory import silence

    verdict = frame.verdict
    last_layer = verdict.axis == "layer" or verdict.layer == run.scenario.network.depth
    return silence(prediction, last_layer=last_layer, trained=frame.step > 0)


def _compare(run: Run, first: Frame, frame: Frame, prediction: Prediction) -> None:
    """How far theory is from the network as drawn, or why it is silent."""
    from engine.theory import compare
    from tui.theory_words import compared, no_theory

    reason = _silence(run, first, prediction)
    if reason is not None:
        write(paragraph(no_theory(reason), "  ", width()))
        return
    wordings = compared(compare(prediction, first.profile()), trained=frame.step > 0)
    write(paragraph(wordings[0], "  ", width()) if wordings else "")


def _judge_layers(run: Run, frame: Frame) -> None:
    from engine.verdict import judge
    from tui.words import sentence

    depth = len(frame.log10_grad_h)
    # Evenly spread, the last and the first among them.
    stride = math.ceil((depth - 1) / (_MOST_LINES - 1))
    shown = sorted({1, *range(depth, 0, -stride)}, reverse=True)
    for layer in shown:
        verdict = judge(frame.log10_grad_h, True, frame.overflow, layer)
        words = sentence(verdict, run.scenario.run.dtype, trained=frame.step > 0)
        write(f"  layer {str(layer).rjust(len(str(depth)))}  {words}")
