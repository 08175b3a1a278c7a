"""nablascope sweep: a grid of scenarios, run here or on a cluster, and its phase diagram."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from scenarios.errors import ScenarioError
from scenarios.files import replacing
from scenarios.store.export import FORMATS, check_format, export
from scenarios.threads import one_thread
from tui.commands.console import styled, write
from tui.commands.interrupt import Interrupt
from tui.commands.listing import write_entries
from tui.commands.options import checked_workers, either
from tui.commands.output import check
from tui.commands.storing import add_store, open_store
from tui.words import duration

if TYPE_CHECKING:
    from scenarios.store.store import Store
    from scenarios.sweeps.definition import Sweep
    from scenarios.sweeps.executors import Executor
    from scenarios.sweeps.run import SweepRun
    from tui.commands.sweep_report import SweepReport

#: A sweep of more cells, or of more seconds as far as anyone can tell, needs --yes.
_MANY_CELLS = 100_000
_MANY_SECONDS = 1800.0
_ENDINGS = either(f".{form}" for form in FORMATS)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "sweep",
        metavar="SWEEP",
        nargs="?",
        help="a sweep's name, or the path of a .toml file; without it, the sweeps are listed",
    )
    parser.add_argument(
        "--set",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        dest="assignments",
        help="change the base scenario, as in network.hidden_size=32, or an axis's values, "
        "as in run.seed=[0,1]; may be repeated",
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--workers", metavar="N", help="processes to run cells in; by default one a core"
    )
    where.add_argument(
        "--dask", metavar="ADDRESS", help="run cells on the cluster of this Dask scheduler"
    )
    parser.add_argument("--device", metavar="DEVICE", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--fresh", action="store_true", help="run cells that are stored, too")
    parser.add_argument("--json", action="store_true", help="JSON lines: start, cells, end")
    parser.add_argument("--export", metavar="FILE", help=f"write the cells to a {_ENDINGS} file")
    parser.add_argument("--yes", action="store_true", help="run it, however large it is")
    parser.add_argument("--quiet", action="store_true", help="print no picture and no words")
    add_store(parser)


def execute(args: argparse.Namespace) -> int:
    """Run the sweep and report."""
    if args.sweep is None:
        from scenarios.sweeps.catalogue import entries

        closing = "nablascope sweep NAME runs one and draws its phase diagram."
        write_entries(entries(), closing, as_json=args.json)
        return 0
    # Before NumPy is imported: every process computes on one core.
    one_thread(os.environ)
    sweep = _load(args)
    workers = None if args.workers is None else checked_workers(args.workers)
    target, form = _export_target(args.export)
    with ExitStack() as stack:
        executor = _executor(args.dask, workers, sweep)
        stack.callback(executor.close)
        if not args.yes:
            _check_size(sweep, executor)
        kept = open_store(args)
        store = kept
        if store is None and target is not None:
            # What is exported comes from a store, if only for as long as this takes.
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            store = _temporary_store(folder)
        if store is not None:
            stack.enter_context(store)
        return _run(args, sweep, executor, store, kept, target, form)


def _run(
    args: argparse.Namespace,
    sweep: Sweep,
    executor: Executor,
    store: Store | None,
    kept: Store | None,
    target: Path | None,
    form: str,
) -> int:
    from scenarios.store.errors import StoreError
    from scenarios.sweeps.executors import ExecutorError
    from scenarios.sweeps.run import SweepRun
    from tui.commands.sweep_report import JsonSweepReport, SweepReport, TextSweepReport

    kind = JsonSweepReport if args.json else SweepReport if args.quiet else TextSweepReport
    report: SweepReport = kind(sweep)
    run = SweepRun(sweep, executor, store, fresh=args.fresh)
    interrupted = False
    with Interrupt("the cells under way") as interrupt:
        try:
            report.start(executor)
            for cell in run.cells():
                report.cell(cell)
                if interrupt.asked or (report.unread and kept is None and target is None):
                    run.stop()
        except KeyboardInterrupt:
            interrupted = True
        except ExecutorError as error:
            report.close()
            print(f"{sweep.origin}: {error}", file=sys.stderr)
            return 1
        except StoreError as error:
            report.close()
            left = f"{report.done:,} of {sweep.cells:,} cells are kept"
            print(f"{error}; {left}, and the same command goes on from there", file=sys.stderr)
            return 1
        finally:
            report.close()
        interrupted = (interrupted or interrupt.asked) and report.done < sweep.cells
        report.end(interrupted=interrupted)
    if target is not None and store is not None and not _exported(args, store, run, target, form):
        return 1
    if report.unwritten is not None:
        raise report.unwritten
    if not args.json and not args.quiet:
        _say_where(kept if report.done > report.failed else None, run, args.export)
    return 130 if interrupted else 1 if report.failed else 0


def _executor(address: str | None, workers: int | None, sweep: Sweep) -> Executor:
    from scenarios.sweeps.executors import ExecutorError, local_executor

    if address is None:
        return local_executor(workers, sweep)
    from scenarios.sweeps.cluster import DaskCluster, connect

    try:
        return DaskCluster(connect(address), owned=True)
    except ExecutorError as error:
        raise ScenarioError("--dask", str(error), key=address or '""') from error


def _load(args: argparse.Namespace) -> Sweep:
    from scenarios.scenario import parse_assignment
    from scenarios.sweeps.definition import load_sweep

    changes = dict(parse_assignment(assignment) for assignment in args.assignments)
    if args.device is not None:
        changes["run.device"] = args.device
    return load_sweep(args.sweep, changes, overrides_source="--set")


def _export_target(written: str | None) -> tuple[Path | None, str]:
    if written is None:
        return None, ""
    form = Path(written).suffix.removeprefix(".")
    if form not in FORMATS:
        raise ScenarioError("--export", f"must end in {_ENDINGS}", key=written or '""')
    check_format(form, "--export")
    return check("--export", written), form


def _check_size(sweep: Sweep, executor: Executor) -> None:
    """Refuse what is probably a mistake: a sweep of very many cells, or of hours."""
    from scenarios.sweeps.estimate import estimated_seconds

    seconds = estimated_seconds(sweep, executor.workers)
    if sweep.cells <= _MANY_CELLS and (seconds is None or seconds <= _MANY_SECONDS):
        return
    cells = "1 cell" if sweep.cells == 1 else f"{sweep.cells:,} cells"
    takes = "" if seconds is None else f", about {duration(seconds)} on {executor.place}"
    raise ScenarioError(sweep.origin, f"{cells}{takes}; add --yes to run them")


def _temporary_store(folder: str) -> Store:
    from scenarios.store.store import Store

    return Store.open(Path(folder) / "sweep.sqlite")


def _exported(
    args: argparse.Namespace, store: Store, run: SweepRun, target: Path, form: str
) -> bool:
    try:
        with replacing(target) as file:
            export(store, "cells", form, file, run.sweep_id)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        line = ScenarioError("--export", f"not written: {reason}", key=args.export)
        print(line, file=sys.stderr)
        return False
    return True


def _say_where(kept: Store | None, run: SweepRun, exported: str | None) -> None:
    if kept is not None:
        write(f"stored in {kept.path}")
        number = run.sweep_id
        write(styled(f"nablascope export cells --sweep {number} writes them as CSV", "dim"))
    if exported is not None:
        write(f"written to {exported}")
