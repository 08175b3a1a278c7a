"""A fused CUDA IndRNN in PyTorch, as its authors wrote theirs: kernels through CuPy.

After Li et al. 2018 (Sunnydreamrain/IndRNN_pytorch): a thread takes one unit of one sample through
all time steps, forward and back, and adds its share to the gradient of u. As from torch.nn there
are the parameters' gradients alone.
"""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from scenarios.bench.pytorch import Tensor, Way

if TYPE_CHECKING:
    from collections.abc import Callable

    from scenarios.bench.pytorch import PyTorch

_SOURCE = r"""
extern "C" __global__ void forward(
    const real *__restrict__ a, const real *__restrict__ u, int steps, int columns, int units,
    real *__restrict__ h) {
    int column = blockIdx.x * blockDim.x + threadIdx.x;
    if (column >= columns) return;
    real weight = u[column % units], state = 0;
    a += column;
    h += column;
    for (int t = 0; t < steps; ++t) {
        state = state * weight + *a;
        if (state < 0) state = 0;
        *h = state;
        a += columns;
        h += columns;
    }
}

extern "C" __global__ void backward(
    const real *__restrict__ h, const real *__restrict__ u, const real *__restrict__ grad_h,
    int steps, int columns, int units, real *__restrict__ grad_a, real *__restrict__ grad_u) {
    int column = blockIdx.x * blockDim.x + threadIdx.x;
    if (column >= columns) return;
    real weight = u[column % units], carried = 0, total = 0;
    size_t at = size_t(steps - 1) * columns + column;
    for (int t = steps - 1; t >= 0; --t) {
        real local = h[at] > 0 ? grad_h[at] + carried : real(0);
        grad_a[at] = local;
        carried = local * weight;
        if (t > 0) total += local * h[at - columns];
        at -= columns;
    }
    atomicAdd(grad_u + column % units, total);
}
"""
#: As many as theirs.
_THREADS = 512


class FusedIndRNN(Way):
    """ReLU alone, on a GPU; needs CuPy."""

    def __init__(self, peer: PyTorch) -> None:
        super().__init__(peer)
        real = "double" if peer.x.dtype == peer.torch.float64 else "float"
        source = f"typedef {real} real;\n{_SOURCE}"
        get: Callable[[str], Any] = import_module("cupy").RawModule(code=source).get_function
        launches = (partial(_launch, get(name)) for name in ("forward", "backward"))
        self._recurrence = _recurrence(peer.torch, *launches)

    def __call__(self) -> None:
        self.peer.forget()
        h = self.peer.x
        for own in self.peer.layers:
            rows = h.reshape(-1, h.shape[-1])
            a = self.peer.torch.addmm(own["b"], rows, own["W"]).view(*h.shape[:2], -1)
            h = self._recurrence(a, own["u"])
        self.peer.loss_of(h[-1]).backward()
        self.peer.wait()


def _recurrence(
    torch: Any, forward: Callable[..., None], backward: Callable[..., None]
) -> Callable[[Tensor, Tensor], Tensor]:
    """h, (T, B, H), of x W + b, shaped like it, and u, (H,)."""

    def run(ctx: Any, a: Tensor, u: Tensor) -> Tensor:
        h = torch.empty_like(a)
        forward(a.shape, a, u, outs=(h,))
        ctx.save_for_backward(h, u)
        return h

    def run_back(ctx: Any, grad_h: Tensor) -> tuple[Tensor, Tensor]:
        h, u = ctx.saved_tensors
        grad_a, grad_u = torch.empty_like(h), torch.zeros_like(u)
        backward(h.shape, h, u, grad_h.contiguous(), outs=(grad_a, grad_u))
        return grad_a, grad_u

    methods = {"forward": staticmethod(run), "backward": staticmethod(run_back)}
    function: Any = type("Recurrence", (torch.autograd.Function,), methods)
    apply: Callable[[Tensor, Tensor], Tensor] = function.apply
    return apply


def _launch(kernel: Any, shape: tuple[int, int, int], *given: Tensor, outs: Any) -> None:
    """Both libraries work on the default stream, one after the other."""
    import numpy as np

    steps, batch, units = shape
    columns = batch * units
    pointers = [np.uint64(tensor.data_ptr()) for tensor in (*given, *outs)]
    sizes = [np.int32(size) for size in (steps, columns, units)]
    arguments = (*pointers[: len(given)], *sizes, *pointers[len(given) :])
    kernel((-(-columns // _THREADS),), (_THREADS,), arguments)
