"""People who log in: accounts, second factors, sessions."""

from __future__ import annotations

from gateway.store.base import TransactionBase


class UserTransaction(TransactionBase):
    """Implements ``gateway.flows.ports_users.UserRows``."""
