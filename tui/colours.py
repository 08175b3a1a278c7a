"""How many colours there are, known without importing Textual."""

from __future__ import annotations

from enum import IntEnum


class Colours(IntEnum):
    """How finely a terminal tells colours apart."""

    NONE = 0
    SIXTEEN = 16
    MANY = 256
