"""The engine at a workload, and what every rival at it offers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from engine.arrays import HostArray
    from engine.network import Fields
    from engine.spec import NetworkSpec
    from scenarios.bench.workloads import Workload


class Rival(Protocol):
    """Something that does a workload's whole work whenever it is called.

    Attributes:
        gradients: dL/d(parameter) of the last call on the host, by the engine's names and in its
            layout; of the weights alone where there are no others.
        log10_grad_h: the norms of the last call, (layers, time steps); None where it has none.
    """

    @property
    def gradients(self) -> Mapping[str, HostArray]: ...

    @property
    def log10_grad_h(self) -> HostArray | None: ...

    def __call__(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Problem:
    """What all rivals at a workload are given: arrays on the host, without a stack axis.

    Attributes:
        parameters: by the engine's names.
        x: (T, B, *input_shape).
        target: (B, outputs).
    """

    spec: NetworkSpec
    parameters: Mapping[str, HostArray]
    x: HostArray
    target: HostArray


#: Makes one more rival of a problem; None where it has no part in it. A process has to find it by
#: its module and name.
ExtraRival: TypeAlias = "Callable[[Problem], Rival | None]"


def data(workload: Workload) -> tuple[HostArray, HostArray]:
    """Input and target, N(0, 1), the same in every process."""
    import numpy as np

    spec = workload.spec
    draw = np.random.default_rng(0)
    x = draw.standard_normal((spec.time_steps, spec.batch_size, *spec.input_shape))
    target = draw.standard_normal((spec.batch_size, spec.output_size))
    return x.astype(spec.dtype), target.astype(spec.dtype)


class Engine:
    """Ours: as a sweep runs it, or with all the statistics a frame shows.

    Raises DeviceError, and MemoryShortage before anything is allocated.
    """

    def __init__(
        self, workload: Workload, device: str, given: tuple[HostArray, HostArray] | None = None
    ) -> None:
        """`given` are its input and target, by default those of `data`."""
        from engine.backend import open_backend
        from engine.network import Network
        from scenarios.blas import share_cores

        self.backend = open_backend(device, workload.spec.dtype)
        self.network = Network(workload.spec, [workload.init], self.backend)
        x, target = data(workload) if given is None else given
        host = {
            name: self.backend.to_host(array)[0] for name, array in self.network.parameters.items()
        }
        self.problem = Problem(workload.spec, host, x, target)
        self._x = self.backend.asarray(x)[None]
        self._target = self.backend.asarray(target)[None]
        self._fields: Fields | None = None
        # On as many threads as a run would take.
        self._share_cores = share_cores(self.network)
        self._wait = synchroniser(self.backend)

    def __call__(self) -> None:
        """All gradients and norms, and no statistics."""
        with self._share_cores():
            self._fields = self.network.evaluate(self._x, self._target, statistics=False)
        self._wait()

    def frame(self) -> None:
        """All that a frame shows."""
        with self._share_cores():
            self._fields = self.network.evaluate(self._x, self._target)
        self._wait()

    @property
    def gradients(self) -> Mapping[str, HostArray]:
        return {name: self.network.gradient(name)[0] for name in self.network.parameters}

    @property
    def log10_grad_h(self) -> HostArray:
        assert self._fields is not None
        norms: HostArray = self._fields.log10_grad_h[0]
        return norms


def synchroniser(backend: Any) -> Callable[[], None]:
    """Waits for what the device has been asked to do; on a CPU there is nothing to wait for."""
    if backend.description["backend"] == "numpy":
        return lambda: None
    wait: Callable[[], None] = backend.xp.cuda.get_current_stream().synchronize
    return wait
