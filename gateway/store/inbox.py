"""Events that reach the inbox beside messages: time limits, refusals after waiting, thresholds."""

from __future__ import annotations

from gateway.store.base import TransactionBase


class InboxEventTransaction(TransactionBase):
    """Implements ``gateway.flows.ports_inbox.InboxEventRows``."""
