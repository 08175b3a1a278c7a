"""A verdict for a narrow panel: what became of the gradient, who did it, how the run is doing."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from tui.lab.standing import standing
from tui.lab.verdict import VerdictBar
from tui.strips import line_of, ranked_line
from tui.words import hop, sentence

if TYPE_CHECKING:
    from textual.geometry import Size
    from textual.strip import Strip

    from tui.lab.standing import Standing

#: Lines of which each is needed for something else.
_SHORT = 3


class DuelVerdict(VerdictBar):
    """Badge, decades and rate; the culprit in as many words as fit; loss and step."""

    def draw(self, size: Size) -> list[Strip]:
        run, width = self._run, size.width
        plain = self.get_component_rich_style("verdict--words", partial=True)
        label = self.get_component_rich_style("verdict--label", partial=True)
        if self._failure is not None:
            lines = textwrap.wrap(self._failure, width - 1, max_lines=size.height)
            return [line_of(width, (f" {line}", plain)) for line in lines]
        if run is None or run.latest is None:
            return []
        now = standing(run, run.latest)
        badge = self.get_component_rich_style(f"verdict--{now.verdict.name}", partial=True)
        head = _head(now, width - len(now.verdict.name) - 3, width - 1, size.height > _SHORT)
        strips = [line_of(width, (f" {now.verdict.name} ", badge), (f" {head[0]}", plain))]
        strips += [line_of(width, (f" {line}", plain)) for line in head[1:]]
        room = max(size.height - len(strips) - 1, 1)
        if now.verdict.decades is None:
            dtype, trained = run.scenario.run.dtype, now.step > 0
            who = sentence(now.verdict, dtype, trained=trained).partition(": ")[2]
        else:
            fitting = (t for t in now.blame if len(textwrap.wrap(t, width - 1)) <= room)
            who = next(fitting, now.culprit)
        told = textwrap.wrap(who, width - 1, max_lines=room, placeholder=" …")
        strips += [line_of(width, (f" {line}", plain)) for line in told]
        steps = run.scenario.training.steps
        numbers = ranked_line(
            width,
            (" loss ", label, 2),
            (f"{now.loss:.4g}", plain, 2),
            ("  step ", label, 1),
            (str(now.step), plain, 1),
            (f"/{steps}", plain, 0),
        )
        return [*strips, numbers]


def _head(now: Standing, first: int, other: int, tall: bool) -> list[str]:
    """Decades and rate, in as many words as `first` columns beside the badge have room for, and
    `other` columns below it, if there may be lines below it.
    """
    if now.verdict.decades is None:
        return [""]
    decades, rate = f"{now.decades} decades", f"{now.rate} per {hop(now.verdict)}"
    heads = [[f"{decades}, {rate}"]]
    heads += [[decades, rate]] if tall else [[f"{now.decades}, {rate}"]]
    heads += [[now.decades, rate]] if tall else [[f"{now.decades}, {now.rate}"]]
    fitting = (h for h in heads if len(h[0]) <= first and all(len(t) <= other for t in h[1:]))
    return next(fitting, [now.decades])
