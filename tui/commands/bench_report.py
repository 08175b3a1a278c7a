"""What `bench` prints: words, tables in Markdown, or JSON lines."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from scenarios.bench.growth import LINEAR, TOLERANCE
from tui.commands.console import paragraph, styled, width, write

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from scenarios.bench.growth import Growth
    from scenarios.bench.run import Measured, Plan
    from scenarios.bench.timing import Timing
    from scenarios.bench.workloads import Workload
    from scenarios.events import Event

#: What the rivals are.
RIVALS = {
    "frame": "the engine with all that a frame shows",
    "loop": "PyTorch keeping dL/dh, as one writes it",
    "tuned": "the same, as fast as we could write it",
    "nn": "torch.nn's fused module, weight gradients alone",
    "fused": "PyTorch with IndRNN's authors' way of kernels, on a GPU",
    "compiled": "the tuned loop under torch.compile",
}


class Report:
    """Counts workloads and shows nothing.

    Attributes:
        done, failed: how many were measured, and how many of those gave no times.
    """

    def __init__(self, machine: Mapping[str, Any], plan: Plan, on_gpu: bool) -> None:
        self.machine = machine
        self.plan = plan
        self.on_gpu = on_gpu
        self.done = self.failed = 0

    def start(self, left_out: Sequence[Workload]) -> None:
        """The first workload is about to be measured; some are not going to be."""

    def workload(self, measured: Measured) -> None:
        """One more workload."""
        self.done += 1
        self.failed += not measured.timings
        self.show(measured)
        # It takes minutes: whoever reads a pipe or a file sees each as it comes.
        sys.stdout.flush()

    def show(self, measured: Measured) -> None:
        """What is printed for a workload."""

    def end(self) -> None:
        """There are no more."""

    def bar(self, measured: Measured, rival: str) -> float | None:
        """What is asked for against this rival."""
        workload = measured.workload
        return (workload.gpu_bars if self.on_gpu else workload.bars).get(rival)

    def where(self) -> str:
        """The machine, the libraries and the day, in a line."""
        found, versions, blas = self.machine, self.machine["versions"], self.machine["blas"]
        kernels = "" if blas["kernels"] is None else f", {blas['kernels']} kernels"
        torch = versions["torch"]
        return (
            f"{found['name']}, {found['cores']} cores, load {found['load']}; "
            f"Python {versions['python']}, NumPy {versions['numpy']} ({blas['name']}{kernels}), "
            f"{f'PyTorch {torch}' if torch else 'no PyTorch'}; {found['date']}"
        )


class JsonReport(Report):
    """Every event as a line of JSON."""

    def start(self, left_out: Sequence[Workload]) -> None:
        from scenarios.bench.events import start_event

        self._write(start_event(self.machine, self.plan))

    def show(self, measured: Measured) -> None:
        from scenarios.bench.events import workload_event

        self._write(workload_event(measured, on_gpu=self.on_gpu))

    def end(self) -> None:
        from scenarios.bench.events import end_event

        self._write(end_event(self.done, self.failed))

    @staticmethod
    def _write(event: Event) -> None:
        from scenarios.events import to_json

        print(to_json(event), flush=True)


class TextReport(Report):
    """A few lines for each workload."""

    def start(self, left_out: Sequence[Workload]) -> None:
        write(paragraph(self.where(), "", width()))
        if self.machine["pytorch_problem"] is not None:
            write(self.machine["pytorch_problem"])
        for workload in left_out:
            why = f"is for GPUs and left out here; --only {workload.name} runs it nevertheless"
            write(f"{workload.name} ({workload.title}) {why}")

    def show(self, measured: Measured) -> None:
        write()
        write(styled(f"{measured.workload.name}  {measured.workload.title}", "bold"))
        for timing in measured.timings:
            self._show_timing(measured, timing)
        if measured.memory:
            sizes = (f"{name} {readable(size)}" for name, size in measured.memory.items())
            write(f"  peak memory: {', '.join(sizes)}")
        if measured.growth is not None:
            write(f"  {growth_words(measured.growth)}")
        if measured.agreement:
            worst = max(measured.agreement.values())
            write(styled(f"  gradients and norms differ by at most {worst:.0e} in float64", "dim"))
        for problem in measured.problems:
            write(paragraph(problem, "  ", width()))

    def _show_timing(self, measured: Measured, timing: Timing) -> None:
        threads = "1 thread" if timing.threads == 1 else f"{timing.threads} threads"
        seconds = timing.seconds["engine"]
        write(f"  {threads:<10}{ms(seconds):>13}  {share_words(measured, timing)}")
        limits = {
            "flops": f"matrix products at {timing.peak / 1e9:.0f} GFLOP/s",
            "bytes": f"memory at {timing.bandwidth / 1e9:.1f} GB/s",
        }
        for name, floor in timing.floor.items():
            write(styled(f"{'floor':>12}{ms(floor):>13}  {limits[name]}", "dim"))
        for name, theirs in timing.seconds.items():
            if name != "engine":
                ratio = self._ratio(measured, timing, name)
                write(f"{name:>12}{ms(theirs):>13}  {ratio}")
        for name, reason in timing.given_up.items():
            write(f"{name:>12}  {reason}")

    def _ratio(self, measured: Measured, timing: Timing, rival: str) -> str:
        ratio, bar = timing.ratio(rival), self.bar(measured, rival)
        words = f"{ratio:7.2f}"
        if bar is None:
            return words
        return f"{words}  {'reaches' if ratio is not None and ratio >= bar else 'below'} {bar:g}"

    def end(self) -> None:
        write()
        for name, meaning in RIVALS.items():
            write(styled(f"{name:>12}  {meaning}", "dim"))
        write(styled("Times are medians; behind them, how many times ours goes into them.", "dim"))


class MarkdownReport(Report):
    """Two tables: times, then memory and growth."""

    def __init__(self, machine: Mapping[str, Any], plan: Plan, on_gpu: bool) -> None:
        super().__init__(machine, plan, on_gpu)
        compiled = ["compiled"] if plan.compiled else []
        fused = ["fused"] if on_gpu else []
        self._rivals = [*plan.extra, "frame", "loop", "tuned", "nn", *fused, *compiled]
        self._measured: list[Measured] = []

    def start(self, left_out: Sequence[Workload]) -> None:
        write(self.where())
        write()
        _row("", "work", "threads", "ours", *self._rivals, "of the peak", "floor")
        _row(*["---"] * (6 + len(self._rivals)))

    def show(self, measured: Measured) -> None:
        self._measured.append(measured)
        for timing in measured.timings:
            self._show_timing(measured, timing)

    def end(self) -> None:
        write()
        _row("", "peak memory: ours", "loop", "tuned", "nn", "cost grows as", "differ by")
        _row(*["---"] * 7)
        for measured in self._measured:
            sizes = [measured.memory.get(name) for name in ("engine", "loop", "tuned", "nn")]
            shown = ("" if size is None else readable(size) for size in sizes)
            growth = "" if measured.growth is None else power(measured.growth)
            worst = max(measured.agreement.values(), default=None)
            differ = "" if worst is None else f"{worst:.0e}"
            _row(measured.workload.name, *shown, growth, differ)
        for measured in self._measured:
            for problem in measured.problems:
                write()
                write(f"{measured.workload.name}: {problem}")

    def _show_timing(self, measured: Measured, timing: Timing) -> None:
        workload = measured.workload
        cells = []
        for rival in self._rivals:
            ratio, bar = timing.ratio(rival), self.bar(measured, rival)
            reason = timing.given_up.get(rival, "")
            wanted = "" if bar is None else f" ({bar:g})"
            cells.append(reason if ratio is None else f"{ratio:.2f}{wanted}")
        floor = timing.floor
        _row(
            workload.name,
            workload.title,
            str(timing.threads),
            ms(timing.seconds["engine"]),
            *cells,
            share(measured, timing),
            f"{ms(floor['flops'])}, {ms(floor['bytes'])}",
        )


def _row(*cells: str) -> None:
    write(f"| {' | '.join(cells)} |")


def share(measured: Measured, timing: Timing) -> str:
    """How near the machine's limit: that of memory for an IndRNN, whose hops multiply no matrix."""
    of_peak = f"{100.0 * timing.share_of_peak:.0f} %"
    if measured.workload.spec.kind != "indrnn":
        return of_peak
    return f"{of_peak}, memory {100.0 * timing.share_of_bandwidth:.0f} %"


def share_words(measured: Measured, timing: Timing) -> str:
    """The same as words."""
    of_peak = f"{100.0 * timing.share_of_peak:.0f} % of the GEMM peak"
    if measured.workload.spec.kind != "indrnn":
        return of_peak
    return f"{of_peak}, {100.0 * timing.share_of_bandwidth:.0f} % of the memory's bandwidth"


def power(growth: Growth) -> str:
    """What cost goes with, as in T^1.01."""
    along = "depth" if growth.along == "depth" else "T"
    return f"{along}^{growth.exponent:.2f} ± {growth.error:.2f}"


def growth_words(growth: Growth) -> str:
    """The same beside what is asked for."""
    within = "within" if growth.linear else "outside"
    low, high = min(growth.lengths), max(growth.lengths)
    return f"cost ~ {power(growth)} from {low} to {high}: {within} {LINEAR:g} ± {TOLERANCE:g}"


def ms(seconds: float) -> str:
    """Milliseconds."""
    value = 1e3 * seconds
    return f"{value:.3g} ms" if value < 1000.0 else f"{value:,.0f} ms"


def readable(size: int) -> str:
    """Megabytes."""
    return f"{size / 1e6:,.3g} MB" if size < 1e9 else f"{size / 1e6:,.0f} MB"
