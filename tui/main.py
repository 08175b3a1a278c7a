"""The console script: finds the command, runs it, turns what went wrong into one line and a code.

Exit codes: 0 done, 1 the run failed, 2 bad input, 130 interrupted.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from scenarios.errors import ScenarioError, nearest_of, printable
from tui.commands.console import UNWRITABLE, prepare_streams, silence_stdout

#: Every command, each a module of `tui.commands`.
COMMANDS = {
    "list": "the catalogue of scenarios",
    "show": "a scenario with every value resolved, as TOML",
    "run": "run a scenario here and show what became of its gradient",
    "learn": "why gradients vanish and explode, a page at a time on live numbers",
    "serve": "the app in a browser on this machine",
    "sweep": "run a grid of scenarios here and draw its phase diagram",
    "reproduce": "a paper's result run again, its numbers beside ours",
    "theory": "what the papers predict for a scenario, before anything is run",
    "runs": "the runs that are stored, newest first",
    "export": "what the store holds, as CSV, JSON, JSON Lines or Parquet",
    "bench": "how fast the engine is here, beside PyTorch and this machine's limits",
    "doctor": "what this machine has: devices, versions, terminal",
}
_LAB = "lab"


class _Parser(argparse.ArgumentParser):
    """argparse with one-line errors."""

    def error(self, message: str) -> NoReturn:
        name, colon, rest = message.partition(": ")
        nearest = None
        if name == "unrecognized arguments":
            known = [option for action in self._actions for option in action.option_strings]
            nearest = nearest_of(rest.split("=")[0].split()[0], known)
        elif name.startswith("argument ") and colon:
            message = f"{name.removeprefix('argument ')}: {rest}"
        raise ScenarioError(self.prog, printable(message), nearest=nearest)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    prepare_streams()
    try:
        code = _execute(arguments)
        # A reader that has gone away shows up here at the latest, not after main is left.
        sys.stdout.flush()
    except ScenarioError as error:
        print(error, file=sys.stderr)
        return 2
    except BrokenPipeError:
        # `nablascope list | head` has what it wanted; nothing more can be said on stdout.
        silence_stdout()
        return 0
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        silence_stdout()
        print(f"stdout: cannot be written: {os.strerror(error.errno).lower()}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        gc.enable()
    return code


def _execute(arguments: list[str]) -> int:
    name = arguments[0] if arguments and arguments[0] in COMMANDS else _LAB
    if name == _LAB:
        # A tenth of the way to the first picture would go to collecting what imports leave.
        gc.disable()
    command = import_module(f"tui.commands.{name}")
    if name == _LAB:
        parser = _Parser(
            prog="nablascope",
            description="A gradient lab in a terminal. Without a command, the app opens.",
            epilog=_epilog(),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        parser.add_argument("--version", action=_Version, nargs=0, help="print the version")
    else:
        parser = _Parser(
            prog=f"nablascope {name}", description=_capital(COMMANDS[name]), allow_abbrev=False
        )
        arguments = arguments[1:]
    command.configure(parser)
    parser.set_defaults(commands=tuple(COMMANDS))
    try:
        args = parser.parse_args(arguments)
    except SystemExit as leaving:
        # --help and --version leave this way.
        return int(leaving.code or 0)
    code: int = command.execute(args)
    return code


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        from importlib.metadata import version

        print(f"nablascope {version('nablascope')}")
        parser.exit()


def _epilog() -> str:
    longest = max(map(len, COMMANDS))
    lines = [f"  {name.ljust(longest)}  {text}" for name, text in COMMANDS.items()]
    return "\n".join(["commands:", *lines, "", "nablascope COMMAND --help tells more about one."])


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


if __name__ == "__main__":
    sys.exit(main())
