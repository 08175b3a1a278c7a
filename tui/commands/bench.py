"""nablascope bench: how fast the engine is here, beside PyTorch and this machine's limits."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from scenarios.errors import ScenarioError
from scenarios.threads import cores
from tui.commands.console import is_live, write

if TYPE_CHECKING:
    from scenarios.bench.engine import ExtraRival

#: The most seconds that can be asked for.
_MOST_SECONDS = 3600.0


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "--only", metavar="NAMES", help="these workloads, as in W1,W3; --list tells them"
    )
    parser.add_argument("--list", action="store_true", help="the workloads; nothing is measured")
    parser.add_argument(
        "--threads", metavar="N[,N]", help="numbers of threads to measure on; by default 1 and 2"
    )
    parser.add_argument(
        "--seconds",
        metavar="S",
        default="6",
        help="for the rivals of one workload on one number of threads, 6 if left out",
    )
    parser.add_argument("--device", metavar="DEVICE", default="cpu", help="cpu, cuda or cuda:N")
    parser.add_argument(
        "--compile",
        action="store_true",
        help="race torch.compile, too, which takes minutes a workload to compile",
    )
    parser.add_argument("--alone", action="store_true", help="without PyTorch")
    parser.add_argument(
        "--tiny", action="store_true", help="at toy sizes: to try the command, not to measure"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="JSON lines: start, workloads, end")
    form.add_argument("--markdown", action="store_true", help="tables to paste")


def execute(args: argparse.Namespace, extra: Mapping[str, ExtraRival] | None = None) -> int:
    """Measure and report; `extra` are further rivals by name."""
    from scenarios.bench.children import ChildError
    from scenarios.bench.run import Plan, bench, machine
    from scenarios.bench.workloads import WORKLOADS, chosen
    from tui.commands.bench_report import JsonReport, MarkdownReport, Report, TextReport

    on_gpu = args.device != "cpu"
    if args.list:
        for workload in WORKLOADS.values():
            write(f"{workload.name}  {workload.title}{'  (for a GPU)' if workload.for_gpu else ''}")
        return 0
    names = None if args.only is None else [name.strip() for name in args.only.split(",")]
    workloads = chosen(names, on_gpu, "--only")
    threads, seconds = _threads(args.threads, on_gpu), _seconds(args.seconds)
    try:
        found = machine(args.device, not args.alone)
    except ChildError as error:
        raise ScenarioError("--device", str(error), key=args.device or '""') from error
    plan = Plan(
        threads=threads,
        seconds=seconds,
        device=args.device,
        pytorch=found["pytorch_problem"] is None,
        compiled=args.compile,
        extra=extra or {},
    )
    if args.tiny:
        workloads = [replace(one.tiny(), title=f"{one.title}, at toy sizes") for one in workloads]
    left_out = [] if names else [w for w in WORKLOADS.values() if w.for_gpu and not on_gpu]
    kind = JsonReport if args.json else MarkdownReport if args.markdown else TextReport
    report: Report = kind(found, plan, on_gpu)
    report.start(left_out)
    with Working() as working:
        for measured in bench(workloads, plan, working.tell):
            working.clear()
            report.workload(measured)
    report.end()
    return 1 if report.failed else 0


class Working:
    """What is being measured, on stderr where that is a terminal, and nothing once it is done."""

    def __init__(self) -> None:
        self._live = is_live(sys.stderr)

    def tell(self, what: str) -> None:
        """Show this instead of what was shown before."""
        if self._live:
            print(f"\r\x1b[Kmeasuring {what} ...", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Show nothing."""
        if self._live:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()


def _threads(written: str | None, on_gpu: bool) -> tuple[int, ...]:
    if written is None:
        return (1,) if on_gpu or cores() == 1 else (1, 2)
    counts = written.split(",")
    for count in counts:
        if not (count.isascii() and count.isdigit() and 1 <= int(count[:9]) <= cores()):
            allowed = f"must be whole numbers from 1 to {cores()}, the cores here, as in 1,2"
            raise ScenarioError("--threads", allowed, key=written or '""')
    return tuple(dict.fromkeys(map(int, counts)))


def _seconds(written: str) -> float:
    try:
        seconds = float(written)
    except ValueError:
        seconds = math.nan
    if not 0.0 < seconds <= _MOST_SECONDS:
        allowed = f"must be a number above 0, at most {_MOST_SECONDS:g}"
        raise ScenarioError("--seconds", allowed, key=written or '""')
    return seconds
