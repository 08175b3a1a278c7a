"""From an untrusted file to plain values: size, text, TOML and its layout, each checked in turn."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterable, Mapping

from scenarios.errors import ScenarioError, nearest_of, printable

#: A scenario file is a few hundred bytes; one beyond this is something else.
SIZE_LIMIT = 64 * 1024

#: The tables of a scenario.
SECTIONS = ("network", "init", "task", "training", "run")

#: The keys outside any table, all of them text, with the longest each may be.
TEXTS = {"name": 100, "title": 200, "question": 2000, "source": 500}


def read(file: str, shown: str, names: Iterable[str] = ()) -> dict[str, object]:
    """The TOML file at that path, parsed.

    Raises ScenarioError, calling the file `shown`; where it is not there, with the nearest of the
    catalogue's `names`.
    """
    try:
        with open(file, "rb") as opened:
            content = opened.read(SIZE_LIMIT + 1)
    except FileNotFoundError:
        nearest = nearest_of(_stem(file), names)
        raise ScenarioError(shown, "no such file", nearest=nearest) from None
    except IsADirectoryError:
        raise ScenarioError(shown, "is a directory, not a scenario file") from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ScenarioError(shown, f"cannot be read: {reason}") from None
    except ValueError as error:
        raise ScenarioError(shown, f"is not a file name: {error}") from None
    if len(content) > SIZE_LIMIT:
        limit = f"{SIZE_LIMIT // 1024} KiB"
        raise ScenarioError(shown, f"is larger than {limit}, too large for a scenario")
    return _parsed(_decoded(content, shown), shown)


def _decoded(content: bytes, shown: str) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ScenarioError(shown, "is UTF-16 text; a scenario file has to be UTF-8")
    if b"\0" in content:
        raise ScenarioError(shown, "is a binary file, not a scenario in TOML")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # The offset counts from behind a byte-order mark, which holds no newline.
        line = content.count(b"\n", 0, error.start) + 1
        allowed = f"line {line}: byte 0x{error.object[error.start]:02x} is not UTF-8 text"
        raise ScenarioError(shown, allowed) from None


def _parsed(text: str, shown: str) -> dict[str, object]:
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ScenarioError(shown, "not valid TOML: nested too deeply") from None
    except ValueError as error:
        message = printable(str(error))
        place = re.search(r" \(at (line \d+, column \d+|end of document)\)$", message)
        if place is None:
            # Python's own limit on the digits of an integer is the one error without a place.
            raise ScenarioError(shown, f"not valid TOML: {message}") from None
        where = place[1].replace("end of document", f"line {_last_line(text)}, at the end")
        raise ScenarioError(shown, f"{where}: not valid TOML: {message[: place.start()]}") from None


def _last_line(text: str) -> int:
    return text.rstrip("\n").count("\n") + 1


def split(document: Mapping[str, object], shown: str) -> tuple[dict[str, object], dict[str, str]]:
    """The values of a parsed file by dotted key, unchecked, and its texts, checked.

    Raises ScenarioError for what is neither a table of the schema nor one of its texts.
    """
    values: dict[str, object] = {}
    texts: dict[str, str] = {}
    for key, value in document.items():
        if key in TEXTS:
            texts[key] = _text(key, value, shown)
        elif key in ("axes", "base"):
            allowed = f"is a sweep's; nablascope sweep {printable(shown)} runs it"
            raise ScenarioError(shown, allowed, key=key)
        elif key not in SECTIONS:
            raise _unknown(key, value, shown)
        elif not isinstance(value, dict):
            raise ScenarioError(shown, f"must be a table, [{key}]", key=key, value=value)
        else:
            values.update({f"{key}.{attribute}": inner for attribute, inner in value.items()})
    return values, texts


def named_after(file: str) -> dict[str, str]:
    """The texts of a file that gives itself none."""
    name = printable(_stem(file))[: TEXTS["name"]]
    return {"name": name, "title": name, "question": "", "source": ""}


def _unknown(key: str, value: object, shown: str) -> ScenarioError:
    # Imported here: listing the catalogue needs no engine.
    from scenarios.schema import nearest_key

    if isinstance(value, dict):
        for attribute, inner in value.items():
            inside = f"{key}.{attribute}"
            nearest = nearest_key(inside)
            return ScenarioError(shown, "unknown key", key=inside, value=inner, nearest=nearest)
        nearest = nearest_of(key, SECTIONS)
        return ScenarioError(shown, "unknown table", key=key, nearest=nearest)
    nearest = nearest_of(key, TEXTS) or nearest_key(key)
    return ScenarioError(shown, "unknown key", key=key, value=value, nearest=nearest)


def _text(key: str, value: object, shown: str) -> str:
    longest = TEXTS[key]
    # Line breaks are layout; anything else that does not print could steer a terminal.
    text = " ".join(value.split()) if isinstance(value, str) else None
    if text is None or not text.isprintable() or len(text) > longest or not (text or key != "name"):
        least = 1 if key == "name" else 0
        allowed = f"must be text of {least} to {longest} printable characters"
        raise ScenarioError(shown, allowed, key=key, value=value)
    return text


def _stem(file: str) -> str:
    return os.path.splitext(os.path.basename(file))[0]
