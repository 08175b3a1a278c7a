"""irnn and indrnn: neuron n's gradient meets u_n^k times a product of k slopes, nothing else.

Li et al. 2018, section 3.1. So |dL/dh_{T-k}| <= (|u_n| sup |phi'|)^k |dL/dh_T|, with equality while
every slope is the steepest: for ReLU while the unit is on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from engine.activations import ACTIVATIONS
from engine.architectures import ARCHITECTURES
from engine.constraint import largest_size
from engine.theory.bounds import IDENTITY_BOUND, predict_identity, refuse_zero_weights
from engine.theory.lesson import product_bound_decades, slope_bound_decades
from engine.theory.prediction import Draft
from engine.theory.weights import scheme_of
from engine.verdict import THRESHOLD_DECADES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from engine.arrays import HostArray
    from engine.spec import InitSpec, NetworkSpec
    from engine.theory.prediction import Prediction


@dataclass(frozen=True, slots=True)
class RecurrentWeights:
    """A layer's u ready for histograms, with the lines that belong in them.

    Attributes:
        u: the recurrent weights, (H,).
        log10_power: log10 |u|^hops, (H,): decades each neuron's weight alone gives or takes; -inf
            where u is 0.
        log10_bound: log10 (|u| sup |phi'|)^hops, (H,).
        line: |u| up to which no neuron gains more than a factor gamma, gamma^(1/hops) / sup |phi'|.
    """

    u: HostArray
    log10_power: HostArray
    log10_bound: HostArray
    line: float


def recurrent_weights(
    u: NDArray[Any], hops: int, max_slope: float = 1.0, gamma: float = 2.0
) -> RecurrentWeights:
    """Look at u (H,) over `hops` >= 1 time steps.

    gamma = 2 is the authors' choice (Li et al. 2018, section 3; 2^(1/T)). Raises ValueError for
    fewer hops than 1.
    """
    import numpy as np

    if hops < 1:
        raise ValueError(f"a power of u needs at least one hop, not {hops}")
    values = np.asarray(u, dtype=np.float64).reshape(-1)
    with np.errstate(divide="ignore"):
        decades = hops * np.log10(abs(values))
    return RecurrentWeights(
        u=values,
        log10_power=decades,
        log10_bound=decades + slope_bound_decades(max_slope, hops),
        line=largest_weight(math.log10(gamma), hops, max_slope),
    )


def largest_weight(decades: float, hops: int, max_slope: float = 1.0) -> float:
    """The |u| whose gradient gains `decades` over `hops` steps at the steepest slope.

    10^(decades / hops) / sup |phi'|; log10 2 decades give the paper's 2^(1/T).
    """
    return math.pow(10.0, decades / hops) / max_slope


def weights_within(decades: float, hops: int, max_slope: float = 1.0) -> tuple[float, float]:
    """The |u| from and to which `hops` steps stay within +-decades, every slope the steepest."""
    return largest_weight(-decades, hops, max_slope), largest_weight(decades, hops, max_slope)


@dataclass(frozen=True, slots=True)
class WeightLaw:
    """The distribution that u is drawn from.

    Attributes:
        shape: "gaussian" N(0, scale^2), or "range" U(low, high), of one size where low = high.
        low, high: ends of |u|.
        scale: standard deviation of a Gaussian.
        bound: what |u| of a range is cut back to.
    """

    shape: Literal["gaussian", "range"]
    low: float = 0.0
    high: float = 0.0
    scale: float = 0.0
    bound: float = math.inf

    @property
    def largest(self) -> float:
        """The largest |u| of a range."""
        return min(self.high, self.bound)

    def cut(self, bound: float) -> WeightLaw:
        """The law of |u| cut back to `bound`; of a Gaussian only that none is above it."""
        if self.shape == "gaussian":
            return self if bound == math.inf else WeightLaw("range", bound, bound)
        if self.low >= bound:
            return WeightLaw("range", bound, bound)
        return replace(self, bound=bound)

    def log_moment(self, power: HostArray) -> HostArray:
        """The natural logarithm of E[|u|^power] for even powers >= 0, (n,).

        U(0, 1) gives 1 / (power + 1), so the RMS at lag k is 1 / sqrt(2k + 1): a power law.
        """
        import numpy as np

        if self.shape == "gaussian":
            # (2k - 1)!! scale^2k = 2^k Gamma(k + 1/2) / sqrt(pi) scale^2k.
            half = 0.5 * power
            gamma = np.array([math.lgamma(value) for value in (half + 0.5).tolist()])
            double_factorial = half * math.log(2.0) + gamma - 0.5 * math.log(math.pi)
            result: HostArray = double_factorial + power * math.log(self.scale)
            return result
        if self.low == self.high:
            return power * math.log(self.high)
        orders, high = power + 1.0, self.largest
        ends = orders * math.log(high) - np.log(orders * (self.high - self.low))
        if self.low > 0.0:
            ends = ends + np.log1p(-np.exp(orders * math.log(self.low / high)))
        if high < self.high:
            cut = math.log((self.high - high) / (self.high - self.low))
            ends = np.logaddexp(ends, cut + power * math.log(high))
        return ends


def describe_draw(spec: NetworkSpec, init: InitSpec) -> str | None:
    """How irnn or indrnn draws the |u| of its last layer, None for a scheme not known here.

    As in "|u| ~ U(0, 1)"; where powers of u average to a power law of the lag k, with that law.
    """
    if spec.kind == "irnn":
        return f"u = {init.recurrent_scale:g}"
    law = _drawn_law(_scheme(spec, init), spec, init)
    if law is None:
        return None
    bound = largest_size(init.recurrent_bound, spec.time_steps)
    if law.shape == "gaussian":
        told = f"u ~ N(0, {law.scale:g}^2)"
    elif law.low == law.high:
        told = f"|u| = {law.high:g}"
    else:
        told = f"|u| ~ U({law.low:.6g}, {law.high:.6g})"
    if bound < law.high or (bound < math.inf and law.shape == "gaussian"):
        return f"{told}, cut back to {bound:.6g}"
    if law.low == 0.0 < law.high:
        factor = "1" if law.high == 1.0 else f"{law.high:.6g}^k"
        return f"{told}, so the RMS of u^k is {factor} / sqrt(2k + 1)"
    return told


def _scheme(spec: NetworkSpec, init: InitSpec) -> str:
    """The scheme that draws u."""
    layer = ARCHITECTURES[spec.kind].layer
    weight = layer.plan(spec, spec.depth - 1, spec.input_shape, 1).weights[layer.hop_weight]
    return scheme_of(weight, init.scheme)


def weight_law(scheme: str, spec: NetworkSpec, init: InitSpec) -> WeightLaw | None:
    """What the last layer draws |u| from, None for a scheme not known here.

    engine.initialisers has the formulas; a vector's fan_in is 1.
    """
    law = _drawn_law(scheme, spec, init)
    return None if law is None else law.cut(largest_size(init.recurrent_bound, spec.time_steps))


def _drawn_law(scheme: str, spec: NetworkSpec, init: InitSpec) -> WeightLaw | None:
    size = abs(init.recurrent_scale)
    if scheme == "gaussian":
        return WeightLaw("gaussian", scale=size)
    if scheme == "uniform":
        return WeightLaw("range", 0.0, size * math.sqrt(3.0))
    if scheme == "identity":
        return WeightLaw("range", size, size)
    if scheme == "recurrent_range":
        root = 1.0 / spec.time_steps
        low = size * math.pow(init.recurrent_lower, root)
        high = size * math.pow(init.recurrent_upper, root)
        return WeightLaw("range", min(low, high), max(low, high))
    return None


def steepest_slopes(law: WeightLaw, hops: int, max_slope: float = 1.0) -> HostArray:
    """log10 RMS of (|u| sup |phi'|)^k over neurons drawn from `law`, (hops + 1,), lag 0 last."""
    import numpy as np

    lags = np.arange(hops, -1, -1, dtype=np.float64)
    result: HostArray = 0.5 * law.log_moment(2.0 * lags) / math.log(10.0)
    result += lags * math.log10(max_slope)
    result[hops] = 0.0
    return result


def relative_variance(law: WeightLaw, hops: int, neurons: int) -> HostArray:
    """Of the mean square gradient at lag k over `neurons` draws, (hops + 1,), lag 0 last.

    3 (E[u^4k] / E[u^2k]^2 - 1) / neurons, the 3 coming from the readout's Gaussian weights. Above 1
    fewer than one neuron carries the mean; u ~ U(0, 1) is there from k = neurons / 3 on, which is
    why T = 5000 fails where too few u lie near 1.
    """
    import numpy as np

    lags = np.arange(hops, -1, -1, dtype=np.float64)
    excess = law.log_moment(4.0 * lags) - 2.0 * law.log_moment(2.0 * lags)
    result: HostArray = 3.0 * np.expm1(np.clip(excess, 0.0, 700.0)) / neurons
    return result


def predict_irnn(spec: NetworkSpec, init: InitSpec, input_variance: float) -> Prediction:
    """U = recurrent_scale * I: the bound, reached while pre-activations stay positive."""
    layer = ARCHITECTURES[spec.kind].layer
    activation = ACTIVATIONS[layer.fixed_activation or spec.activation]
    if init.recurrent_scale == 0.0:
        draft = Draft(spec.kind, activation.name, "time", IDENTITY_BOUND)
        return refuse_zero_weights(draft, "init.recurrent_scale", 0.0)
    return predict_identity(
        spec.kind, activation, "time", init.recurrent_scale, spec.time_steps - 1
    )


def predict_indrnn(spec: NetworkSpec, init: InitSpec, input_variance: float) -> Prediction:
    """The last layer's time steps, with every slope the steepest."""
    layer = ARCHITECTURES[spec.kind].layer
    activation = ACTIVATIONS[layer.fixed_activation or spec.activation]
    scheme = _scheme(spec, init)
    hops, slope = spec.time_steps - 1, activation.max_slope
    draft = Draft(spec.kind, activation.name, "time", "exact bound per neuron (Li et al. 2018)")
    law = weight_law(scheme, spec, init)
    if law is None:
        return draft.finish(f"there is no theory of u drawn by the initialiser {scheme}")
    if max(law.high, law.scale) == 0.0:
        key = "recurrent_scale" if init.recurrent_scale == 0.0 else "recurrent_upper"
        return refuse_zero_weights(draft, f"init.{key}", 0.0)
    # Of a Gaussian u that is cut back, only the largest size is known.
    exact = activation.name == "linear" and not (scheme == "gaussian" and law.shape == "range")
    draft.give(curve="prediction" if exact else "bound")
    draft.give(slope_bound_decades=slope_bound_decades(slope, hops))
    if not exact:
        draft.assume(
            "the curve has every phi' at its steepest; a unit that is off or saturated on the way "
            "takes from it"
        )
    _give_law(draft, law, slope, hops)
    _give_steepest(draft, law, slope, hops, spec.hidden_size)
    alone = "no neuron's gradient meets another's, so mean field, an average over them, is silent"
    draft.refuse(alone, "q_star", "c_star", "chi_1", "xi_1", "xi_c", "phase")
    if hops:
        low, high = weights_within(THRESHOLD_DECADES, hops, slope)
        draft.refuse(
            f"every neuron has an edge of its own: {hops} steps stay within {THRESHOLD_DECADES:g} "
            f"decades for |u| from {low:.4g} to {high:.4g}, where every phi' is the steepest",
            "critical_recurrent_scale",
        )
    return draft.finish()


def _give_law(draft: Draft, law: WeightLaw, slope: float, hops: int) -> None:
    if law.shape == "gaussian":
        draft.refuse(
            "a Gaussian u has no largest value: look at the u that was drawn",
            "spectral_radius",
            "largest_singular_value",
            "vanishing_certain",
            "exploding_possible",
            "bound_decades",
        )
        return
    draft.give(
        spectral_radius=law.largest,
        largest_singular_value=law.largest,
        vanishing_certain=law.largest * slope < 1.0,
        exploding_possible=law.largest * slope > 1.0,
        bound_decades=product_bound_decades(slope, law.largest, hops),
    )


def _give_steepest(draft: Draft, law: WeightLaw, slope: float, hops: int, neurons: int) -> None:
    import numpy as np

    curve = steepest_slopes(law, hops, slope)
    variance = relative_variance(law, hops, neurons)
    rare = np.flatnonzero(variance > 1.0)
    reach = hops - (int(rare[-1]) + 1 if rare.size else 0)
    shown = (None,) * (hops - reach) + tuple(curve[hops - reach :].tolist())
    draft.give(reach=reach, log10_gradient=shown)
    if law.high > 0.0 and law.low == law.high:
        draft.give(decades_per_hop=math.log10(law.high * slope))
    else:
        draft.refuse(
            "neurons of different u forget at different rates: together a power law of the lag, "
            "which has no rate",
            "decades_per_hop",
        )
    if reach == hops:
        spread = 0.5 * math.sqrt(float(variance[0])) / math.log(10.0)
        draft.give(decades=float(curve[0]), spread_decades=spread)
        return
    draft.refuse(
        f"beyond lag {reach} fewer than one of {neurons} neurons carries the average, so what is "
        f"measured there depends on the draw",
        "decades",
        "spread_decades",
    )
