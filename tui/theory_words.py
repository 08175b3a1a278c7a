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
    part = f"{found.hops} of {found.of} hops"
    whole = found.hops == found.of
    title = f"{name} {power(found.predicted)}"
    if not whole:
        title = f"{name} of the last {part}, {power(found.predicted)}"
    apart = found.apart
    if apart is None:
        return [f"{title}: nothing measured to hold against it", title]
    by = f"{abs(apart):.1f} decades"
    side = "above" if apart > 0.0 else "below"
    if found.curve != "prediction" and round(apart, 1) == 0.0:
        wordings = [f"{title}: the gradient lies on it"]
    elif found.curve == "path" and apart > 0.0:
        wordings = [f"{title}: gate paths add {by}"]
    elif found.curve != "prediction":
        wordings = [f"{title}: the gradient lies {by} {side} it", f"{title}: {by} {side} it"]
    elif found.spread is not None:
        wordings = [f"{title}: {by} apart (spread {found.spread:.1f})", f"{title}: {by} apart"]
    else:
        wordings = [f"{title}: {by} apart"]
    wordings.append(f"{title}: {abs(apart):.1f} apart")
    if not whole:
        wordings.append(f"{name}, {part}: {abs(apart):.1f} apart")
    return [*wordings, f"{name}: {abs(apart):.1f} apart"]
