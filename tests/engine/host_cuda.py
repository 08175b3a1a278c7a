"""Kernels for a GPU, compiled for this machine's processor: the same sources, thread by thread."""

from __future__ import annotations

import ctypes
import hashlib
import re
import shutil
import subprocess
import tempfile
from collections import Counter
from functools import cache, partial
from pathlib import Path

import numpy as np
import pytest

from engine.cuda.compiler import Compiler

#: Threads of a block take turns at each barrier, upwards and downwards in turn, so that results
#: change where a barrier is missing. Blocks come one after another.
GRID = r"""
#include <cmath>
#include <cstdlib>
#include <ucontext.h>
#include <utility>
#include <vector>
using namespace std;
#define __global__
#define __device__
#define __restrict__ __restrict
#define __launch_bounds__(most)
#define ROOM
struct Triple { unsigned x, y, z; };
static Triple blockIdx, blockDim, threadIdx;
static unsigned char room[1 << 16] __attribute__((aligned(16)));
static ucontext_t grid;
static vector<ucontext_t> threads;
static vector<char> done;
static unsigned current;
static void (*body)(void **);
static void **given;
static void __threadfence() {}
static unsigned atomicInc(unsigned *at, unsigned most) {
    const unsigned was = *at;
    *at = was >= most ? 0 : was + 1;
    return was;
}
static void __syncthreads() { swapcontext(&threads[current], &grid); }
static void thread() { body(given); done[current] = 1; }
template <class... A, size_t... I>
static void call(void (*kernel)(A...), void **arguments, index_sequence<I...>) {
    kernel(*(A *)arguments[I]...);
}
template <class... A> static void call(void (*kernel)(A...), void **arguments) {
    call(kernel, arguments, index_sequence_for<A...>());
}
static int launch(unsigned blocks, unsigned x, unsigned y, void **arguments) {
    const unsigned count = x * y, stack = 1 << 16;
    vector<char> stacks(size_t(count) * stack);
    given = arguments;
    blockDim = {x, y, 1};
    for (unsigned block = 0; block < blocks; ++block) {
        blockIdx = {block, 0, 0};
        threads.assign(count, ucontext_t());
        done.assign(count, 0);
        for (unsigned i = 0; i < count; ++i) {
            getcontext(&threads[i]);
            threads[i].uc_stack.ss_sp = stacks.data() + size_t(i) * stack;
            threads[i].uc_stack.ss_size = stack;
            threads[i].uc_link = &grid;
            makecontext(&threads[i], thread, 0);
        }
        bool upwards = false;
        for (unsigned ended = 0; ended < count; upwards = !upwards) {
            for (unsigned i = 0; i < count; ++i) {
                current = upwards ? i : count - 1 - i;
                threadIdx = {current % x, current / x, 0};
                swapcontext(&grid, &threads[current]);
            }
            ended = 0;
            for (char one : done) ended += one;
            if (ended && ended < count) return 1;
        }
    }
    return 0;
}
"""

STUB = """
extern "C" int launch_{0}(unsigned blocks, unsigned x, unsigned y, void **arguments) {{
    body = [](void **given) {{ call({0}, given); }};
    return launch(blocks, x, y, arguments);
}}
"""

LOOP = """
#include <cmath>
using namespace std;
#define __device__
{preamble}
template <class T> void run(long long n, void **at) {{
    for (long long i = 0; i < n; ++i) {{
        {declared}
        {operation};
    }}
}}
extern "C" void run4(long long size, void **at) {{ run<float>(size, at); }}
extern "C" void run8(long long size, void **at) {{ run<double>(size, at); }}
"""


@cache
def folder():
    return tempfile.TemporaryDirectory(prefix="nablascope-kernels-")


@cache
def library(source):
    """A C++ source as a shared library."""
    name = Path(folder().name, hashlib.sha256(source.encode()).hexdigest()[:16])
    name.with_suffix(".cpp").write_text(source, encoding="utf-8")
    command = ["g++", "-std=c++17", "-O1", "-w", "-shared", "-fPIC", "-o", name.with_suffix(".so")]
    done = subprocess.run([*command, name.with_suffix(".cpp")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return ctypes.CDLL(str(name.with_suffix(".so")))


class HostCompiler(Compiler):
    """Kernels that run on `tests.engine.device.DeviceArray`s."""

    def __eq__(self, other):
        return isinstance(other, HostCompiler)

    def __hash__(self):
        return 1

    def elementwise(self, inputs, outputs, operation, name, preamble):
        read, written = (words.split(",") for words in (inputs, outputs))
        lines = [
            f"{kind} {name} = (({kind} *)at[{i}])[i];"
            for i, (kind, name) in enumerate(map(str.split, read))
        ]
        lines += [
            f"{kind} &{name} = (({kind} *)at[{len(read) + i}])[i];"
            for i, (kind, name) in enumerate(map(str.split, written))
        ]
        text = LOOP.format(preamble=preamble, declared=" ".join(lines), operation=operation)

        def run(*arrays):
            assert len(arrays) == len(read) + len(written)
            plain = [array.view(np.ndarray) for array in arrays]
            targets = plain[len(read) :]
            (shape,) = {array.shape for array in plain}
            copies = [np.array(array, order="C") for array in plain]
            (width,) = {array.itemsize for array in plain[: len(read)]}
            assert [array.dtype == bool for array in targets] == ["bool" in one for one in written]
            at = (ctypes.c_void_p * len(copies))(*(copy.ctypes.data for copy in copies))
            getattr(library(text), f"run{width}")(ctypes.c_longlong(int(np.prod(shape))), at)
            for target, copy in zip(targets, copies[len(read) :], strict=True):
                target[...] = copy

        return run

    def kernels(self, source):
        names = re.findall(
            r'extern "C" __global__ void (?:__launch_bounds__\(\d+\) )?(\w+)', source
        )
        text = "\n".join([GRID, source, *map(STUB.format, names)])

        def kernel(name):
            def run(grid, block, arguments, *, shared_mem=0):
                assert shared_mem <= 48 * 1024
                assert block[0] * block[1] <= 1024
                values = [passed(value) for value in arguments]
                places = (value.ctypes.data for value in values)
                at = (ctypes.c_void_p * len(values))(*places)
                stuck = getattr(library(text), f"launch_{name}")(*grid, *block, at)
                assert not stuck, "threads of a block parted at a barrier"

            return run

        def passed(value):
            """What a kernel is given: what is on the host as it is, else an address."""
            if isinstance(value, np.int64):
                return np.array(value)
            if type(value) is np.ndarray:
                assert value.size == 1
                return value
            return np.array(0 if value is None else value.ctypes.data, dtype=np.uint64)

        return kernel

    def recorded(self, work):
        return work

    def address(self, array):
        return array.ctypes.data


class CountingCompiler(HostCompiler):
    """Counts launches by the kernel's name."""

    def __init__(self):
        self.launches = Counter()

    def __eq__(self, other):
        return self is other

    def __hash__(self):
        return id(self)

    def elementwise(self, inputs, outputs, operation, name, preamble):
        found = super().elementwise(inputs, outputs, operation, name, preamble)
        return partial(self._launch, name, found)

    def kernels(self, source):
        found = super().kernels(source)
        return lambda name: partial(self._launch, name, found(name))

    def _launch(self, name, kernel, *arguments, **options):
        self.launches[name] += 1
        kernel(*arguments, **options)


@pytest.fixture
def host_compiler():
    """Skips where there is no C++ compiler."""
    if shutil.which("g++") is None:
        pytest.skip("no g++ to compile the kernels with")
    return HostCompiler()
