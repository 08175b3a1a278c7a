"""The app's own themes; Textual's are on offer beside them."""

from __future__ import annotations

from textual.theme import BUILTIN_THEMES, Theme

DARK = Theme(
    name="nablascope",
    primary="#5aa9e6",
    secondary="#7fb5e3",
    accent="#f2a65a",
    warning="#f2b27a",
    error="#ff7a6b",
    success="#8fd19e",
    foreground="#dfe5ec",
    background="#10151c",
    surface="#151c25",
    panel="#1d2733",
    dark=True,
    variables={
        "border": "#3a4a5c",
        "border-blurred": "#2a3644",
        "scrollbar": "#2f3d4c",
        "scrollbar-background": "#151c25",
    },
)

LIGHT = Theme(
    name="nablascope-light",
    primary="#1f5fb4",
    secondary="#3f87cf",
    accent="#b35a00",
    warning="#a65a00",
    error="#b3261e",
    success="#1e7a3c",
    foreground="#1b2430",
    background="#e9e7de",
    surface="#e0ded4",
    panel="#d6d4c9",
    dark=False,
    variables={"border": "#a9b3bd", "border-blurred": "#c9cfd5"},
)

#: For sixteen colours, and for none: the terminal's own colours on its own background.
ANSI = Theme(
    name="nablascope-ansi",
    ansi=True,
    primary="ansi_bright_cyan",
    secondary="ansi_cyan",
    accent="ansi_bright_yellow",
    warning="ansi_yellow",
    error="ansi_bright_red",
    success="ansi_bright_green",
    foreground="ansi_default",
    background="ansi_default",
    surface="ansi_default",
    panel="ansi_default",
    boost="ansi_default",
    dark=True,
    variables={
        **BUILTIN_THEMES["ansi-dark"].variables,
        "border": "ansi_white",
        "border-blurred": "ansi_bright_black",
        "block-cursor-foreground": "ansi_black",
        "block-cursor-background": "ansi_cyan",
        "scrollbar": "ansi_bright_black",
    },
)
