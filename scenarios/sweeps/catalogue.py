"""The sweeps that come along: files in the folder beside this one, numbered in reading order."""

from __future__ import annotations

import os

from scenarios.numbered import Catalogue

_FOLDER = os.path.join(os.path.dirname(__file__), "catalogue")
SWEEPS = Catalogue(_FOLDER, "sweep", "nablascope sweep")

names, entries, find = SWEEPS.names, SWEEPS.entries, SWEEPS.find
