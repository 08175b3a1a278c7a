"""Devices: what is missing, what is driverless and what is broken are told apart."""

from __future__ import annotations

import importlib.util
import json
import sys
from dataclasses import asdict

import numpy as np
import pytest

from engine.backend import NumPyBackend, open_backend
from engine.devices import probe_devices
from engine.errors import DeviceError, EngineError
from engine.spec import InitSpec
from tests.engine.device import DeviceBackend
from tests.engine.support import CONNECTED, KINDS, build, frame_of, problem, small_spec

DRIVERLESS = """
__version__ = "14.2.0"
class cuda:
    class runtime:
        @staticmethod
        def getDeviceCount():
            raise RuntimeError("cudaErrorInsufficientDriver: CUDA driver version is insufficient")
"""
NO_DEVICE = """
__version__ = "14.2.0"
class cuda:
    class runtime:
        @staticmethod
        def getDeviceCount():
            return 0
"""
OUT_OF_ORDER = """
__version__ = "14.2.0"
class cuda:
    class Device:
        def __init__(self, ordinal):
            pass
        def use(self):
            raise RuntimeError("cudaErrorDevicesUnavailable: all CUDA-capable devices are busy")
    class runtime:
        @staticmethod
        def getDeviceCount():
            return 2
        @staticmethod
        def getDeviceProperties(ordinal):
            return {"name": b"A GPU", "totalGlobalMem": 8 << 30}
"""
WORKING = """
__version__ = "14.2.0"
from numpy import asarray, copyto, dtype, empty, zeros
under_way, waited = [], []
def asnumpy(array, out=None, blocking=True):
    if not blocking:
        under_way.append(lambda: copyto(out, array))
        return out
    return asarray(array)
class RawModule:
    def __init__(self, code):
        pass
    def get_function(self, name):
        pass
class pool:
    limit = 0
    get_limit = staticmethod(lambda: pool.limit)
    used_bytes = staticmethod(lambda: 3000)
    free_bytes = staticmethod(lambda: 100)
    @staticmethod
    def set_limit(size):
        pool.limit = size
get_default_memory_pool = lambda: pool
class cuda:
    alloc_pinned_memory = bytearray
    class Event:
        def __init__(self, disable_timing):
            assert disable_timing
        def record(self):
            self.work = under_way[:]
        def synchronize(self):
            waited.append(self)
            for each in self.work:
                each()
    class Device:
        def __init__(self, ordinal):
            pass
        def use(self):
            pass
    class runtime:
        memGetInfo = staticmethod(lambda: (6000, 10000))
        getDeviceCount = staticmethod(lambda: 1)
        @staticmethod
        def getDeviceProperties(ordinal):
            return {"name": b"A GPU", "totalGlobalMem": 10000}
"""
BROKEN = 'raise ImportError("libnvrtc.so.12: cannot open shared object file\\nlong advice\\n")'

PLAIN = [pytest.param(kind, {}, id=kind) for kind in KINDS]

FAKES = {
    "driverless": (DRIVERLESS, "driver"),
    "no device": (NO_DEVICE, "no device"),
    "broken": (BROKEN, "libnvrtc.so.12"),
    "out of order": (OUT_OF_ORDER, "busy"),
}


@pytest.fixture
def fake_cupy(tmp_path, monkeypatch):
    """Put a CuPy of one's own writing in front of whatever is installed."""

    def install(source):
        package = tmp_path / "cupy"
        package.mkdir()
        (package / "__init__.py").write_text(source, encoding="utf-8")
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "cupy", raising=False)

    yield install
    sys.modules.pop("cupy", None)


@pytest.fixture
def no_cupy(monkeypatch):
    """As if CuPy were not installed."""
    # None in sys.modules makes both find_spec and import say so.
    monkeypatch.setitem(sys.modules, "cupy", None)


def refusal(device="cuda"):
    with pytest.raises(DeviceError) as caught:
        open_backend(device, "float32")
    assert isinstance(caught.value, EngineError)
    line = str(caught.value)
    assert "\n" not in line
    assert "--device cpu" in line
    return line


