"""How a run stands at one moment, as a row of the compare table says it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tui.words import blame_wordings, chief_culprit, factor

if TYPE_CHECKING:
    from engine.frame import Frame
    from engine.theory import Comparison
    from engine.verdict import Verdict
    from tui.lab.live import LiveRun

#: Where there is nothing to say.
NOTHING = "–"


@dataclass(frozen=True)
class Standing:
    """What became of a run's gradient at one training step.

    Attributes:
        step: the training step.
        loss: of the batch at that step.
        verdict: for the layer that is looked at.
        theory: decades predicted for the network as it was drawn, in a few characters.
        culprit: who killed it, in a word and its decades.
        blame: the same in a sentence, and ever shorter; none where there is no one to blame.
    """

    step: int
    loss: float
    verdict: Verdict
    theory: str
    culprit: str
    blame: list[str]

    @property
    def decades(self) -> str:
        """Decades from the loss to the far end."""
        return signed(self.verdict.decades)

    @property
    def rate(self) -> str:
        """The factor of one hop."""
        per_hop = self.verdict.decades_per_hop
        return NOTHING if per_hop is None else factor(per_hop)


def standing(run: LiveRun, frame: Frame) -> Standing:
    """How `run` stands at one of its frames."""
    from engine.architectures import ARCHITECTURES
    from engine.culprits import culprits

    verdict = run.judged(frame)
    found = culprits(frame, run.layer)
    weights = ARCHITECTURES[run.scenario.network.kind].layer.hop_weight
    wordings = [] if found is None else blame_wordings(found, weights)
    if found is not None and None in found.total.values():
        # Only the sentence says who left nothing.
        del wordings[1:]
    return Standing(
        step=frame.step,
        loss=frame.loss,
        verdict=verdict,
        theory=_predicted(run.comparison),
        culprit=NOTHING if found is None else chief_culprit(found, verdict, weights) or NOTHING,
        blame=wordings,
    )


def signed(decades: float | None) -> str:
    """Decades with their sign and one decimal."""
    return NOTHING if decades is None else f"{round(decades, 1) + 0.0:+.1f}"


def compact(value: float) -> str:
    """A number in about six characters, as in 0.0123, 1.2e-5 or inf."""
    text = f"{value:.3g}"
    if len(text) <= 6:
        return text
    digits, _, exponent = f"{value:.1e}".partition("e")
    return f"{digits}e{int(exponent)}"


def _predicted(found: Comparison | None) -> str:
    """A bound as such; a theory that does not reach the far end says nothing of the whole way."""
    if found is None or not found.hops or found.hops < found.of:
        return NOTHING
    sign = {"prediction": "", "bound": "≤", "path": "~"}[found.curve]
    return f"{sign}{signed(found.predicted)}"
