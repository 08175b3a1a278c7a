"""nablascope serve: the app in a browser."""

from __future__ import annotations

import argparse
import os
import sys

from scenarios.errors import ScenarioError, quoted
from tui.commands.options import add_scenario, as_arguments, load_scenario

HOST, PORT = "127.0.0.1", "8000"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_scenario(parser, optional=True)
    parser.add_argument(
        "--host",
        default=HOST,
        help=f"the address to listen at, {HOST} if left out: this machine alone",
    )
    parser.add_argument(
        "--port", metavar="N", default=PORT, help=f"{PORT} if left out; 0: any free one"
    )


def execute(args: argparse.Namespace) -> int:
    """Serve until interrupted."""
    port = _port(args.port)
    if args.scenario is not None:
        load_scenario(args)
    try:
        from tui.web.server import AppServer, listen
    except ModuleNotFoundError as error:
        allowed = "needs textual-serve, which is not installed; the extra is nablascope[web]"
        raise ScenarioError("nablascope serve", allowed) from error
    try:
        listener = listen(args.host, port)
    except (OSError, UnicodeError) as error:
        code = getattr(error, "errno", None) or 0
        why = os.strerror(code).lower() if code > 0 else "no such address"
        raise ScenarioError(f"{args.host} port {port}", f"cannot listen there: {why}") from error
    server = AppServer(listener, as_arguments(args))
    if not server.loopback:
        print(
            f"Whoever reaches {args.host} port {server.port} can use this; there is no password.",
            file=sys.stderr,
        )
    server.run()
    return 0


def _port(written: str) -> int:
    if written.isascii() and written.isdigit() and int(written) <= 65535:
        return int(written)
    raise ScenarioError("--port", f"{quoted(written)}: must be a whole number from 0 to 65535")
