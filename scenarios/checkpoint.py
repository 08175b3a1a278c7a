"""Checkpoints: training as it stands, in one npz file, to go on from as if it had never stopped."""

from __future__ import annotations

import json
import time
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scenarios.files import replacing

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scenarios.runner import Run
    from scenarios.scenario import Scenario
    from scenarios.schema import Value

#: What the file's `meta` is known by, and the version of its layout.
_MARK, _VERSION = "nablascope_checkpoint", 1

#: Seconds between two checkpoints, and how many times longer than writing one takes.
_SECONDS, _SHARE = 15.0, 50.0


class CheckpointError(Exception):
    """A checkpoint that cannot be gone on from; the message says why, in words after its name."""


def save(run: Run, target: Path) -> None:
    """Write where the run stands after its latest frame; the file appears whole or not at all.

    Raises OSError.
    """
    import numpy as np

    state, network = run.state, run.network
    meta = {
        _MARK: _VERSION,
        "scenario": run.scenario.values(),
        "step": state.step,
        "learning_rate": state.learning_rate,
        "updates": network.updates,
        "device": run.device,
        "versions": run.versions,
    }
    arrays: dict[str, Any] = {
        name: network.backend.to_host(array)[0] for name, array in network.training_arrays().items()
    }
    arrays["memory"] = np.array(state.memory, dtype=np.float64)
    arrays["meta"] = np.array(json.dumps(meta))
    with replacing(target) as file:
        np.savez(file, **arrays)


def restore(run: Run, path: Path) -> None:
    """Put a run that has not begun where the checkpoint at `path` was written.

    Its first frame is the one the checkpoint was written after, once more. The scenario has to be
    the same but for its texts, its device and, where no schedule depends on it, the number of
    steps. Raises CheckpointError, and then has changed nothing.
    """
    from scenarios.training import TrainingState

    arrays = _read(path)
    meta = _meta(arrays.pop("meta", None))
    try:
        step, updates, rate = int(meta["step"]), int(meta["updates"]), meta["learning_rate"]
        before: dict[str, Value] = dict(meta["scenario"])
        memory = [float(value) for value in arrays.pop("memory")]
    except (KeyError, TypeError, ValueError):
        raise CheckpointError("is damaged: it does not say where training stood") from None
    _check_scenario(run.scenario, before)
    if step > run.scenario.training.steps:
        steps = run.scenario.training.steps
        raise CheckpointError(f"is at step {step}, beyond the {steps} that are to be made")
    own = run.network.training_arrays()
    shapes = {name: tuple(array.shape[1:]) for name, array in own.items()}
    if {name: array.shape for name, array in arrays.items()} != shapes or len(memory) != len(
        run.state.memory
    ):
        raise CheckpointError("is damaged: its arrays are not those of its scenario")
    for name, array in own.items():
        array[0] = run.network.backend.asarray(arrays[name])
    run.network.updates = updates
    run.state = TrainingState(step, rate, memory)


def _read(path: Path) -> dict[str, NDArray[Any]]:
    import numpy as np

    try:
        with path.open("rb") as file:
            if not zipfile.is_zipfile(file):
                # Also what is left of a file cut off: its end says where everything is.
                raise CheckpointError("is no checkpoint, or a torn one")
            file.seek(0)
            with np.load(file, allow_pickle=False) as found:
                return {name: found[name] for name in found.files}
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError, KeyError) as error:
        raise CheckpointError(f"is damaged: {' '.join(str(error).split())}") from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise CheckpointError(f"cannot be read: {reason}") from None


def _meta(found: NDArray[Any] | None) -> dict[str, Any]:
    try:
        meta = json.loads(str(found))
    except ValueError:
        meta = None
    if not isinstance(meta, dict) or _MARK not in meta:
        raise CheckpointError("is no checkpoint")
    if meta[_MARK] != _VERSION:
        raise CheckpointError(f"was written by another version of nablascope ({meta[_MARK]})")
    return meta


def free_keys(values: Mapping[str, object]) -> frozenset[str]:
    """The keys that may differ between a training and one that goes on from it."""
    if values["training.schedule"] == "cosine":
        return frozenset({"run.device"})
    return frozenset({"run.device", "training.steps"})


def _check_scenario(scenario: Scenario, before: dict[str, Value]) -> None:
    now = scenario.values()
    free = free_keys(now)
    for key in (*now, *before):
        if key in free or now.get(key) == before.get(key):
            continue
        there, here = (_shown(values.get(key)) for values in (before, now))
        raise CheckpointError(f"is of another scenario: {key} is {there} there, {here} here")


def _shown(value: Value | None) -> str:
    from scenarios.errors import quoted

    return "not set" if value is None else quoted(value)


class Keeper:
    """Writes a run's checkpoint now and then, so that little is lost and little time spent.

    Attributes:
        trouble: why the latest attempt failed, None if it did not.
    """

    def __init__(self, run: Run, target: Path) -> None:
        self._run = run
        self._target = target
        self._due = time.monotonic() + _SECONDS
        self.trouble: str | None = None

    def frame(self) -> None:
        """The run has given a frame."""
        if time.monotonic() >= self._due:
            self.save()

    def save(self) -> None:
        """Write now."""
        begin = time.monotonic()
        try:
            save(self._run, self._target)
            self.trouble = None
        except OSError as error:
            self.trouble = f"not written: {(error.strerror or str(error)).lower()}"
        end = time.monotonic()
        self._due = end + max(_SECONDS, _SHARE * (end - begin))
