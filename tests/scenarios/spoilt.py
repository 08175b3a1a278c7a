"""Files that no one here can read."""

from __future__ import annotations

from pathlib import Path


def encrypt(path: Path) -> None:
    """Mark every member of a zip file as encrypted, in its own head and in the directory."""
    content = bytearray(path.read_bytes())
    for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = content.find(mark)
        while place >= 0:
            content[place + flags] |= 1
            place = content.find(mark, place + 1)
    path.write_bytes(content)
