"""What pages show of keys, files and the partner's line: plain callables, wired where the instance is known.

Pages import neither the instance nor the partner's tools; a console without them (a test, another embedding)
says that the information is not available.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class SystemTools:
    """``certificates`` and ``findings`` read files: call them in a thread."""

    partner_url: str
    """Where messages to France are sent."""
    certificates: Callable[[], list[Json]]
    """As ``gateway.partner_wiring.certificate_rows``. Raises ConfigError."""
    test_connection: Callable[[], Awaitable[list[Json]]]
    """As ``gateway.partner_wiring.connection_rows``."""
    findings: Callable[[], list[Json]]
    """As ``gateway.check.check_settings``: ``level``, ``setting``, ``text``."""
