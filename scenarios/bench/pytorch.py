"""PyTorch at a workload, in the ways one would write it.

`loop` keeps dL/dh of every layer and step; a recurrent one hoists the input projection and indexes
it step by step, as loops are usually written, and pays for that with O(T^2) bytes in the backward
pass of the indexing. `tuned` is the same loop over `unbind`, with addmm and addcmul, the best we
could write. `compiled` is that loop under torch.compile; retained gradients would break its graph,
so zeros are added to every h and their gradients are dL/dh. `nn` is torch.nn's fused module, which
yields the weights' gradients alone. `fused` is for an IndRNN on a GPU what its authors wrote.
"""

from __future__ import annotations

import math
import signal
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

from scenarios.failures import describe

if TYPE_CHECKING:
    from engine.arrays import HostArray
    from scenarios.bench.engine import Problem

#: A torch.Tensor, and what gives one time step's recurrent term from a_t, h_{t-1} and the weight.
Tensor: TypeAlias = Any
Recur: TypeAlias = Callable[[Tensor, Tensor, Tensor], Tensor]
#: Marks an h whose gradient is wanted.
Keep: TypeAlias = Callable[[Tensor], Tensor]

#: torch.nn's fused modules.
_MODULES = {"rnn": "RNN", "lstm": "LSTM", "gru": "GRU"}

#: Seconds that torch.compile may take.
COMPILE_SECONDS = 240


def problem_with_pytorch(device: str = "cpu") -> str | None:
    """Why there is no comparison with PyTorch on a device, None where there can be one."""
    if find_spec("torch") is None:
        return "PyTorch is not installed (pip install torch): our times alone"
    try:
        torch = import_module("torch")
    except Exception as error:
        return f"PyTorch is installed but does not import: {describe(error)[0]}"
    if device != "cpu" and not torch.cuda.is_available():
        return "PyTorch sees no GPU: our times alone"
    return None


