"""When an app under test has taken in a key: told by its event loop, not by a clock.

Textual's pilot watches the clock of the processor instead: twice 20 ms for each key, more on a busy
machine, and a process that is not given a core counts as done.
"""

from __future__ import annotations

import asyncio
import time

from textual._context import active_app

#: Seconds of work after which an app that never rests is taken as it is.
PATIENCE = 1.0


async def settled(*_: float) -> None:
    """Wait until no message is under way and all that they changed is drawn."""
    loop = asyncio.get_running_loop()
    app = active_app.get()
    end = time.thread_time() + PATIENCE
    drawn = False
    while time.thread_time() < end:
        # A new size takes effect a moment later, in case another follows.
        await asyncio.sleep(0 if app._resize_timer is None else 0.001)
        # asyncio has no public word for whether anything is left to do before the next wait.
        if loop._ready or app._resize_timer is not None:  # type: ignore[attr-defined]
            drawn = False
        elif drawn:
            return
        else:
            app.screen._on_timer_update()
            drawn = True
