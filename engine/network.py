"""A stack of S networks of one shape: parameters, forward, exact backprop, probes, updates."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, pairwise
from math import prod
from typing import TYPE_CHECKING, Any

from engine.connections import DENSE_BUFFERS, DenseBlock, SkipStream
from engine.constraint import RecurrentBound
from engine.draws import draw_parameters
from engine.errors import ForwardOverflow, MemoryShortage
from engine.layer import Arrays, Probe, matrix_gradient, sum_over_samples
from engine.losses import LOSSES
from engine.magnitude import LOG10_2, ScaledGradient, log2_rms, multiply_by_power, put_each_log2_rms
from engine.plan import NetworkPlan, layer_class, plan_network, workspace_bytes
from engine.verdict import Overflow

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from engine.arrays import Array, Exponents, HostArray
    from engine.backend import Backend
    from engine.layer import Layer
    from engine.linearisation import Hop
    from engine.losses import Judgement
    from engine.measurements import Plan
    from engine.optimizers import Optimizer
    from engine.spec import InitSpec, NetworkSpec


@dataclass(frozen=True, slots=True)
class Fields:
    """What one evaluation of the stack showed; the leading axis of every array is the cell.

    log10 fields hold -inf for an exact zero and nan where the forward pass overflowed.

    Attributes:
        loss: (S,).
        accuracy: (S,), the share of samples classified rightly; None where nothing is classified.
        log10_grad_h, log10_grad_a, activation_rms, zero_fraction, saturated_fraction:
            (S, layers, time_steps), as in `engine.frame.Frame`.
        log10_grad_gates: the same by gate for cells with gates, whose log10_grad_a is None.
        log10_path: the same at further points of a hop, where the network has them, by name. lstm:
            "c" is the total dL/dc_t, "kept" the part f_t * dL/dc_t that goes to c_{t-1} through
            the forget gate alone. gru: "kept" is z_t * dL/dh_t. mlp, cnn: "projection" is
            dL/d(x W) where it is normalised, "branch" the part of dL/dx that comes through W alone
            where a skip joins it, nan in the first layer.
        log10_grad_params: (S,) by parameter name; empty where statistics or these gradients were
            left out; without statistics zero_fraction and saturated_fraction are nan.
        overflow: for each cell the first place where its forward pass left the dtype.
    """

    loss: HostArray
    accuracy: HostArray | None
    log10_grad_h: HostArray
    log10_grad_a: HostArray | None
    log10_grad_gates: dict[str, HostArray]
    log10_path: dict[str, HostArray]
    log10_grad_params: dict[str, HostArray]
    activation_rms: HostArray
    zero_fraction: HostArray
    saturated_fraction: HostArray
    overflow: list[Overflow | None]


class Network:
    """S stacked networks with everything they need allocated once.

    Args:
        spec: the shapes, shared by all cells.
        inits: how each cell draws its parameters; S = len(inits).
        backend: the device and dtype.
        slots: state arrays a parameter, as many as the optimiser of `update` keeps.

    Raises MemoryShortage before anything is allocated if the device has too little free, and
    ValueError where an initialiser cannot draw a weight of the shape asked for.
    """

    def __init__(
        self, spec: NetworkSpec, inits: Sequence[InitSpec], backend: Backend, slots: int = 0
    ) -> None:
        self._plan = self._build(spec, len(inits), backend, slots)
        self.redraw(inits)

    def redraw(self, inits: Sequence[InitSpec]) -> None:
        """Become other networks of the same shapes, as if newly made, in the memory there is.

        Raises ValueError where there are not as many as before, or as `Network` does.
        """
        if len(inits) != self.cells:
            raise ValueError(f"{len(inits)} draws for a stack of {self.cells}")
        draw_parameters(self.spec.kind, self._plan, inits, self.backend, self.parameters)
        for states in self._states.values():
            for state in states:
                state.fill(0.0)
        self.updates = 0
        # Others than these networks' may be far from what they will measure.
        self._passes.clear()
        self._bound = self._bounded(self._plan, [init.recurrent_bound for init in inits])
        self._bound.apply()

    @classmethod
    def from_parameters(
        cls, spec: NetworkSpec, parameters: Mapping[str, Array], backend: Backend
    ) -> Network:
        """One network with the parameters given, each without a stack axis, cast to its dtype.

        Raises MemoryShortage as above.
        """
        network = cls.__new__(cls)
        plan = network._plan = network._build(spec, 1, backend, 0)
        network._bound = network._bounded(plan, [0.0])
        for name, own in network.parameters.items():
            own[0] = backend.asarray(parameters[name])
        return network

    def _build(self, spec: NetworkSpec, cells: int, backend: Backend, slots: int) -> NetworkPlan:
        import numpy as np

        self.spec = spec
        self.cells = cells
        self._loss = LOSSES[spec.loss]
        self._filled = True
        self.backend = backend
        needed = workspace_bytes(spec, self.cells, slots, backend)
        available = backend.available_bytes()
        if needed > available:
            raise MemoryShortage(needed, available)
        plan = plan_network(spec, self.cells, backend)
        self.parameters: dict[str, Array] = {}
        self._gradients: dict[str, Array] = {}
        own = self._allocate(plan)
        # Flat, so that layers of different shapes can use the front of the same scratch.
        shared = {name: backend.zeros((prod(shape),)) for name, shape in plan.shared.items()}
        shared["ones"].fill(1.0)
        self._grad, self._ones = shared["grad"], shared["ones"]
        layer_type = layer_class(spec, backend)
        steps = (self.cells, spec.depth, spec.time_steps)
        self._probe = Probe.zeros(steps, layer_type.gates, layer_type.points(spec))
        # One row a parameter, in the order of `_gradients`.
        self._rows = {name: row for row, name in enumerate(self._gradients)}
        self._log2_gradients: HostArray = np.zeros((len(self._rows), self.cells))
        self._exponents: Exponents = np.zeros(self._log2_gradients.shape, dtype=np.int64)
        first = 0
        self.layers: list[Layer] = []
        for index, layer in enumerate(plan.layers):
            prefix = f"layer{index + 1}."
            rows = slice(first, first + len(layer.parameters()))
            first = rows.stop
            arrays = Arrays(
                parameters={name: self.parameters[prefix + name] for name in layer.parameters()},
                gradients={name: self._gradients[prefix + name] for name in layer.parameters()},
                exponents=self._exponents[rows],
                log2_gradients=self._log2_gradients[rows],
                # A recurrent h starts with h_0 = 0, which nothing ever overwrites.
                own=own[index],
                shared=shared,
                probe=self._probe.layer(index),
            )
            self.layers.append(layer_type(spec, arrays, backend, self.cells))
        self._stream = None
        if "stream" in shared:
            self._stream = SkipStream(backend, shared["stream"].reshape(plan.shared["stream"]))
            for member in self.layers[::2]:
                member.stream = self._stream
        self._dense = None
        #: Where each layer writes dL/dx: all in the same room, the first nowhere.
        self._rooms: list[Array | None] = [None]
        for reads, below in zip(plan.reads[1:], self.layers, strict=False):
            shape = (self.cells, spec.time_steps, spec.batch_size, *reads)
            self._rooms.append(below.lay(self._grad[: prod(shape)].reshape(shape)))
        if not spec.dense:
            for below, above in pairwise(self.layers):
                above.reads = self._output(below)
        else:
            values, gradients = (shared[name].reshape(plan.shared[name]) for name in DENSE_BUFFERS)
            self._dense = DenseBlock(spec, backend, values, gradients)
        self._states: dict[str, list[Array]] = {
            name: [backend.zeros((self.cells, *shape)) for _ in range(slots)]
            for name, shape in plan.parameters.items()
        }
        self._axes = {1 + len(shape) for shape in plan.parameters.values()}
        self.updates = 0
        self._statistics = self._measured = True
        #: What a device has learnt from the passes it ran.
        self._passes: dict[Hashable, Plan] = {}
        return plan

    def _bounded(self, plan: NetworkPlan, gammas: list[float]) -> RecurrentBound:
        """The bound on every u, one gamma a cell, 0 for none."""
        vectors = [
            self.parameters[f"layer{index + 1}.{name}"]
            for index, layer in enumerate(plan.layers)
            for name, weight in layer.weights.items()
            if weight.role == "vector"
        ]
        return RecurrentBound(self.backend, gammas, self.spec.time_steps, vectors)

    def _allocate(self, plan: NetworkPlan) -> list[dict[str, Array]]:
        """Allocate parameters and gradients; return each layer's own buffers.

        What a layer works on lies together.
        """
        parameters = {name: (self.cells, *shape) for name, shape in plan.parameters.items()}
        names = [
            [f"layer{index}.{name}" for name in layer.parameters()]
            for index, layer in enumerate(plan.layers, start=1)
        ]
        names.append(["readout.W", "readout.b"])
        own = [*(layer.own for layer in plan.layers), {}]
        shapes = []
        for group, buffers in zip(names, own, strict=True):
            shapes += [parameters[name] for name in group] * 2 + list(buffers.values())
        carved = iter(self.backend.carve(shapes))
        result = []
        for group, buffers in zip(names, own, strict=True):
            self.parameters |= {name: next(carved) for name in group}
            self._gradients |= {name: next(carved) for name in group}
            result.append({name: next(carved) for name in buffers})
        return result

    def evaluate(
        self,
        x: Array,
        target: Array,
        *,
        statistics: bool = True,
        parameters: bool = True,
        clipped: bool = False,
    ) -> Fields:
        """Forward, loss, full backward and every probe.

        `x` is (S, T, B, *input_shape) with T = 1 for feed-forward networks, `target`
        (S, B, output_size), or (S, K, B, output_size) where the last K > 1 steps are read; both on
        the backend's device. The loss is that of the spec (engine/losses.py). Without `statistics`
        what neither a verdict nor an update needs is left out: shares of zeros and of saturated
        units, and the sizes of parameter gradients. Without `parameters` their gradients are left
        out altogether, a third of the work, and neither `update` nor `gradient` can follow. Where
        the update will clip by norm and `clipped` says so, it need not measure them itself.
        """
        import numpy as np

        measured = statistics or clipped
        if (statistics, measured) != (self._statistics, self._measured):
            self._measure(statistics, measured)
        self._filled = parameters
        kind = (statistics, measured and parameters, x.shape)
        with np.errstate(all="ignore"):
            judgement = self.backend.during(self._passes, kind, partial(self._pass, x, target))
            return self._fields(judgement)

    def _pass(self, x: Array, target: Array) -> Judgement:
        # Read here, x is in cache for the first layer. No step's RMS is above that of all times
        # sqrt(T), which is quicker to find.
        log2_x = log2_rms(self.backend, x, lead=1)[:, None] + 0.5 * math.log2(x.shape[1])
        judgement = self._judge(x, target)
        self._backward(x, log2_x, judgement.gradient)
        return judgement

    def _measure(self, statistics: bool, gradients: bool) -> None:
        """Measure statistics, and the sizes of parameter gradients, from now on or not."""
        self._statistics, self._measured = statistics, gradients
        self._probe.zero_fraction.fill(math.nan)
        self._probe.saturated_fraction.fill(math.nan)
        for layer in self.layers:
            layer.statistics, layer.measures_gradients = statistics, gradients

    def loss(self, x: Array, target: Array) -> HostArray:
        """The loss of each cell, (S,), from a forward pass alone."""
        return self.judge(x, target).loss

    def judge(self, x: Array, target: Array) -> Judgement:
        """Each sample's loss, and whether it is classified rightly, from a forward pass alone.

        Arguments are those of `evaluate`; the parameters' gradients stay as they are.
        """
        import numpy as np

        kind = ("judge", self._statistics, x.shape)
        with np.errstate(all="ignore"):
            return self.backend.during(self._passes, kind, partial(self._judge, x, target))

    def linearise(self, x: Array) -> list[Hop]:
        """The factors of the Jacobian at the first sample of the first cell, in forward order.

        A feed-forward net's are its layers, d h_l / d h_{l-1} with h_0 the input; a recurrent one's
        the time steps of its last layer, d h_t / d h_{t-1}, t from 2 to T. `x` is as in `evaluate`.
        Raises ForwardOverflow where the forward pass left the dtype.
        """
        import numpy as np

        with np.errstate(all="ignore"):
            self._output_of(x)
            if (place := _first_overflow(self._probe.log2_h[0])) is not None:
                raise ForwardOverflow(place.layer, place.step)
            chain = list(zip(self.layers, self._inputs(x), strict=True))
            if self.layers[0].recurrent:
                chain = chain[-1:]
            return [hop for layer, read in chain for hop in layer.linearise(read)]

    def _judge(self, x: Array, target: Array) -> Judgement:
        read = self._output_of(x)[:, -self.spec.readout_steps :]
        # Steps and samples are one axis here: the readout treats them alike.
        self._features = self._pool(read.reshape(self.cells, -1, *read.shape[3:]))
        y = self.backend.xp.matmul(self._features, self.parameters["readout.W"])
        y += self.parameters["readout.b"][:, None]
        y = y.reshape(*read.shape[:3], y.shape[-1])
        return self._loss.judge(self.backend, y, target.reshape(y.shape))

    def _output_of(self, x: Array) -> Array:
        """The last layer's h, (S, T, B, *output_shape), after a pass through all layers."""
        if self._stream is not None:
            self._stream.start()
        h = reads = x if self._dense is None else self._dense.start(x)
        for index, layer in enumerate(self.layers):
            h = layer.forward(reads)
            reads = h if self._dense is None else self._dense.append(index, h)
        return h

    def _inputs(self, x: Array) -> list[Array]:
        """What each layer read in the last forward pass."""
        if self._dense is not None:
            return [self._dense.input(index) for index in range(len(self.layers))]
        return [x, *(self._output(layer) for layer in self.layers[:-1])]

    def _pool(self, h: Array) -> Array:
        """The global average over an image's positions; features pass as they are."""
        if h.ndim == 3:
            return h
        return h.reshape(*h.shape[:2], -1, h.shape[-1]).mean(axis=2)

    def _backward(self, x: Array, log2_x: HostArray, grad_y: ScaledGradient) -> None:
        import numpy as np

        inputs = self._inputs(x)
        log2_inputs = [log2_x, *(lay.probe.log2_h for lay in self.layers[:-1])]
        if self._dense is not None:
            log2_inputs = list(accumulate(log2_inputs, np.maximum))
        if self._stream is not None:
            self._stream.start()
        top = self.layers[-1]
        log2_grad_y = top.rescale(grad_y)
        below = ScaledGradient(self._spread(grad_y.data), grad_y.exponent)
        read = top.probe.log2_h[:, -self.spec.readout_steps :]
        exponent = top.align(grad_y, log2_grad_y, read)
        if self._filled:
            self._fill_readout_gradients(grad_y, exponent)
        for index in reversed(range(len(self.layers))):
            layer = self.layers[index]
            layer.log2_x = log2_inputs[index]
            layer.fills_gradients = self._filled
            below = layer.backward(inputs[index], below, self._rooms[index])
            if self._dense is not None and index:
                below = self._dense.collect(index, below)

    def _fill_readout_gradients(self, grad_y: ScaledGradient, exponent: Exponents) -> None:
        error = grad_y.data.reshape(self.cells, -1, self.spec.output_size)
        matrix_gradient(self.backend, self._features, error, self._gradients["readout.W"])
        sum_over_samples(self.backend, self._ones, error, self._gradients["readout.b"])()
        self._exponents[-2:] = exponent
        if self._measured:
            self._measure_readout()

    def _measure_readout(self) -> None:
        """Write log2 RMS of the readout's gradients, the last two, of the last backward pass."""
        rows = self._log2_gradients[-2:]
        gradients = (self._gradients[name] for name in ("readout.W", "readout.b"))
        put_each_log2_rms(self.backend, list(zip(gradients, rows, strict=True)))
        rows += self._exponents[-2:]

    def _check_filled(self) -> None:
        if not self._filled:
            raise RuntimeError("the last evaluate left the parameters' gradients out")

    def _output(self, layer: Layer) -> Array:
        h = layer.arrays.own["h"]
        return h[:, 1:] if layer.recurrent else h

    def _spread(self, grad_y: Array) -> Array:
        """dL/dh of the steps read, (S, K, B, *output_shape), from dL/dy, in the gradients' room."""
        xp, weight = self.backend.xp, self.parameters["readout.W"].swapaxes(-1, -2)
        rows = grad_y.reshape(self.cells, -1, grad_y.shape[-1])
        h = self._output(self.layers[-1])[:, -self.spec.readout_steps :]
        into = self.layers[-1].lay(self._grad[: h.size].reshape(h.shape))
        if h.ndim == 4:
            self.backend.product(rows, weight, into.reshape(self.cells, -1, h.shape[-1]))()
        else:
            share = xp.matmul(rows, weight)[:, None, :, None, None]
            into[...] = share / prod(h.shape[3:5])
        return into

    def _fields(self, judgement: Judgement) -> Fields:
        import numpy as np

        probe = self._probe
        overflow = self._overflow()
        lost = [cell for cell, place in enumerate(overflow) if place is not None]

        def log10(log2: HostArray) -> HostArray:
            field: HostArray = log2 * LOG10_2
            if lost:
                # Once the forward pass overflowed there is no gradient to speak of.
                field[lost] = np.nan
            return field

        gates = probe.log2_grad_gates
        params: dict[str, HostArray] = {}
        if self._statistics and self._filled:
            sizes = log10(self._log2_gradients.T).T
            params = dict(zip(self._gradients, sizes, strict=True))
        return Fields(
            loss=judgement.loss,
            accuracy=judgement.accuracy,
            log10_grad_h=log10(probe.log2_grad_h),
            log10_grad_a=None if gates else log10(probe.log2_grad_a),
            log10_grad_gates={gate: log10(values) for gate, values in gates.items()},
            log10_path={name: log10(values) for name, values in probe.log2_path.items()},
            log10_grad_params=params,
            activation_rms=np.exp2(probe.log2_h),
            zero_fraction=probe.zero_fraction.copy(),
            saturated_fraction=probe.saturated_fraction.copy(),
            overflow=overflow,
        )

    def _overflow(self) -> list[Overflow | None]:
        """Where each cell's last forward pass left the dtype."""
        import numpy as np

        log2_h = self._probe.log2_h
        read = self._probe.log2_grad_h[:, -1, -self.spec.readout_steps :]
        # A sum of squares is nan where one of its terms is, and nowhere else.
        if not any(math.isnan(values.dot(values)) for values in (log2_h.ravel(), read.ravel())):
            return [None] * self.cells
        overflow = [_first_overflow(cell) for cell in log2_h]
        for cell in np.flatnonzero(np.isnan(read).any(axis=1)).tolist():
            # Where the readout alone left the dtype, it counts with the layer it reads.
            place = Overflow(layer=self.spec.depth, step=self.spec.time_steps)
            overflow[cell] = overflow[cell] or place
        return overflow

    def gradient(self, name: str) -> NDArray[Any]:
        """dL/d(parameter) of the last `evaluate`, (S, *shape) on the host.

        In the network's dtype, or in float64 where a value would leave it. Raises RuntimeError
        where `evaluate` left the gradients of parameters out.
        """
        import numpy as np

        self._check_filled()
        host = self.backend.to_host(self._gradients[name])
        exponent = self._exponents[self._rows[name]]
        if not exponent.any():
            return host.copy()
        shape = (-1,) + (1,) * (host.ndim - 1)
        with np.errstate(all="ignore"):
            wide = np.ldexp(host.astype(np.float64), exponent.reshape(shape))
            narrow: NDArray[Any] = wide.astype(host.dtype)
        fits = np.array_equal(narrow == 0.0, wide == 0.0) and bool(np.isfinite(narrow).all())
        return narrow if fits else wide

    def update(
        self,
        optimizer: Optimizer,
        learning_rates: Sequence[float],
        clip_norms: Sequence[float],
        clip_values: Sequence[float] | None = None,
    ) -> None:
        """Change every parameter by the last `evaluate`'s gradient, consuming it.

        One learning rate, one bound on the gradient's global norm and, after that, one on each of
        its entries a cell; a bound of 0 is none. Clipping works on the true gradient, also where
        that is outside the dtype. Then u is cut back to each cell's `InitSpec.recurrent_bound`.
        Raises RuntimeError where `evaluate` left the gradients of parameters out.
        """
        import numpy as np

        self._check_filled()
        with np.errstate(all="ignore"):
            shrink = self._clipping(np.asarray(clip_norms, dtype=np.float64))
            bounds = np.asarray(clip_values or [0.0] * self.cells, dtype=np.float64)
            xp, rates = self.backend.xp, self._columns(learning_rates)
            shares = self._columns(shrink[1]) if (shrink[1] != 1.0).any() else None
            most = np.where(bounds > 0.0, bounds, math.inf)
            limits = self._columns(most) if bounds.any() else None
            self.updates += 1
            for row, (name, parameter) in enumerate(self.parameters.items()):
                gradient, axes = self._gradients[name], parameter.ndim
                multiply_by_power(self.backend, gradient, self._exponents[row] + shrink[0])
                if shares is not None:
                    gradient *= shares[axes]
                if limits is not None:
                    xp.clip(gradient, -limits[axes], limits[axes], out=gradient)
                state = self._states[name]
                optimizer.update(xp, parameter, gradient, state, rates[axes], self.updates)
            self._bound.apply()

    def _columns(self, values: Sequence[float] | HostArray) -> dict[int, Array]:
        """One number a cell, on the device, by the number of axes that they are to broadcast to."""
        column = self.backend.asarray(values)
        return {count: column.reshape(self.cells, *(1,) * (count - 1)) for count in self._axes}

    def training_arrays(self) -> dict[str, Array]:
        """What updates change, as it is: parameters and the optimiser's state, each (S, *shape).

        The third thing that they change is `updates`, their number.
        """
        arrays = {f"param/{name}": array for name, array in self.parameters.items()}
        for name, states in self._states.items():
            arrays |= {f"state{slot}/{name}": array for slot, array in enumerate(states)}
        return arrays

    def _clipping(self, bounds: HostArray) -> tuple[NDArray[np.int64], HostArray]:
        """The factor that clips each cell's gradient, as a power of two and a rest in (0.5, 1]."""
        import numpy as np

        if not (bounds > 0.0).any():
            return np.zeros(self.cells, dtype=np.int64), np.ones(self.cells)
        if not self._measured:
            for layer in self.layers:
                layer.measure_gradients()
            self._measure_readout()
        sizes = [
            2.0 * log2_size + math.log2(prod(array.shape[1:]))
            for log2_size, array in zip(self._log2_gradients, self._gradients.values(), strict=True)
        ]
        norm = 0.5 * np.logaddexp2.reduce(sizes, axis=0)
        excess = np.where(bounds > 0.0, norm - np.log2(np.where(bounds > 0.0, bounds, 1.0)), 0.0)
        excess = np.where(np.isfinite(excess), np.maximum(excess, 0.0), 0.0)
        whole = np.floor(excess)
        return -whole.astype(np.int64), np.exp2(whole - excess)


def _first_overflow(log2_h: HostArray) -> Overflow | None:
    """The earliest time step, and there the lowest layer, whose h is not finite."""
    import numpy as np

    lost = np.isnan(log2_h.T)
    if not np.count_nonzero(lost):
        return None
    places = np.argwhere(lost)
    step, layer = (int(i) + 1 for i in places[0])
    return Overflow(layer=layer, step=step)
