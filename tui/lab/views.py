"""The pictures under the plot, one at a time. A new one is a file of its own and a line here."""

from __future__ import annotations

from tui.lab.compare import CompareView
from tui.lab.culprits import CulpritsView
from tui.lab.drift import WeightDriftView
from tui.lab.heatmap import GradientHeatmap, TrainingHeatmap
from tui.lab.inspection import InspectionView
from tui.lab.loss import LossView
from tui.lab.recurrent_weights import RecurrentWeightsView
from tui.lab.singular_values import SingularValuesView
from tui.lab.view import View

#: In the order in which the key `v` shows them.
VIEWS: tuple[type[View], ...] = (
    GradientHeatmap,
    CulpritsView,
    SingularValuesView,
    RecurrentWeightsView,
    CompareView,
    LossView,
    TrainingHeatmap,
    WeightDriftView,
    InspectionView,
)
