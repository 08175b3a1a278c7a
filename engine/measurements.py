"""What a device measures for its host, in one transfer a pass.

The host decides from magnitudes, above all whether to rescale by a power of two; to wait for each
of them would keep a device idle. So a pass that did wait is a plan, and the next one of its kind a
replay: it is told the numbers of the plan, decides the same from them, and is launched as a whole.
What it measures gathers on the device and comes in one copy at the end. If no number is far from
the plan's, nothing was lost by deciding as it did, powers of two being exact, and the true numbers
go where they belong. Else, as after a jump of the parameters, the pass is run again and waits, and
is the new plan: it writes nothing that it reads, so that it can be run twice.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any, TypeVar

from engine.magnitude import TRUSTED, look_again

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.arrays import Array, HostArray
    from engine.backend import Backend

    Action = Callable[[], object]
    #: Launches a measurement of an array, whose numbers go to slots.
    Put = Callable[[Array, Array], object]

Result = TypeVar("Result")

#: How far log2 of a magnitude may be from the plan's. What decides by a plan leaves room for two of
#: them, a product's factors, before the end of what it trusts.
DRIFT = 40.0

#: The same where a magnitude is outside what float32 is trusted with.
_DRIFT_BEYOND = 4.0

#: Sums of squares in float64 from here on up to infinity lost nothing to its lower end.
_SOUND = 2.0**-960


@dataclass(frozen=True, slots=True)
class _Kind:
    """What is measured.

    Attributes:
        mean: whether sums over the last axis are divided by its length.
        size: whether it is log2 RMS, and the sums those of squares.
        decides: whether the host decides from it.
    """

    mean: bool = False
    size: bool = False
    decides: bool = False

    def per(self, source: Array) -> int:
        """What sums over `source` are divided by."""
        return int(source.shape[-1]) if self.mean else 1


_SIZE, _SHARE = _Kind(mean=True, size=True, decides=True), _Kind(mean=True)
_VALUE, _DECISION = _Kind(), _Kind(decides=True)


class _Measured:
    """Numbers of one measurement that have arrived; `free` are those that decide nothing."""

    def __init__(self, kind: _Kind, per: int, out: HostArray) -> None:
        import numpy as np

        self.kind = kind
        self.per = per
        self.out = out
        self.values = out.copy()
        self.free = np.full(out.shape, not kind.decides)


def _read(raw: HostArray, per: float | HostArray, size: bool) -> HostArray:
    """Numbers from what was put into the slots; a size that takes another look is inf."""
    import numpy as np

    if not size:
        return raw / per
    with np.errstate(divide="ignore", invalid="ignore"):
        found: HostArray = 0.5 * (np.log2(raw) - np.log2(per))
    found[(raw > 0.0) & (raw < _SOUND)] = math.inf
    return found


class Plan:
    """What a pass measured, in the order of measuring.

    Args:
        measured: the numbers.
        failed: replays in a row that came to nothing before it was made.
        rest: how many passes are not to try it.
    """

    def __init__(self, measured: Sequence[_Measured], failed: int, rest: int) -> None:
        import numpy as np

        self.failed, self.rest = failed, rest
        self.values = [one.values for one in measured]
        counts = [values.size for values in self.values]
        self.places = list(pairwise(accumulate(counts, initial=0)))
        self._per = np.repeat([float(one.per) for one in measured], counts)
        self._size = np.repeat([one.kind.size for one in measured], counts)
        self._free = np.concatenate([one.free.ravel() for one in measured])
        self._expected = np.concatenate([values.ravel() for values in self.values])
        most = np.maximum(TRUSTED, np.abs(self._expected) + _DRIFT_BEYOND)
        most[~self._size] = math.inf
        self._low = np.maximum(self._expected - DRIFT, -most)
        self._high = np.minimum(self._expected + DRIFT, most)
        #: Room for a replay: slots on the device, all and by measurement, and on the host.
        self._slots: Array | None = None
        self.views: list[Array] = []
        self._room: HostArray = self._expected

    def lay_out(self, device: Measurements) -> None:
        """Make room for replays, if there is none yet."""
        if self._slots is None:
            count = len(self._expected)
            self._slots, self._room = device.slots(count), device.room(count)
            self.views = [
                self._slots[start:stop].reshape(values.shape)
                for (start, stop), values in zip(self.places, self.values, strict=True)
            ]

    def fetch(self, device: Measurements) -> HostArray:
        """All numbers of a replay, once the device has got through it."""
        import numpy as np

        device.begin_copy(self._slots, self._room)()
        return np.where(
            self._size,
            _read(self._room, self._per, size=True),
            _read(self._room, self._per, size=False),
        )

    def holds(self, found: HostArray) -> bool:
        """Whether deciding by these numbers would have made no difference that matters."""
        import numpy as np

        near = (found >= self._low) & (found <= self._high)
        near |= (found == self._expected) | (np.isnan(found) & np.isnan(self._expected))
        near |= self._free
        return bool(near.all())

    def deliver(self, found: HostArray, outs: Sequence[HostArray]) -> None:
        """Put true numbers where the plan's are, with what the pass has added to them since.

        To sizes it adds nothing but exponents, which are whole, and to others nothing.
        """
        import numpy as np

        sized = self._size & np.isfinite(self._expected)
        with np.errstate(invalid="ignore"):
            added = np.concatenate([out.ravel() for out in outs]) - self._expected
        true = found + np.where(sized, np.rint(added), 0.0)
        for out, (start, stop) in zip(outs, self.places, strict=True):
            out[...] = true[start:stop].reshape(out.shape)


class _AnotherWay(Exception):
    """A pass measures something else than its plan, or what would have decided otherwise."""


@dataclass(slots=True)
class _Replay:
    """A pass under way that is told a plan's numbers."""

    plan: Plan
    outs: list[HostArray] = field(default_factory=list)
    actions: list[Action] = field(default_factory=list)

    def take(self, put: Put, source: Array, out: HostArray) -> None:
        """Launch a measurement and go on with the plan's numbers."""
        place = len(self.outs)
        if place == len(self.plan.values) or self.plan.values[place].shape != out.shape:
            raise _AnotherWay
        put(source, self.plan.views[place])
        out[...] = self.plan.values[place]
        self.outs.append(out)


