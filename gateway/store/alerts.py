"""Alerts: one row per incident, and what was sent about it."""

from __future__ import annotations

from gateway.store.base import TransactionBase


class AlertTransaction(TransactionBase):
    """Implements ``gateway.flows.ports_alerts.AlertRows``."""
