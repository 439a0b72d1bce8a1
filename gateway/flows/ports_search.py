"""Store port: finding messages: filters, saved filters, counts.

A part of ``gateway.flows.ports.Transaction``.
"""

from __future__ import annotations

from typing import Protocol


class SearchRows(Protocol):
    """Finding messages: filters, saved filters, counts."""
