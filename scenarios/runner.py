"""A run: one scenario on one device, as a plain generator of frames."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from engine.architectures import ARCHITECTURES
from engine.backend import open_backend
from engine.errors import DeviceError, MemoryShortage
from engine.frame import Frame
from engine.network import Network
from engine.spec import InitSpec, NetworkSpec
from engine.verdict import judge
from scenarios.errors import ScenarioError
from scenarios.schema import FIELDS
from scenarios.tasks import TASKS
from scenarios.training import Training, beginning, slots

if TYPE_CHECKING:
    from engine.arrays import HostArray
    from engine.inspection import Inspection
    from engine.jacobian import JacobianSpectrum
    from engine.network import Fields
    from engine.weight_sizes import WeightSizes
    from scenarios.scenario import Scenario

#: The keys that decide how much memory a network takes.
_SIZE_KEYS = (
    "network.depth",
    "network.hidden_size",
    "network.kernel_size",
    "task.batch_size",
    "task.time_steps",
    "task.input_size",
    "task.image_size",
    "task.image_channels",
)


class Run:
    """One scenario, ready to go: its device is open and its network drawn.

    Attributes:
        scenario: what is run.
        device: the device in use, as `Backend.description` tells it.
        versions: of what the numbers depend on.
        network: the network, a stack of one.
        input: the last batch seen, (time_steps, batch, *features), None before the first frame.
        target: its targets, (batch, outputs), or (steps, batch, outputs) where several are read.
        state: where training stands at the latest frame.

    Raises ScenarioError naming the key where the device or the data are not there, the memory does
    not suffice or an initialiser does not fit.
    """

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        try:
            backend = open_backend(scenario.run.device, scenario.run.dtype)
        except DeviceError as error:
            raise ScenarioError(
                scenario.origin, str(error), key="run.device", value=scenario.run.device
            ) from error
        self._backend = backend
        try:
            self.network = Network(
                network_spec(scenario), [init_spec(scenario)], backend, slots(scenario)
            )
        except MemoryShortage as shortage:
            raise _too_large(scenario, str(shortage)) from shortage
        except ValueError as error:
            scheme = scenario.init.scheme
            raise ScenarioError(
                scenario.origin, str(error), key="init.scheme", value=scheme
            ) from error
        self._task = TASKS[scenario.task.name]
        self._task.load(scenario)
        self.state = beginning(scenario)
        self.device = backend.description
        self.versions = versions(backend.description["backend"])
        self.input: Any = None
        self.target: Any = None

    def frames(self) -> Iterator[Frame]:
        """One frame a training step, step 0 being the network as initialised.

        They start at `state`, and end early with a frame whose forward pass or loss has left the
        dtype: no update could be made of it. Not timed, the same scenario on the same device gives
        the same frames.
        """
        training = Training([self.scenario], self.network, [self.state])
        begin = time.perf_counter()
        for look in training.looks():
            (self.state,) = look.states
            self.input, self.target = training.data.latest
            loss, accuracy = look.held_out[0] if look.held_out else (None, None)
            frame = frame_of(self.scenario, look.fields, 0, look.step, time.perf_counter() - begin)
            yield replace(
                frame,
                evaluation_loss=loss,
                evaluation_accuracy=accuracy,
                learning_rate=self.state.learning_rate,
            )
            begin = time.perf_counter()

    def jacobian(self) -> JacobianSpectrum:
        """Singular values of the end-to-end Jacobian of the network as it is now.

        Taken at the first sample of the last batch seen, or of the first one to come. The network
        is left as it is. Raises ForwardOverflow, and MemoryShortage for a copy in float64.
        """
        from engine.jacobian import jacobian_spectrum

        return jacobian_spectrum(self.network, self._batch()[0][None])

    def inspect(self, layer: int, step: int) -> Inspection:
        """One layer (from 1) at one time step (from 1) in full, of the last batch seen.

        The network is left as it is. Raises ValueError, and ForwardOverflow.
        """
        from engine.inspection import inspect

        inputs, targets = self._batch()
        x, target = (self._backend.asarray(values)[None] for values in (inputs, targets))
        return inspect(self.network, x, target, layer, step)

    def weight_sizes(self) -> WeightSizes:
        """How large the weights are that the gradient meets, see `engine.weight_sizes`."""
        from engine.weight_sizes import weight_sizes

        return weight_sizes(self.network)

    def lyapunov_exponents(self, count: int) -> HostArray:
        """The largest finite-time Lyapunov exponents of the network as it is now, in decades a
        time step, (count,), at the same sample.

        Raises ValueError where there is no time step to cross, ForwardOverflow, MemoryShortage.
        """
        import math

        from engine.theory import leading_exponents

        return leading_exponents(self.network, self._batch()[0][None], count) / math.log(10.0)

    def recurrent_weights(self, layer: int) -> HostArray:
        """What a layer's gradient is multiplied by from one time step to the one before: u (H,), or
        U with one row a unit and the columns of all gates. Layers count from 1.
        """
        name = ARCHITECTURES[self.scenario.network.kind].layer.hop_weight
        array = self.network.parameters[f"layer{layer}.{name}"][0]
        return self._backend.to_host(array).astype("float64")

    def _batch(self) -> tuple[Any, Any]:
        """The last batch seen, or the first one to come."""
        if self.input is not None:
            return self.input, self.target
        return next(self._task.batches(self.scenario))


def frame_of(scenario: Scenario, fields: Fields, cell: int, step: int, seconds: float) -> Frame:
    """One cell's share of what a stack showed, judged."""
    overflow = fields.overflow[cell]
    recurrent = ARCHITECTURES[scenario.network.kind].recurrent
    return Frame(
        step=step,
        loss=float(fields.loss[cell]),
        log10_grad_h=fields.log10_grad_h[cell],
        log10_grad_a=None if fields.log10_grad_a is None else fields.log10_grad_a[cell],
        log10_grad_gates={gate: field[cell] for gate, field in fields.log10_grad_gates.items()},
        log10_path={name: field[cell] for name, field in fields.log10_path.items()},
        log10_grad_params={name: float(v[cell]) for name, v in fields.log10_grad_params.items()},
        activation_rms=fields.activation_rms[cell],
        zero_fraction=fields.zero_fraction[cell],
        saturated_fraction=fields.saturated_fraction[cell],
        overflow=overflow,
        verdict=judge(fields.log10_grad_h[cell], recurrent, overflow),
        seconds=seconds,
        accuracy=None if fields.accuracy is None else float(fields.accuracy[cell]),
    )


