"""What theory says of a scenario, from its fields alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.architectures import ARCHITECTURES
from scenarios.errors import ScenarioError
from scenarios.tasks import TASKS

if TYPE_CHECKING:
    from engine.theory import Prediction
    from scenarios.scenario import Scenario


def critical_scale(scenario: Scenario) -> tuple[str, float]:
    """The key of the scale that rules a hop, and where theory puts the edge of chaos for it.

    Raises ValueError, whose text is the theory's reason, where there is no such edge.
    """
    from dataclasses import replace

    from engine.theory import predict as predict_network
    from scenarios.runner import init_spec, network_spec

    spec = network_spec(scenario)
    # The edge is the same at every length of the way, which is what takes time, and wherever the
    # loss reads.
    if spec.time_steps == 1:
        spec = replace(spec, depth=2)
    else:
        spec = replace(spec, time_steps=2, readout_steps=1)
    prediction = predict_network(spec, init_spec(scenario), _input_variance(scenario))
    key = ARCHITECTURES[scenario.network.kind].hop_scale
    name = f"critical_{key.partition('.')[2]}"
    edge: float | None = getattr(prediction, name)
    if edge is None:
        raise ValueError(predict(scenario).reasons[name])
    return key, edge


def predict(scenario: Scenario) -> Prediction:
    """The prediction for the network as it is drawn; training is beyond every theory here."""
    from engine.theory import predict as predict_network
    from scenarios.runner import init_spec, network_spec

    return predict_network(network_spec(scenario), init_spec(scenario), _input_variance(scenario))


def foretell(scenario: Scenario) -> Prediction:
    """The same of a scenario whose data may be gone since it ran: then the reason is all it has."""
    from engine.theory import without_theory

    try:
        return predict(scenario)
    except ScenarioError as error:
        network = scenario.network
        return without_theory(network.kind, network.activation or "", str(error))


def _input_variance(scenario: Scenario) -> float | str:
    """The mean square of what is put in, or why nobody knows it: its data may not be there."""
    try:
        return TASKS[scenario.task.name].input_variance(scenario)
    except ScenarioError as error:
        return str(error)