class PyTorch:
    """A problem's tensors, and the ways of working on them.

    Attributes:
        torch: the library.
        leaves: the parameters, by the engine's names; kernels as (out, in, k, k).
        layers: each layer's own, by their short names.
    """

    def __init__(self, problem: Problem, device: str = "cpu") -> None:
        self.torch: Any = import_module("torch")
        self.spec = problem.spec
        self.device = device
        # As PyTorch likes it: images NCHW.
        x = self.torch.from_numpy(problem.x)
        self.x = (x.permute(0, 1, 4, 2, 3).contiguous() if x.ndim == 5 else x).to(device)
        self.target = self.torch.from_numpy(problem.target).to(device)
        self.leaves = {
            name: self._leaf(self.torch.tensor(value).to(device))
            for name, value in problem.parameters.items()
        }
        self.layers = [self._own(layer) for layer in range(1, self.spec.depth + 1)]

    @staticmethod
    def _leaf(values: Tensor) -> Tensor:
        laid_out = values.permute(3, 2, 0, 1).contiguous() if values.ndim == 4 else values
        return laid_out.requires_grad_()

    def _own(self, layer: int) -> dict[str, Tensor]:
        prefix = f"layer{layer}."
        leaves = self.leaves.items()
        return {key.removeprefix(prefix): leaf for key, leaf in leaves if key.startswith(prefix)}

    def rivals(self) -> dict[str, Way]:
        """Every way there is for this kind of network but `compiled`, by name."""
        ways: dict[str, Way] = {"loop": Loop(self)}
        if self.spec.time_steps > 1:
            ways["tuned"] = Loop(self, tuned=True)
        if self.spec.kind in _MODULES and self.spec.depth == 1:
            ways["nn"] = Module(self)
        if (self.spec.kind, self.spec.activation) == ("indrnn", "relu") and self.device != "cpu":
            from scenarios.bench.fused import FusedIndRNN

            ways["fused"] = FusedIndRNN(self)
        return ways

    def loss(self, keep: Keep, tuned: bool) -> Tensor:
        """A forward pass and its loss."""
        if self.spec.time_steps > 1:
            features = self._through_time(keep, tuned)
        else:
            features = self._feed_forward(keep)
        return self.loss_of(features)

    def loss_of(self, features: Tensor) -> Tensor:
        """The mean squared error of the readout."""
        y = self.torch.addmm(self.leaves["readout.b"], features, self.leaves["readout.W"])
        return self.torch.nn.functional.mse_loss(y, self.target)

    def forget(self) -> None:
        """Forget the parameters' gradients."""
        for leaf in self.leaves.values():
            leaf.grad = None

    def wait(self) -> None:
        """Wait for the device."""
        if self.device != "cpu":
            self.torch.cuda.synchronize()

    def _phi(self, a: Tensor) -> Tensor:
        return getattr(self.torch, self.spec.activation)(a)

    def _feed_forward(self, keep: Keep) -> Tensor:
        h, convolve = self.x[0], self.torch.nn.functional.conv2d
        for own in self.layers:
            if self.spec.kind == "mlp":
                a = self.torch.addmm(own["b"], h, own["W"])
            else:
                a = convolve(h, own["W"], own["b"], padding="same")
            h = keep(self._phi(a))
        return h if self.spec.kind == "mlp" else h.mean(dim=(2, 3))

    def _through_time(self, keep: Keep, tuned: bool) -> Tensor:
        below = self.x
        recur = self._fused_recur if tuned else self._plain_recur
        for place, own in enumerate(self.layers, start=1):
            weights = dict(own)
            if "c" in own:
                # The second bias of n alone, as wide as U.
                gates = 2 * self.spec.hidden_size
                weights["c"] = self.torch.nn.functional.pad(own["c"], (gates, 0))
            rows = below.reshape(-1, below.shape[-1])
            a = self.torch.addmm(own["b"], rows, own["W"]).view(*below.shape[:2], -1)
            steps = a.unbind(0) if tuned else a
            states = []
            before = None
            for t in range(self.spec.time_steps):
                h, *others = self._cell(weights, steps[t], before, recur)
                before = (keep(h), *others)
                states.append(before[0])
            if place < self.spec.depth:
                below = self.torch.stack(states)
        return states[-1]

    @staticmethod
    def _plain_recur(a: Tensor, h: Tensor, weight: Tensor) -> Tensor:
        return a + (h @ weight if weight.ndim == 2 else weight * h)

    def _fused_recur(self, a: Tensor, h: Tensor, weight: Tensor) -> Tensor:
        return (self.torch.addmm if weight.ndim == 2 else self.torch.addcmul)(a, h, weight)

    def _cell(
        self, own: dict[str, Tensor], a: Tensor, before: tuple[Tensor, ...] | None, recur: Recur
    ) -> tuple[Tensor, ...]:
        """One time step: h, and c where there is one."""
        torch, size = self.torch, self.spec.hidden_size
        if self.spec.kind in ("rnn", "indrnn"):
            weight = own["U" if self.spec.kind == "rnn" else "u"]
            return (self._phi(a if before is None else recur(a, before[0], weight)),)
        if before is None:
            before = (a.new_zeros(len(a), size),) * 2
        if self.spec.kind == "lstm":
            i, f, g, o = recur(a, before[0], own["U"]).chunk(4, dim=-1)
            c = torch.sigmoid(f) * before[1] + torch.sigmoid(i) * torch.tanh(g)
            return torch.sigmoid(o) * torch.tanh(c), c
        recalled = recur(own["c"], before[0], own["U"])
        gates = 2 * size
        r, z = torch.sigmoid(a[:, :gates] + recalled[:, :gates]).chunk(2, dim=-1)
        n = torch.tanh(a[:, gates:] + r * recalled[:, gates:])
        return ((1.0 - z) * n + z * before[0],)


