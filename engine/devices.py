"""The devices of this machine: which there are, and why one cannot be used."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from engine.errors import DeviceError
from engine.host import cpu_name

#: How each line about a GPU that cannot be used ends.
WAY_ON = "use --device cpu"

#: What says how much of a GPU's memory may be taken, in CuPy and here, and the share without it.
_LIMIT_VARIABLE, _LIMIT_SHARE = "CUPY_GPU_MEMORY_LIMIT", 0.8


@dataclass(frozen=True, slots=True)
class DeviceStatus:
    """One device as `doctor` shows it; `problem` says why it cannot be used, None if it can.

    Of its `memory_bytes` no more than `limit_bytes` are taken; None for no limit.
    """

    device: str
    name: str
    memory_bytes: int | None
    problem: str | None
    limit_bytes: int | None = None


def probe_devices() -> list[DeviceStatus]:
    """The CPU and every GPU, or, where no GPU can be used, the reason in its place."""
    import psutil

    devices = [DeviceStatus("cpu", cpu_name(), psutil.virtual_memory().total, None)]
    try:
        cupy = _import_cupy()
        count = _device_count(cupy)
    except DeviceError as error:
        problem = str(error).removesuffix(f"; {WAY_ON}")
        return [*devices, DeviceStatus("cuda", "no GPU", None, problem)]
    for ordinal in range(count):
        properties = cupy.cuda.runtime.getDeviceProperties(ordinal)
        name = properties["name"].decode()
        device, total = f"cuda:{ordinal}", properties["totalGlobalMem"]
        try:
            devices.append(DeviceStatus(device, name, total, None, memory_limit(total)))
        except DeviceError as error:
            problem = str(error).removesuffix(f"; {WAY_ON}")
            devices.append(DeviceStatus(device, name, total, problem))
    return devices


def check_device(device: str) -> None:
    """Raise DeviceError where `device` names a GPU that is not there; nothing is opened."""
    if device not in ("cpu", "auto"):
        cupy_with(ordinal_of(device))


def ordinal_of(device: str) -> int:
    """N of "cuda:N", 0 for "cuda". Raises DeviceError for what is neither."""
    name, _, ordinal = device.partition(":")
    if name != "cuda" or (ordinal and not ordinal.isdecimal()):
        raise DeviceError(f"unknown device {device!r}: auto, cpu, cuda or cuda:N")
    return int(ordinal or 0)


def cupy_with(ordinal: int) -> Any:
    """CuPy, if it finds a GPU of that number. Raises DeviceError."""
    cupy = _import_cupy()
    count = _device_count(cupy)
    if ordinal >= count:
        raise DeviceError(
            f"there is no device cuda:{ordinal}: {count} found, "
            f"cuda:0 to cuda:{count - 1}; {WAY_ON}"
        )
    return cupy


def memory_limit(total: int) -> int | None:
    """How many of a GPU's `total` bytes may be taken; None for no limit.

    Raises DeviceError where the environment says it in no form that CuPy reads.
    """
    text = os.environ.get(_LIMIT_VARIABLE)
    if text is None:
        return int(_LIMIT_SHARE * total)
    try:
        share = text.removesuffix("%")
        limit = int(total * float(share) / 100) if share != text else int(text)
    except (ValueError, OverflowError):
        limit = -1
    if limit < 0:
        raise DeviceError(
            f"{_LIMIT_VARIABLE} = {text!r}: neither a number of bytes, 0 for no limit, nor a "
            f"percentage such as 50%; {WAY_ON}"
        )
    return limit or None


def line_of(error: Exception) -> str:
    """The first line of an error that says something."""
    lines = str(error).strip().splitlines()
    text = next((line.strip() for line in lines if line.strip(" =")), type(error).__name__)
    return text.rstrip(".")


def _import_cupy() -> Any:
    # Absent and broken are told apart: the first wants an install, the second a repair.
    if find_spec("cupy") is None:
        raise DeviceError(
            f"CuPy is not installed (extras: cuda12, cuda13, rocm), so no GPU can be used; {WAY_ON}"
        )
    try:
        import cupy
    except Exception as error:
        raise DeviceError(
            f"CuPy is installed but does not import: {line_of(error)}; {WAY_ON}"
        ) from error
    return cupy


def _device_count(cupy: Any) -> int:
    try:
        count: int = cupy.cuda.runtime.getDeviceCount()
    except Exception as error:
        raise DeviceError(
            f"CuPy {cupy.__version__} finds no working GPU driver: {line_of(error)}; {WAY_ON}"
        ) from error
    if count == 0:
        raise DeviceError(f"the GPU driver works but lists no device; {WAY_ON}")
    return count
