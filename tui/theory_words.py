"""Theory beside measurement in words, the same in the app and in the shell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.words import power

if TYPE_CHECKING:
    from engine.theory import Comparison, Prediction

#: The path of which theory knows the gate, as the culprits name it.
_PATHS = {"lstm": "forget path", "gru": "update path"}


def curve_names(prediction: Prediction) -> list[str]:
    """What a legend calls the theory's curve, and shorter where there is less room."""
    if prediction.curve == "bound":
        return ["bound"]
    if prediction.curve == "path":
        return [_PATHS[prediction.kind]]
    mean_field = prediction.theory.startswith("mean field")
    return ["theory (mean field)", "theory"] if mean_field else ["theory"]


def no_theory(reason: str) -> str:
    """Why nothing is drawn."""
    return f"no theory: {reason}"


def compared(found: Comparison, *, trained: bool = False) -> list[str]:
    """How far theory and measurement are apart, the most telling wording first, ever shorter.

    `trained` says that the network has been updated since. Empty where there is no hop to compare.
    """
    if not found.hops:
        return []
    wordings = _wordings(found)
    if not trained:
        return wordings
    at_start = [f"at step 0 {words}" for words in wordings]
    return [f"no theory of trained weights; {at_start[0]}", *at_start]


def in_full(prediction: Prediction, silence: str | None, found: Comparison | None) -> str:
    """Whose theory it is, how far off it is and what it assumes; or why there is none."""
    if silence is not None:
        return f"None: {silence}."
    parts = [f"{prediction.theory}."]
    if found is not None and found.hops:
        parts.append(f"At step 0: {_wordings(found)[0]}.")
    parts += [f"Taken for granted: {sentence}." for sentence in prediction.assumptions]
    return " ".join(parts)


def _wordings(found: Comparison) -> list[str]:
    names = {"prediction": "theory", "bound": "bound"}
    name = names[found.curve] if found.curve in names else _PATHS[found.kind]
    theory, briefly = f"{name} {power(found.predicted)}", name
    titles = [theory]
    if found.hops < found.of:
        # It is trusted from the loss back to there.
        part, reach = f"{found.hops} of {found.of} hops", f"in {found.hops} hops"
        titles = [f"{theory} over the {part} nearest the loss", f"{theory} over {part}"]
        titles.append(f"{theory} {reach}")
        briefly = f"{name} {reach}"
    apart = found.apart
    if apart is None:
        return [f"{titles[0]}: nothing measured to hold against it", *titles]
    by, short = f"{abs(apart):.1f} decades", f"{abs(apart):.1f} apart"
    side = "above" if apart > 0.0 else "below"
    if found.curve != "prediction" and round(apart, 1) == 0.0:
        told = ["the gradient lies on it", short]
    elif found.curve == "path" and apart > 0.0:
        told = [f"other paths add {by}", f"others {apart:+.1f}"]
    elif found.curve != "prediction":
        told = [f"the gradient lies {by} {side} it", f"{by} {side} it", short]
    elif found.spread is not None:
        told = [f"{by} apart (spread {found.spread:.1f})", f"{by} apart", short]
    else:
        told = [f"{by} apart", short]
    wordings = [f"{title}: {words}" for title in titles for words in told]
    wordings += [f"{briefly}: {told[-1]}", f"{name}: {told[-1]}"]
    return sorted(dict.fromkeys(wordings), key=len, reverse=True)
