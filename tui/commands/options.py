"""The options that change a scenario, the same for every command that takes one."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import TYPE_CHECKING

from scenarios.errors import ScenarioError

if TYPE_CHECKING:
    from scenarios.scenario import Scenario

#: Options that are short for --set KEY=VALUE.
_SHORTHANDS = {
    "seed": ("run.seed", "N", "the random seed"),
    "steps": ("training.steps", "N", "training steps; 0 only looks at the network as initialised"),
    "device": ("run.device", "DEVICE", "auto, cpu, cuda or cuda:N"),
    "dtype": ("run.dtype", "TYPE", "float32 or float64"),
}


def add_scenario(parser: argparse.ArgumentParser, *, optional: bool = False) -> None:
    """SCENARIO, --set and its short forms."""
    parser.add_argument(
        "scenario",
        metavar="SCENARIO",
        nargs="?" if optional else None,
        help="a name from `nablascope list`, or the path of a .toml file",
    )
    parser.add_argument(
        "--set",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        dest="assignments",
        help="change a value, as in network.depth=50; may be repeated",
    )
    for option, (_, metavar, text) in _SHORTHANDS.items():
        parser.add_argument(f"--{option}", metavar=metavar, help=text)


def load_scenario(args: argparse.Namespace) -> Scenario:
    """The scenario that was asked for. Raises ScenarioError."""
    from scenarios.scenario import load, parse_assignment

    changes: dict[str, object] = {}
    origins: dict[str, str] = {}
    for assignment in args.assignments:
        key, value = parse_assignment(assignment)
        changes[key] = value
        origins[key] = "--set"
    for option, (key, _, _) in _SHORTHANDS.items():
        written = getattr(args, option)
        if written is not None:
            changes[key] = parse_assignment(f"{key}={written}", f"--{option}")[1]
            origins[key] = f"--{option}"
    return load(args.scenario, changes, overrides_source="--set", origins=origins)


def as_arguments(args: argparse.Namespace) -> list[str]:
    """The options of `add_scenario` as they would be written."""
    written = [] if args.scenario is None else [args.scenario]
    for assignment in args.assignments:
        written.append(f"--set={assignment}")
    for option in _SHORTHANDS:
        value = getattr(args, option)
        if value is not None:
            written.append(f"--{option}={value}")
    return written


def either(words: Iterable[str]) -> str:
    """What is allowed, as in "csv, json, jsonl or parquet"."""
    *first, last = words
    return f"{', '.join(first)} or {last}"


def checked_workers(written: str) -> int:
    """What --workers says. Raises ScenarioError."""
    from scenarios.processes import MOST_WORKERS, WORKERS

    if not (written.isascii() and written.isdigit() and 1 <= int(written[:9]) <= MOST_WORKERS):
        raise ScenarioError("--workers", WORKERS, key=written or '""')
    return int(written)
