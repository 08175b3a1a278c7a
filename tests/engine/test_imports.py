"""Storeys import only downwards, and nothing heavy is imported before it is needed."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
#: Top storey first; each may import itself and what stands after it.
STOREYS = ("tui", "scenarios", "engine")
HEAVY = ("numpy", "scipy", "cupy", "psutil", "textual", "rich", "plotext", "dask")


def modules(storey):
    return sorted((ROOT / storey).rglob("*.py"))


def dotted(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(tree):
    """Every absolute module name a file imports anywhere, also inside functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "absolute imports only"
            yield node.module


@pytest.mark.parametrize("storey", STOREYS)
def test_storeys_import_only_downwards(storey):
    above = STOREYS[: STOREYS.index(storey)]
    forbidden = set(above) | {"tests"}
    if storey != "tui":
        forbidden |= {"textual", "rich", "plotext", "textual_plotext"}
    for path in modules(storey):
        for name in imported(ast.parse(path.read_text(encoding="utf-8"))):
            assert name.partition(".")[0] not in forbidden, f"{path} imports {name}"


def test_the_engine_neither_prints_nor_logs():
    for path in modules("engine"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in ("print", "input", "open", "eval", "exec"), path


def test_importing_the_engine_imports_nothing_heavy():
    names = [dotted(path) for path in modules("engine")]
    code = (
        "import importlib, sys\n"
        f"for name in {names!r}: importlib.import_module(name)\n"
        f"print(sorted(set(sys.modules) & set({HEAVY!r})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout.strip() == "[]"


def test_running_on_the_cpu_imports_no_gpu_library():
    code = (
        "import sys\n"
        "from engine.backend import open_backend\n"
        "from engine.network import Network\n"
        "from engine.spec import InitSpec, NetworkSpec\n"
        "spec = NetworkSpec('mlp', 'tanh', 2, 3, 2, (3,))\n"
        "Network(spec, [InitSpec()], open_backend('cpu', 'float32'))\n"
        "print(sorted(set(sys.modules) & {'cupy', 'textual', 'plotext', 'dask', 'rich'}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout.strip() == "[]"
