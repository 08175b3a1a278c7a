"""The engine beside plain NumPy and PyTorch on the same work, in one process: `make bench`.

Work: one forward pass, the loss, the full backward pass with every parameter gradient, and log10
norms of dL/dh for every layer and time step. `engine` is timed as a sweep runs it, without
statistics: like the prototype it also measures dL/da, beyond it the RMS of every h, and it carries
exponents. `frame` is the engine at all that a frame shows: zeros, saturation and the sizes of
parameter gradients as well. Each workload has a process of its own, in which its rivals take turns,
and a share of the memory: an indexed loop's gradients of 16 MB a step now and then break up the
heap until W4 takes 20 GB. A run that needs more than the share is given up, and counted.

Rivals. `proto`: DESIGN section 7's prototypes, written out in prototypes.py; at least as fast means
a ratio of at least 1. `loop`: PyTorch that keeps dL/dh of every layer and step; a recurrent one
hoists the input projection and indexes it step by step, as loops are usually written, and pays for
that with O(T^2) bytes in the backward pass of the indexing. `tuned`: the same loop over `unbind`,
with addmm and addcmul, the best we could write. `nn`: torch.nn's fused module where there is one,
which yields weight gradients alone. Before anything is timed all gradients and norms are compared
in float64, by the same code: in float32 a deep ReLU net takes other branches after other roundings.
Medians are reported. Floors are DESIGN section 7's, PyTorch's time / a
prototype's on another day and with other PyTorch loops: `proto` is the one to judge by.
"""

from __future__ import annotations

import argparse
import datetime
import gc
import math
import multiprocessing
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
import psutil
import torch
import torch.nn.functional as F
from threadpoolctl import threadpool_info, threadpool_limits

from engine.backend import cpu_name, open_backend
from engine.network import Network
from engine.spec import InitSpec, NetworkSpec
from tests.benchmarks.prototypes import PROTOTYPES

#: Time steps over which gradients are compared before a workload is timed at its full length.
CHECKED_STEPS = 200

#: Gradients further apart than this, in float64, are not the same work.
AGREEMENT = 1e-9

#: Bytes a workload's process may take, and its share of what is free if that is less.
MEMORY, SHARE = 8e9, 0.5

#: torch.nn's fused modules; IndRNN has none.
MODULES = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}

#: Seconds a rival runs untimed at the start of its turn, and about as many timed.
TURN = 0.02


@dataclass(frozen=True)
class Workload:
    """One line of the table; floors by (rival, threads)."""

    title: str
    spec: NetworkSpec
    init: InitSpec
    floors: dict[tuple[str, int], float] = field(default_factory=dict)


