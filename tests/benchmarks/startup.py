"""How long the shell waits: `nablascope list` beside a bare interpreter, in turns (`make bench`).

Bars: `nablascope list` within 4x `python -c pass` plus the imports it cannot avoid, which are the
standard library's argument parser and TOML reader.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

SCRIPT = str(Path(sys.executable).with_name("nablascope"))

COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "python -c 'import argparse, tomllib'": [sys.executable, "-c", "import argparse, tomllib"],
    "python -c 'import numpy'": [sys.executable, "-c", "import numpy"],
    "nablascope list": [SCRIPT, "list"],
    "nablascope list --json": [SCRIPT, "list", "--json"],
    "nablascope --help": [SCRIPT, "--help"],
}
BAR = 4.0


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Start-up time of the command line.")
    parser.add_argument("--rounds", type=int, default=21)
    options = parser.parse_args()
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for turn in range(options.rounds + 1):
        for name, command in COMMANDS.items():
            before = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            # The first turn fills the caches.
            if turn:
                times[name].append(time.perf_counter() - before)
    median = {name: 1e3 * statistics.median(taken) for name, taken in times.items()}
    print(f"Python {sys.version.split()[0]}, load {os.getloadavg()[0]:.1f}; medians in ms")
    for name, value in median.items():
        print(f"{name:40}{value:8.1f}{value / median['python -c pass']:8.2f}x")
    bare, imports = median["python -c pass"], median["python -c 'import argparse, tomllib'"]
    ours = median["nablascope list"]
    allowed = BAR * bare + (imports - bare)
    print(f"nablascope list: {ours:.1f} ms, allowed {allowed:.1f} ms ({BAR:g} x bare + imports)")


if __name__ == "__main__":
    main()
