"""nablascope [SCENARIO]: the app."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from scenarios.errors import ScenarioError, nearest_of
from tui.commands.options import add_scenario, load_scenario
from tui.commands.storing import add_store, store_path


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_scenario(parser, optional=True)
    add_store(parser)


def execute(args: argparse.Namespace) -> int:
    """Open the app, on the scenario if one was named."""
    scenario = None
    if args.scenario is not None:
        _check_known(args.scenario, args.commands)
        scenario = load_scenario(args)
    elif args.assignments or args.seed or args.steps or args.dtype:
        raise ScenarioError("nablascope", "options that change a scenario need a SCENARIO")
    elif args.device is not None:
        from scenarios.schema import checked

        checked("--device", "run.device", args.device, {})
    # A driver of its own, such as a browser's, needs no terminal.
    at_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    if not (at_terminal or "TEXTUAL_DRIVER" in os.environ):
        allowed = "the app needs a terminal; in a script, use nablascope run SCENARIO"
        raise ScenarioError("nablascope", allowed)
    from tui.app import run_app

    return run_app(scenario, device=args.device, store=store_path(args))


def _check_known(word: str, commands: Sequence[str]) -> None:
    """Refuse a first argument that is nothing at all; it may be a command mistyped."""
    from scenarios import catalogue
    from scenarios.numbered import elsewhere

    try:
        catalogue.find(word)
    except ScenarioError as error:
        if elsewhere(word) is not None:
            raise
        nearest = nearest_of(word, [*commands, *catalogue.names()])
        allowed = "neither a command, nor a scenario of the catalogue, nor a file"
        if nearest is None:
            allowed += "; see nablascope --help and nablascope list"
        raise ScenarioError(error.source, allowed, nearest=nearest) from None
