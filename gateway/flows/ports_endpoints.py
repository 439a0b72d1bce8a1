"""Store port: how sending to each endpoint goes; a part of ``gateway.flows.ports.Transaction``."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, kw_only=True, slots=True)
class EndpointFigures:
    """What waits for one endpoint, and how its newest attempts ended."""

    waiting: int = 0
    oldest_at: dt.datetime | None = None
    """When the one that waits longest was due first."""
    next_at: dt.datetime | None = None
    """When the next attempt is due."""
    succeeded_at: dt.datetime | None = None
    """The newest success among the attempts that were looked at."""
    tried_at: dt.datetime | None = None
    outcome: str | None = None
    """Of the newest attempt: ``delivered`` or an error code."""


class EndpointRows(Protocol):
    async def endpoint_figures(self, *, attempts: int) -> Mapping[str, EndpointFigures]:
        """By endpoint; those without anything waiting or tried are missing. Looks at so many of the newest
        attempts of all endpoints together, so that it costs the same in every store."""
        ...
