"""Where the store is, unless someone names another file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

#: Names another file than the one in the platform's data directory.
VARIABLE = "NABLASCOPE_STORE"


def default_path(environ: Mapping[str, str] = os.environ) -> Path:
    """$NABLASCOPE_STORE, else runs.sqlite in the platform's data directory."""
    named = environ.get(VARIABLE)
    if named:
        return Path(named).expanduser()
    from platformdirs import user_data_path

    return user_data_path("nablascope", appauthor=False) / "runs.sqlite"
