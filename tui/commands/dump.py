"""--dump: everything another framework needs to check a run, in one npz file without pickles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scenarios.files import replacing

if TYPE_CHECKING:
    from pathlib import Path

    from engine.frame import Frame
    from engine.jacobian import JacobianSpectrum
    from scenarios.runner import Run

#: The axes of a parameter by how many it has, in words (row vectors: a = h W + b).
_LAYOUTS = {
    1: ["outputs"],
    2: ["inputs", "outputs"],
    4: ["kernel_height", "kernel_width", "input_channels", "output_channels"],
}


def write(
    target: Path, run: Run, frame: Frame, jacobian: JacobianSpectrum | str | None = None
) -> None:
    """Write the run as it stands at `frame`, its latest; the file appears whole or not at all.

    Raises OSError.
    """
    import numpy as np

    arrays = contents(run, frame, jacobian)
    with replacing(target) as file:
        np.savez(file, **arrays)


def contents(
    run: Run, frame: Frame, jacobian: JacobianSpectrum | str | None = None
) -> dict[str, Any]:
    """The arrays of a dump by name; `meta` is JSON text in an array of no dimension.

    `jacobian` is the spectrum at `frame`, or why there is none; None if it was not computed.
    """
    import numpy as np

    from engine.architectures import ARCHITECTURES
    from scenarios.events import jacobian_fields, to_json

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
    if jacobian is not None:
        meta["jacobian"] = jacobian_fields(jacobian)
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
    if jacobian is not None and not isinstance(jacobian, str):
        arrays["jacobian_log10_singular_values"] = jacobian.log10_values
        arrays["jacobian_weights"] = jacobian.weights
    return arrays
