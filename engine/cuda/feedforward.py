"""Feed-forward layers on a device: the engine's own, with what suits it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from engine.architectures.cnn import ConvolutionLayer
from engine.architectures.mlp import DenseLayer
from engine.convolution import choose
from engine.cuda.convolution import device_convolutions

if TYPE_CHECKING:
    from engine.convolution.base import Convolution, ConvolutionSizes


class DeviceMLP(DenseLayer):
    """A device has no cache to keep a in, and its kernels read a for every slope."""

    keeps_pre_activation: ClassVar[bool] = True


class DeviceCNN(ConvolutionLayer):
    """The same, and a whole batch is convolved in a few launches."""

    keeps_pre_activation: ClassVar[bool] = True

    @classmethod
    def algorithm(cls, name: str, sizes: ConvolutionSizes) -> type[Convolution]:
        return choose(name, sizes, device_convolutions())
