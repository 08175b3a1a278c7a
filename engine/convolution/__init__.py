"""The algorithms behind a convolution. To add one: a file beside this one, and its registration.

They agree to rounding, so the choice is one of speed: `auto` takes the last one registered that
fits the kernel and pays at a layer's size.
"""

from __future__ import annotations

from collections.abc import Mapping

from engine.convolution.base import Convolution, ConvolutionSizes
from engine.convolution.patches import Im2col
from engine.convolution.winograd import Winograd
from engine.registry import Registry

__all__ = ["AUTO", "CONVOLUTIONS", "ConvolutionSizes", "choose", "fits"]

#: The word that leaves the choice to the sizes.
AUTO = "auto"

CONVOLUTIONS: Registry[type[Convolution]] = Registry()
CONVOLUTIONS.register(Im2col)
CONVOLUTIONS.register(Winograd)


def fits(name: str, kernel_size: int) -> bool:
    """Whether the algorithm called `name` can compute kernels of this size; `auto` always can."""
    sizes = None if name == AUTO else CONVOLUTIONS[name].kernel_sizes
    return sizes is None or kernel_size in sizes


def choose(
    name: str, sizes: ConvolutionSizes, among: Mapping[str, type[Convolution]] = CONVOLUTIONS
) -> type[Convolution]:
    """The algorithm called `name`, or what `auto` takes for these sizes.

    `among` holds what is registered here, or a device's versions of it. Raises ValueError where
    the one asked for cannot compute such kernels.
    """
    if not fits(name, sizes.kernel_size):
        raise ValueError(f"{name} cannot compute {sizes.kernel_size}x{sizes.kernel_size} kernels")
    if name != AUTO:
        return among[name]
    able = [one for one in among.values() if fits(one.name, sizes.kernel_size)]
    return [one for one in able if one.pays(sizes)][-1]
