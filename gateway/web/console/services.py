"""What the console works with, built once by bootstrap."""

from __future__ import annotations

from dataclasses import dataclass, field

from aiohttp import web

from gateway.config import Settings
from gateway.flows.exchange import Exchange
from gateway.flows.oidc import Provider
from gateway.flows.people import People


@dataclass(frozen=True, kw_only=True, slots=True)
class ConsoleServices:
    """``exchange`` carries store, clock, agreement; ``settings`` are shown read-only."""

    exchange: Exchange
    people: People
    """Accounts, sessions, lock-out."""
    secure_cookie: bool
    """True when the console is reached over TLS."""
    settings: Settings = field(default_factory=Settings, repr=False)
    provider: Provider | None = None
    """Sign-in at the OIDC provider, where one is configured."""


SERVICES: web.AppKey[ConsoleServices] = web.AppKey("console_services", ConsoleServices)
