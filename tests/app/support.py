"""Apps that draw the same picture every time: thread or scripted engine, frozen clock, float64."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from engine.jacobian import JacobianSpectrum
from scenarios.predictions import foretell, predict
from scenarios.runner import Run
from scenarios.scenario import Scenario, load
from scenarios.worker import (
    Ended,
    Failed,
    Frames,
    Inspected,
    Jacobian,
    Message,
    NotStored,
    Predicted,
    Started,
    Weights,
)
from tui.app import NablascopeApp
from tui.lab.recurrent_weights import RecurrentWeightsView
from tui.terminal import Colours

CATALOGUE = Path(__file__).parent / "catalogue"
SWEEPS = Path(__file__).parent / "sweeps"


class ScriptedWorker:
    """Answers a start with so many frames, and then with nothing more until it is told to."""

    def __init__(
        self, frames: int | None = 0, failure: tuple[str, str | None] | None = None
    ) -> None:
        self.told: list[str] = []
        self.closed = False
        self.frames = frames
        self._failure = failure
        self._run = 0
        self._outbox: list[Message] = []

    def start(self, scenario: Scenario, *, paused: bool = False) -> int:
        self._run += 1
        self.told.append("start paused" if paused else "start")
        self._outbox = []
        if self._failure is not None:
            self._outbox = [Failed(self._run, *self._failure)]
        elif self.frames is not None:
            run = Run(scenario)
            frames = [frame for frame, _ in zip(run.frames(), range(self.frames), strict=False)]
            self._outbox = [
                Started(self._run, scenario, run.device, run.versions),
                Frames(self._run, frames),
                Predicted(self._run, predict(scenario)),
            ]
        return self._run

    def foretell(self, scenario: Scenario) -> int:
        self._run += 1
        self.told.append("foretell")
        self._outbox = [Predicted(self._run, foretell(scenario))]
        return self._run

    def end(self, diverged: dict[str, int] | None = None) -> None:
        self._outbox.append(Ended(self._run, {"diverged": diverged}))

    def fail(self, line: str, key: str | None = None) -> None:
        self._outbox.append(Failed(self._run, line, key))

    def keep(self) -> None:
        self.told.append("keep")

    def not_stored(self, line: str) -> None:
        self._outbox.append(NotStored(self._run, line))

    def pause(self) -> None:
        self.told.append("pause")

    def resume(self) -> None:
        self.told.append("resume")

    def step(self, count: int = 1) -> None:
        self.told.append(f"step {count}")

    def jacobian(self) -> None:
        self.told.append("jacobian")

    def weights(self, layer: int) -> None:
        self.told.append(f"weights {layer}")

    def inspect(self, layer: int, time_step: int) -> None:
        self.told.append(f"inspect {layer} {time_step}")

    def looked(self, step: int, layer: int, found: str) -> None:
        self._outbox.append(Weights(self._run, step, layer, found, 2.0))

    def inspected(self, step: int, layer: int, time_step: int, found: str) -> None:
        self._outbox.append(Inspected(self._run, step, layer, time_step, found, 0.0))

    def linearised(self, step: int, found: JacobianSpectrum | str) -> None:
        self._outbox.append(Jacobian(self._run, step, found))

    def poll(self) -> list[Message]:
        messages, self._outbox = self._outbox, []
        return messages

    def leave(self) -> None:
        self.told.append("leave")

    def close(self) -> None:
        self.closed = True


class LabApp(NablascopeApp):
    """The app on a scenario of the tests' own catalogue."""

    def __init__(
        self,
        name: str = "chain-sigmoid",
        changes: dict[str, object] | None = None,
        *,
        worker: ScriptedWorker | None = None,
        **options: Any,
    ) -> None:
        defaults: dict[str, Any] = {
            "worker_mode": "thread",
            "clock": lambda: 0.0,
            "colours": Colours.MANY,
            "unicode": True,
        }
        super().__init__(load(name, changes), **(defaults | options))
        self._scripted = worker

    def make_worker(self) -> Any:
        return super().make_worker() if self._scripted is None else self._scripted


async def until(pilot: Pilot[Any], condition: Callable[[], bool]) -> None:
    """Wait for something the engine or the screen has yet to do."""
    end = time.monotonic() + 60.0
    while time.monotonic() < end:
        await pilot.pause(0.005)
        if condition():
            return
    raise AssertionError("waited in vain")


async def worked(pilot: Pilot[Any]) -> None:
    """Wait until nothing that a key set going is under way: a search, a change in the store."""
    await until(pilot, lambda: all(worker.is_finished for worker in pilot.app.workers))
    await pilot.pause()


async def finished(pilot: Pilot[Any]) -> None:
    """Wait until the run is over and drawn."""
    app = pilot.app
    assert isinstance(app, LabApp)
    await until(pilot, lambda: app.lab.session.idle)
    await pilot.pause()


async def linearised(pilot: Pilot[Any]) -> None:
    """Wait until the run is over, and turn to its singular values."""
    await finished(pilot)
    app = pilot.app
    assert isinstance(app, LabApp)
    await pilot.press("v", "v")
    live = app.lab.session.live
    assert live is not None and live.latest is not None
    await until(pilot, lambda: live.jacobian_step == live.latest.step)
    await pilot.pause()


async def weighed(pilot: Pilot[Any]) -> None:
    """Wait until the run is over, and turn to its recurrent weights."""
    await finished(pilot)
    app = pilot.app
    assert isinstance(app, LabApp)
    app.lab._picture.toggle_view(RecurrentWeightsView, app.lab.session)
    app.lab._timer.resume()
    live = app.lab.session.live
    assert live is not None and live.latest is not None
    await until(pilot, lambda: live.weights_at == (live.latest.step, live.layer))
    await pilot.pause()


async def drawn(pilot: Pilot[Any]) -> None:
    """Wait until there is a picture."""
    app = pilot.app
    assert isinstance(app, LabApp)
    await until(pilot, lambda: app.lab.session.live is not None)
    await pilot.pause()
