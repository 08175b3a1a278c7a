"""`nablascope bench` with one more rival, `make bench`: DESIGN section 7's prototypes.

`proto` is plain NumPy written out in prototypes.py and gated_prototypes.py; at least as fast means
a ratio of at least 1.
Options are those of the command; everything else is its own code.
"""

from __future__ import annotations

import argparse
import sys

from scenarios.bench.engine import Problem
from scenarios.errors import ScenarioError
from tests.benchmarks import gated_prototypes, prototypes
from tui.commands import bench

PROTOTYPES = {
    "mlp": prototypes.Dense,
    "cnn": prototypes.Convolution,
    "rnn": prototypes.Recurrent,
    "indrnn": prototypes.IndependentlyRecurrent,
    "lstm": gated_prototypes.LSTM,
    "gru": gated_prototypes.GRU,
}


def prototype(problem: Problem) -> prototypes.Prototype:
    made = PROTOTYPES[problem.spec.kind]
    return made(problem.spec, dict(problem.parameters), problem.x, problem.target)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    bench.configure(parser)
    try:
        return bench.execute(parser.parse_args(), {"proto": prototype})
    except ScenarioError as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    # By its name, so that the processes which measure find `prototype`.
    from tests.benchmarks.engine_vs_torch import main as named

    sys.exit(named())
