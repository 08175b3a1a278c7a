"""Every key that works on a screen, and what it shows to someone who sees it first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from rich.table import Table
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Input, Static

if TYPE_CHECKING:
    from textual.app import App
    from textual.dom import DOMNode
    from textual.screen import Screen

#: Columns of the keys at most; where a line has more of them, they go on in the next.
_KEYS_WIDTH = 15
_NAMED = {"enter": "enter", "backspace": "backspace"}

_QUESTION = """\
[b $accent]The question[/]
A network learns from the gradient of its loss. That gradient travels from the loss back through \
every layer, or every time step, and each hop multiplies it by the weights and by the slope of \
the activation. Factors below 1 make it [b]vanish[/], factors above 1 make it [b]explode[/]: \
ten sigmoid layers pass on at most 0.25^10."""

_PLOT = """\
[b $accent]The plot[/]
The right edge is the [b]loss[/]; to the left lie the earlier layers or time steps. The height is \
log10 of the gradient's size there: 3 lower is a thousand times smaller. A level line is healthy, \
a slope downwards to the left vanishes, a slope upwards explodes. Beyond the two dashed lines, \
3 decades from the loss, the verdict says so. The faint curve is the network before training. \
A [b]0[/] at the bottom is an exact zero, a [b]![/] at the top an overflow."""

_VIEWS = """\
[b $accent]The views under it[/]  (v: the next one, V: the one before)
[b]Heatmap[/]: the same, everywhere at once. Recurrent nets: one row per layer, the loss at the \
top right. Others: one row per training step, the newest at the bottom. White is healthy, blue \
vanishes, orange explodes; the numbers under it are decades relative to the loss.
[b]Who kills it[/]: every hop splits exactly into what the activation's slope, phi', did and what \
the weights did (LSTM, GRU: a gate's own path, and the rest). Bars below the line took decades \
from the gradient on its way from the loss, bars above it gave some; the dots are the sum, which \
is the gradient itself.
[b]Singular values[/] of the whole network's Jacobian: what the directions of a gradient are \
multiplied by on their way. All in one bar at 10^0 is isometry: none vanishes, none explodes. A \
bar over 0 counts directions that are lost altogether.
[b]Loss[/]: of every training step, with what is held out marked on it; below the dashed line the \
network knows more than a guess does. [b]Over training[/]: the time steps again, a row for every \
training step. [b]Drift[/]: how large the weights are that every hop multiplies by: spectral \
radius of U, range of u, each gate's U, or the weight scale of W."""

_LOOKING = """\
[b $accent]Looking closer[/]  (t, o, h)
[b]Triage[/], t: the stretches where the gradient vanishes or explodes fastest, with their \
half-life and who did it; enter goes there. [b]Inspect[/], o: one layer or time step in full, its \
gradients one by one; arrow keys move the cursor, shift a tenth of the way. [b]History[/], h: left \
and right go back through earlier frames, and plot, view and verdict with them; escape shows what \
comes."""

_COMPARE = """\
[b $accent]Compare[/]  (c: the table, and back)
A row for every run in the plot, told by its marker: verdict, decades from the loss to the far \
end, the factor a hop, loss, what theory said of the network as drawn (≤ a bound), who did it."""

_DUELS = """\
[b $accent]Duels[/]  (D: pick one)
Two to four scenarios side by side on the same axes, all live. Enter goes on with one in the Lab."""

_RUNS = """\
[b $accent]Runs[/]  (R)
What was run here and by nablascope run. A run of the Lab is stored once nothing has taken its \
place for two seconds, or once it is pinned; controls that are still being turned leave no trace."""

_THEORY = """\
[b $accent]Theory[/]
The dashes are what the papers predict from the settings alone: a prediction (mean field), a \
bound no gradient exceeds, or what one gate lets through. The line under the verdict says how far \
apart they are, or why there is no theory, as in narrow or normalised networks. None is about \
trained weights: after the first update the dashes stay with the faint curve, and the line speaks \
of step 0; i has the whole of it."""

_REMEDIES = """\
[b $accent]Remedies[/]  (x: the list, and why some do not apply)
A digit applies one and keeps the run before it in the plot, under its own marker; the same digit \
takes it away again, another one takes its place. While a number among the controls has the \
cursor, digits are typed into it: go through x there."""

_TRY = """\
[b $accent]Things to try[/]
Pin a run (p), choose another in the catalogue, and compare. Turn the weight scale with the arrow \
keys and find the value where the line is level. Add layers. Swap sigmoid for relu."""

