"""What the picture shows, for someone who sees it for the first time."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

HELP = """\
[b $accent]The question[/]
A network learns from the gradient of its loss. That gradient travels from the loss back through \
every layer, or every time step, and each hop multiplies it by the weights and by the slope of \
the activation. Factors below 1 make it [b]vanish[/], factors above 1 make it [b]explode[/]: \
ten sigmoid layers pass on at most 0.25^10.

[b $accent]The plot[/]
The right edge is the [b]loss[/]; to the left lie the earlier layers or time steps. The height is \
log10 of the gradient's size there: 3 lower is a thousand times smaller. A level line is healthy, \
a slope downwards to the left vanishes, a slope upwards explodes. Beyond the two dashed lines, \
3 decades from the loss, the verdict says so. The faint curve is the network before training. \
A [b]0[/] at the bottom is an exact zero, a [b]![/] at the top an overflow.

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
radius of U, range of u, each gate's U, or the weight scale of W.

[b $accent]Looking closer[/]  (t, o, h)
[b]Triage[/], t: the stretches where the gradient vanishes or explodes fastest, with their \
half-life and who did it; enter goes there. [b]Inspect[/], o: one layer or time step in full, its \
gradients one by one; arrow keys move the cursor, shift a tenth of the way. [b]History[/], h: left \
and right go back through earlier frames, and plot, view and verdict with them; escape shows what \
comes.

[b $accent]Compare[/]  (c: the table, and back)
A row for every run in the plot, told by its marker: verdict, decades from the loss to the far \
end, the factor a hop, loss, what theory said of the network as drawn (≤ a bound), and who did it.

[b $accent]Duels[/]  (D: pick one)
Two to four scenarios side by side on the same axes, all live. Enter goes on with one in the Lab.

[b $accent]Runs[/]  (R)
What was run here and by nablascope run. A run of the Lab is stored once nothing has taken its \
place for two seconds, or once it is pinned; controls that are still being turned leave no trace.

[b $accent]Theory[/]
The dashes are what the papers predict from the settings alone: a prediction (mean field), a \
bound no gradient exceeds, or what one gate lets through. The line under the verdict says how far \
apart they are, or why there is no theory, as in narrow or normalised networks. None is about \
trained weights: after the first update the dashes stay with the faint curve, and the line speaks \
of step 0; i has the whole of it.

[b $accent]Remedies[/]  (x: the list, and why some do not apply)
A digit applies one and keeps the run before it in the plot, under its own marker; the same digit \
takes it away again, another one takes its place. While a number among the controls has the \
cursor, digits are typed into it: go through x there.

[b $accent]Things to try[/]
Pin a run (p), choose another in the catalogue, and compare. Turn the weight scale with the arrow \
keys and find the value where the line is level. Add layers. Swap sigmoid for relu.

[b $accent]The screens[/]  (the tabs at the top)
[b]G[/] the Lab, [b]M[/] the map, [b]R[/] the runs, [b]L[/] the lesson. Each stays as it was left \
while you look at another.

[b $accent]The map[/]  (M)
Two settings across and up, the decades of every network between in the heatmap's colours, and \
theory's critical line over them. Space fills it in, stops, and goes on; tab leads to the \
controls: what it is a map of, its sides, how many seeds. The arrow keys move over the points, \
Enter runs one in the Lab. z marks a corner, z at another corner zooms in, Z zooms out. Every \
point is kept in the run store, where nablascope sweep finds it too.

[b $accent]The lesson[/]  (L)
Why gradients vanish and explode, a page at a time. Left and right turn a page's knob, tab takes \
the next knob, space reads on, n and p turn the page, o runs it in the Lab, escape leads back.

[b $accent]Keys[/]
  tab          catalogue and controls      up, down     move
  left, right  turn a control              shift        ten steps at once
  enter        run / type / pick           backspace    the scenario's value
  space        pause, go on, start again   n            one training step
  r            back to step 0              l            judge another layer
  v, V         next view, the one before   /            search the catalogue
  p, P         pin, unpin                  c            compare what is pinned
  t            triage, the worst first     o            inspect one place
  h            back through history        escape       back from any of these
  x            remedies                    1-9, 0       one remedy, on or off
  m            every setting               i            the question in full
  b            hide the left side          ctrl+p       find anything
  s            save the picture (SVG)      w            save the scenario (TOML)
  q            leave
"""


class HelpScreen(ModalScreen[None]):
    """Scrolls with the arrow keys; Escape closes it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q", "dismiss(None)", "close")
    ]

    def compose(self) -> ComposeResult:
        """One text."""
        with VerticalScroll(id="help"):
            yield Static(HELP)

    def on_mount(self) -> None:
        """Name the box."""
        box = self.query_one("#help")
        box.border_title = "what you see"
        box.border_subtitle = "escape closes"
        box.focus()