WORKLOADS = {
    "W1": Workload(
        "MLP tanh, depth 100, width 256, batch 64",
        NetworkSpec("mlp", "tanh", 100, 256, 64, (256,)),
        InitSpec(weight_scale=1.1),
        {("loop", 2): 2.1, ("loop", 1): 1.4},
    ),
    "W2": Workload(
        "CNN relu, 30 layers, 32 channels, 16x16, batch 32",
        NetworkSpec("cnn", "relu", 30, 32, 32, (16, 16, 32)),
        InitSpec(weight_scale=math.sqrt(2.0)),
        {("loop", 2): 0.75, ("loop", 1): 0.39},
    ),
    "W3": Workload(
        "RNN tanh, T=500, H=128, batch 32",
        NetworkSpec("rnn", "tanh", 1, 128, 32, (128,), time_steps=500),
        InitSpec(weight_scale=0.3, recurrent_scale=1.1),
        {("loop", 2): 6.5, ("loop", 1): 11.0, ("nn", 2): 3.7, ("nn", 1): 2.0},
    ),
    "W4": Workload(
        "IndRNN relu, 2 layers, T=1000, H=128, batch 32",
        NetworkSpec("indrnn", "relu", 2, 128, 32, (128,), time_steps=1000),
        InitSpec(scheme="recurrent_range"),
        {("loop", 2): 25.0, ("loop", 1): 31.0},
    ),
    "W5": Workload(
        "LSTM, T=300, H=128, batch 32",
        NetworkSpec("lstm", "tanh", 1, 128, 32, (128,), time_steps=300),
        InitSpec(),
        {("loop", 2): 1.5, ("loop", 1): 1.5, ("nn", 2): 2.1, ("nn", 1): 0.75},
    ),
    "W6": Workload(
        "GRU, T=300, H=128, batch 32",
        NetworkSpec("gru", "tanh", 1, 128, 32, (128,), time_steps=300),
        InitSpec(),
    ),
    "W7": Workload(
        "RNN relu, T=100, H=64, batch 16",
        NetworkSpec("rnn", "relu", 1, 64, 16, (64,), time_steps=100),
        InitSpec(weight_scale=0.5, recurrent_scale=math.sqrt(2.0)),
        {("loop", 2): 9.9, ("loop", 1): 4.2, ("nn", 2): 3.7, ("nn", 1): 3.0},
    ),
    "W8": Workload(
        "CNN relu, 100 layers, 64 channels, 32x32, batch 16",
        NetworkSpec("cnn", "relu", 100, 64, 16, (32, 32, 64)),
        InitSpec(weight_scale=math.sqrt(2.0)),
    ),
}


