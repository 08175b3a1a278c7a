"""One entry being run: through the same run, store and checkpoint as `nablascope run`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.backend import open_backend
from engine.errors import DeviceError
from scenarios.checkpoint import CheckpointError, Keeper, free_keys, restore
from scenarios.errors import ScenarioError
from scenarios.papers.tally import Step, Tally, step_of, tally_of
from scenarios.reader import SECTIONS
from scenarios.runner import Run, versions

if TYPE_CHECKING:
    from scenarios.papers.definition import Entry, PaperSet
    from scenarios.scenario import Scenario
    from scenarios.store.store import Store


def device_for(scenario: Scenario) -> dict[str, Any]:
    """What it would run on here. Raises ScenarioError where that is not there."""
    try:
        return open_backend(scenario.run.device, scenario.run.dtype).description
    except DeviceError as error:
        raise ScenarioError(
            scenario.origin, str(error), key="run.device", value=scenario.run.device
        ) from error


def past_steps(scenario: Scenario, store: Store | None) -> list[Step]:
    """What the store holds of a scenario's training, on the device that it would run on here.

    As for a checkpoint, texts do not matter, nor how many steps there were to be. Frames of other
    versions of what the numbers depend on do not count. Raises StoreError, and ScenarioError where
    the device is not there.
    """
    if store is None:
        return []
    device = device_for(scenario)
    found = store.alike(scenario, device["device"], versions(device["backend"]))
    wanted = _course(scenario.values())
    runs = [number for number, tables in found.items() if _course(_flat(tables)) == wanted]
    return [Step(**row) for row in store.training(runs)]


def checkpoint_path(scenario: Scenario, store: Store) -> Path:
    """Where an entry of that scenario keeps how its training stands: beside the store."""
    identity = json.dumps(_course(scenario.values()), sort_keys=True)
    folder = store.path.with_name(f"{store.path.stem}-checkpoints")
    return folder / f"{hashlib.sha256(identity.encode()).hexdigest()[:16]}.npz"


def _course(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values that decide how a training goes on."""
    free = free_keys(values)
    return {key: value for key, value in values.items() if key not in free}


def _flat(tables: Mapping[str, Any]) -> dict[str, Any]:
    """A stored scenario's values by dotted key."""
    return {f"{name}.{key}": value for name in SECTIONS for key, value in tables[name].items()}


def attempt(
    paper_set: PaperSet,
    entry: Entry,
    store: Store | None,
    warn: Callable[[str], None],
    *,
    fresh: bool = False,
) -> Generator[Tally]:
    """Run an entry to its end, and yield the same tally after every frame, stored before that.

    With a store it begins where the store and the checkpoint beside it stand, unless `fresh`, and
    closing the generator loses nothing. What goes wrong is in the last tally's `error`.
    """
    tally = tally_of(paper_set, entry)
    try:
        past = [] if fresh else past_steps(entry.scenario, store)
        stored = tally_of(paper_set, entry, past)
        if stored.finished:
            yield stored
            return
        run = Run(entry.scenario)
        if store is None:
            for frame in run.frames():
                tally.take(step_of(frame))
                yield tally
                if tally.finished:
                    break
            return
        keeper = _keeper(run, store, past)
        for one in past:
            if one.step < run.state.step:
                tally.take(one)
        yield from _recorded(run, tally, keeper, store, warn)
    except Exception as error:
        from scenarios.failures import describe

        tally.error = describe(error)[0]
        yield tally


def _keeper(run: Run, store: Store, past: list[Step]) -> Keeper:
    """What keeps the run's checkpoint, the run put where that stands if the store is as far."""
    path = checkpoint_path(run.scenario, store)
    path.parent.mkdir(exist_ok=True)
    # Without the frames up to there, what is stored would begin in the middle.
    if past and path.exists():
        try:
            restore(run, path)
        except CheckpointError as error:
            line = f"{error}; without this file it begins anew"
            raise ScenarioError(str(path), line) from None
    return Keeper(run, path)


def _recorded(
    run: Run, tally: Tally, keeper: Keeper, store: Store, warn: Callable[[str], None]
) -> Generator[Tally]:
    from scenarios.failures import describe
    from scenarios.store.recording import Recording

    recording = Recording(store, run, warn, must=True)
    last, state, line = None, "interrupted", None
    try:
        for frame in run.frames():
            recording.frame(frame)
            last = frame
            tally.take(step_of(frame))
            yield tally
            if tally.finished:
                break
            keeper.frame()
        state = "done" if tally.diverged is None else "diverged"
        # Whoever raises the number of steps goes on from here.
        keeper.save()
    except GeneratorExit:
        keeper.save()
        raise
    except Exception as error:
        state, line = "failed", describe(error)[0]
        raise
    finally:
        recording.end(last, state, line)
        if keeper.trouble is not None:
            warn(f"{checkpoint_path(run.scenario, store)}: {keeper.trouble}")
