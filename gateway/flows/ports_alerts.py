"""Store port: alerts: one row per incident, and what was sent about it.

A part of ``gateway.flows.ports.Transaction``.
"""

from __future__ import annotations

from typing import Protocol


class AlertRows(Protocol):
    """Alerts: one row per incident, and what was sent about it."""
