"""Store port: actions on many messages at once, and reasoned reveals of personal data.

A part of ``gateway.flows.ports.Transaction``.
"""

from __future__ import annotations

from typing import Protocol


class ActionRows(Protocol):
    """Actions on many messages at once, and reasoned reveals of personal data."""
