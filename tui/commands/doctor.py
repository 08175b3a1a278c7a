"""nablascope doctor: what this machine has, and the exact reason for what it lacks."""

from __future__ import annotations

import argparse
import os
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from scenarios.blas import blas
from scenarios.threads import cores, leave_one_core
from tui.commands.console import speaks_unicode, styled, write

if TYPE_CHECKING:
    from pathlib import Path

_PACKAGES = ("nablascope", "numpy", "scipy", "textual", "plotext", "rich")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--json", action="store_true", help="one JSON object")


def execute(args: argparse.Namespace) -> int:
    """Print what was found."""
    # As a run does, so that what is shown is what a run gets.
    leave_one_core(os.environ)
    found: dict[str, Any] = {
        "devices": devices(),
        "versions": versions(),
        "blas": blas(),
        "store": store(),
        "terminal": terminal(),
    }
    if args.json:
        import json

        print(json.dumps(found, indent=2, allow_nan=False))
        return 0
    write(styled("devices", "bold"))
    for device in found["devices"]:
        write(f"  {device['device']:<9}{_device_line(device)}")
    write()
    write(styled("versions", "bold"))
    for name, text in found["versions"].items():
        write(f"  {name:<12}{text or 'not installed'}")
    write(f"  {'BLAS':<12}{_blas_line(found['blas'])}")
    write()
    write(styled("store", "bold"))
    kept = found["store"]
    size = "not there yet" if kept["bytes"] is None else _mib(kept["bytes"])
    problem = "" if kept["problem"] is None else f", {kept['problem']}"
    write(f"  {kept['path']}, {size}{problem}")
    write()
    write(styled("terminal", "bold"))
    for name, value in found["terminal"].items():
        write(f"  {name:<12}{_plain(value)}")
    return 0


def devices() -> list[dict[str, Any]]:
    """The CPU, then every GPU, or the reason why there is none."""
    import psutil

    from engine.devices import probe_devices

    found: list[dict[str, Any]] = []
    for status in probe_devices():
        entry: dict[str, Any] = {
            "device": status.device,
            "name": status.name,
            "memory_bytes": status.memory_bytes,
            "limit_bytes": status.limit_bytes,
            "problem": status.problem,
        }
        if status.device == "cpu":
            entry["cores"] = cores()
            entry["available_bytes"] = psutil.virtual_memory().available
        found.append(entry)
    return found


def versions() -> dict[str, str | None]:
    """Installed versions; None for what is not there."""
    import platform
    import sqlite3

    found: dict[str, str | None] = {"python": platform.python_version()}
    for package in _PACKAGES:
        found[package] = _version(package)
    found["cupy"] = _cupy_version()
    found["sqlite"] = sqlite3.sqlite_version
    return found


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _cupy_version() -> str | None:
    # Its wheels are named after the CUDA they are built for: cupy-cuda12x, cupy-rocm-7-0, ...
    from importlib.metadata import packages_distributions

    packages = packages_distributions().get("cupy", [])
    return f"{version(packages[0])} ({packages[0]})" if packages else None


def store() -> dict[str, Any]:
    """Where runs are stored, how large that file is, and why nothing can be stored there; it is not
    opened.
    """
    from scenarios.store.place import default_path

    path = default_path()
    try:
        size = path.stat().st_size
    except OSError:
        size = None
    return {"path": str(path), "bytes": size, "problem": _unwritable(path)}


def _unwritable(path: Path) -> str | None:
    # What is not there yet is made, in the nearest folder above it that is there.
    place = next((str(one) for one in (path, *path.parents) if os.path.exists(one)), os.curdir)
    if place != str(path) and not os.path.isdir(place):
        return f"cannot be written: {place} is not a folder"
    return None if os.access(place, os.W_OK) else f"cannot be written: {place} is write-protected"


def terminal() -> dict[str, Any]:
    """What stdout is connected to."""
    import shutil

    size = shutil.get_terminal_size()
    attached = sys.stdout.isatty()
    return {
        "attached": attached,
        "size": f"{size.columns}x{size.lines}" if attached else None,
        "colours": colours(),
        "TERM": os.environ.get("TERM"),
        "encoding": sys.stdout.encoding,
        "unicode": speaks_unicode(sys.stdout),
    }


def colours() -> int:
    """How many colours the environment promises; 0 for none."""
    term = os.environ.get("TERM", "")
    if os.environ.get("NO_COLOR") or term in ("", "dumb"):
        return 0
    if os.environ.get("COLORTERM", "").lower() in ("truecolor", "24bit"):
        return 2**24
    return 256 if "256color" in term else 16


def _device_line(device: dict[str, Any]) -> str:
    if device["problem"] is not None:
        return f"{device['name']}: {device['problem']}"
    parts = [str(device["name"])]
    if "cores" in device:
        parts.append(f"{device['cores']} {'core' if device['cores'] == 1 else 'cores'}")
    if device["memory_bytes"] is not None:
        parts.append(f"{_gib(device['memory_bytes'])} memory")
    if device["limit_bytes"] is not None:
        parts.append(f"at most {_gib(device['limit_bytes'])} taken")
    if "available_bytes" in device:
        parts.append(f"{_gib(device['available_bytes'])} free")
    return ", ".join(parts)


def _blas_line(found: dict[str, Any]) -> str:
    name = " ".join(str(part) for part in (found["name"], found["version"]) if part)
    threads, kernels = found["threads"], found["kernels"]
    plural = "" if threads == 1 else "s"
    parts = [name or "unknown"]
    if kernels is not None:
        parts.append(f"{kernels} kernels")
    if threads is not None:
        parts.append(f"{threads} thread{plural}")
    return ", ".join(parts)


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f} GiB"


def _mib(size: int) -> str:
    return f"{size / 2**20:.1f} MiB"


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "unknown" if value is None else str(value)
