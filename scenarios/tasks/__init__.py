"""The tasks a scenario can name. A new one is a file here and a line below."""

from __future__ import annotations

from scenarios.tasks.adding import Adding
from scenarios.tasks.base import TASKS, Task
from scenarios.tasks.copy import Copy
from scenarios.tasks.digits import Digits
from scenarios.tasks.noise import Noise
from scenarios.tasks.text import Text

for _task in (Noise(), Adding(), Copy(), Digits(), Text()):
    TASKS.register(_task)

__all__ = ["TASKS", "Task"]
