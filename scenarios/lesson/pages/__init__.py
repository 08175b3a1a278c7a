"""The pages in reading order. To add one: a file beside this one, and its entry below."""

from __future__ import annotations

from scenarios.errors import ScenarioError, nearest_of
from scenarios.lesson.page import Page
from scenarios.lesson.pages import (
    answer,
    chain_rule,
    cnn,
    diagonal,
    forward,
    gates,
    im2col,
    indrnn,
    irnn,
    relu,
    rnn,
    sigmoid,
)

PAGES: tuple[Page, ...] = (
    im2col.PAGE,
    forward.PAGE,
    chain_rule.PAGE,
    sigmoid.PAGE,
    relu.PAGE,
    rnn.PAGE,
    cnn.PAGE,
    irnn.PAGE,
    indrnn.PAGE,
    diagonal.PAGE,
    gates.PAGE,
    answer.PAGE,
)


def number_of(page: Page) -> int:
    """Its place, counted from 1."""
    return PAGES.index(page) + 1


def find(word: str, source: str) -> Page:
    """The page of this number or name. Raises ScenarioError naming `source`."""
    if word.isascii() and word.isdigit() and 1 <= int(word[:9]) <= len(PAGES):
        return PAGES[int(word[:9]) - 1]
    names = {page.name: page for page in PAGES}
    if word in names:
        return names[word]
    allowed = f'no page "{word}"; there are 1 to {len(PAGES)}: {", ".join(names)}'
    raise ScenarioError(source, allowed, nearest=nearest_of(word, names))
