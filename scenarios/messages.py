"""What the engine beside the app tells it: each message is of one run, by its number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

if TYPE_CHECKING:
    from engine.frame import Frame
    from engine.inspection import Inspection
    from engine.jacobian import JacobianSpectrum
    from engine.theory import Prediction
    from engine.weight_sizes import WeightSizes
    from scenarios.drawn import DrawnWeights, MatrixWeights
    from scenarios.scenario import Scenario
    from scenarios.tasks.base import Trivial

#: What is added to as long as nobody asks.
Pending = TypeVar("Pending", "Frames", "Drifted")


@dataclass(frozen=True, slots=True)
class Started:
    """A run was set up: its device is open and its network drawn; `trivial` is its task's."""

    run: int
    scenario: Scenario
    device: dict[str, str | None]
    versions: dict[str, str]
    trivial: Trivial | None = None


@dataclass(frozen=True, slots=True)
class Frames:
    """Frames in order of their steps; steps nobody asked for in time are missing."""

    run: int
    frames: list[Frame]


@dataclass(frozen=True, slots=True)
class Predicted:
    """What theory says of the network as it was drawn; comes after the first frame."""

    run: int
    prediction: Prediction


@dataclass(frozen=True, slots=True)
class Jacobian:
    """The singular values asked for, of the network after training step `step`, or a line that says
    why there are none.
    """

    run: int
    step: int
    found: JacobianSpectrum | str


@dataclass(frozen=True, slots=True)
class Weights:
    """The recurrent weights asked for, of layer `layer` after training step `step`, or a line that
    says why there are none; `seconds` is what the look took.
    """

    run: int
    step: int
    layer: int
    found: DrawnWeights | MatrixWeights | str
    seconds: float


@dataclass(frozen=True, slots=True)
class Inspected:
    """The place asked for, layer `layer` at time step `time_step`, after training step `step`, or a
    line that says why there is nothing; `seconds` is what the look took.
    """

    run: int
    step: int
    layer: int
    time_step: int
    found: Inspection | str
    seconds: float


@dataclass(frozen=True, slots=True)
class Drifted:
    """Training steps and how large the weights were after them; comes unasked, now and then."""

    run: int
    sizes: list[tuple[int, WeightSizes]]


@dataclass(frozen=True, slots=True)
class NotStored:
    """Something could not be stored, and why: one line. The run goes on."""

    run: int
    line: str


@dataclass(frozen=True, slots=True)
class Ended:
    """All steps of a run are done; `event` is its end event, as in the JSON lines."""

    run: int
    event: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Failed:
    """A run could not go on: one line that says why, and the scenario key to blame if any."""

    run: int
    line: str
    key: str | None


Message: TypeAlias = (
    Started
    | Frames
    | Predicted
    | Jacobian
    | Weights
    | Inspected
    | Drifted
    | NotStored
    | Ended
    | Failed
)
