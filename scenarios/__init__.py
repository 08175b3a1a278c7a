"""What to run: scenarios, their catalogue and the generator of frames they give.

import scenarios

for frame in scenarios.run("rnn-relu", {"task.time_steps": 200}):
    print(frame.step, frame.loss, frame.verdict.name)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from engine.frame import Frame


def run(source: str | Path, overrides: Mapping[str, object] | None = None) -> Iterator[Frame]:
    """Run a scenario, a catalogue name or a TOML file, and yield one frame a training step.

    `overrides` maps dotted keys to values, as --set does. Raises `scenarios.errors.ScenarioError`
    at once, before the first frame is asked for, where the scenario cannot be run.
    """
    from scenarios.runner import Run
    from scenarios.scenario import load

    return Run(load(source, overrides)).frames()
