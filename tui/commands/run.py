"""nablascope run: a scenario without the app, as a picture with its verdict or as JSON lines."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import nullcontext, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from scenarios.errors import ScenarioError
from scenarios.events import divergence
from scenarios.threads import leave_one_core
from tui.commands import dump
from tui.commands.interrupt import Interrupt
from tui.commands.options import add_scenario, load_scenario
from tui.commands.output import check
from tui.commands.report import JsonReport, Report, TextReport
from tui.commands.storing import add_store, open_store, warn

if TYPE_CHECKING:
    from pathlib import Path

    from engine.frame import Frame
    from engine.jacobian import JacobianSpectrum
    from scenarios.checkpoint import Keeper
    from scenarios.runner import Run
    from scenarios.scenario import Scenario
    from scenarios.store.recording import Recording


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_scenario(parser)
    parser.add_argument(
        "--layer", metavar="N", help="judge the time steps of this layer instead of the last"
    )
    parser.add_argument("--json", action="store_true", help="JSON lines: start, frames, end")
    parser.add_argument(
        "--jacobian",
        action="store_true",
        help="also the singular values of the end-to-end Jacobian (large networks take seconds)",
    )
    parser.add_argument(
        "--dump",
        metavar="FILE.npz",
        help="write input, parameters, gradients and singular values to a file",
    )
    parser.add_argument(
        "--checkpoint",
        metavar="FILE.npz",
        help="keep in a file where training stands; go on from there if the file exists",
    )
    add_store(parser)
    parser.add_argument("--quiet", action="store_true", help="print no picture and no words")


def execute(args: argparse.Namespace) -> int:
    """Run the scenario and report."""
    scenario = load_scenario(args)
    layer = None if args.layer is None else _checked_layer(args.layer, scenario)
    target = None if args.dump is None else check("--dump", args.dump)
    kept = None if args.checkpoint is None else check("--checkpoint", args.checkpoint)

    # As in the app's engine process, and before NumPy is imported: the same run, the same bytes.
    leave_one_core(os.environ)
    from scenarios.runner import Run

    with open_store(args) or nullcontext() as store:
        run = Run(scenario)
        keeper = None if kept is None else _keeper(args.checkpoint, kept, run)
        recording = None
        if store is not None:
            from scenarios.store.recording import Recording

            recording = Recording(store, run, warn, must=args.store is not None)
        return _follow(args, run, recording, keeper, layer, target)


def _keeper(written: str, kept: Path, run: Run) -> Keeper:
    """What keeps the run's checkpoint, the run put where that stands if there is one."""
    from scenarios.checkpoint import CheckpointError, Keeper, restore

    try:
        if kept.exists():
            restore(run, kept)
    except CheckpointError as error:
        raise ScenarioError("--checkpoint", str(error), key=written) from None
    return Keeper(run, kept)


def _follow(
    args: argparse.Namespace,
    run: Run,
    recording: Recording | None,
    keeper: Keeper | None,
    layer: int | None,
    target: Path | None,
) -> int:
    """Let the run go, and store and show what it gives."""
    from scenarios.failures import describe, jacobian_or_reason

    report = JsonReport() if args.json else Report() if args.quiet else TextReport()
    whole = True
    with Interrupt() as interrupt:
        try:
            report.start(run)
            for found in run.frames():
                frame = found if layer is None else _rejudged(found, layer)
                # First, so that nobody is shown a frame that is not kept.
                if recording is not None:
                    recording.frame(frame)
                report.frame(frame)
                if interrupt.asked or (report.unread and target is None):
                    break
                if keeper is not None:
                    keeper.frame()
        except KeyboardInterrupt:
            # In the middle of a step: parameters and gradients no longer belong together.
            whole = False
        except Exception as error:
            # The checkpoint written last stays: what failed may have left half an update.
            report.close()
            failure = describe(error)[0]
            if recording is not None:
                recording.end(report.last, "failed", failure)
            print(f"{run.scenario.origin}: {failure}", file=sys.stderr)
            return 1
        if keeper is not None and whole and report.last is not None:
            keeper.save()
        jacobian = None
        if (args.jacobian or target is not None) and whole and not interrupt.asked:
            # A second Ctrl+C gives up on the singular values, not on the run.
            with suppress(KeyboardInterrupt):
                jacobian = jacobian_or_reason(run)
        if args.jacobian and jacobian is not None:
            report.jacobian(jacobian)
        interrupted = interrupt.asked or not whole
        if recording is not None:
            unfinished = interrupted or report.unread
            recording.end(report.last, _state(report.last, unfinished))
        report.end(run, interrupted=interrupted)
    if keeper is not None and keeper.trouble is not None:
        print(ScenarioError("--checkpoint", keeper.trouble, key=args.checkpoint), file=sys.stderr)
    if target is not None:
        if report.last is None or not whole:
            print("--dump: nothing written: the run stopped within a step", file=sys.stderr)
        elif not _dumped(args.dump, target, run, report, jacobian):
            return 1
    if report.unwritten is not None:
        raise report.unwritten
    if interrupted:
        return 130
    if keeper is not None and keeper.trouble is not None:
        return 1
    # A store that was asked for and could not keep it all is a failure.
    return 1 if args.store is not None and recording is not None and not recording.complete else 0


def _state(last: Frame | None, unfinished: bool) -> str:
    """How a run that did not fail ended, as the store calls it."""
    if last is not None and divergence(last) is not None:
        return "diverged"
    return "interrupted" if unfinished else "done"


def _checked_layer(written: str, scenario: Scenario) -> int:
    from engine.architectures import ARCHITECTURES

    network = scenario.network
    if not ARCHITECTURES[network.kind].recurrent:
        allowed = f"only fits recurrent networks; {scenario.name} is judged across its layers"
        raise ScenarioError("--layer", allowed, key=written)
    if not (written.isascii() and written.isdigit() and 1 <= int(written[:9]) <= network.depth):
        allowed = f"must be a whole number from 1 to {network.depth}, the depth of {scenario.name}"
        raise ScenarioError("--layer", allowed, key=written or '""')
    return int(written)


def _rejudged(frame: Frame, layer: int) -> Frame:
    from engine.verdict import judge

    return replace(frame, verdict=judge(frame.log10_grad_h, True, frame.overflow, layer))


def _dumped(
    written: str, target: Path, run: Run, report: Report, jacobian: JacobianSpectrum | str | None
) -> bool:
    assert report.last is not None
    try:
        dump.write(target, run, report.last, jacobian)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        print(ScenarioError("--dump", f"not written: {reason}", key=written), file=sys.stderr)
        return False
    return True
