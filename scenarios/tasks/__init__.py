"""The tasks a scenario can name. A new one is a file here and a line below."""

from __future__ import annotations

from scenarios.tasks.adding import Adding
from scenarios.tasks.base import TASKS, Task
from scenarios.tasks.noise import Noise

TASKS.register(Noise())
TASKS.register(Adding())

__all__ = ["TASKS", "Task"]
