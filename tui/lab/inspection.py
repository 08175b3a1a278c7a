"""One place in full: the gradients there one by one, its units, weights, gates and culprits."""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from rich.style import Style
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.strip import Strip

from engine.architectures import ARCHITECTURES
from tui.lab.bars import bar_cell
from tui.lab.plot import WAITING
from tui.lab.view import View
from tui.strips import line_of
from tui.words import power

if TYPE_CHECKING:
    from engine.frame import Frame
    from engine.inspection import Histogram, Inspection
    from tui.lab.live import LiveRun

#: Bars that even a few values are spread over.
_FEWEST_BARS = 12
#: Columns of the facts beside the histogram: at least, and as a share of the whole.
_FACTS, _SHARE = 29, 0.55
#: Columns that stand apart on the left for what is exactly zero.
_ZEROS = 5
#: What a shift key moves the cursor by, as a share of the way.
_STRIDE = 0.1


@dataclass(frozen=True)
class _Fact:
    """What it is about, what there is to say, and its rank where room is scarce.

    The wordings are ever shorter: the first that fits a line is taken, or else the last.
    """

    label: str
    wordings: tuple[str, ...]
    rank: int

    def lines(self, width: int) -> list[str]:
        """What there is to say, in lines of `width`."""
        text = next((text for text in self.wordings if len(text) <= width), self.wordings[-1])
        return textwrap.wrap(text, width) or [""]


