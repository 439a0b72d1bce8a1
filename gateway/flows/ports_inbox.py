"""Store port: events of the inbox.

A part of ``gateway.flows.ports.Transaction``.
"""

from __future__ import annotations

from typing import Protocol


class InboxEventRows(Protocol):
    """Events that reach the inbox beside messages: time limits, refusals after waiting, thresholds."""
