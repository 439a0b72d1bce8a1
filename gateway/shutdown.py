"""How every process of ours learns that it shall end."""

from __future__ import annotations

import asyncio
import contextlib
import signal


def stop_on_signal() -> asyncio.Event:
    """Set by SIGTERM or SIGINT; made before anything listens, so that no signal finds the default action."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        # some platforms know no signal handlers in an event loop
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, stop.set)
    return stop
