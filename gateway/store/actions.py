"""Actions on many messages at once, and reasoned reveals of personal data."""

from __future__ import annotations

from gateway.store.base import TransactionBase


class ActionTransaction(TransactionBase):
    """Implements ``gateway.flows.ports_actions.ActionRows``."""