class Way(ABC):
    """One way of doing the whole work; a `Rival`."""

    def __init__(self, peer: PyTorch) -> None:
        self.peer = peer
        self._norms: Tensor | None = None

    @abstractmethod
    def __call__(self) -> None: ...

    @property
    def gradients(self) -> dict[str, HostArray]:
        found = ((name, leaf.grad) for name, leaf in self.peer.leaves.items())
        return {name: _engine_layout(grad) for name, grad in found if grad is not None}

    @property
    def log10_grad_h(self) -> HostArray | None:
        if self._norms is None:
            return None
        spec = self.peer.spec
        values: HostArray = self._norms.cpu().numpy().reshape(spec.depth, spec.time_steps)
        return values

    def _measure(self, gradients: list[Tensor]) -> None:
        """Take the norms of every dL/dh; they are on the host when this returns."""
        torch, size = self.peer.torch, math.sqrt(gradients[0].numel())
        self._norms = (torch.stack(torch._foreach_norm(gradients)) / size).log10().cpu()


class Loop(Way):
    """Autograd with dL/dh kept."""

    def __init__(self, peer: PyTorch, *, tuned: bool = False) -> None:
        super().__init__(peer)
        self._tuned = tuned

    def __call__(self) -> None:
        kept: list[Tensor] = []

        def keep(h: Tensor) -> Tensor:
            h.retain_grad()
            kept.append(h)
            return h

        self.peer.forget()
        self.peer.loss(keep, self._tuned).backward()
        self._measure([h.grad for h in kept])


class Compiled(Way):
    """The tuned loop under torch.compile; compiled at once.

    Raises whatever torch.compile does, and TimeoutError after COMPILE_SECONDS.
    """

    def __init__(self, peer: PyTorch) -> None:
        super().__init__(peer)
        spec = peer.spec
        shape = peer.x.shape[1:-1] if spec.time_steps > 1 else peer.x.shape[1:]
        shape = (spec.batch_size, spec.hidden_size, *shape[2:])
        places = spec.depth * spec.time_steps
        options = {"dtype": peer.x.dtype, "device": peer.device, "requires_grad": True}
        self._zeros = [peer.torch.zeros(shape, **options) for _ in range(places)]
        self._loss = peer.torch.compile(self._forward)
        with _time_limit(COMPILE_SECONDS):
            self()

    def _forward(self, zeros: list[Tensor]) -> Tensor:
        left = iter(zeros)
        return self.peer.loss(lambda h: h + next(left), True)

    def __call__(self) -> None:
        self.peer.forget()
        for zero in self._zeros:
            zero.grad = None
        self._loss(self._zeros).backward()
        self._measure([zero.grad for zero in self._zeros])


class Module(Way):
    """torch.nn's own: no gradient of any h."""

    def __init__(self, peer: PyTorch) -> None:
        super().__init__(peer)
        spec, torch = peer.spec, peer.torch
        options = {"nonlinearity": spec.activation} if spec.kind == "rnn" else {}
        module = getattr(torch.nn, _MODULES[spec.kind])
        inputs, width = spec.input_shape[0], spec.hidden_size
        self._module = module(inputs, width, dtype=peer.x.dtype, **options).to(peer.device)
        with torch.no_grad():
            self._module.weight_ih_l0.copy_(peer.leaves["layer1.W"].T)
            self._module.weight_hh_l0.copy_(peer.leaves["layer1.U"].T)
            self._module.bias_ih_l0.copy_(peer.leaves["layer1.b"])
            self._module.bias_hh_l0.zero_()
            if "layer1.c" in peer.leaves:
                self._module.bias_hh_l0[-width:] = peer.leaves["layer1.c"]

    def __call__(self) -> None:
        self.peer.forget()
        self._module.zero_grad(set_to_none=True)
        states, _ = self._module(self.peer.x)
        self.peer.loss_of(states[-1]).backward()
        self.peer.wait()

    @property
    def gradients(self) -> dict[str, HostArray]:
        theirs = {"layer1.W": self._module.weight_ih_l0, "layer1.U": self._module.weight_hh_l0}
        return {name: leaf.grad.T.cpu().numpy() for name, leaf in theirs.items()}


def _engine_layout(gradient: Tensor) -> HostArray:
    values: HostArray = gradient.cpu().numpy()
    return values.transpose(2, 3, 1, 0) if values.ndim == 4 else values


@contextmanager
def _time_limit(seconds: int) -> Iterator[None]:
    """Raise TimeoutError in the main thread after so many seconds."""

    def stop(number: int, frame: FrameType | None) -> NoReturn:
        raise TimeoutError(f"not compiled within {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
