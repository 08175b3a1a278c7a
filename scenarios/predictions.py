"""What theory says of a scenario, from its fields alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scenarios.tasks import TASKS

if TYPE_CHECKING:
    from engine.theory import Prediction
    from scenarios.scenario import Scenario


def predict(scenario: Scenario) -> Prediction:
    """The prediction for the network as it is drawn; training is beyond every theory here."""
    from engine.theory import predict as predict_network
    from scenarios.runner import init_spec, network_spec

    variance = TASKS[scenario.task.name].input_variance(scenario)
    return predict_network(network_spec(scenario), init_spec(scenario), variance)
