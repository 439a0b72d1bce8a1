"""What the console works with, built once by bootstrap."""

from __future__ import annotations

from dataclasses import dataclass, field

from aiohttp import web

from gateway.config import Settings
from gateway.flows.alert_conditions import Certificate
from gateway.flows.exchange import Exchange
from gateway.flows.oidc import Provider
from gateway.flows.people import People
from gateway.web.console.tools import SystemTools


@dataclass(frozen=True, kw_only=True, slots=True)
class ConsoleServices:
    """``exchange`` carries store, clock, agreement; ``settings`` are shown read-only."""

    exchange: Exchange
    people: People
    """Accounts, sessions, lock-out."""
    secure_cookie: bool
    """True when the console is reached over TLS."""
    settings: Settings = field(default_factory=Settings, repr=False)
    certificates: tuple[Certificate, ...] = ()
    """Those in use since this process started."""
    system: SystemTools | None = None
    """What needs the instance folder or the partner's line; None where neither is at hand."""
    provider: Provider | None = None
    """Sign-in at the OIDC provider, where one is configured."""


SERVICES: web.AppKey[ConsoleServices] = web.AppKey("console_services", ConsoleServices)
