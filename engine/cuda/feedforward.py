"""Feed-forward layers on a device: the engine's own, with what suits it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.architectures.cnn import ConvolutionLayer
from engine.convolution import choose
from engine.cuda.convolution import device_convolutions

if TYPE_CHECKING:
    from engine.convolution.base import Convolution, ConvolutionSizes


class DeviceCNN(ConvolutionLayer):
    """A whole batch is convolved in a few launches."""

    @classmethod
    def algorithm(cls, name: str, sizes: ConvolutionSizes) -> type[Convolution]:
        return choose(name, sizes, device_convolutions())