class InspectionView(View, can_focus=True):
    """The place under the cursor, which arrow keys move over layers and time steps."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "inspection--label",
        "inspection--words",
        "inspection--bar",
        "inspection--zero",
    }
    BINDING_GROUP_TITLE = "In inspect (o)"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "move(-1)", "move", key_display="←→", tooltip="Away from the loss"),
        Binding("right", "move(1)", "Towards the loss", show=False),
        Binding("up", "layer(1)", "layer", key_display="↑↓", tooltip="The layer above"),
        Binding("down", "layer(-1)", "The layer below", show=False),
        Binding("shift+left,pageup", "stride(-1)", "A tenth back", show=False),
        Binding("shift+right,pagedown", "stride(1)", "A tenth on", show=False),
        Binding("home", "move(-1000000)", "The far end", show=False),
        Binding("end", "move(1000000)", "The loss", show=False),
        Binding("escape", "close", "back", tooltip="The view before"),
    ]
    name_id = "inspection"
    title_word = "inspect"
    hint = "Arrow keys move the cursor: left and right along the curve, up and down over layers."
    wants = "inspection"

    @dataclass
    class Moved(Message):
        """The cursor is wanted so many places on along the way, and so many layers up."""

        places: int
        layers: int = 0

    class Closed(Message):
        """The view before this one is wanted again."""

    @classmethod
    def fits(cls, run: LiveRun) -> bool:
        # It is moved through with keys of its own: `o` leads here, and gives it the focus.
        return False

    def title(self, run: LiveRun) -> str:
        layer, step = run.cursor
        depth = run.scenario.network.depth
        where = f"layer {layer} of {depth}"
        return f"{where}, step {step} of {run.span}" if run.recurrent else where

    def action_move(self, by: int) -> None:
        """Along the way that is judged."""
        self.post_message(self.Moved(by))

    def action_stride(self, by: int) -> None:
        """A tenth of it at once."""
        if self.run is not None:
            self.post_message(self.Moved(by * max(round(_STRIDE * self.run.span), 1)))

    def action_layer(self, by: int) -> None:
        """To the layer above or below; where layers are the way itself, along it."""
        if self.run is not None and not self.run.recurrent:
            self.post_message(self.Moved(by))
        else:
            self.post_message(self.Moved(0, by))

    def action_close(self) -> None:
        """Back to the view before."""
        self.post_message(self.Closed())

    # Drawing

    def draw(self, size: Size) -> list[Strip]:
        run = self.run
        if run is None or run.frame is None:
            return self.note(size, WAITING, self._ink("label"))
        found = self._found(run)
        looked = None if isinstance(found, str) else found
        room = min(max(int(size.width * _SHARE), _FACTS), size.width)
        left = max(size.width - room - 2, 0)
        facts = self._facts(run, run.frame, looked, room, size.height)
        picture = self._histogram(found, left, size.height)
        blank = Strip.blank(room)
        strips = []
        for row in range(size.height):
            beside = facts[row] if row < len(facts) else blank
            strips.append(Strip.join([picture[row], Strip.blank(2), beside]))
        return [strip.adjust_cell_length(size.width) for strip in strips]

    def _found(self, run: LiveRun) -> Inspection | str:
        """What the engine found at the cursor, or why there is nothing to show of it.

        A reason that is of no place holds for all of them.
        """
        if run.recalled is not None and run.recalled is not run.latest:
            return "An earlier frame: single gradients are only looked at in the network as it is."
        if run.inspected_at is None and run.inspected is not None:
            return run.inspected
        if run.inspected is None or run.inspected_at is None or run.inspected_at[1:] != run.cursor:
            return "looking"
        return run.inspected

    def _histogram(self, found: Inspection | str, width: int, height: int) -> list[Strip]:
        """How many gradients there are of each size, zeros apart."""
        if isinstance(found, str):
            lines = textwrap.wrap(found, max(width, 1))[:height]
            told = [line_of(width, (line, self._ink("label"))) for line in lines]
            return [*told, *[Strip.blank(width)] * (height - len(told))]
        gradients = found.gradients
        apart = _ZEROS if gradients.zeros else 0
        counts, per_bar, columns = _bars(gradients, max(width - apart, 1))
        rows = max(height - 2, 1)
        tallest = max([gradients.zeros, *counts])
        columns_of = [(gradients.zeros, "zero")] * 2 + [(0, "zero")] * 3 if apart else []
        columns_of += [(count, "bar") for count in counts for _ in range(columns)]
        head = f"{gradients.count:,} gradients"
        head += " ∂L/∂h" if len(head) + 6 <= width else ""
        strips = [line_of(width, (head, self._ink("words")))]
        for floor in range(rows - 1, -1, -1):
            parts = [
                (bar_cell(count, tallest, rows, floor), self._ink(ink)) for count, ink in columns_of
            ]
            strips.append(line_of(width, *parts))
        strips.append(
            line_of(width, (self._labels(gradients, per_bar, apart, width), self._ink("label")))
        )
        return strips[:height]

    def _labels(self, gradients: Histogram, per_bar: int, apart: int, width: int) -> str:
        """The ends of the bars as powers of ten."""
        from engine.inspection import PER_DECADE

        zero = f"{'0':<{apart}}" if apart else ""
        if not len(gradients.counts):
            return zero
        first = gradients.first // per_bar * per_bar
        count = -(-(gradients.first + len(gradients.counts) - first) // per_bar)
        low, high = first / PER_DECADE, (first + count * per_bar) / PER_DECADE
        used = count * max((width - apart) // count, 1)
        ends = (power(low), power(high))
        if len(ends[0]) + len(ends[1]) >= width - apart:
            ends = (f"10^{low:.0f}", f"10^{high:.0f}")
        between = max(used - len(ends[0]) - len(ends[1]), 1)
        return f"{zero}{ends[0]}{' ' * between}{ends[1]}"

    def _facts(
        self, run: LiveRun, frame: Frame, found: Inspection | None, width: int, height: int
    ) -> list[Strip]:
        facts = [*_of_frame(run, frame, wide=width >= 44), *_of_network(found, wide=width >= 44)]
        pad = max(len(fact.label) for fact in facts) + 1
        told = {fact: fact.lines(max(width - pad, 8)) for fact in facts}
        # Half a fact is worse than none.
        while sum(map(len, told.values())) > height:
            del told[max(told, key=lambda fact: fact.rank)]
        return [
            line_of(
                width,
                (f"{fact.label if number == 0 else '':<{pad}}", self._ink("label")),
                (text, self._ink("words")),
            )
            for fact, lines in told.items()
            for number, text in enumerate(lines)
        ]

    def _ink(self, name: str) -> Style:
        return self.get_component_rich_style(f"inspection--{name}", partial=True)


def _of_frame(run: LiveRun, frame: Frame, *, wide: bool) -> list[_Fact]:
    """What the frame alone says of the place."""
    layer, step = run.cursor
    here = (layer - 1, step - 1)
    size = float(frame.log10_grad_h[here])
    near = float(run.profile(frame)[-1])
    apart = size - near
    hops = run.span - run.place
    unit = ("step" if run.recurrent else "layer") + ("" if hops == 1 else "s")
    from_loss = f"{apart:+.2f} decades" if math.isfinite(apart) else "–"
    sizes = "exactly 0" if size == -math.inf else "–" if math.isnan(size) else power(size)
    shares = f"zero {_percent(frame.zero_fraction[here])}"
    shares += f", saturated {_percent(frame.saturated_fraction[here])}"
    brief = shares.replace("saturated", "flat")
    facts = [
        _Fact("|∂L/∂h|", (f"{sizes} RMS",), 0),
        _Fact("to loss", (f"{from_loss}, {hops} {unit}" if wide else from_loss,), 1),
        _Fact("h", (f"{float(frame.activation_rms[here]):.4g} RMS",), 3),
        _Fact("units", (shares, brief, brief.replace(",", "")), 2),
    ]
    facts.insert(2, _Fact("hop", _hop(run, frame, wide=wide), 1))
    if frame.log10_grad_gates:
        gates = [f"{name} {_power(v[here])}" for name, v in frame.log10_grad_gates.items()]
        facts.append(_Fact("∂ gates", ("  ".join(gates),), 8))
    return facts


def _hop(run: LiveRun, frame: Frame, *, wide: bool) -> tuple[str, ...]:
    """Who changes the gradient on its next hop from here."""
    from engine.culprits import culprits
    from tui.words import blame, figures

    weights = ARCHITECTURES[run.scenario.network.kind].layer.hop_weight
    if run.place == 1:
        return ("none: the far end",)
    whole = culprits(frame, run.layer)
    if whole is None:
        return ("nothing to split",)
    found = whole.between(run.place, run.place - 1)
    if wide:
        return (blame(found, weights),)
    return figures(found, weights), figures(found, weights, brief=True)


def _of_network(found: Inspection | None, *, wide: bool) -> list[_Fact]:
    """What only a look at the network says of the place."""
    if found is None:
        return []
    facts = []
    if found.dead_units:
        share = f"{_percent(found.dead_units)} of units"
        facts.append(_Fact("dead", (f"{share}, for every sample", share), 4))
    if found.gates:
        space = " " if wide else ""
        means = [f"{name}{space}{gate.mean:.2f}" for name, gate in found.gates.items()]
        facts.append(_Fact("gates", (" ".join(means).replace("0.", "."),), 4))
        flat = [f"{name}{space}{_percent(gate.saturated)}" for name, gate in found.gates.items()]
        facts.append(_Fact("flat", (" ".join(flat),), 7))
    for number, (name, norms) in enumerate(found.parameters.items()):
        gradient = _power(norms.log10_gradient)
        text = f"norm {norms.norm:.4g}, its gradient's {gradient}"
        facts.append(
            _Fact(f"|{name}|", (text if wide else f"{norms.norm:.3g}, ∂ {gradient}",), 5 + number)
        )
    return facts


def _bars(gradients: Histogram, room: int) -> tuple[list[int], int, int]:
    """Counts gathered into bars for `room` columns: them, the bins of a bar, and its columns."""
    import numpy as np

    if not len(gradients.counts):
        return [], 1, 1
    most = min(room, max(_FEWEST_BARS, int(2.0 * math.sqrt(gradients.count))))
    per_bar = 1
    while True:
        first = gradients.first // per_bar
        places = (gradients.first + np.arange(len(gradients.counts))) // per_bar - first
        if int(places[-1]) < most:
            break
        per_bar += 1
    counts = np.bincount(places, gradients.counts).astype(int).tolist()
    return counts, per_bar, max(room // len(counts), 1)


def _power(log10: float) -> str:
    return "0" if log10 == -math.inf else "–" if math.isnan(log10) else power(float(log10))


def _percent(share: float) -> str:
    return f"{100.0 * float(share):.3g}%"
