"""nablascope reproduce: a paper's result run again, the paper's numbers beside ours."""

from __future__ import annotations

import argparse
import os
from contextlib import nullcontext
from typing import TYPE_CHECKING

from scenarios.papers.catalogue import entries, names
from scenarios.threads import one_thread
from tui.commands.console import styled, write
from tui.commands.interrupt import Interrupt
from tui.commands.listing import write_entries
from tui.commands.options import checked_workers
from tui.commands.storing import add_store, open_store, warn

if TYPE_CHECKING:
    from scenarios.papers.definition import PaperSet
    from scenarios.store.store import Store


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "set",
        metavar="NAME",
        nargs="?",
        help="a set's name, or the path of a .toml file; without it, the sets are listed",
    )
    parser.add_argument(
        "--only",
        metavar="NAME",
        action="append",
        default=[],
        help="run only this part or net, as in T=100; may be repeated",
    )
    parser.add_argument(
        "--set",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        dest="assignments",
        help="change a value of every entry, as in training.steps=500 or run.seed=[0,1]; "
        "may be repeated",
    )
    parser.add_argument("--device", metavar="DEVICE", help="auto, cpu, cuda or cuda:N")
    parser.add_argument(
        "--workers",
        metavar="N",
        help="entries to run at once, each in a process; by default one a core, or one a GPU",
    )
    parser.add_argument("--fresh", action="store_true", help="run entries that are stored, too")
    parser.add_argument("--json", action="store_true", help="JSON lines: start, entries, end")
    parser.add_argument("--quiet", action="store_true", help="print no picture and no words")
    add_store(parser)


def execute(args: argparse.Namespace) -> int:
    """Run the set and report."""
    if args.set is None:
        closing = "nablascope reproduce NAME runs one and puts the paper's numbers beside ours."
        write_entries(entries(), closing, as_json=args.json)
        return 0
    # Before NumPy is imported: every process computes on one core.
    one_thread(os.environ)
    paper_set = _load(args)
    workers = None if args.workers is None else checked_workers(args.workers)
    with open_store(args) or nullcontext() as store:
        return _run(args, paper_set, store, workers)


def _run(
    args: argparse.Namespace, paper_set: PaperSet, store: Store | None, wanted: int | None
) -> int:
    from scenarios.papers.run import SetRun
    from scenarios.processes import workers_for
    from tui.commands.reproduce_report import JsonSetReport, SetReport, TextSetReport

    workers, gpus = workers_for(paper_set.entries[0].scenario.run.device, wanted)
    run = SetRun(paper_set, store, warn, workers=workers, gpus=gpus, fresh=args.fresh)
    kind = JsonSetReport if args.json else SetReport if args.quiet else TextSetReport
    report: SetReport = kind(run)
    cut = False
    with Interrupt("this step") as interrupt:
        try:
            report.start()
            for index in run.progress():
                report.progress(index)
                if interrupt.asked or (report.unread and store is None):
                    run.stop()
        except KeyboardInterrupt:
            cut = True
        finally:
            report.close()
        interrupted = (cut or interrupt.asked) and report.missing
        report.end(interrupted=interrupted)
    if report.unwritten is not None:
        raise report.unwritten
    if not args.json and not args.quiet:
        if store is not None:
            write(styled(f"stored in {store.path}", "dim"))
        if args.set in names():
            name = paper_set.entries[0].scenario.name
            write(styled(f"nablascope {name} shows one of them in the lab", "dim"))
    if interrupted:
        return 130
    return 0 if report.reproduced else 1


def _load(args: argparse.Namespace) -> PaperSet:
    from scenarios.papers.definition import load_set
    from scenarios.scenario import parse_assignment

    changes = dict(parse_assignment(assignment) for assignment in args.assignments)
    origins = dict.fromkeys(changes, "--set")
    if args.device is not None:
        changes["run.device"] = args.device
        origins["run.device"] = "--device"
    return load_set(args.set, changes, args.only, overrides_source="--set", origins=origins)
