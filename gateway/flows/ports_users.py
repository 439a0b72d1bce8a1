"""Store port: people who log in: accounts, second factors, sessions.

A part of ``gateway.flows.ports.Transaction``.
"""

from __future__ import annotations

from typing import Protocol


class UserRows(Protocol):
    """People who log in: accounts, second factors, sessions."""
