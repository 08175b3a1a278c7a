"""nablascope show: a scenario with every value resolved, as TOML or JSON."""

from __future__ import annotations

import argparse

from tui.commands.console import write
from tui.commands.options import add_scenario, load_scenario


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_scenario(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object")


def execute(args: argparse.Namespace) -> int:
    """Print the scenario."""
    scenario = load_scenario(args)
    if args.json:
        import json

        print(json.dumps(scenario.to_dict(), indent=2, allow_nan=False))
    else:
        write(scenario.to_toml().rstrip("\n"))
    return 0