class Contest:
    """One workload's data, and each rival as a function that does the whole work once."""

    def __init__(self, workload: Workload, dtype: str) -> None:
        self.spec = spec = replace(workload.spec, dtype=dtype)
        self.network = Network(spec, [workload.init], open_backend("cpu", spec.dtype))
        rng = np.random.default_rng(0)
        shape = (1, spec.time_steps, spec.batch_size, *spec.input_shape)
        self.x = rng.standard_normal(shape).astype(spec.dtype)
        self.target = rng.standard_normal((1, spec.batch_size, 1)).astype(spec.dtype)
        self.leaves = {
            name: torch.tensor(value[0]).requires_grad_()
            for name, value in self.network.parameters.items()
        }
        self.torch_x = torch.tensor(self.x[0])
        self.torch_target = torch.tensor(self.target[0])
        parameters = {name: value[0] for name, value in self.network.parameters.items()}
        self.prototype = None
        if spec.kind in PROTOTYPES:
            self.prototype = PROTOTYPES[spec.kind](spec, parameters, self.x[0], self.target[0])
        self.rivals: dict[str, Callable[[], object]] = {
            "engine": lambda: self.network.evaluate(self.x, self.target, statistics=False),
            "frame": lambda: self.network.evaluate(self.x, self.target),
            "loop": {"mlp": self._mlp, "cnn": self._cnn}.get(spec.kind, self._indexed_loop),
        }
        if self.prototype is not None:
            self.rivals["proto"] = self.prototype
        if spec.time_steps > 1:
            self.rivals["tuned"] = self._tuned_loop
        if spec.kind == "cnn":
            # As PyTorch likes it: images NCHW, kernels (out, in, k, k).
            self.torch_x = self.torch_x.permute(0, 1, 4, 2, 3).contiguous()
            for name, leaf in self.leaves.items():
                if leaf.ndim == 4:
                    kernel = leaf.detach().permute(3, 2, 0, 1).contiguous()
                    self.leaves[name] = kernel.requires_grad_()
        if spec.kind in MODULES:
            self._build_module()
            self.rivals["nn"] = self._module_step
        self.norms: torch.Tensor | None = None

    def check(self) -> dict[str, float]:
        """The largest relative difference of any parameter gradient, and of any norm."""
        fields = self.network.evaluate(self.x, self.target)
        worst: dict[str, float] = {}
        if self.prototype is not None:
            self.prototype()
            gradients = self.prototype.gradients.items()
            worst["proto"] = max(self._difference(name, value) for name, value in gradients)
            worst["proto norms"] = max(
                float(np.abs(self.prototype.log10_grad_h - fields.log10_grad_h[0]).max()),
                float(np.abs(self.prototype.log10_grad_a - fields.log10_grad_a[0]).max()),
            )
        for rival in ("loop", "tuned"):
            if rival not in self.rivals:
                continue
            self.rivals[rival]()
            theirs = {name: self._engine_layout(leaf.grad) for name, leaf in self.leaves.items()}
            worst[rival] = max(self._difference(name, value) for name, value in theirs.items())
            norms = self.norms.numpy().reshape(fields.log10_grad_h[0].shape)
            worst[f"{rival} norms"] = float(np.abs(norms - fields.log10_grad_h[0]).max())
        if "nn" in self.rivals:
            self.rivals["nn"]()
            theirs = {"layer1.W": self.module.weight_ih_l0, "layer1.U": self.module.weight_hh_l0}
            worst["nn"] = max(self._difference(n, p.grad.numpy().T) for n, p in theirs.items())
        return worst

    @staticmethod
    def _engine_layout(gradient: torch.Tensor) -> np.ndarray:
        values = gradient.numpy()
        return values.transpose(2, 3, 1, 0) if values.ndim == 4 else values

    def _difference(self, name: str, theirs: np.ndarray) -> float:
        ours = self.network.gradient(name)[0].astype(np.float64)
        return float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs))

    def _finish(self, features: torch.Tensor, kept: list[torch.Tensor]) -> None:
        for leaf in self.leaves.values():
            leaf.grad = None
        y = torch.addmm(self.leaves["readout.b"], features, self.leaves["readout.W"])
        F.mse_loss(y, self.torch_target).backward()
        size = math.sqrt(kept[0].numel())
        norms = torch.stack(torch._foreach_norm([h.grad for h in kept]))
        self.norms = (norms / size).log10()

    def _mlp(self) -> None:
        h, kept = self.torch_x[0], []
        for layer in range(1, self.spec.depth + 1):
            weight, bias = self.leaves[f"layer{layer}.W"], self.leaves[f"layer{layer}.b"]
            h = torch.tanh(torch.addmm(bias, h, weight))
            h.retain_grad()
            kept.append(h)
        self._finish(h, kept)

    def _cnn(self) -> None:
        h, kept = self.torch_x[0], []
        for layer in range(1, self.spec.depth + 1):
            weight, bias = self.leaves[f"layer{layer}.W"], self.leaves[f"layer{layer}.b"]
            h = torch.relu(F.conv2d(h, weight, bias, padding="same"))
            h.retain_grad()
            kept.append(h)
        self._finish(h.mean(dim=(2, 3)), kept)

    def _indexed_loop(self) -> None:
        def recur(a: torch.Tensor, h: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
            return a + (h @ weight if weight.ndim == 2 else weight * h)

        self._through_time(lambda a: a, recur)

    def _tuned_loop(self) -> None:
        def recur(a: torch.Tensor, h: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
            return (torch.addmm if weight.ndim == 2 else torch.addcmul)(a, h, weight)

        self._through_time(lambda a: a.unbind(0), recur)

    def _through_time(self, split: Callable, recur: Callable) -> None:
        below, kept = self.torch_x, []
        for layer in range(1, self.spec.depth + 1):
            own = {
                name.partition(".")[2]: leaf
                for name, leaf in self.leaves.items()
                if name.startswith(f"layer{layer}.")
            }
            if "c" in own:
                # The second bias of n alone, as wide as U.
                own["c"] = F.pad(own["c"], (2 * self.spec.hidden_size, 0))
            projected = torch.addmm(own["b"], below.reshape(-1, below.shape[-1]), own["W"])
            a = split(projected.view(*below.shape[:2], -1))
            states: list[torch.Tensor] = []
            before = None
            for t in range(self.spec.time_steps):
                before = self._cell(own, a[t], before, recur)
                before[0].retain_grad()
                states.append(before[0])
            kept.extend(states)
            below = torch.stack(states) if layer < self.spec.depth else below
        self._finish(kept[-1], kept)

    def _cell(
        self,
        own: dict[str, torch.Tensor],
        a: torch.Tensor,
        before: tuple[torch.Tensor, ...] | None,
        recur: Callable,
    ) -> tuple[torch.Tensor, ...]:
        """One time step: h, and c where there is one."""
        if self.spec.kind in ("rnn", "indrnn"):
            phi = torch.tanh if self.spec.activation == "tanh" else torch.relu
            weight = own["U" if self.spec.kind == "rnn" else "u"]
            return (phi(a if before is None else recur(a, before[0], weight)),)
        if before is None:
            before = (a.new_zeros(len(a), self.spec.hidden_size),) * 2
        if self.spec.kind == "lstm":
            i, f, g, o = recur(a, before[0], own["U"]).chunk(4, dim=-1)
            c = torch.sigmoid(f) * before[1] + torch.sigmoid(i) * torch.tanh(g)
            return torch.sigmoid(o) * torch.tanh(c), c
        h, gates = before[0], 2 * self.spec.hidden_size
        recalled = recur(own["c"], h, own["U"])
        r, z = torch.sigmoid(a[:, :gates] + recalled[:, :gates]).chunk(2, dim=-1)
        n = torch.tanh(a[:, gates:] + r * recalled[:, gates:])
        return ((1.0 - z) * n + z * h,)

    def _build_module(self) -> None:
        inputs, width = self.spec.input_shape[0], self.spec.hidden_size
        dtype = self.torch_x.dtype
        options = {"nonlinearity": self.spec.activation} if self.spec.kind == "rnn" else {}
        self.module = MODULES[self.spec.kind](inputs, width, dtype=dtype, **options)
        self.readout = torch.nn.Linear(width, 1, dtype=dtype)
        with torch.no_grad():
            self.module.weight_ih_l0.copy_(self.leaves["layer1.W"].T)
            self.module.weight_hh_l0.copy_(self.leaves["layer1.U"].T)
            self.module.bias_ih_l0.copy_(self.leaves["layer1.b"])
            self.module.bias_hh_l0.zero_()
            if "layer1.c" in self.leaves:
                self.module.bias_hh_l0[-width:] = self.leaves["layer1.c"]
            self.readout.weight.copy_(self.leaves["readout.W"].T)
            self.readout.bias.zero_()

    def _module_step(self) -> None:
        self.module.zero_grad(set_to_none=True)
        self.readout.zero_grad(set_to_none=True)
        states, _ = self.module(self.torch_x)
        F.mse_loss(self.readout(states[-1]), self.torch_target).backward()


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Both libraries on `count` threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    with threadpool_limits(limits=count):
        yield
    torch.set_num_threads(before)


def repeat(action: Callable[[], object]) -> list[float]:
    """Seconds of each run, as many as fit in a turn and at least one."""
    taken: list[float] = []
    while sum(taken) < TURN:
        before = time.perf_counter()
        action()
        taken.append(time.perf_counter() - before)
    return taken


def race(
    rivals: dict[str, Callable[[], object]], seconds: float
) -> tuple[dict[str, float], dict[str, int]]:
    """Median seconds of each rival, taking turns for about `seconds` in all; and runs given up.

    A turn starts untimed: the rival before left its data in the caches and, if it was PyTorch on
    two threads, one of them spinning on the core that the next would use.
    """
    times: dict[str, list[float]] = {name: [] for name in rivals}
    given_up: dict[str, int] = {}
    gc.collect()
    gc.disable()
    start = time.perf_counter()
    while time.perf_counter() - start < seconds or len(times["engine"]) < 5:
        for name, action in rivals.items():
            try:
                repeat(action)
                times[name] += repeat(action)
            except RuntimeError as error:
                # PyTorch has no exception of its own for this.
                if "allocate memory" not in str(error):
                    raise
                given_up[name] = given_up.get(name, 0) + 1
    gc.enable()
    return {name: statistics.median(taken) for name, taken in times.items() if taken}, given_up


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="The engine beside its rivals.")
    parser.add_argument("--only", default=",".join(WORKLOADS), help="e.g. W1,W3")
    parser.add_argument("--threads", default="1,2", help="thread counts, e.g. 1,2")
    parser.add_argument("--seconds", type=float, default=6.0, help="per workload and thread count")
    options = parser.parse_args()
    print(
        f"{cpu_name()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; "
        f"NumPy {np.__version__} ({blas()}), PyTorch {torch.__version__}; {datetime.date.today()}"
    )
    print(
        "Times are medians in ms; ratios are a rival's time / the engine's, beside their floors.\n"
    )
    print(
        f"{'':4}{'work':52}{'thr':>4}{'engine':>9}"
        f"{'frame':>9}{'ratio':>7}{'proto':>9}{'ratio':>7}"
        f"{'loop':>9}{'ratio':>7}{'floor':>7}"
        f"{'tuned':>9}{'ratio':>7}{'nn':>9}{'ratio':>7}{'floor':>7}"
    )
    spawn = multiprocessing.get_context("spawn")
    for name in options.only.split(","):
        arguments = (name, [int(count) for count in options.threads.split(",")], options.seconds)
        process = spawn.Process(target=report, args=arguments)
        process.start()
        process.join()
        if process.exitcode:
            raise SystemExit(f"{name}: the process ended with {process.exitcode}")


def blas() -> str:
    """NumPy's BLAS and the kernels it chose: half of every time here is theirs."""
    numpy_part = f"{os.sep}numpy"
    for library in threadpool_info():
        if library["user_api"] == "blas" and numpy_part in library["filepath"]:
            kernels = library.get("architecture", "unknown")
            return f"{library['internal_api']} {library['version']}, {kernels} kernels"
    return "unknown BLAS"


def report(name: str, thread_counts: list[int], seconds: float) -> None:
    """Check one workload's rivals against each other, then print a line for each thread count."""
    limit = int(min(MEMORY, SHARE * psutil.virtual_memory().available))
    resource.setrlimit(resource.RLIMIT_DATA, (limit, resource.getrlimit(resource.RLIMIT_DATA)[1]))
    workload = WORKLOADS[name]
    # The indexed loop's backward pass may take gigabytes; fewer steps show the same agreement.
    short = replace(workload.spec, time_steps=min(workload.spec.time_steps, CHECKED_STEPS))
    worst = Contest(replace(workload, spec=short), "float64").check()
    gc.collect()
    agreed = ", ".join(f"{what} {value:.0e}" for what, value in worst.items())
    if not all(value <= AGREEMENT for value in worst.values()):
        raise SystemExit(f"{name}: gradients differ, nothing timed: {agreed}")
    contest = Contest(workload, "float32")
    for count in thread_counts:
        with threads(count):
            median, given_up = race(contest.rivals, seconds)
        line = f"{name:4}{workload.title:52}{count:4}{1e3 * median['engine']:9.2f}"
        for rival in ("frame", "proto", "loop", "tuned", "nn"):
            if rival not in median:
                line += " " * {"proto": 16, "loop": 23, "tuned": 16}.get(rival, 0)
                continue
            line += f"{1e3 * median[rival]:9.2f}{median[rival] / median['engine']:7.2f}"
            if rival in ("loop", "nn"):
                line += f"{workload.floors.get((rival, count), math.nan):7.2f}"
        for rival, runs in given_up.items():
            line += f"  ({rival}: {runs} turns given up for memory)"
        print(line, flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak *= 1 if sys.platform == "darwin" else 1024
    print(
        f"    gradients differ by at most (float64): {agreed}; memory peak {peak / 1e9:.1f} GB",
        flush=True,
    )


if __name__ == "__main__":
    main()
