"""Page: a convolution, written out, is one matrix product."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scenarios.lesson.blocks import Beside, Cells, Formula, Text
from scenarios.lesson.page import Knob, Page, Reading, Settings
from scenarios.lesson.runs import many, small

if TYPE_CHECKING:
    from engine.arrays import HostArray

#: 2x2 filters, row by row.
_FILTERS = {
    "sum": (1, 1, 1, 1),
    "diagonal": (1, 0, 0, 1),
    "row": (1, 1, 0, 0),
    "corner": (0, 0, 0, 1),
}
_SIZE, _KERNEL = 4, 2


def _read(settings: Settings) -> Reading:
    import numpy as np

    from engine.im2col import im2col

    padding, stride = settings.whole("padding"), settings.whole("stride")
    image = np.arange(1.0, _SIZE * _SIZE + 1).reshape(1, _SIZE, _SIZE, 1)
    weights = np.array(_FILTERS[settings.word("filter")], dtype=np.float64)
    # The engine's patches are rows; the books' are columns.
    columns = im2col(np, image, _KERNEL, stride, padding)[0].T
    output = weights @ columns
    padded = np.pad(image[0, :, :, 0], padding)
    across = (len(padded) - _KERNEL) // stride + 1
    by_hand = _slid(padded, weights.reshape(_KERNEL, _KERNEL), stride)
    difference = float(abs(by_hand - output).max())
    count = columns.shape[1]
    place = min(settings.whole("position"), count) - 1
    top, left = place // across * stride, place % across * stride
    covered = frozenset((top + i, left + j) for i in range(_KERNEL) for j in range(_KERNEL))
    patch = " ".join(f"{value:g}" for value in columns[:, place])
    used = int((columns == image[0, 0, 0, 0]).sum())
    share = f"{_KERNEL * _KERNEL} of {padded.size}"
    blocks = (
        Text(
            "A convolution slides one small filter over an image. im2col copies what the filter "
            "sees at every position into a column. After that no sliding is left: the whole "
            "convolution is *one matrix product*, and what this lesson says of a weight matrix "
            "{W} holds for a CNN too."
        ),
        Beside(
            (
                Cells(f"image, padding {padding}", _texts(padded), covered),
                Cells("filter", _texts(weights.reshape(_KERNEL, _KERNEL))),
                Cells(
                    "output",
                    _texts(output.reshape(across, across)),
                    frozenset({(place // across, place % across)}),
                ),
            )
        ),
        Text(
            f"Position *{place + 1} of {count}*: the filter covers {patch}. They become column "
            f"{place + 1}, and the filter times that column is *{output[place]:g}*."
        ),
        Cells(
            f"{columns.shape[0]} x {count}: the columns",
            _texts(columns),
            frozenset((row, place) for row in range(columns.shape[0])),
        ),
        Cells(
            f"{{1 x {columns.shape[0]}}} times {columns.shape[0]} x {count} = 1 x {count}: "
            "the output, all positions at once",
            _texts(output[None]),
            frozenset({(0, place)}),
        ),
        Formula(
            (
                f"positions = ((4 + 2·{padding} − 2) / {stride} + 1)²"
                f" = {across}² = {count}, rounded down within"
                if (len(padded) - _KERNEL) % stride
                else f"positions = ((4 + 2·{padding} − 2) / {stride} + 1)² = {across}² = {count}",
                "output = {w} · columns",
            )
        ),
        Text(
            f"Slid by hand the filter gives the same numbers; the largest difference is "
            f"*{difference:g}*. Two things to keep in mind. The matrix {{W}} from image to output "
            f"is sparse: each output reads {share} pixels. And the same four weights serve all "
            f"{count} positions, so their gradient is a sum over {count} columns."
        ),
        Text(
            f"Pixel 1, in the corner, now stands in {many(used, 'column')}. In how many "
            f"{'without' if padding else 'with'} padding? And in how many does pixel 6 stand?",
            asks=True,
        ),
    )
    numbers = {
        "positions": count,
        "columns": [[float(v) for v in row] for row in columns],
        "output": [float(v) for v in output],
        "difference_by_hand": difference,
    }
    scenario = small(
        "im2col",
        "Lesson: convolutions on 4x4 images",
        {
            "network.kind": "cnn",
            "network.activation": "relu",
            "network.depth": 4,
            "network.hidden_size": 8,
            "network.kernel_size": 2,
            "task.image_size": 4,
            "task.image_channels": 1,
        },
    )
    return Reading(blocks, numbers, scenario)


def _slid(padded: HostArray, filter: HostArray, stride: int) -> HostArray:
    """The convolution by its definition."""
    import numpy as np

    places = range(0, len(padded) - _KERNEL + 1, stride)
    return np.array(
        [(padded[i : i + _KERNEL, j : j + _KERNEL] * filter).sum() for i in places for j in places]
    )


def _texts(matrix: HostArray) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(f"{value:g}" for value in row) for row in matrix)


PAGE = Page(
    name="im2col",
    title="A convolution is one matrix product",
    knobs=(
        Knob("position", "position", 13, 1, 25),
        Knob("filter", "filter", "diagonal", choices=tuple(_FILTERS)),
        Knob("padding", "padding", 1, 0, 1),
        Knob("stride", "stride", 1, 1, 2),
    ),
    source="Chellapilla, Puri and Simard 2006, High performance convolutional neural networks for "
    "document processing; engine/im2col.py",
    read=_read,
)
