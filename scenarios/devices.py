"""Whether the device that a run asks for is there."""

from __future__ import annotations

from scenarios.errors import ScenarioError


def check_device(device: str, source: str) -> None:
    """Raise ScenarioError, which names `source`, where `device` names a GPU that is not there."""
    if device in ("cpu", "auto"):
        return
    from engine import devices
    from engine.errors import DeviceError

    try:
        devices.check_device(device)
    except DeviceError as error:
        raise ScenarioError(source, str(error), key="run.device", value=device) from None
