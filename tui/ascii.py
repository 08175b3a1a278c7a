"""What stands for our drawing characters and symbols where only ASCII can be shown."""

from __future__ import annotations

#: What is drawn with, and what stands for it, one cell for one cell.
_ASCII = str.maketrans(
    {
        **dict.fromkeys("─━═╌╍┄┈▔▁", "-"),
        **dict.fromkeys("│┃║┆┊▏▕▎▍▌▐", "|"),
        **dict.fromkeys("┌┐└┘╭╮╰╯├┤┬┴┼╔╗╚╝╠╣╦╩╬┏┓┗┛", "+"),
        **dict.fromkeys("█▇▆▅▄▃▂▀▉▊▋▓", "#"),
        **dict.fromkeys("▒░", ":"),
        **dict.fromkeys("▶▸►❯→", ">"),
        **dict.fromkeys("◀◂◄←", "<"),
        **dict.fromkeys("▲▴↑", "^"),
        **dict.fromkeys("▼▾▽↓", "v"),
        **dict.fromkeys("●•◆", "o"),
        **dict.fromkeys("■□", "#"),
        **dict.fromkeys("✓✔", "+"),
        **dict.fromkeys("✗✘×✕", "x"),
        **dict.fromkeys("–—−‑", "-"),
        **dict.fromkeys("“”„", '"'),
        **dict.fromkeys("‘’", "'"),
        **dict.fromkeys("·∙⋅", "."),
        "‖": "=",
        "′": "'",
        "…": "~",
        "∂": "d",
        "≤": "<",
        "≥": ">",
        "∇": "V",
        "✦": "*",
        "φ": "f",
        "σ": "s",
        "γ": "g",
        "μ": "u",
        "χ": "X",
        "ξ": "x",
        "\N{NO-BREAK SPACE}": " ",
        **{chr(0x2070 + digit): str(digit) for digit in (0, *range(4, 10))},
        "¹": "1",
        "²": "2",
        "³": "3",
        "⁻": "-",
        "⁺": "+",
    }
)


def to_ascii(text: str) -> str:
    """`text` in as many cells, without anything a terminal without UTF-8 would garble."""
    text = text.translate(_ASCII)
    if text.isascii():
        return text
    from rich.cells import cell_len

    return "".join(c if c.isascii() else "?" * cell_len(c) for c in text)
