"""A device without a device: NumPy's arrays, that may not meet the host's but where CuPy's may."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np

from engine.backend import NumPyBackend
from engine.cuda.compiler import Compiler


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


class DeviceBackend(NumPyBackend):
    """Computes on `DeviceArray`s, with kernels if there is something to compile them with."""

    def __init__(self, dtype: str, compiler: Compiler | None = None) -> None:
        super().__init__(dtype)
        self.xp: Any = DeviceModule()
        self.compiler = compiler
        self.wide_squares = self.dtype.itemsize < 8

    def to_host(self, array):
        assert isinstance(array, DeviceArray)
        return plain(array).copy()

    def sum_squares(self, blocks):
        assert isinstance(blocks, DeviceArray)
        wide = plain(blocks).astype(np.float64)
        return np.vecdot(wide, wide)

    def sum_all_squares(self, array):
        assert isinstance(array, DeviceArray)
        wide = plain(array).astype(np.float64)
        return float(np.vdot(wide, wide))

    def put_share(self, mask, out):
        assert isinstance(mask, DeviceArray)
        out[...] = plain(mask).reshape(*out.shape, -1).mean(axis=-1)


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