def network_spec(scenario: Scenario) -> NetworkSpec:
    """The shapes of a scenario's network."""
    network, task = scenario.network, TASKS[scenario.task.name]
    optional: dict[str, Any] = {
        "kernel_size": network.kernel_size,
        "padding": network.padding,
        "convolution": network.convolution,
        "residual": network.residual,
        "dense": network.dense,
        "time_steps": scenario.task.time_steps,
    }
    return NetworkSpec(
        kind=network.kind,
        activation=network.activation or "tanh",
        depth=network.depth,
        hidden_size=network.hidden_size,
        batch_size=scenario.task.batch_size,
        input_shape=task.input_shape(scenario),
        output_size=task.outputs(scenario),
        loss=task.loss,
        readout_steps=task.readout_steps(scenario),
        bias=network.bias,
        norm=network.norm,
        dtype=scenario.run.dtype,
        **{name: value for name, value in optional.items() if value is not None},
    )


def init_spec(scenario: Scenario) -> InitSpec:
    """How a scenario draws its parameters."""
    init = scenario.init
    optional = {
        "recurrent_scale": init.recurrent_scale,
        "recurrent_lower": init.recurrent_lower,
        "recurrent_upper": init.recurrent_upper,
        "forget_bias": init.forget_bias,
        "recurrent_bound": scenario.network.recurrent_bound,
    }
    return InitSpec(
        scheme=init.scheme,
        weight_scale=init.weight_scale,
        bias_scale=init.bias_scale,
        seed=scenario.run.seed,
        **{name: value for name, value in optional.items() if value is not None},
    )


def versions(backend: str | None) -> dict[str, str]:
    """Versions of everything a frame's numbers depend on."""
    import platform
    from importlib.metadata import version

    import numpy

    found = {
        "nablascope": version("nablascope"),
        "python": platform.python_version(),
        "numpy": numpy.__version__,
    }
    if backend == "cupy":
        import cupy

        found["cupy"] = cupy.__version__
    return found


def _too_large(scenario: Scenario, shortage: str) -> ScenarioError:
    """Name the size that stands out most against its default."""
    sizes = scenario.values()

    def excess(key: str) -> float:
        default = FIELDS[key].default
        return float(sizes[key]) / float(default) if isinstance(default, int | float) else 1.0

    key = max((key for key in _SIZE_KEYS if key in sizes), key=excess)
    return ScenarioError(scenario.origin, f"{shortage}; lower it", key=key, value=sizes[key])
