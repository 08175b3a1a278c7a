"""The Lab without its looks: which scenario, which run, which pins, and what a key does to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING

from scenarios.changes import changes_between, original
from scenarios.fields import KIND
from tui.lab.knobs import DEVICE
from tui.lab.live import BEFORE_SLOT, MAX_PINS, Extra, LiveRun, Pace, Pin
from tui.lab.standing import standing

if TYPE_CHECKING:
    from engine.frame import Frame
    from scenarios.remedies import Changes, Remedy
    from scenarios.scenario import Scenario
    from scenarios.tasks.base import Trivial
    from scenarios.worker import Worker

#: Seconds between two looks at what costs extra in a run that is going on, at least.
_EXTRA_PAUSE = 1.0


#: What Space does, by what runs are doing: `Session.toggling`.
PAUSE, GO_ON, RERUN = "pause", "go on", "rerun"


class State(Enum):
    """What the run that was asked for is doing."""

    STARTING = "starting"
    RUNNING = "running"
    PAUSED = "paused"
    FINISHED = "finished"
    DIVERGED = "diverged"
    FAILED = "failed"
    STORED = "stored"


@dataclass(frozen=True, eq=False)
class Treatment:
    """A remedy that is in force.

    Attributes:
        remedy: which.
        before: the scenario without it.
        changes: what it changed.
        run: the run without it.
        pin: that run in the plot.
    """

    remedy: Remedy
    before: Scenario
    changes: Changes
    run: LiveRun
    pin: Pin


class Session:
    """One scenario at a time in one worker.

    Attributes:
        origin: the scenario as chosen, before any control was touched.
        scenario: the one asked for; the picture may still show the one before.
        live: the run in the picture, None before the first frame ever.
        state: of the run asked for.
        failure: (key or "", line) of why it did not come about.
        device: what runs it, in a word.
        pins: runs kept in the plot.
        treatment: the remedy in force, None without one.
        notices: lines for the user that nobody has shown yet.
        not_stored: why a run could not be stored, the latest such line; None while all could.
        received: called with every frame that arrives.
    """

    def __init__(
        self,
        scenario: Scenario,
        make_worker: Callable[[], Worker],
        clock: Callable[[], float],
        received: Callable[[Frame], None] | None = None,
        chosen_device: str | None = None,
    ) -> None:
        self.origin = self.scenario = scenario
        self.live: LiveRun | None = None
        self.state = State.STARTING
        self.failure: tuple[str, str] | None = None
        self.device = ""
        self.pins: list[Pin] = []
        self.treatment: Treatment | None = None
        self.notices: list[str] = []
        self.not_stored: str | None = None
        self.pace = Pace(clock)
        self._clock = clock
        self._next_extra = 0.0
        self.received = received
        self._make_worker = make_worker
        self._chosen_device = chosen_device
        self._number = 0
        self._trivial: Trivial | None = None
        # What keys asked of a run that is not in the picture yet.
        self._asked: list[Callable[[], None]] = []

    @cached_property
    def _worker(self) -> Worker:
        # Only now: it costs more than the first paint.
        return self._make_worker()

    @property
    def title(self) -> str:
        """The scenario's title, and what was changed about it."""
        return "  ".join([self.origin.title, *self.changes])

    @property
    def label(self) -> str:
        """The scenario's name, and what was changed about it."""
        return " ".join([self.origin.name, *self.changes])

    @property
    def changes(self) -> list[str]:
        """What was changed about the scenario, as key=value."""
        return changes_between(self.origin, self.scenario)

    @property
    def idle(self) -> bool:
        """Whether nothing more will arrive unasked."""
        return self.state not in (State.STARTING, State.RUNNING, State.PAUSED)

    @property
    def quiet(self) -> bool:
        """Whether nothing more will arrive at all."""
        return self.idle and not (self.live is not None and self.live.computing)

    @property
    def awaited(self) -> bool:
        """Whether the run asked for has yet to come into the picture."""
        return not self.idle and (self.live is None or self.live.number != self._number)

    def once_shown(self, act: Callable[[], None]) -> None:
        """Do what the run asked for is needed for: now, or when it comes.

        Keys are typed faster than a run starts. Another choice of scenario or values drops it.
        """
        self._asked.append(act)
        self.catch_up()

    def catch_up(self) -> None:
        """Do what keys have asked for, in their order, up to the next run that has to come."""
        while self._asked and not self.awaited:
            self._asked.pop(0)()

    def choose(self, scenario: Scenario, origin: Scenario | None = None) -> None:
        """Run another scenario, on the device chosen before; `origin` is what it was made of."""
        self._asked.clear()
        self.origin, self.scenario = origin or scenario, scenario
        self.treatment = None
        if self._chosen_device is not None:
            self.scenario = scenario.with_changes({DEVICE: self._chosen_device})
        self.start()

    def show_stored(self, scenario: Scenario, frames: Sequence[Frame], label: str) -> None:
        """Show a run by its stored first and last frame. It runs again once it is started."""
        self._asked.clear()
        self.origin, self.scenario = original(scenario), scenario
        self.treatment = self.failure = None
        self.pace.reset()
        self._number = self._worker.foretell(scenario)
        self.state = State.STORED
        self.live = LiveRun(self._number, scenario, label)
        self.live.add(frames)
        gone = "a stored run keeps no weights: r runs it again"
        self.live.jacobian = self.live.weights = self.live.inspected = gone
        self.live.jacobian_step = frames[-1].step
        self.live.weights_at = (frames[-1].step, self.live.layer)

    def change(self, changes: Mapping[str, object]) -> None:
        """Run the scenario with other values. Raises ScenarioError; then nothing has changed."""
        self.scenario = self.scenario.with_changes(changes, source=self.origin.name)
        self._asked.clear()
        if KIND in changes:
            # Before and after are of one kind, or the remedy is not what made the difference.
            self.treatment = None
        if DEVICE in changes:
            self._chosen_device = self.scenario.run.device
        self.start()

    def treat(self, remedy: Remedy) -> str | None:
        """Apply a remedy in place of the one in force, or take that one away again.

        Says why not, None if it did. Raises ScenarioError where the remedy does not apply.
        """
        in_force = self.treatment
        untreated = self.scenario if in_force is None else self._untreated(in_force)
        if in_force is not None and in_force.remedy is remedy:
            self.scenario, self.treatment = untreated, None
            self.start()
            return None
        changes = remedy.changes(untreated, self.untreated_frames)
        run = self.live if in_force is None else in_force.run
        if run is None or run.latest is None or (in_force is None and run.number != self._number):
            return "There is no run to compare with yet."
        pin = _pin_of_before(run) if in_force is None else in_force.pin
        self.scenario = untreated.with_changes(changes, source=self.origin.name)
        self.treatment = Treatment(remedy, untreated, changes, run, pin)
        self.start()
        return None

    @property
    def untreated_frames(self) -> list[Frame]:
        """The first and the latest frame of the run without a remedy, none before there are any."""
        run = self.live if self.treatment is None else self.treatment.run
        if run is None or (self.treatment is None and run.number != self._number):
            return []
        return [frame for frame in (run.first, run.latest) if frame is not None]

    def _untreated(self, treatment: Treatment) -> Scenario:
        """The scenario asked for with what a remedy changed put back."""
        now = self.scenario.values()
        back = {
            key: value
            for key, value in treatment.before.values().items()
            if key in treatment.changes or key not in now
        }
        return self.scenario.with_changes(back, source=self.origin.name)

    @property
    def curves(self) -> list[Pin]:
        """The runs beside the live one: the one before a remedy, then the pins."""
        return [*([] if self.treatment is None else [self.treatment.pin]), *self.pins]

    def start(self, *, paused: bool = False) -> None:
        """Run the scenario from its first frame."""
        self.failure = None
        self._next_extra = 0.0
        self.pace.reset()
        self._number = self._worker.start(self.scenario, paused=paused)
        self.state = State.PAUSED if paused else State.STARTING

    def reset(self) -> None:
        """Back to step 0; a paused run waits there."""
        self.start(paused=self.state is State.PAUSED)

    @property
    def toggling(self) -> str:
        """What `toggle` does, in a word or two."""
        if self.idle:
            return RERUN
        return GO_ON if self.state is State.PAUSED else PAUSE

    def toggle(self) -> None:
        """Pause what runs, go on with what is paused, start again what has ended."""
        if self.idle:
            self.start()
        elif self.state is State.PAUSED:
            self._worker.resume()
            self.state = State.RUNNING
        else:
            self._worker.pause()
            self.state = State.PAUSED
        self.pace.reset()

    def step(self) -> bool:
        """One training step, then wait. False where the run has none left."""
        if self.idle:
            return False
        if self.state is not State.PAUSED:
            self._worker.pause()
            self.state = State.PAUSED
            self.pace.reset()
        self._worker.step()
        return True

    def poll(self) -> bool:
        """Take in what has arrived. True if there is anything new to draw."""
        messages = self._worker.poll()
        if not messages:
            return False
        from scenarios.worker import (
            Drifted,
            Ended,
            Failed,
            Frames,
            Inspected,
            Jacobian,
            NotStored,
            Predicted,
            Started,
            Weights,
        )

        for message in messages:
            if message.run != self._number and not isinstance(message, NotStored):
                continue
            match message:
                case Started(device=device, trivial=trivial):
                    self.device, self._trivial = str(device["device"]), trivial
                    if self.state is State.STARTING:
                        self.state = State.RUNNING
                case Frames(frames=frames):
                    self._take(frames)
                case Predicted(prediction=prediction):
                    if self.live is not None and self.live.number == self._number:
                        self.live.foretell(prediction)
                case Jacobian(step=step, found=found):
                    if self.live is not None and self.live.number == self._number:
                        self.live.jacobian, self.live.jacobian_step = found, step
                        self._had_extra(0.0 if isinstance(found, str) else found.seconds)
                case Weights(step=step, layer=layer, found=looked, seconds=seconds):
                    if self.live is not None and self.live.number == self._number:
                        self.live.weights, self.live.weights_at = looked, (step, layer)
                        self._had_extra(seconds)
                case NotStored(line=line):
                    self.not_stored = line
                    self.notices.append(line)
                case Inspected(step=step, layer=layer, time_step=time_step, found=place):
                    if self.live is not None and self.live.number == self._number:
                        self.live.inspected = place
                        self.live.inspected_at = (step, layer, time_step)
                        self._had_extra(message.seconds)
                case Drifted(sizes=measured):
                    if self.live is not None and self.live.number == self._number:
                        for step, sizes in measured:
                            self.live.drift.add(step, sizes)
                case Ended(event=event):
                    lost = event["diverged"] is not None
                    self.state = State.DIVERGED if lost else State.FINISHED
                case Failed(line=line, key=key):
                    self.state, self.failure = State.FAILED, (key or "", line)
                    self._asked.clear()
                    if self.live is not None:
                        self.live.computing = False
        return True

    def _take(self, frames: list[Frame]) -> None:
        if self.live is None or self.live.number != self._number:
            before = self.live
            self.live = LiveRun(self._number, self.scenario, self.label, received=self.received)
            self.live.trivial = self._trivial
            if before is not None and before.scenario.network.depth == self.live.layer:
                self.live.layer = before.layer if self.live.recurrent else self.live.layer
            if before is not None:
                self.live.place = min(before.place, self.live.span)
        self.live.add(frames)
        if frames and self.state is not State.PAUSED:
            self.pace.mark(frames[-1].step)

    def ask(self, wanted: Extra) -> bool:
        """Have what a view wants computed unless it is known. True if it is asked for now.

        While a run is going on it is asked for again only now and then, so that it takes a
        tenth of the engine's time at most.
        """
        live = self.live
        if live is None or live.latest is None or live.number != self._number:
            return False
        step = live.latest.step
        known = {
            "jacobian": live.jacobian_step == step,
            "weights": live.weights_at == (step, live.layer),
            "inspection": live.inspected_at == (step, *live.cursor),
        }
        if known[wanted] or live.computing or self.state in (State.FAILED, State.STORED):
            return False
        # A cursor that has moved waits no longer than the engine's share asks for.
        at = live.inspected_at
        moved = wanted == "inspection" and (at is None or at[1:] != live.cursor)
        soonest = self._next_extra - (_EXTRA_PAUSE if moved else 0.0)
        if self.state is State.RUNNING and self._clock() < soonest:
            return False
        live.computing = True
        match wanted:
            case "jacobian":
                self._worker.jacobian()
            case "weights":
                self._worker.weights(live.layer)
            case "inspection":
                self._worker.inspect(*live.cursor)
        return True

    def _had_extra(self, cost: float) -> None:
        """What took `cost` seconds has come."""
        if self.live is not None:
            self.live.computing = False
        self._next_extra = self._clock() + max(_EXTRA_PAUSE, 9.0 * cost)

    def next_layer(self) -> int | None:
        """Judge the next layer towards the input, then the last again. None if there is one."""
        live = self.live
        if live is None or not live.recurrent or live.scenario.network.depth == 1:
            return None
        self.judge_layer(live.layer - 1 or live.scenario.network.depth)
        return live.layer

    def judge_layer(self, layer: int) -> None:
        """Judge the time steps of this layer, in the run before a remedy too."""
        if self.live is None:
            return
        self.live.judge_layer(layer)
        treatment = self.treatment
        if treatment is not None and layer <= treatment.run.scenario.network.depth:
            treatment.run.judge_layer(layer)
            self.treatment = replace(treatment, pin=_pin_of_before(treatment.run))

    def pin(self) -> str | None:
        """Keep the picture's run in the plot. Says why not, None if it did."""
        live = self.live
        if live is None:
            return "There is no run to pin yet."
        refusal = self.pin_run(live, "P lets the latest go")
        if refusal is None and live.number == self._number and self.state is not State.STORED:
            self._worker.keep()
        return refusal

    def pin_run(self, live: LiveRun, way_out: str) -> str | None:
        """Keep a run in the plot, be it from the worker or from the store.

        Says why not, and where too many are pinned the key that helps; None if it did.
        """
        if live.frame is None:
            return "There is no run to pin yet."
        label = live.pin_label
        values = live.profile(live.frame).copy()
        named = [pin for pin in self.pins if pin.label == label]
        same = next((pin for pin in named if pin.shows(live.number, values)), None)
        if same is None and len(self.pins) == MAX_PINS:
            return f"Four runs are pinned, and no more fit: {way_out}."
        free = set(range(MAX_PINS)) - {pin.slot for pin in self.pins}
        slot = min(free) if same is None else same.slot
        pin = Pin(live.number, label, values, slot, standing(live, live.frame))
        self.pins = [*(p for p in self.pins if p is not same), pin]
        return None

    def unpin_run(self, number: int) -> bool:
        """Let the pinned run of this number go. False where none has it."""
        kept = [pin for pin in self.pins if pin.run != number]
        let_go = len(kept) < len(self.pins)
        self.pins = kept
        return let_go

    def unpin(self) -> str | None:
        """Let the latest pinned run go. Says why not, None if it did."""
        if not self.pins:
            return "No run is pinned."
        self.pins.pop()
        return None

    def leave(self) -> None:
        """Let the worker go, without waiting for it."""
        if "_worker" in self.__dict__:
            self._worker.leave()

    def close(self) -> None:
        """Stop the worker."""
        # Asking for the property would open a worker to close it.
        if "_worker" in self.__dict__:
            self._worker.close()


def _pin_of_before(run: LiveRun) -> Pin:
    """The run before a remedy as it stands in the plot, for the layer that it is looked at."""
    from tui.words import power

    assert run.first is not None and run.latest is not None
    # Where training ended in an overflow there is only its beginning to look at.
    frame = run.first if run.latest.overflow is not None else run.latest
    verdict = run.judged(frame)
    was = verdict.name if verdict.decades is None else power(verdict.decades)
    when = ", step 0" if frame is not run.latest else ""
    label = f"before{when}: {was}"
    return Pin(run.number, label, run.profile(frame).copy(), BEFORE_SLOT, standing(run, frame))
