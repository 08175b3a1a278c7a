"""What the engine can refuse. Every message is one line a user can act on."""

from __future__ import annotations


class EngineError(Exception):
    """Base class of everything the engine raises on purpose."""


class DeviceError(EngineError):
    """The device asked for cannot be used; the message says why and names the way on."""


class MemoryShortage(EngineError):
    """A network would need more memory than its device has free.

    Attributes:
        needed_bytes: what the network's workspace takes.
        available_bytes: what the device has free.
    """

    def __init__(self, needed_bytes: int, available_bytes: int) -> None:
        self.needed_bytes = needed_bytes
        self.available_bytes = available_bytes
        super().__init__(f"needs {_readable(needed_bytes)}, {_readable(available_bytes)} are free")


class ForwardOverflow(EngineError):
    """A forward pass left its dtype, first at this layer and time step, both from 1."""

    def __init__(self, layer: int, step: int) -> None:
        at = f"layer {layer}, time step {step}" if step > 1 else f"layer {layer}"
        super().__init__(f"the forward pass overflows at {at}")
        self.layer = layer
        self.step = step


def _readable(size: int) -> str:
    """A number of bytes in the largest binary unit that leaves digits before the point."""
    value, unit = float(size), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if value < 1024.0:
            break
        value, unit = value / 1024.0, larger
    return f"{value:,.1f} {unit}"