_SCREENS = """\
[b $accent]The screens[/]  (the tabs at the top)
[b]G[/] the Lab, [b]M[/] the map, [b]R[/] the runs, [b]L[/] the lesson; [b]D[/] a duel on top of \
any of them. Each stays as it was left while you look at another; ? tells of the one in sight."""

_MAP = """\
[b $accent]The map[/]  (M)
Two settings across and up, the decades of every network between in the heatmap's colours, and \
theory's critical line over them. Space fills it in, stops, and goes on; tab leads to the \
controls: what it is a map of, its sides, how many seeds. The arrow keys move over the points, \
Enter runs one in the Lab. z marks a corner, z at another corner zooms in, Z zooms out. Every \
point is kept in the run store, where nablascope sweep finds it too."""

_LESSON = """\
[b $accent]The lesson[/]  (L)
Why gradients vanish and explode, a page at a time. Left and right turn a page's knob, tab takes \
the next knob, space reads on, n and p turn the page, o runs it in the Lab, escape leads back."""

#: What is told of each screen below its keys.
_TEXTS: dict[str, tuple[str, ...]] = {
    "LabScreen": (_QUESTION, _PLOT, _VIEWS, _LOOKING, _COMPARE, _THEORY, _REMEDIES, _TRY),
    "DuelScreen": (_DUELS, _PLOT, _THEORY),
    "MapScreen": (_MAP,),
    "RunsScreen": (_RUNS,),
    "LearnScreen": (_LESSON,),
}


class HelpScreen(ModalScreen[None]):
    """Scrolls with the arrow keys; Escape closes it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q", "dismiss(None)", "close")
    ]

    def __init__(self, about: Screen[Any]) -> None:
        super().__init__()
        self._about = about

    def compose(self) -> ComposeResult:
        """The keys by where they work, then the screen in words."""
        listed = keys_of(self._about)
        longest = max(len(keys) for rows in listed.values() for keys in rows.values())
        with VerticalScroll(id="help"):
            for title, rows in listed.items():
                yield Static(f"[b $accent]{title}[/]")
                yield Static(_table(rows, min(longest, _KEYS_WIDTH)), classes="table")
            yield Static("\n\n".join([*_TEXTS[type(self._about).__name__], _SCREENS]))

    def on_mount(self) -> None:
        """Name the box."""
        box = self.query_one("#help")
        box.border_title = "keys, and what you see"
        box.border_subtitle = "escape closes"
        box.focus()


def keys_of(screen: Screen[Any]) -> dict[str, dict[str, str]]:
    """What every key does on a screen: text by keys, by the title of the part that has them.

    The screen's own come first, then those of its parts, while they have the focus, then the app's.
    """
    app: App[Any] = screen.app
    parts = [part for part in screen.query("*") if part.can_focus]
    own = _bindings(screen)
    # What the screen does with a key, the app never hears of.
    rest = [binding for binding in _bindings(app) if binding.key not in {b.key for b in own}]
    by_part: list[tuple[DOMNode, Iterable[Binding]]] = [(screen, own)]
    by_part += [(part, _bindings(part)) for part in parts]
    by_part += [(app, rest)]
    listed: dict[str, dict[str, str]] = {}
    for part, bindings in by_part:
        keys: dict[str, list[str]] = {}
        for binding in bindings:
            text = binding.tooltip or binding.description.capitalize()
            keys.setdefault(text, []).append(_shown(app, binding))
        if keys:
            title = part.BINDING_GROUP_TITLE or type(part).__name__
            listed[title] = {" ".join(these): text for text, these in keys.items()}
    return listed


def _bindings(node: DOMNode) -> list[Binding]:
    """What is bound at a node, an inherited binding only where its key is not bound anew."""
    found: dict[str, Binding] = {}
    for kind in type(node).__mro__:
        # Those that move within a line are everybody's.
        if kind is Input:
            break
        for binding in Binding.make_bindings(vars(kind).get("BINDINGS", ())):
            if binding.description and not binding.system:
                found.setdefault(binding.key, binding)
    return list(found.values())


def _shown(app: App[Any], binding: Binding) -> str:
    """One key: what the line of keys shows may stand for several."""
    return _NAMED.get(binding.key) or app.get_key_display(replace(binding, key_display=None))


def _table(rows: dict[str, str], width: int) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(width=width)
    table.add_column()
    for keys, text in rows.items():
        table.add_row(keys, text)
    return table
