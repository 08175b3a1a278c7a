"""Text, character by character: after each one the network names the next."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

from scenarios.errors import ScenarioError, printable
from scenarios.tasks.base import Task, Trivial, data_generator, one_hot

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from engine.architectures import Architecture
    from scenarios.scenario import Scenario
    from scenarios.tasks.base import Batch

#: Seven sonnets of Shakespeare (18, 29, 30, 55, 73, 116 and 130).
_SONNETS = Path(__file__).parent.parent / "texts" / "sonnets.txt"

#: Bytes of a file, and different characters in it.
_MOST_BYTES, _MOST_CHARACTERS = 64 * 2**20, 512

#: The end of the text that is held out.
_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class _Corpus:
    """Characters as numbers below `alphabet`, (N,), and how many of them are trained on."""

    characters: NDArray[np.int64]
    alphabet: int
    trained: int


class Text(Task):
    """Batches are windows of the first nine tenths of task.file, or of seven sonnets, at random.

    Every step is read, so the loss is the mean cross-entropy over all characters in nats; the rest
    of the text is held out. Each window starts from h_0 = 0. The gradient at a step comes from all
    characters after it: what it shows of the first step is not the last one's alone.
    """

    name = "text"
    title = "Text, character by character"
    needs = "a recurrent network"
    loss = "cross_entropy"
    decides: ClassVar[Mapping[str, str]] = MappingProxyType(
        {"task.input_size": "which has an input for each character of the text"}
    )
    reads: ClassVar[frozenset[str]] = frozenset({"task.file"})

    def fits(self, architecture: Architecture) -> bool:
        return architecture.recurrent

    def load(self, scenario: Scenario) -> None:
        _corpus(scenario)

    def outputs(self, scenario: Scenario) -> int:
        return _corpus(scenario).alphabet

    def readout_steps(self, scenario: Scenario) -> int:
        return _window(scenario) - 1

    def input_shape(self, scenario: Scenario) -> tuple[int, ...]:
        return (_corpus(scenario).alphabet,)

    def input_variance(self, scenario: Scenario) -> float:
        # Of the inputs of every step one is 1.
        return 1.0 / _corpus(scenario).alphabet

    def trivial(self, scenario: Scenario) -> Trivial:
        import numpy as np

        corpus = _corpus(scenario)
        counts = np.bincount(corpus.characters[: corpus.trained])
        shares = counts[counts > 0] / corpus.trained
        return Trivial(float(-(shares * np.log(shares)).sum()), "characters by how common they are")

    def batches(self, scenario: Scenario, start: int = 0) -> Iterator[Batch]:
        corpus, size = _corpus(scenario), scenario.task.batch_size
        last = corpus.trained - _window(scenario)

        def forever() -> Iterator[Batch]:
            number = start
            while True:
                rng = data_generator(scenario, 0, number)
                yield _windows(scenario, corpus, rng.integers(last + 1, size=size))
                number += 1

        return forever()

    def held_out(self, scenario: Scenario) -> Iterator[tuple[Batch, int]]:
        import numpy as np

        corpus, size, window = _corpus(scenario), scenario.task.batch_size, _window(scenario)
        # Side by side, each beginning with the character the one before ended at.
        starts = np.arange(corpus.trained, len(corpus.characters) - window + 1, window - 1)
        for first in range(0, len(starts), size):
            places = np.arange(first, first + size) % len(starts)
            batch = _windows(scenario, corpus, starts[places])
            yield batch, min(size, len(starts) - first)


def _window(scenario: Scenario) -> int:
    """Characters of an example: every one read, and the one after the last."""
    assert scenario.task.time_steps is not None
    return scenario.task.time_steps + 1


def _windows(scenario: Scenario, corpus: _Corpus, starts: NDArray[np.int64]) -> Batch:
    """The examples that begin at `starts`, time first."""
    import numpy as np

    dtype = scenario.run.dtype
    characters = corpus.characters[np.arange(_window(scenario))[:, None] + starts]
    target = one_hot(characters[1:], corpus.alphabet, dtype)
    # A target has an axis of steps where several are read.
    return one_hot(characters[:-1], corpus.alphabet, dtype), target if len(target) > 1 else target[
        0
    ]


def _corpus(scenario: Scenario) -> _Corpus:
    """The text a scenario names. Raises ScenarioError naming the key and the file."""
    written = scenario.task.file
    path = Path(os.path.expanduser(written)) if written else _SONNETS
    try:
        status = path.stat()
        corpus = _read(path, status.st_mtime_ns, status.st_size)
        held_out, window = len(corpus.characters) - corpus.trained, _window(scenario)
        if min(held_out, corpus.trained) < window:
            raise ValueError(
                f"is too short for windows of {window} characters: "
                f"{corpus.trained} to train on, {held_out} held out"
            )
        return corpus
    except OSError as error:
        line = f"cannot be read: {(error.strerror or str(error)).lower()}"
    except ValueError as error:
        line = str(error)
    shown = printable(written) if written else "the built-in sonnets"
    raise ScenarioError(scenario.origin, f"{shown}: {line}", key="task.file")


# The time and size of the file tell whether it is still the same.
@lru_cache(maxsize=2)
def _read(path: Path, changed: int, size: int) -> _Corpus:
    """Raises OSError, and ValueError with the reason in words that follow the file's name."""
    import numpy as np

    with path.open("rb") as file:
        content = file.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise ValueError(f"is larger than {_MOST_BYTES // 2**20} MiB")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"is not UTF-8 text: see byte {error.start}") from None
    points = np.frombuffer(text.encode("utf-32-le"), dtype="<u4")
    found, characters = np.unique(points, return_inverse=True)
    if len(found) > _MOST_CHARACTERS:
        raise ValueError(
            f"has {len(found)} different characters, more than the {_MOST_CHARACTERS} there may be"
        )
    trained = len(characters) - int(_SHARE * len(characters))
    return _Corpus(characters.astype(np.int64), len(found), trained)