class Measurements(ABC):
    """A device's measurements; outside of a `during` each one waits."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._recording: list[_Measured] | None = None
        self._replay: _Replay | None = None

    @abstractmethod
    def put_squares(self, blocks: Array, out: Array) -> None:
        """Launch sums of squares over the last axis, in float64, to slots shaped like the others.

        No square of a value other than 0 counts as 0. An infinite value makes nan, so that inf
        says that finite ones left float64.
        """

    @abstractmethod
    def slots(self, count: int) -> Array:
        """Room for numbers in float64 on the device, uninitialised."""

    @abstractmethod
    def room(self, count: int) -> HostArray:
        """Room on the host that a copy can be under way to."""

    @abstractmethod
    def begin_copy(self, slots: Array, room: HostArray) -> Callable[[], object]:
        """Begin to copy all that the slots will hold once the device has done what was launched.

        Returns what waits for the end.
        """

    def during(
        self, plans: dict[Hashable, Plan], key: Hashable, work: Callable[[], Result]
    ) -> Result:
        """Run a pass, in one transfer if `plans` has one like it; all numbers are true then.

        `key` tells passes apart that measure other things. After several replays in a row that
        came to nothing, more and more passes do not try.
        """
        plan = plans.get(key)
        failed, rest = (0, 0) if plan is None else (plan.failed, plan.rest - 1)
        if plan is not None and not plan.rest:
            try:
                result = self._replayed(plan, work)
            except _AnotherWay:
                failed, rest = plan.failed + 1, plan.failed
            else:
                plan.failed = 0
                return result
        result, measured = self._recorded(work)
        plans[key] = Plan(measured, failed, max(rest, 0))
        return result

    def _replayed(self, plan: Plan, work: Callable[[], Result]) -> Result:
        """Raises `_AnotherWay` where the plan was not the right one."""
        plan.lay_out(self)
        self._replay = replay = _Replay(plan)
        try:
            result = work()
        finally:
            self._replay = None
        found = plan.fetch(self)
        if len(replay.outs) < len(plan.values) or not plan.holds(found):
            raise _AnotherWay
        plan.deliver(found, replay.outs)
        for action in replay.actions:
            action()
        return result

    def _recorded(self, work: Callable[[], Result]) -> tuple[Result, list[_Measured]]:
        measured: list[_Measured] = []
        self._recording = measured
        try:
            return work(), measured
        finally:
            self._recording = None

    def settle(self, action: Action) -> None:
        """Do what follows from measured numbers, now, and again should they change."""
        action()
        if self._replay is not None:
            self._replay.actions.append(action)

    def disregard(self, out: HostArray, places: Any) -> None:
        """Numbers written to `out` in this pass decide nothing at these places, as it turns out."""
        for one in reversed(self._recording or ()):
            if one.out is out:
                one.free[places] = True
                return

    def put_log2_rms(self, fields: Sequence[tuple[Array, HostArray]]) -> None:
        """Write log2 RMS over the last axis of each (blocks, out) to `out`."""
        self._measure(_SIZE, self.put_squares, fields)

    def sum_squares(self, blocks: Array) -> HostArray:
        """Sums of squares over the last axis."""
        import numpy as np

        out: HostArray = np.empty(blocks.shape[:-1])
        self._measure(_VALUE, self.put_squares, [(blocks, out)])
        return out

    def put_share(self, mask: Array, out: HostArray) -> None:
        """Write to `out` the share of true entries in each of out.size equal parts of a mask."""
        self._measure(_SHARE, self.put_squares, [(mask.reshape(*out.shape, -1), out)])

    def numbers(self, array: Array, *, decides: bool = False) -> HostArray:
        """An array's values; with `decides` they are log2 of what the host decides from."""
        import numpy as np

        out: HostArray = np.empty(array.shape)
        self._measure(_DECISION if decides else _VALUE, _put, [(array, out)])
        return out

    def _measure(self, kind: _Kind, put: Put, fields: Sequence[tuple[Array, HostArray]]) -> None:
        """Write numbers of each (source, out) to `out`, by way of slots that `put` writes to."""
        if self._replay is not None:
            for source, out in fields:
                self._replay.take(put, source, out)
            return
        places = list(pairwise(accumulate((out.size for _, out in fields), initial=0)))
        slots = self.slots(places[-1][1])
        for (source, out), (start, stop) in zip(fields, places, strict=True):
            put(source, slots[start:stop].reshape(out.shape))
        raw = self._backend.to_host(slots)
        for (source, out), (start, stop) in zip(fields, places, strict=True):
            per = kind.per(source)
            out[...] = _read(raw[start:stop], per, kind.size).reshape(out.shape)
            if kind.size and (unsound := out == math.inf).any():
                look_again(self._backend, source, unsound, out)
            if self._recording is not None:
                self._recording.append(_Measured(kind, per, out))


def _put(array: Array, slots: Array) -> None:
    slots[...] = array
