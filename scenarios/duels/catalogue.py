"""The duels that come along: files in the folder beside this one, numbered in reading order."""

from __future__ import annotations

import os

from scenarios.numbered import Catalogue

DUELS = Catalogue(os.path.join(os.path.dirname(__file__), "catalogue"), "duel")

names, entries, find = DUELS.names, DUELS.entries, DUELS.find
