"""What all tests share: when GPU and PyTorch tests run, in what order, and how hypothesis draws."""

from __future__ import annotations

import gc
import importlib
import os
import tempfile
from types import ModuleType

import pytest
from hypothesis import HealthCheck, settings

# Before NumPy is imported: on busy cores a BLAS thread waits for its twin far longer than the
# small matrices of a test take to multiply.
for _variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

# Whatever a test runs without a store of its own, in whichever process, leaves the user's alone.
_store = tempfile.TemporaryDirectory(prefix="nablascope-tests-")
os.environ["NABLASCOPE_STORE"] = os.path.join(_store.name, "runs.sqlite")

_SLOW_IS_FINE = [HealthCheck.too_slow]
settings.register_profile("default", deadline=None, suppress_health_check=_SLOW_IS_FINE)
# The same examples in every run: a red build is red again when it is looked into.
settings.register_profile(
    "ci", deadline=None, suppress_health_check=_SLOW_IS_FINE, derandomize=True
)
settings.load_profile("ci" if os.environ.get("CI") else "default")


def peers_required() -> bool:
    """Whether a missing PyTorch is a failure instead of a skip."""
    wanted = (os.environ.get(name, "").lower() for name in ("NABLASCOPE_REQUIRE_PEERS", "CI"))
    return any(word in ("1", "true", "yes") for word in wanted)


def pytest_xdist_auto_num_workers() -> int:
    """Twice as many as cores: tests wait for programs, terminals and timers much of the time."""
    return 2 * (os.cpu_count() or 1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "peer" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.peers)
    # Those that wait come first, so that none of them is left at the end with idle cores.
    items.sort(key=lambda item: item.get_closest_marker("waits") is None)


def pytest_collection_finish() -> None:
    """What is there by now stays there: looking for garbage in it is a fifth of an app test."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(5000, 10, 10)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("gpu") is None:
        return
    from engine.backend import open_backend
    from engine.errors import DeviceError

    try:
        open_backend("cuda", "float32")
    except DeviceError as error:
        pytest.skip(f"no usable GPU: {error}")


@pytest.fixture(scope="session")
def peer() -> ModuleType:
    """The same networks in PyTorch (tests/peers/torch_reference.py)."""
    try:
        importlib.import_module("torch")
    except ImportError as error:
        reason = f"PyTorch is not installed (make peers): {error}"
        if peers_required():
            pytest.fail(reason)
        pytest.skip(reason)
    return importlib.import_module("tests.peers.torch_reference")
