"""A set that takes a second: two nets, one that learns and one that does not."""

from __future__ import annotations

from pathlib import Path

SMALL = """
title = "Learning beside standing still"
source = "no paper at all"
measure = "loss"

[network]
kind = "rnn"
hidden_size = 4

[task]
name = "adding"
time_steps = 6
batch_size = 8

[training]
steps = 40
optimizer = "adam"
evaluate_every = 10

[[nets]]
name = "learns"
title = "RNN that learns"
[nets.training]
learning_rate = 0.01

[[nets]]
name = "still"
title = "RNN that stands still"
[nets.training]
learning_rate = 0.0

[[parts]]
name = "T=6"
paper_source = "Table 9"
order = ["learns > still"]
[parts.paper]
learns = 0.05
still = "fails"

[[parts]]
name = "T=7"
nets = ["learns"]
[parts.task]
time_steps = 7
"""


def written(folder: Path, text: str = SMALL, **changes: str) -> Path:
    """The set in a file of `folder`; `changes` replace a line that begins so, or go in front."""
    lines = text.strip().splitlines()
    for key, value in changes.items():
        line = f"{key} = {value}"
        places = [i for i, old in enumerate(lines) if old.startswith(f"{key} = ")]
        if places:
            lines[places[0]] = line
        else:
            lines.insert(0, line)
    file = folder / "small.toml"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file
