"""What is installed: pins for every requirement, data files, and a script that trusts no folder."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib.metadata import distribution
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SCRIPT = Path(sys.executable).with_name("nablascope")


def normalised(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def pins():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def requirements():
    extras = PROJECT["optional-dependencies"].values()
    everything = PROJECT["dependencies"] + [entry for extra in extras for entry in extra]
    return sorted({re.split(r"[<>=!~\[; ]", entry)[0] for entry in everything})


@pytest.mark.parametrize("name", requirements())
def test_every_requirement_is_pinned(name):
    assert normalised(name) in {normalised(pin) for pin in pins()}


def test_pins_are_exact_and_public():
    for name, version in pins().items():
        # A local label such as +cpu exists in no public index.
        assert re.fullmatch(r"[0-9][0-9a-z.]*", version), (name, version)


def test_what_runs_here_is_what_is_pinned():
    versions = {normalised(name): version for name, version in pins().items()}
    for name in ("numpy", "scipy", "textual", "plotext", "textual-plotext", "rich", "pytest"):
        assert distribution(name).version == versions[name], name


def test_metadata():
    installed = distribution("nablascope")
    assert installed.version == PROJECT["version"]
    assert installed.metadata["License-Expression"] == "MIT"
    assert installed.metadata["Requires-Python"] == ">=3.11"
    (script,) = installed.entry_points.select(group="console_scripts")
    assert (script.name, script.value) == ("nablascope", "tui.main:main")


def test_the_script_takes_no_module_from_the_current_folder(tmp_path):
    for name in ("engine", "scenarios", "tui", "numpy", "tomllib"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('taken from the folder')\n")
    done = subprocess.run([SCRIPT, "list"], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "chain-sigmoid" in done.stdout


def test_no_file_names_a_package_host():
    for name in ("pyproject.toml", "constraints.txt", "Makefile", ".ci/run", "README.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert "index-url" not in text
        assert "find-links" not in text
        assert not re.search(r"https?://", text), name
