"""The lesson's mathematics where only ASCII can be shown: h_(l-1) where a subscript stood."""

from __future__ import annotations

import re

_SUBSCRIPTS = dict(zip("₀₁₂₃₄₅₆₇₈₉₊₋ₗₜₙ", "0123456789+-ltn", strict=True))
_SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ᵀ", "0123456789+-T", strict=True))
_WORDS = str.maketrans(
    {
        "φ": "phi",
        "σ": "sigmoid",
        "λ": "lambda",
        "Λ": "Lambda",
        "Π": "product of",
        "∂": "d",
        "⊙": "*",
        "·": "*",
        "′": "'",
        "√": "sqrt ",
        "≤": "<=",
        "±": "+-",
        "−": "-",
        "…": "...",
        "μ": "mu",
        "─": "-",
        "→": ">",
    }
)
_LOW = re.compile(f"[{''.join(_SUBSCRIPTS)}]+")
_HIGH = re.compile(f"[{''.join(_SUPERSCRIPTS)}]+")


def plain(text: str) -> str:
    """`text` with formulas spelt out in ASCII."""
    if text.isascii():
        return text
    text = text.replace("···", "...").replace("√(", "sqrt(")
    text = _LOW.sub(lambda found: _attached("_", found[0], _SUBSCRIPTS), text)
    text = _HIGH.sub(lambda found: _attached("^", found[0], _SUPERSCRIPTS), text)
    return text.translate(_WORDS)


def _attached(sign: str, characters: str, names: dict[str, str]) -> str:
    written = "".join(names[character] for character in characters)
    return f"{sign}({written})" if len(written) > 1 and not written.isdigit() else sign + written
