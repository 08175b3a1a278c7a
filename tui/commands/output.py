"""Files that an option names: known to be writable before anything is computed."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from scenarios.errors import ScenarioError


def check(option: str, path: str) -> Path:
    """The file that `option` names, known to be writable. Raises ScenarioError."""
    target = Path(os.path.realpath(path))

    def refusal(why: str) -> ScenarioError:
        return ScenarioError(option, why, key=path or '""')

    if not path:
        raise refusal("must be the path of a file")
    try:
        mode = target.stat().st_mode if target.exists() else None
        if mode is not None and stat.S_ISDIR(mode):
            raise refusal("is a directory, not a file to write")
        if mode is not None and not stat.S_ISREG(mode):
            raise refusal("is not a regular file")
        if not target.parent.is_dir():
            raise refusal(f"there is no folder {target.parent}")
        if mode is not None and not os.access(target, os.W_OK):
            raise refusal("exists and is write-protected")
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=".nablascope-"):
            pass
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise refusal(f"cannot be written: {reason}") from error
    return target
