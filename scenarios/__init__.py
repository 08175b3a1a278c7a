"""What to run: scenarios, their catalogue and the generator of frames they give.

import scenarios

for frame in scenarios.run("rnn-relu", {"task.time_steps": 200}):
    print(frame.step, frame.loss, frame.verdict.name)

for cell in scenarios.sweep("mlp-tanh-depth", {"network.hidden_size": 32}):
    print(cell.values, cell.result.verdict, cell.result.decades)

for entry, tally in scenarios.reproduce("li-2018-adding", only=["T=100"]):
    print(entry.net, entry.paper, tally.solved_at, tally.evaluation_loss)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from engine.frame import Frame
    from scenarios.papers.definition import Entry
    from scenarios.papers.tally import Tally
    from scenarios.store.store import Store
    from scenarios.sweeps.executors import Executor
    from scenarios.sweeps.run import SweepStore, SweptCell


def run(source: str | Path, overrides: Mapping[str, object] | None = None) -> Iterator[Frame]:
    """Run a scenario, a catalogue name or a TOML file, and yield one frame a training step.

    `overrides` maps dotted keys to values, as --set does. Raises `scenarios.errors.ScenarioError`
    at once, before the first frame is asked for, where the scenario cannot be run.
    """
    from scenarios.runner import Run
    from scenarios.scenario import load

    return Run(load(source, overrides)).frames()


def sweep(
    source: str | Path,
    overrides: Mapping[str, object] | None = None,
    *,
    workers: int | None = None,
    client: Any = None,
    store: SweepStore | None = None,
    fresh: bool = False,
) -> Iterator[SweptCell]:
    """Run a sweep, a name of the sweeps' catalogue or a TOML file, and yield its cells as they end.

    `overrides` maps dotted keys to values, as --set does: of the base scenario, or of an axis one
    value or several, as a sequence or an array. `workers` are processes here, one a core if it is
    None; with 1, on a GPU, or where there is little to do, all is done in this process. With
    `client`, a distributed.Client, cells run on its cluster. Those that `store`, a
    `scenarios.store.store.Store`, holds already are yielded from there unless `fresh`, and the
    others stored before they are yielded. Raises `scenarios.errors.ScenarioError` at once where the
    sweep cannot be run.
    """
    from scenarios.sweeps.definition import load_sweep
    from scenarios.sweeps.executors import local_executor
    from scenarios.sweeps.run import SweepRun

    loaded = load_sweep(source, overrides)
    executor: Executor
    if client is not None:
        from scenarios.sweeps.cluster import DaskCluster

        executor = DaskCluster(client)
    else:
        executor = local_executor(workers, loaded)
    return SweepRun(loaded, executor, store, fresh=fresh).cells()


def reproduce(
    source: str | Path,
    overrides: Mapping[str, object] | None = None,
    *,
    only: Sequence[str] = (),
    workers: int | None = None,
    store: Store | None = None,
    fresh: bool = False,
) -> Iterator[tuple[Entry, Tally]]:
    """Run a paper's set, a name of the papers' catalogue or a TOML file, and yield its entries,
    each with what became of it, as they end.

    `overrides` maps dotted keys to values, as --set does, and `only` names parts and nets.
    `workers` are processes here, one a core or one a GPU if it is None; with 1 all is done in this
    process. Entries that `store` holds already are yielded from there unless `fresh`, and others
    stored as they go on. What the store refuses for a while is a warning. Raises
    `scenarios.errors.ScenarioError` at once where the set cannot be run.
    """
    import warnings

    from scenarios.papers.definition import load_set
    from scenarios.papers.run import SetRun
    from scenarios.processes import workers_for

    loaded = load_set(source, overrides, only)
    wanted, gpus = workers_for(loaded.entries[0].scenario.run.device, workers)
    run = SetRun(loaded, store, warnings.warn, workers=wanted, gpus=gpus, fresh=fresh)
    return run.ended()
