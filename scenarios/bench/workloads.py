"""The workloads: networks of fixed sizes, and what is asked of the engine on each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from engine.spec import InitSpec, NetworkSpec
from scenarios.errors import ScenarioError, nearest_of

#: What `tiny` divides depth and time steps by, units by, and the batch by.
_TINY_LENGTH, _TINY_WIDTH, _TINY_BATCH = 16, 8, 4


@dataclass(frozen=True, slots=True)
class Workload:
    """One network: forward, full backward, every parameter gradient and every log10 norm.

    Attributes:
        name: as in --only.
        title: its sizes, for people.
        spec, init: the network, float32.
        bars: by rival, how many times its time the engine's should go into it, on a CPU.
        gpu_bars: the same on a GPU.
        for_gpu: whether it is sized for a GPU, and left out on a CPU unless it is asked for.
    """

    name: str
    title: str
    spec: NetworkSpec
    init: InitSpec
    bars: Mapping[str, float] = field(default_factory=dict)
    gpu_bars: Mapping[str, float] = field(default_factory=dict)
    for_gpu: bool = False

    @property
    def recurrent(self) -> bool:
        """Whether its gradient goes back through time."""
        return self.spec.time_steps > 1

    @property
    def length(self) -> int:
        """How many hops its gradient has, more or less: time steps, or layers."""
        return self.spec.time_steps if self.recurrent else self.spec.depth

    def with_length(self, length: int) -> Workload:
        """The same with so many time steps, or layers."""
        if self.recurrent:
            return replace(self, spec=replace(self.spec, time_steps=length))
        return replace(self, spec=replace(self.spec, depth=length))

    def with_dtype(self, dtype: str) -> Workload:
        """The same in another dtype."""
        return replace(self, spec=replace(self.spec, dtype=dtype))

    def tiny(self) -> Workload:
        """A small sibling that takes no time: to warm up on, and to try the command with."""
        spec = self.spec
        *image, features = spec.input_shape
        small = replace(
            spec,
            hidden_size=max(4, spec.hidden_size // _TINY_WIDTH),
            batch_size=max(2, spec.batch_size // _TINY_BATCH),
            input_shape=(*(max(4, side // 4) for side in image), max(4, features // _TINY_WIDTH)),
        )
        return replace(self, spec=small).with_length(max(4, self.length // _TINY_LENGTH))


_ALL = (
    Workload(
        "W1",
        "MLP tanh, depth 100, width 256, batch 64",
        NetworkSpec("mlp", "tanh", 100, 256, 64, (256,)),
        InitSpec(weight_scale=1.1),
        {"loop": 2.5},
    ),
    Workload(
        "W2",
        "CNN relu, 30 layers, 32 channels, 16x16, batch 32",
        NetworkSpec("cnn", "relu", 30, 32, 32, (16, 16, 32)),
        InitSpec(weight_scale=math.sqrt(2.0)),
        {"loop": 1.0},
    ),
    Workload(
        "W3",
        "RNN tanh, T=500, H=128, batch 32",
        NetworkSpec("rnn", "tanh", 1, 128, 32, (128,), time_steps=500),
        InitSpec(weight_scale=0.3, recurrent_scale=1.1),
        {"loop": 10.0, "nn": 4.0},
        {"loop": 10.0, "nn": 1.0},
    ),
    Workload(
        "W4",
        "IndRNN relu, 2 layers, T=1000, H=128, batch 32",
        NetworkSpec("indrnn", "relu", 2, 128, 32, (128,), time_steps=1000),
        InitSpec(scheme="recurrent_range"),
        {"loop": 40.0},
        {"loop": 50.0, "fused": 1.5},
    ),
    Workload(
        "W5",
        "LSTM, T=300, H=128, batch 32",
        NetworkSpec("lstm", "tanh", 1, 128, 32, (128,), time_steps=300),
        InitSpec(),
        {"loop": 2.5, "nn": 1.2},
        {"loop": 10.0, "nn": 1.0},
    ),
    Workload(
        "W6",
        "GRU, T=300, H=128, batch 32",
        NetworkSpec("gru", "tanh", 1, 128, 32, (128,), time_steps=300),
        InitSpec(),
        {"loop": 2.5, "nn": 1.2},
        {"loop": 10.0, "nn": 1.0},
    ),
    Workload(
        "W7",
        "RNN relu, T=100, H=64, batch 16",
        NetworkSpec("rnn", "relu", 1, 64, 16, (64,), time_steps=100),
        InitSpec(weight_scale=0.5, recurrent_scale=math.sqrt(2.0)),
        {"loop": 12.0, "nn": 4.0},
    ),
    Workload(
        "W8",
        "CNN relu, 100 layers, 64 channels, 32x32, batch 16",
        NetworkSpec("cnn", "relu", 100, 64, 16, (32, 32, 64)),
        InitSpec(weight_scale=math.sqrt(2.0)),
        {"loop": 1.0},
    ),
    Workload(
        "W9",
        "IndRNN relu, 6 layers, T=5000, H=512, batch 64",
        NetworkSpec("indrnn", "relu", 6, 512, 64, (512,), time_steps=5000),
        InitSpec(scheme="recurrent_range"),
        gpu_bars={"loop": 50.0, "fused": 1.5},
        for_gpu=True,
    ),
)
WORKLOADS = {workload.name: workload for workload in _ALL}


def chosen(names: Sequence[str] | None, on_gpu: bool, source: str) -> list[Workload]:
    """The workloads of these names, or all that suit the device.

    Raises ScenarioError naming `source` and the name that there is not.
    """
    if names is None:
        return [workload for workload in _ALL if on_gpu or not workload.for_gpu]
    found = []
    for name in names:
        if name.upper() not in WORKLOADS:
            allowed = f"no workload; there are {', '.join(WORKLOADS)}"
            raise ScenarioError(
                source, allowed, key=name or '""', nearest=nearest_of(name, WORKLOADS)
            )
        found.append(WORKLOADS[name.upper()])
    return found
