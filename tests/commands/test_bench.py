"""nablascope bench, in a process of its own, at toy sizes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from scenarios.bench.run import Measured, Plan
from scenarios.bench.timing import Timing
from scenarios.bench.workloads import WORKLOADS
from tests.commands.support import nablascope
from tui.commands.bench_report import TextReport

#: Alone, for importing PyTorch takes seconds in each of six processes.
QUICK = ("--only", "W7", "--tiny", "--threads", "1", "--seconds", "0.05", "--alone")


def events(output: str) -> list[dict[str, Any]]:
    def refuse(constant: str) -> float:
        raise AssertionError(f"{constant} is not JSON")

    return [json.loads(line, parse_constant=refuse) for line in output.splitlines()]


def test_json_has_times_floors_memory_and_growth() -> None:
    done = nablascope("bench", *QUICK, "--json")
    start, workload, end = events(done.stdout)

    assert (done.returncode, done.stderr) == (0, "")
    assert (start["event"], start["device"], start["threads"]) == ("start", "cpu", [1])
    assert end == {"event": "end", "workloads": 1, "failed": 0}
    (timing,) = workload["timings"]
    assert list(timing["seconds"]) == ["engine", "frame"]
    for name, ratio in timing["ratios"].items():
        assert ratio == pytest.approx(timing["seconds"][name] / timing["seconds"]["engine"])
    assert timing["floor_seconds"]["flops"] > 0.0 and timing["share_of_bandwidth"] > 0.0
    assert workload["bars"] == {"loop": 12.0, "nn": 4.0}
    assert set(workload["peak_memory_bytes"]) <= {"engine"}
    assert workload["growth"]["lengths"] == sorted(workload["growth"]["lengths"])
    assert start["pytorch_problem"] == "without PyTorch, as asked"


def test_words_say_what_stands_beside_what() -> None:
    done = nablascope("bench", *QUICK)

    assert (done.returncode, done.stderr) == (0, "")
    assert "W7  RNN relu, T=100, H=64, batch 16, at toy sizes" in done.stdout
    assert "of the GEMM peak" in done.stdout and "cost ~ T^" in done.stdout
    assert "without PyTorch, as asked" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_ratios_stand_beside_their_bars(capsys: pytest.CaptureFixture[str]) -> None:
    times = {"engine": 0.002, "frame": 0.0021, "loop": 0.05, "nn": 0.006}
    timing = Timing(2, times, {"tuned": "2 turns short of memory"}, 1e8, 1e7, 1e11, 1e10)
    measured = Measured(WORKLOADS["W7"], {"loop": 1e-15}, [timing], {"engine": 3_000_000})
    TextReport({}, Plan((2,), 1.0), False).show(measured)
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]

    assert "2 threads 2 ms 50 % of the GEMM peak" in lines
    assert "loop 50 ms 25.00 reaches 12" in lines
    assert "nn 6 ms 3.00 below 4" in lines
    assert "frame 2.1 ms 1.05" in lines
    assert "tuned 2 turns short of memory" in lines
    assert "peak memory: engine 3 MB" in lines


def test_markdown_is_a_table_of_even_rows() -> None:
    done = nablascope("bench", *QUICK, "--markdown")
    rows = [line for line in done.stdout.splitlines() if line.startswith("|")]

    assert done.returncode == 0
    assert [row.count("|") for row in rows] == [11] * 3 + [8] * 3
    assert rows[2].startswith("| W7 | RNN relu") and rows[5].startswith("| W7 | ")


def test_the_workloads_are_listed() -> None:
    done = nablascope("bench", "--list")

    assert [line.split()[0] for line in done.stdout.splitlines()] == list(WORKLOADS)
    assert done.stdout.splitlines()[-1].endswith("(for a GPU)")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--only", "W33"), "--only: W33: no workload; there are W1, "),
        (("--only", ""), '--only: "": no workload'),
        (("--threads", "0"), "--threads: 0: must be whole numbers from 1 to "),
        (("--threads", "1,many"), "--threads: 1,many: must be whole numbers"),
        (("--seconds", "0"), "--seconds: 0: must be a number above 0"),
        (("--seconds", "nan"), "--seconds: nan: must be a number above 0"),
        (("--device", "gpu"), "--device: gpu: unknown device 'gpu'"),
        (("--jsno",), "unrecognized arguments: --jsno; did you mean --json?"),
    ],
)
def test_bad_input_is_one_line(arguments: tuple[str, ...], line: str) -> None:
    done = nablascope("bench", *arguments)

    assert (done.returncode, done.stdout) == (2, "")
    assert line in done.stderr and done.stderr.count("\n") == 1
