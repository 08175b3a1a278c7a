"""Under the pictures: the verdict in words, theory beside it, then how the run is doing."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, ClassVar

from textual.geometry import Size
from textual.strip import Strip

from tui.strips import StripWidget, line_of, ranked_line

if TYPE_CHECKING:
    from tui.lab.live import LiveRun


class VerdictBar(StripWidget):
    """What became of the gradient, and how the run is doing."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "verdict--vanishing",
        "verdict--exploding",
        "verdict--healthy",
        "verdict--dead",
        "verdict--overflow",
        "verdict--failed",
        "verdict--words",
        "verdict--label",
    }

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._run: LiveRun | None = None
        self._device = ""
        self._pace: float | None = None
        self._failure: str | None = None

    def show(self, run: LiveRun | None, device: str, pace: float | None) -> None:
        """Show a run's newest frame."""
        self._run, self._device, self._pace = run, device, pace
        self.redraw()

    def show_failure(self, line: str | None) -> None:
        """Show why the run asked for did not come about; None takes the line away."""
        if line != self._failure:
            self._failure = line
            self.redraw()

    def draw(self, size: Size) -> list[Strip]:
        theory = self._theory(size.width, size.height - 3)
        words = self._sentence(size.width, size.height - 1 - len(theory))
        return [*words, *theory, self._numbers(size.width)]

    def _sentence(self, width: int, lines: int) -> list[Strip]:
        plain = self.get_component_rich_style("verdict--words", partial=True)
        after = ""
        if self._failure is not None:
            badge, text, name = "✗", self._failure, "failed"
        else:
            verdict = None if self._run is None else self._run.verdict
            if verdict is None or self._run is None:
                return [Strip.blank(width)]
            from tui.words import meaning, sentence

            name = verdict.name
            words = sentence(verdict, self._run.scenario.run.dtype, "set precision to float64")
            badge, _, text = words.partition(": ")
            culprits = self._culprits(self._run)
            if culprits and len(f" {badge}  {text}; {culprits}") < width:
                text = f"{text}; {culprits}"
            after = meaning(verdict)
        style = self.get_component_rich_style(f"verdict--{name}", partial=True)
        wrapped = textwrap.wrap(
            text, width, initial_indent=" " * (len(badge) + 3), max_lines=max(lines, 1)
        )
        first = wrapped[0].lstrip() if wrapped else ""
        strips = [line_of(width, (f" {badge} ", style), (f" {first}", plain))]
        strips += [line_of(width, (line, plain)) for line in wrapped[1:]]
        if len(strips) < lines and len(after) <= width:
            label = self.get_component_rich_style("verdict--label", partial=True)
            strips.append(line_of(width, (f" {after}", label)))
        return strips

    def _theory(self, width: int, lines: int) -> list[Strip]:
        """How far theory is from this, in a line, or why it is silent, in as many as there are."""
        run = self._run
        if self._failure is not None or run is None or run.frame is None:
            return []
        from tui.theory_words import compared, no_theory

        found, silence = run.comparison, run.theory_silence
        wordings = [] if found is None else compared(found, trained=run.trained)
        if silence is not None:
            wordings = [no_theory(silence)]
        if not wordings:
            return []
        words = next((words for words in wordings if len(words) < width), wordings[-1])
        label = self.get_component_rich_style("verdict--label", partial=True)
        wrapped = textwrap.wrap(words, width - 1, max_lines=max(lines, 1), placeholder=" …")
        return [line_of(width, (f" {line}", label)) for line in wrapped]

    def _culprits(self, run: LiveRun) -> str:
        """Who kills it, in a sentence; nothing where there is nothing to split."""
        from engine.architectures import ARCHITECTURES
        from engine.culprits import culprits
        from tui.words import blame

        found = None if run.frame is None else culprits(run.frame, run.layer)
        if found is None:
            return ""
        return blame(found, ARCHITECTURES[run.scenario.network.kind].layer.hop_weight)

    def _numbers(self, width: int) -> Strip:
        label = self.get_component_rich_style("verdict--label", partial=True)
        plain = self.get_component_rich_style("verdict--words", partial=True)
        run = self._run
        if run is None or run.frame is None:
            return Strip.blank(width)
        pace = "–" if self._pace is None else f"{self._pace:,.0f}"
        parts = [
            (" loss ", label, 3),
            (f"{run.frame.loss:.4g}  ", plain, 3),
            ("step ", label, 3),
            (str(run.frame.step), plain, 3),
            (f"/{run.scenario.training.steps}", plain, 1),
            ("  ", plain, 3),
        ]
        for name, value in _skill(run):
            parts += [(f"{name} ", label, 2), (f"{value}  ", plain, 2)]
        parts += [(pace, plain, 0), (" fps  ", label, 0), (self._device, plain, 3)]
        return ranked_line(width, *parts)


def _skill(run: LiveRun) -> list[tuple[str, str]]:
    """How well the network does on what it is not trained on, if anybody looked."""
    if not len(run.held_out) or run.frame is None:
        return []
    loss, accuracy = run.held_out.items[run.held_out.index_at(run.frame.step)]
    return [("held out", f"{loss:.4g}" if accuracy is None else f"{100.0 * accuracy:.1f}%")]
