"""Finding messages: filters, saved filters, counts."""

from __future__ import annotations

from gateway.store.base import TransactionBase


class SearchTransaction(TransactionBase):
    """Implements ``gateway.flows.ports_search.SearchRows``."""
