"""What a network is, in plain numbers: shapes in NetworkSpec, magnitudes in InitSpec."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """Everything that decides array shapes; cells of one stack share it.

    `input_shape` is (features,) or, for images, (height, width, channels).
    `time_steps` is 1 for feed-forward networks. `residual` and `dense` add the connections of
    engine/connections.py, not both; `norm` is "none" or a name of engine/normalisation.py. The
    readout reads the last `readout_steps` time steps, `loss` is a name of engine/losses.py, and
    `convolution` "auto" or a name of engine/convolution.
    """

    kind: str
    activation: str
    depth: int
    hidden_size: int
    batch_size: int
    input_shape: tuple[int, ...]
    time_steps: int = 1
    output_size: int = 1
    bias: bool = True
    kernel_size: int = 3
    padding: str = "zero"
    convolution: str = "auto"
    dtype: str = "float32"
    residual: bool = False
    dense: bool = False
    norm: str = "none"
    loss: str = "mse"
    readout_steps: int = 1


@dataclass(frozen=True, slots=True)
class InitSpec:
    """How one cell draws its parameters, and what holds them afterwards.

    Scales are standard deviations in units of the scheme's own; `seed` fixes the draw, and two
    cells that differ in scale alone share it. `recurrent_bound` is the gamma of
    engine/constraint.py, 0 for none.
    """

    scheme: str = "gaussian"
    weight_scale: float = 1.0
    bias_scale: float = 0.0
    recurrent_scale: float = 1.0
    recurrent_lower: float = 0.5
    recurrent_upper: float = 2.0
    forget_bias: float = 0.0
    recurrent_bound: float = 0.0
    seed: int = 0