def test_missing(no_cupy):
    line = refusal()
    assert "not installed" in line
    assert "cuda12" in line


@pytest.mark.parametrize(("source", "words"), FAKES.values(), ids=FAKES)
def test_each_failure_says_what_it_is(fake_cupy, source, words):
    fake_cupy(source)
    line = refusal()
    assert words in line
    assert "not installed" not in line


def test_the_failures_read_differently(tmp_path, monkeypatch):
    lines = set()
    for name, (source, _) in FAKES.items():
        package = tmp_path / name.replace(" ", "_") / "cupy"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text(source, encoding="utf-8")
        with monkeypatch.context() as patch:
            patch.syspath_prepend(package.parent)
            patch.delitem(sys.modules, "cupy", raising=False)
            lines.add(refusal().split(":")[0])
            sys.modules.pop("cupy", None)
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "cupy", None)
        lines.add(refusal().split(":")[0])
    assert len(lines) == len(FAKES) + 1, lines


@pytest.mark.parametrize(("source", "words"), FAKES.values(), ids=FAKES)
def test_auto_falls_back_and_says_so(fake_cupy, source, words):
    fake_cupy(source)
    backend = open_backend("auto", "float32")
    assert isinstance(backend, NumPyBackend)
    assert backend.description["device"] == "cpu"
    note = backend.description["note"]
    assert words in note
    # The way on has been taken already.
    assert "--device" not in note
    json.dumps(backend.description)


def test_auto_without_cupy(no_cupy):
    backend = open_backend("auto", "float64")
    assert backend.description["device"] == "cpu"
    assert "not installed" in backend.description["note"]


def test_an_ordinal_that_is_not_there(fake_cupy):
    fake_cupy(OUT_OF_ORDER)
    line = refusal("cuda:7")
    assert "cuda:7" in line
    assert "2" in line


@pytest.mark.parametrize("device", ["gpu", "cuda:", "cuda:-1", "cuda:x", "cpu:0", ""])
def test_unknown_devices(device, no_cupy):
    with pytest.raises(DeviceError) as caught:
        open_backend(device, "float32")
    assert "\n" not in str(caught.value)


def test_cpu_neither_imports_nor_probes_cupy(fake_cupy):
    fake_cupy("raise SystemExit('CuPy was imported')")
    backend = open_backend("cpu", "float32")
    assert "cupy" not in sys.modules
    assert backend.description["note"] is None
    assert backend.description["backend"] == "numpy"
    assert backend.description["name"]


@pytest.mark.parametrize(("source", "words"), FAKES.values(), ids=FAKES)
def test_probing_never_raises(fake_cupy, source, words):
    fake_cupy(source)
    cpu, *others = probe_devices()
    assert (cpu.device, cpu.problem) == ("cpu", None)
    assert cpu.memory_bytes > 0
    assert others


def test_probing_without_cupy(no_cupy):
    devices = probe_devices()
    assert devices[0].device == "cpu"
    assert "not installed" in devices[1].problem


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_arrays_of_the_dtype(dtype):
    backend = open_backend("cpu", dtype)
    assert backend.empty((2, 3)).dtype == dtype
    assert not backend.zeros((2, 3)).any()
    assert backend.asarray([1, 2]).dtype == dtype
    assert backend.available_bytes() > 0


@pytest.mark.parametrize(
    ("said", "limit", "available"),
    [
        # Free, or waiting in the pool, up to the limit less what is in use.
        (None, 8000, 5000),
        ("0", None, 6100),
        ("50%", 5000, 2000),
        ("4000", 4000, 1000),
    ],
)
def test_a_gpu_is_not_swallowed(fake_cupy, monkeypatch, said, limit, available):
    monkeypatch.delenv("CUPY_GPU_MEMORY_LIMIT", raising=False)
    if said is not None:
        monkeypatch.setenv("CUPY_GPU_MEMORY_LIMIT", said)
    fake_cupy(WORKING)
    assert open_backend("cuda", "float32").available_bytes() == available
    assert probe_devices()[1].limit_bytes == limit


