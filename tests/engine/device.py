"""A device without a device: NumPy's arrays, that may not meet the host's but where CuPy's may.

It counts what comes back to the host, and how.
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np

from engine.backend import Backend, NumPyBackend
from engine.cuda.compiler import Compiler
from engine.measurements import Measurements
from engine.measuring import OnDevice

#: Copies to the host: those that were waited for at once, and those under way beside other work.
COPIES = Counter()


class DeviceArray(np.ndarray):
    """Refuses, as CuPy's arrays do, to be computed with or filled from an array on the host."""

    def __array_ufunc__(self, ufunc, method, *inputs, out=(), **options):
        refuse_host(ufunc.__name__, *inputs, *out, options.get("where"))
        if out:
            options["out"] = tuple(map(plain, out))
        result = getattr(ufunc, method)(*map(plain, inputs), **options)
        return out[0] if len(out) == 1 else on_device(result)

    def __setitem__(self, place, value):
        refuse_host("setitem", value, place)
        super().__setitem__(place, value)

    def __float__(self):
        return float(self.item())

    def __bool__(self):
        return bool(self.item())

    def item(self, *place):
        COPIES["waited"] += 1
        return plain(self).item(*place)

    def tolist(self):
        COPIES["waited"] += 1
        return plain(self).tolist()

    def dot(self, other, out=None):
        refuse_host("dot", other)
        if out is not None and not out.flags.c_contiguous:
            raise ValueError("CuPy's dot wants a contiguous out")
        return on_device(np.dot(plain(self), plain(other), out=plain(out)))


class DeviceModule:
    """NumPy's functions on such arrays."""

    __name__ = "numpy"
    ndarray = DeviceArray
    finfo = np.finfo

    @property
    def lib(self):
        strided = partial(np.lib.stride_tricks.as_strided, subok=True)
        return SimpleNamespace(stride_tricks=SimpleNamespace(as_strided=strided))

    def asarray(self, values, dtype=None):
        return on_device(np.array(values, dtype=dtype))

    def __getattr__(self, name):
        function = getattr(np, name)

        def call(*arguments, **options):
            refuse_host(name, *arguments, *options.values())
            options = {key: plain(value) for key, value in options.items()}
            result = function(*map(plain, arguments), **options)
            return on_device(result)

        return call


def count_copies(backend):
    """Count a real device's too, as far as they go through its backend."""
    if isinstance(backend, DeviceBackend):
        return

    def counted(function, name):
        def call(*arguments):
            COPIES[name] += 1
            return function(*arguments)

        return call

    backend.to_host = counted(backend.to_host, "waited")
    measurements = backend.measurements
    measurements.begin_copy = counted(measurements.begin_copy, "asynchronous")


class HostMeasurements(Measurements):
    """Sums taken as CuPy's kernel takes them; a copy holds nothing before it is waited for."""

    def put_squares(self, blocks, out):
        assert isinstance(blocks, DeviceArray)
        assert blocks.shape[:-1] == out.shape
        wide = plain(blocks).astype(np.float64)
        with np.errstate(all="ignore"):
            squares = wide * wide
            squares[(squares == 0.0) & (wide != 0.0)] = 5e-324
            squares[np.isinf(wide)] = np.nan
            out[...] = on_device(squares.sum(axis=-1))

    def slots(self, count):
        return on_device(np.full(count, np.nan))

    def room(self, count):
        return np.full(count, np.nan)

    def begin_copy(self, slots, room):
        COPIES["asynchronous"] += 1
        room.fill(np.nan)

        def wait():
            room[...] = plain(slots)

        return wait


class DeviceBackend(OnDevice, NumPyBackend):
    """Computes on `DeviceArray`s, with kernels if there is something to compile them with."""

    def __init__(self, dtype: str, compiler: Compiler | None = None) -> None:
        super().__init__(dtype)
        self.xp: Any = DeviceModule()
        self.compiler = compiler
        self.measurements = HostMeasurements(self)

    def to_host(self, array):
        assert isinstance(array, DeviceArray)
        COPIES["waited"] += 1
        return plain(array).copy()

    def squared_norms(self, rows):
        assert isinstance(rows, DeviceArray)
        return Backend.squared_norms(self, rows)


def refuse_host(name, *values):
    for value in values:
        if type(value) is np.ndarray:
            raise TypeError(f"{name} of an array on the host and one on the device")


def plain(value):
    return value.view(np.ndarray) if isinstance(value, DeviceArray) else value


def on_device(result):
    if isinstance(result, tuple):
        return tuple(map(on_device, result))
    return np.asarray(result).view(DeviceArray)
