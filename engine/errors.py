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
        super().__init__(
            f"needs {needed_bytes / 2**30:.3g} GiB, {available_bytes / 2**30:.3g} GiB are free"
        )