def test_numbers_come_in_one_copy_that_is_waited_for(fake_cupy, monkeypatch):
    def sums(squares, blocks, out):
        out[...] = (blocks * blocks).sum(axis=-1)

    monkeypatch.setattr("engine.cuda.squares.Squares.__call__", sums)
    fake_cupy(WORKING)
    backend = open_backend("cuda", "float32")
    cupy, plans, found = backend.xp, {}, np.empty((1, 2))
    for size in (8.0, 8.0, 16.0):
        array = np.full((1, 2, 3), size, dtype="f")
        measure = backend.measurements.put_log2_rms
        backend.during(plans, "pass", lambda: measure([(array, found)]))  # noqa: B023
        assert found.tolist() == [[np.log2(size)] * 2]
    assert len(cupy.under_way) == len(cupy.waited) == 2


@pytest.mark.parametrize("said", ["much", "-1", "50 percent", "inf%"])
def test_a_limit_that_is_none(fake_cupy, monkeypatch, said):
    monkeypatch.setenv("CUPY_GPU_MEMORY_LIMIT", said)
    fake_cupy(WORKING)
    assert f"CUPY_GPU_MEMORY_LIMIT = {said!r}" in refusal()
    assert "50%" in probe_devices()[1].problem


@pytest.mark.gpu
@pytest.mark.parametrize("cells", [1, 3])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("kind", "changes"), [*PLAIN, *CONNECTED])
def test_gpu_agrees_with_the_cpu(kind, changes, dtype, cells):
    compare_with_the_cpu(kind, changes, dtype, cells)


@pytest.mark.parametrize("cells", [1, 3])
@pytest.mark.parametrize(("kind", "changes"), [*PLAIN, *CONNECTED])
def test_host_and_device_are_kept_apart(monkeypatch, kind, changes, cells):
    def open_here(device, dtype):
        return DeviceBackend(dtype) if device == "cuda" else open_backend(device, dtype)

    monkeypatch.setattr("tests.engine.support.open_backend", open_here)
    compare_with_the_cpu(kind, changes, "float64", cells)


#: The last one's gradients leave the window and carry exponents.
INITS = [
    InitSpec(bias_scale=0.2, seed=1),
    InitSpec(recurrent_scale=2.0, seed=2),
    InitSpec(weight_scale=1e-6, recurrent_scale=1e-6, seed=3),
]


def compare_with_the_cpu(kind, changes, dtype, cells, inits=INITS):
    """Frames and gradients on the device cuda are those of the CPU, for the first of `inits`."""
    spec, inits = small_spec(kind, dtype=dtype, **changes), inits[:cells]
    cpu, gpu = (build(spec, *inits, device=device) for device in ("cpu", "cuda"))
    x, target = problem(spec, cells=cells)
    there = gpu.backend.asarray(x), gpu.backend.asarray(target)
    bar = 1e-10 if dtype == "float64" else 1e-3
    # The last one told what the first had to wait for.
    for cell in (*range(cells), 0):
        mine, other = (
            asdict(frame) for frame in (frame_of(cpu, x, target, cell), frame_of(gpu, *there, cell))
        )
        assert mine.keys() == other.keys()
        for name in mine:
            agree(other[name], mine[name], bar)
    for name in cpu.parameters:
        gradient = cpu.gradient(name)
        near = bar * np.abs(gradient).max()
        np.testing.assert_allclose(gpu.gradient(name), gradient, rtol=bar, atol=near)


def agree(found, true, bar):
    """Numbers within `bar`, whatever they are packed in; words and counts the same."""
    if isinstance(true, dict):
        assert found.keys() == true.keys()
        for name in true:
            agree(found[name], true[name], bar)
    elif isinstance(true, float | np.ndarray):
        np.testing.assert_allclose(found, true, rtol=bar, atol=bar)
    else:
        assert found == true


@pytest.mark.skipif(importlib.util.find_spec("cupy") is not None, reason="CuPy is installed here")
def test_this_machine_without_cupy_says_so():
    assert "not installed" in refusal()
