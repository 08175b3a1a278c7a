"""The architectures on offer. To add one: a file beside this one, and its registration below."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.architectures.cnn import ConvolutionLayer
from engine.architectures.gru import GRULayer
from engine.architectures.indrnn import IndRNNLayer
from engine.architectures.irnn import IRNNLayer
from engine.architectures.lstm import LSTMLayer
from engine.architectures.mlp import DenseLayer
from engine.architectures.rnn import RNNLayer
from engine.registry import Registry

if TYPE_CHECKING:
    from engine.initialisers import Role
    from engine.layer import Layer


@dataclass(frozen=True, slots=True)
class Architecture:
    """One kind of network: a stack of equal layers under a linear readout.

    Attributes:
        name: the word to type.
        title: the name to show.
        layer: the layer class the network stacks.
        fields: dotted scenario keys that only some kinds understand, and this one does.
        hop_scale: dotted key of the scale that rules what a hop multiplies by.
    """

    name: str
    title: str
    layer: type[Layer]
    fields: frozenset[str]
    hop_scale: str

    @property
    def recurrent(self) -> bool:
        """Whether the gradient crosses time steps as well as layers."""
        return self.layer.recurrent

    @property
    def hop_role(self) -> Role:
        """What multiplies the gradient at each hop; an initialiser fits if it draws this role."""
        return self.layer.hop_role


ARCHITECTURES: Registry[Architecture] = Registry()

ARCHITECTURES.register(
    Architecture(
        name="mlp",
        title="Deep MLP",
        layer=DenseLayer,
        fields=frozenset({"network.activation", "network.residual", "task.input_size"}),
        hop_scale="init.weight_scale",
    )
)
ARCHITECTURES.register(
    Architecture(
        name="cnn",
        title="Deep CNN",
        layer=ConvolutionLayer,
        fields=frozenset(
            {
                "network.activation",
                "network.kernel_size",
                "network.padding",
                "network.convolution",
                "network.residual",
                "task.image_size",
                "task.image_channels",
            }
        ),
        hop_scale="init.weight_scale",
    )
)
_RECURRENT_FIELDS = frozenset({"task.time_steps", "task.input_size", "init.recurrent_scale"})
ARCHITECTURES.register(
    Architecture(
        name="rnn",
        title="Vanilla RNN",
        layer=RNNLayer,
        fields=_RECURRENT_FIELDS | {"network.activation"},
        hop_scale="init.recurrent_scale",
    )
)
ARCHITECTURES.register(
    Architecture(
        name="irnn",
        title="IRNN",
        layer=IRNNLayer,
        fields=_RECURRENT_FIELDS,
        hop_scale="init.recurrent_scale",
    )
)
ARCHITECTURES.register(
    Architecture(
        name="indrnn",
        title="IndRNN",
        layer=IndRNNLayer,
        fields=_RECURRENT_FIELDS
        | {
            "network.activation",
            "network.residual",
            "network.dense",
            "network.recurrent_bound",
            "init.recurrent_lower",
            "init.recurrent_upper",
        },
        hop_scale="init.recurrent_scale",
    )
)
for _gated in (
    Architecture(
        name="lstm",
        title="LSTM",
        layer=LSTMLayer,
        fields=_RECURRENT_FIELDS | {"init.forget_bias"},
        hop_scale="init.recurrent_scale",
    ),
    Architecture(
        name="gru",
        title="GRU",
        layer=GRULayer,
        fields=_RECURRENT_FIELDS | {"init.forget_bias"},
        hop_scale="init.recurrent_scale",
    ),
):
    ARCHITECTURES.register(_gated)
