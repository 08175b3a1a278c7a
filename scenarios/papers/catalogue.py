"""The papers' results that come along: numbered files in the folder beside this one."""

from __future__ import annotations

import os

from scenarios.numbered import Catalogue

PAPERS = Catalogue(os.path.join(os.path.dirname(__file__), "catalogue"), "set")

names, entries, find = PAPERS.names, PAPERS.entries, PAPERS.find
