"""IRNN: a ReLU RNN whose U starts as recurrent_scale * I (Le, Jaitly, Hinton 2015)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from engine.architectures.rnn import RNNLayer

if TYPE_CHECKING:
    from engine.initialisers import Role


class IRNNLayer(RNNLayer):
    """The vanilla recurrence, told apart by how it starts and by its fixed activation."""

    hop_role: ClassVar[Role] = "identity"
    fixed_activation: ClassVar[str | None] = "relu"
