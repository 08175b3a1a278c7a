"""What a gradient is multiplied by at every time step, in the network as it is now.

For indrnn the u of every neuron and its T-th power, with the bound 2^(1/T); for rnn and irnn the
eigenvalues of U around the unit circle.
"""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING, ClassVar

from rich.style import Style
from textual.geometry import Size
from textual.strip import Strip

from engine.architectures import ARCHITECTURES
from tui.lab.bars import bar_cell
from tui.lab.plot import WAITING
from tui.lab.view import View
from tui.strips import line_of, strip_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from engine.arrays import HostArray
    from scenarios.drawn import DrawnWeights, MatrixWeights
    from tui.lab.live import LiveRun

#: Bars that even a few values are spread over.
_FEWEST_BARS = 24
#: Decades below the largest power that have bars of their own; no sum sees what is below.
_REACH = 12.0
#: Braille's dots by row and column of a cell.
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))

Row = tuple[list[str], list[str]]


class RecurrentWeightsView(View):
    """Histograms of u and of its T-th power, or eigenvalues in the complex plane."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "recurrent--axis",
        "recurrent--words",
        "recurrent--inside",
        "recurrent--beyond",
        "recurrent--line",
    }
    name_id = "recurrent-weights"
    title_word = "recurrent weights"
    hint = "What a gradient is multiplied by at every time step: beyond the line it can grow."
    wants = "weights"

    @classmethod
    def fits(cls, run: LiveRun) -> bool:
        layer = ARCHITECTURES[run.scenario.network.kind].layer
        return layer.recurrent and not layer.gates

    def title(self, run: LiveRun) -> str:
        found = run.weights
        if found is None or isinstance(found, str) or run.weights_at is None:
            return "what every time step multiplies by"
        from scenarios.drawn import DrawnWeights

        step, layer = run.weights_at
        of = "u" if isinstance(found, DrawnWeights) else "eigenvalues of U"
        later = ", computing" if run.computing else ""
        return f"{of}, layer {layer}, step {step}{later}"

    def draw(self, size: Size) -> list[Strip]:
        run = self.run
        if run is None or run.frame is None:
            return self._note(size, WAITING)
        from scenarios.drawn import DrawnWeights

        found = run.weights
        if found is None:
            return self._note(size, "computing")
        if isinstance(found, str):
            return self._note(size, found)
        if isinstance(found, DrawnWeights):
            return self._histograms(found, size)
        return self._plane(found, size)

    def _note(self, size: Size, text: str) -> list[Strip]:
        return self.note(size, text, self._ink("axis"))

    def _histograms(self, found: DrawnWeights, size: Size) -> list[Strip]:
        """|u| on the left, its power on the right."""
        look, steps, count = found.look, found.time_steps, len(found.look.u)
        plain = found.max_slope == 1.0
        bound = "2^(1/T)" if plain else "2^(1/T)/sup phi'"
        hops = f"{found.within} of {count} keep {steps - 1} hops within 3 decades"
        wordings = (
            f"{found.beyond} of {count} beyond {bound} = {look.line:.5g}; {hops}",
            f"{found.beyond} of {count} beyond {bound}, {found.within} within 3 decades",
            f"{found.beyond} of {count} beyond {bound}",
        )
        words = next((told for told in wordings if len(told) <= size.width), wordings[-1])
        left = max((size.width - 3) // 2, 1)
        right = max(size.width - 3 - left, 1)
        rows = max(size.height - 1, 3)
        power = f"|u|^{steps}" if plain else f"(|u| sup phi')^{steps}"
        panels = (
            _bars(abs(look.u), look.line, math.inf, "", "|u|", bound, left, rows),
            _bars(look.log10_bound, math.log10(2.0), _REACH, "10^", power, "2", right, rows),
        )
        strips = [line_of(size.width, (words, self._ink("words")))]
        for one, other in zip(*panels, strict=True):
            characters = [*one[0], *"   ", *other[0]]
            strips.append(strip_of(characters, self._inks([*one[1], *["axis"] * 3, *other[1]])))
        return strips

    def _plane(self, found: MatrixWeights, size: Size) -> list[Strip]:
        """The unit circle and the eigenvalues, with what they mean beside them."""
        columns = min(2 * size.height, max(size.width // 2, 1))
        rows = max(min(size.height, columns // 2), 1)
        draw = _braille if self.unicode else _ascii
        cells = draw(found.eigenvalues, columns, rows)
        room = max(size.width - columns - 2, 1)
        told = [
            line
            for sentence in _sentences(found)
            for line in textwrap.wrap(sentence, room, subsequent_indent="  ")
        ]
        told += [""] * (rows - len(told))
        strips = []
        for (characters, inks), line in zip(cells, told, strict=False):
            text = f"  {line}"[: room + 2].ljust(room + 2)
            inks = [*inks, *["words"] * len(text)]
            strips.append(strip_of([*characters, *text], self._inks(inks)))
        return strips

    def _inks(self, names: list[str]) -> list[Style]:
        known = {name: self._ink(name) for name in set(names)}
        return [known[name] for name in names]

    def _ink(self, name: str) -> Style:
        return self.get_component_rich_style(f"recurrent--{name}", partial=True)


def _sentences(found: MatrixWeights) -> list[str]:
    values = abs(found.eigenvalues)
    # An identity matrix's own are on the circle, give or take rounding.
    beyond = int((values > 1.0 + 1e-6).sum())
    exponents = found.exponents
    if isinstance(exponents, str):
        rates = f"no Lyapunov exponents: {exponents}"
    else:
        numbers = "  ".join(f"{round(value, 3) + 0.0:.3f}" for value in exponents.tolist())
        rates = f"Lyapunov exponents {numbers} decades a step"
    return [
        f"spectral radius {values[0]:.4g}",
        f"{beyond} of {len(values)} eigenvalues outside the unit circle",
        f"largest singular value {found.largest_singular_value:.4g}",
        rates,
    ]


def _bars(
    values: HostArray,
    mark: float,
    reach: float,
    prefix: str,
    title: str,
    name: str,
    width: int,
    rows: int,
) -> list[Row]:
    """A histogram of `rows` lines with a line at `mark`; the first line is its title.

    What lies more than `reach` below the largest is in the lowest bar.
    """
    import numpy as np

    columns = max(width - 1, 2)
    high = max(float(values.max()), mark)
    low = min(max(float(values.min()), high - reach), mark)
    wanted = max(_FEWEST_BARS, int(2.0 * math.sqrt(len(values))))
    bar = max(columns // wanted, 1)
    bars = columns // bar
    # A bar ends at the mark, so that none stands on both sides of it.
    step = max(high - low, 1e-6) / max(bars - 1, 1)
    first = math.floor((low - mark) / step)
    with np.errstate(invalid="ignore"):
        places = np.ceil((np.maximum(values, low) - mark) / step) - 1.0 - first
    counts = np.bincount(np.clip(places, 0, bars - 1).astype(np.int64), minlength=bars)
    tallest = int(counts.max())
    line = min(-first, bars) * bar
    height = rows - 2
    result: list[Row] = []
    for floor in range(height - 1, -1, -1):
        characters: list[str] = []
        inks: list[str] = []
        for number, count in enumerate(counts.tolist()):
            characters += bar_cell(count, tallest, height, floor) * bar
            inks += ["beyond" if number >= -first else "inside"] * bar
        characters.insert(line, "┊")
        inks.insert(line, "line")
        result.append(_fitted(characters, inks, width))
    head = f"{title}, {tallest} at most"
    digits = max(0, min(4, 1 - math.floor(math.log10(step * bars))))
    ends = [f"{prefix}{first * step + mark:.{digits}f}", f"{prefix}{high:.{digits}f}"]
    if float(values.min()) < low:
        ends[0] = f"<{ends[0]}"
    return [
        _fitted(list(head), ["words"] * len(head), width),
        *result,
        _labels(ends[0], name, ends[1] if high > mark else "", line, width),
    ]


def _labels(low: str, name: str, high: str, line: int, width: int) -> Row:
    """What stands under the bars: the mark's name under its line, the ends where there is room."""
    characters, inks = [" "] * width, ["axis"] * width
    start = min(max(line - len(name) // 2, 0), max(width - len(name), 0))
    places = ((start, name, "line"), (0, low, "axis"), (width - len(high), high, "axis"))
    for at, text, ink in places:
        around = characters[max(at - 1, 0) : at + len(text) + 1]
        if at >= 0 and set(around) <= {" "}:
            characters[at : at + len(text)] = text
            inks[at : at + len(text)] = [ink] * len(text)
    return characters[:width], inks[:width]


def _fitted(characters: list[str], inks: list[str], width: int) -> Row:
    missing = max(width - len(characters), 0)
    return [*characters, *" " * missing][:width], [*inks, *["axis"] * missing][:width]


def _braille(values: NDArray[np.complex128], columns: int, rows: int) -> list[Row]:
    """The unit circle, dotted, and the eigenvalues, a dot each."""
    dots = [[0] * columns for _ in range(rows)]
    inks = [["axis"] * columns for _ in range(rows)]
    for x, y, ink in _places(values, min(2 * columns, 4 * rows), 1.0):
        row, column = min(y // 4, rows - 1), min(x // 2, columns - 1)
        dots[row][column] |= _DOTS[y % 4][x % 2]
        inks[row][column] = ink
    return [
        ([chr(0x2800 + dot) if dot else " " for dot in line], ink)
        for line, ink in zip(dots, inks, strict=True)
    ]


def _ascii(values: NDArray[np.complex128], columns: int, rows: int) -> list[Row]:
    """The same in characters: . for the circle, o for an eigenvalue inside, # outside."""
    characters = [[" "] * columns for _ in range(rows)]
    inks = [["axis"] * columns for _ in range(rows)]
    for x, y, ink in _places(values, min(columns // 2, rows), 2.0):
        row, column = min(y, rows - 1), min(x, columns - 1)
        characters[row][column] = {"line": ".", "inside": "o", "beyond": "#"}[ink]
        inks[row][column] = ink
    return list(zip(characters, inks, strict=True))


def _places(
    values: NDArray[np.complex128], size: int, stretch: float
) -> list[tuple[int, int, str]]:
    """Where the circle's points and then the eigenvalues are in a square of `size` dots.

    A dot is `stretch` times as high as it is wide.
    """
    import numpy as np

    radius = (size - 1) / 2.0
    # The picture holds the circle and every eigenvalue.
    scale = radius / max(1.0, float(abs(values[0])))
    circle = np.exp(2j * math.pi * np.linspace(0.0, 1.0, max(int(2.0 * math.pi * scale), 12)))
    places = []
    for points, inks in (
        (circle, ["line"] * len(circle)),
        (values, ["beyond" if size > 1.0 + 1e-6 else "inside" for size in abs(values).tolist()]),
    ):
        xs = np.rint(stretch * (radius + scale * points.real)).astype(np.int64).tolist()
        ys = np.rint(radius - scale * points.imag).astype(np.int64).tolist()
        places += list(zip(xs, ys, inks, strict=True))
    return places
