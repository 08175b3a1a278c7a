"""--dump: everything another framework needs to check a run, in one npz file without pickles."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scenarios.errors import ScenarioError

if TYPE_CHECKING:
    from engine.frame import Frame
    from scenarios.runner import Run

#: The axes of a parameter by how many it has, in words (row vectors: a = h W + b).
_LAYOUTS = {
    1: ["outputs"],
    2: ["inputs", "outputs"],
    4: ["kernel_height", "kernel_width", "input_channels", "output_channels"],
}


def check(path: str) -> Path:
    """The file that --dump names, known to be writable. Raises ScenarioError."""
    target = Path(os.path.realpath(path))
    try:
        mode = target.stat().st_mode if target.exists() else None
        if mode is not None and stat.S_ISDIR(mode):
            raise _refusal(path, "is a directory, not a file to write")
        if mode is not None and not stat.S_ISREG(mode):
            raise _refusal(path, "is not a regular file")
        if not target.parent.is_dir():
            raise _refusal(path, f"there is no folder {target.parent}")
        if mode is not None and not os.access(target, os.W_OK):
            raise _refusal(path, "exists and is write-protected")
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=".nablascope-"):
            pass
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise _refusal(path, f"cannot be written: {reason}") from error
    return target


def write(target: Path, run: Run, frame: Frame) -> None:
    """Write the run as it stands at `frame`, its latest; the file appears whole or not at all.

    Raises OSError.
    """
    import numpy as np

    arrays = contents(run, frame)
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=".nablascope-")
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(file, **arrays)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, _permissions(target))
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise


def contents(run: Run, frame: Frame) -> dict[str, Any]:
    """The arrays of a dump by name; `meta` is JSON text in an array of no dimension."""
    import numpy as np

    from engine.architectures import ARCHITECTURES
    from scenarios.events import to_json

    network = run.network
    parameters = {
        name: network.backend.to_host(array)[0] for name, array in network.parameters.items()
    }
    recurrent = ARCHITECTURES[run.scenario.network.kind].recurrent
    features = ["features"] if run.input.ndim == 3 else ["height", "width", "channels"]
    meta = {
        "scenario": run.scenario.to_dict(),
        "device": run.device,
        "versions": run.versions,
        "step": frame.step,
        "input_axes": [*(["time_steps"] if recurrent else []), "batch", *features],
        "gates": list(ARCHITECTURES[run.scenario.network.kind].layer.gates),
        "layout": {
            name: {
                "shape": list(array.shape),
                "axes": _LAYOUTS.get(array.ndim, [f"axis{i}" for i in range(array.ndim)]),
            }
            for name, array in parameters.items()
        },
    }
    arrays: dict[str, Any] = {
        "input": run.input if recurrent else run.input[0],
        "target": run.target,
        "loss": np.float64(frame.loss),
        "log10_grad_h": frame.log10_grad_h,
        "meta": np.array(to_json(meta)),
    }
    if frame.log10_grad_a is not None:
        arrays["log10_grad_a"] = frame.log10_grad_a
    for gate, field in frame.log10_grad_gates.items():
        arrays[f"gates/{gate}"] = field
    for name, field in frame.log10_path.items():
        arrays[f"path/{name}"] = field
    for name, array in parameters.items():
        arrays[f"param/{name}"] = array
        arrays[f"grad/{name}"] = network.gradient(name)[0]
    return arrays


def _permissions(target: Path) -> int:
    if target.exists():
        return stat.S_IMODE(target.stat().st_mode)
    umask = os.umask(0)
    os.umask(umask)
    return 0o666 & ~umask


def _refusal(path: str, why: str) -> ScenarioError:
    return ScenarioError("--dump", why, key=path or '""')
