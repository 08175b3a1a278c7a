"""How large the weights are that a gradient meets at every hop, in a few numbers a layer."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from engine.arrays import HostArray
    from engine.layer import Layer
    from engine.network import Network

#: Numbers by name, (layers,) each, in the order in which they are to be shown.
WeightSizes: TypeAlias = "Mapping[str, HostArray]"

#: Units beyond which eigenvalues and singular values take seconds: then only norms are measured.
MOST_UNITS = 512

RADIUS, SINGULAR, NORM = "spectral radius", "largest singular value", "norm per unit"
SCALE = "weight scale"


def weight_sizes(network: Network, cell: int = 0) -> WeightSizes:
    """The sizes of one cell's weights, nan where a weight is not finite.

    - rnn, irnn: the spectral radius of U, which decides over long times (Pascanu, Mikolov, Bengio
      2013), and its largest singular value, the most that a single step can do.
    - indrnn: smallest, median and largest |u|: each is a neuron's own factor (Li et al. 2018).
    - lstm, gru: by gate, the largest singular value of its part of U; a gate carries the state, so
      no eigenvalue of U is met again and again.
    - mlp, cnn: the weight scale, sqrt(fan_in) times the RMS of W: sigma_w of the mean-field papers.

    Of more than MOST_UNITS units "norm per unit", |U|_F / sqrt(units), stands for both values.
    """
    import numpy as np

    rows = [_sizes(layer, cell) for layer in network.layers]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def _sizes(layer: Layer, cell: int) -> dict[str, float]:
    import numpy as np

    parameter = layer.arrays.parameters[layer.hop_weight]
    weight = layer.backend.to_host(parameter[cell]).astype(np.float64)
    if not layer.recurrent:
        return {SCALE: float(np.linalg.norm(weight)) / math.sqrt(weight.shape[-1])}
    if weight.ndim == 1:
        size = np.abs(weight)
        ends = {
            "smallest": size.min(),
            "median": np.median(size),
            "largest": size.max(),
        }
        return {name: float(value) for name, value in ends.items()}
    if layer.gates:
        blocks = np.split(weight, len(layer.gates), axis=1)
        return {gate: _singular(block) for gate, block in zip(layer.gates, blocks, strict=True)}
    if len(weight) > MOST_UNITS:
        return {NORM: _norm(weight)}
    if not np.isfinite(weight).all():
        return {RADIUS: math.nan, SINGULAR: math.nan}
    radius = float(np.abs(np.linalg.eigvals(weight)).max())
    return {RADIUS: radius, SINGULAR: _singular(weight)}


def _singular(matrix: NDArray[np.float64]) -> float:
    """The largest singular value, or of a large matrix its norm per unit."""
    import numpy as np

    if not np.isfinite(matrix).all():
        return math.nan
    if len(matrix) > MOST_UNITS:
        return _norm(matrix)
    return float(np.linalg.norm(matrix, 2))


def _norm(matrix: NDArray[np.float64]) -> float:
    import numpy as np

    return float(np.linalg.norm(matrix)) / math.sqrt(len(matrix))
