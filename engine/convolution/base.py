"""What a convolution at stride 1 that keeps an image's size asks of the algorithm behind it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from engine.arrays import Array
    from engine.backend import Backend
    from engine.layer import Shape


@dataclass(frozen=True, slots=True)
class ConvolutionSizes:
    """Images (S, B, height, width, inputs) under kernels (S, k, k, inputs, outputs).

    Padding of k - 1 keeps the size, (k - 1) // 2 of it above and left; zeros or, circular, the
    opposite border.
    """

    cells: int
    batch: int
    height: int
    width: int
    inputs: int
    outputs: int
    kernel_size: int
    circular: bool


class Convolution(ABC):
    """One way to compute a convolution and its two gradients.

    Args:
        backend: the device and dtype.
        sizes: what it was planned for; a call may come with another number of images, and with
            fewer cells.
        shared: flat scratch, by the names of `plan`.

    Attributes:
        name: the word to type.
        title: the name to show.
        kernel_sizes: those it can compute, None for all.
        hands: how many can work on it at a time; the second is a backend's companion.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    kernel_sizes: ClassVar[tuple[int, ...] | None] = None
    hands: int = 1

    @staticmethod
    @abstractmethod
    def pays(sizes: ConvolutionSizes) -> bool:
        """Whether, where it fits, it is quicker than the algorithms registered before it."""

    @staticmethod
    @abstractmethod
    def plan(sizes: ConvolutionSizes) -> dict[str, Shape]:
        """The scratch it needs, which layers use one after another; names hold what must agree."""

    @abstractmethod
    def __init__(
        self, backend: Backend, sizes: ConvolutionSizes, shared: Mapping[str, Array]
    ) -> None: ...

    @abstractmethod
    def convolve(self, images: Array, kernel: Array, out: Array) -> None:
        """Write images convolved with the kernel, (S, B, height, width, outputs), to `out`."""

    @abstractmethod
    def convolve_transposed(self, gradient: Array, kernel: Array, out: Array) -> None:
        """Write dL/d(images), given the gradient of their convolution with the kernel."""

    @abstractmethod
    def kernel_gradient(self, images: Array, gradient: Array, out: Array) -> None:
        """Write dL/d(kernel), given the gradient of its convolution with the images."""
