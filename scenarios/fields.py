"""Every key a scenario can have, declared once. To add one: an entry in the list below."""

from __future__ import annotations

from collections.abc import Mapping

from engine.activations import ACTIVATIONS
from engine.architectures import ARCHITECTURES
from engine.convolution import AUTO, CONVOLUTIONS
from engine.initialisers import INITIALISERS
from engine.normalisation import NORMALISATIONS
from engine.optimizers import OPTIMIZERS
from engine.registry import Named
from scenarios.field import Field, choice, number, whole
from scenarios.schedules import SCHEDULES
from scenarios.tasks import TASKS

KIND, SCHEME, TASK = "network.kind", "init.scheme", "task.name"
SCHEDULE = "training.schedule"
#: The keys that decide which other keys fit.
SELECTORS = (KIND, SCHEME, TASK, SCHEDULE)


def _titled(registry: Mapping[str, Named]) -> dict[str, str]:
    """Every entry's formula, or its title where it has none."""
    return {name: getattr(entry, "formula", entry.title) for name, entry in registry.items()}


_DECLARED = (
    choice(
        KIND,
        "architecture",
        "The kind of network: what a layer computes and where it passes its output on.",
        None,
        lambda: _titled(ARCHITECTURES),
    ),
    choice(
        "network.activation",
        "activation",
        "The function phi after every layer; the gradient is multiplied by its slope at each hop.",
        "tanh",
        lambda: _titled(ACTIVATIONS),
    ),
    whole(
        "network.depth",
        "depth",
        "How many layers are stacked.",
        10,
        1,
        10_000,
        recurrent_default=1,
        step=1.25,
    ),
    whole("network.hidden_size", "width", "Units, or channels, in every layer.", 64, 1, 65_536),
    whole(
        "network.kernel_size",
        "kernel size",
        "Height and width of the convolution's filter, in pixels.",
        3,
        1,
        31,
        scale="linear",
        step=1,
    ),
    choice(
        "network.padding",
        "padding",
        "What lies beyond the image's edge: zeros, or the opposite edge (circular).",
        "zero",
        lambda: {"zero": "zeros", "circular": "the opposite edge"},
    ),
    choice(
        "network.convolution",
        "convolution",
        "The algorithm: im2col, Winograd's (a quarter of the products, for 3x3 kernels), or by "
        "size; they agree to rounding.",
        AUTO,
        lambda: {AUTO: "by size"} | _titled(CONVOLUTIONS),
    ),
    Field(
        "network.bias", bool, "bias", "Whether every layer adds a bias to its pre-activation.", True
    ),
    Field(
        "network.residual",
        bool,
        "residual",
        "Adds a layer's input to its output, where shapes agree; in an IndRNN, over two layers.",
        False,
    ),
    Field(
        "network.dense",
        bool,
        "dense",
        "Lets every layer read the input and the outputs of all layers below, side by side.",
        False,
    ),
    choice(
        "network.norm",
        "normalisation",
        "Normalises what the input weights give: over each sample (layer) or over the batch.",
        "none",
        lambda: {"none": "no normalisation"} | _titled(NORMALISATIONS),
    ),
    number(
        "network.recurrent_bound",
        "recurrent bound",
        "As drawn and after every update |u|^T is cut back to this; 0 leaves u free; the paper: 2.",
        0.0,
        1e6,
        step=0.25,
    ),
    choice(
        SCHEME,
        "initialiser",
        "How the weights that a gradient crosses at every hop are drawn.",
        "gaussian",
        lambda: _titled(INITIALISERS),
    ),
    number(
        "init.weight_scale",
        "weight scale",
        "The gain sigma_w of the weights; gaussian draws N(0, weight_scale^2 / fan_in).",
        1.0,
        1e6,
    ),
    number(
        "init.bias_scale",
        "bias scale",
        "The standard deviation sigma_b of the biases.",
        0.0,
        1e6,
    ),
    number(
        "init.recurrent_scale",
        "recurrent scale",
        "The gain of the weights from one time step to the next.",
        1.0,
        1e6,
    ),
    Field(
        "init.recurrent_lower",
        float,
        "recurrent lower",
        "Over the whole sequence, u keeps at least this share: |u|^T is not below it.",
        0.5,
        minimum=0.0,
        maximum=1.0,
        needs=(SCHEME, ("recurrent_range",)),
        step=0.05,
    ),
    number(
        "init.recurrent_upper",
        "recurrent upper",
        "Over the whole sequence, u multiplies by at most this: |u|^T stays below it.",
        2.0,
        1e6,
        needs=(SCHEME, ("recurrent_range",)),
        scale="linear",
        step=0.25,
    ),
    Field(
        "init.forget_bias",
        float,
        "forget bias",
        "Added to the bias of the gate that keeps memory; ln(T - 1) suits T steps (chrono).",
        0.0,
        minimum=-100.0,
        maximum=100.0,
        step=0.5,
    ),
    choice(
        TASK,
        "task",
        "Where inputs and targets come from.",
        "noise",
        lambda: _titled(TASKS),
    ),
    Field(
        "task.file",
        str,
        "file",
        "Your own data: MNIST as npz or IDX for digits, any text for text; empty for the built-in.",
        "",
    ),
    Field(
        "task.permuted",
        bool,
        "permuted",
        "Whether all images have their pixels in one and the same random order.",
        False,
    ),
    whole(
        "task.time_steps",
        "time steps",
        "The length T of the input sequence: how far back the gradient has to reach.",
        100,
        1,
        1_000_000,
        step=1.25,
    ),
    whole("task.batch_size", "batch size", "Examples in one batch.", 32, 1, 65_536),
    whole("task.input_size", "input size", "Numbers in one input.", 64, 1, 65_536),
    whole(
        "task.image_size",
        "image size",
        "Height and width of an input image, in pixels.",
        8,
        1,
        1_024,
    ),
    whole("task.image_channels", "image channels", "Channels of an input image.", 3, 1, 4_096),
    whole(
        "training.steps",
        "training steps",
        "Updates to make; 0 looks at the network as initialised and stops.",
        100,
        0,
        10_000_000,
    ),
    choice(
        "training.optimizer",
        "optimizer",
        "How a gradient becomes an update.",
        "sgd",
        lambda: _titled(OPTIMIZERS),
    ),
    number(
        "training.learning_rate",
        "learning rate",
        "The size of an update.",
        0.01,
        1e3,
        scale="log",
        step=2.0,
    ),
    number(
        "training.clip_norm",
        "clip norm",
        "Gradients of a larger norm are scaled down to it before an update; 0 turns this off.",
        0.0,
        1e6,
        step=0.5,
    ),
    number(
        "training.clip_value",
        "clip value",
        "No entry of a gradient counts for more than this, either way; 0 turns this off.",
        0.0,
        1e6,
        step=0.5,
    ),
    choice(
        SCHEDULE,
        "schedule",
        "How the learning rate falls: never, every so many steps, along a cosine, or when stuck.",
        "constant",
        lambda: _titled(SCHEDULES),
    ),
    whole(
        "training.schedule_steps",
        "schedule steps",
        "Updates from one fall to the next; on a plateau, those whose mean loss has to improve.",
        1000,
        1,
        10_000_000,
        needs=(SCHEDULE, ("step", "plateau")),
    ),
    Field(
        "training.schedule_factor",
        float,
        "schedule factor",
        "What the learning rate is multiplied by when it falls.",
        0.1,
        minimum=0.0,
        maximum=1.0,
        needs=(SCHEDULE, ("step", "plateau")),
        step=0.05,
    ),
    whole(
        "training.evaluate_every",
        "evaluate every",
        "Steps between two looks at examples that are never trained on; 0 never looks.",
        0,
        0,
        10_000_000,
    ),
    whole(
        "run.seed",
        "seed",
        "Fixes every random draw: the same seed gives the same run.",
        0,
        0,
        2**32 - 1,
        scale="linear",
        step=1,
    ),
    choice(
        "run.dtype",
        "precision",
        "The floating-point type everything is computed in.",
        "float32",
        lambda: {"float32": "single precision", "float64": "double precision"},
    ),
    choice(
        "run.device",
        "device",
        "Where to compute; auto takes a GPU if one works, else the CPU.",
        "auto",
        lambda: {"auto": "a GPU if one works, else the CPU", "cpu": "the CPU", "cuda": "a GPU"},
        pattern=r"cuda:(0|[1-9][0-9]{0,3})",
        also="cuda:N",
    ),
)

FIELDS: dict[str, Field] = {field.key: field for field in _DECLARED}
