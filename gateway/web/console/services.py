"""What the console works with, built once by bootstrap."""

from __future__ import annotations

from dataclasses import dataclass, field

from aiohttp import web

from gateway.config import Settings
from gateway.flows.exchange import Exchange
from gateway.web.console.accounts import Accounts, Sessions


@dataclass(frozen=True, kw_only=True, slots=True)
class ConsoleServices:
    """``exchange`` carries store, clock, agreement; ``settings`` are shown read-only."""

    exchange: Exchange
    accounts: Accounts
    sessions: Sessions = field(repr=False)
    secure_cookie: bool
    """True when the console is served over TLS."""
    settings: Settings = field(default_factory=Settings, repr=False)


SERVICES: web.AppKey[ConsoleServices] = web.AppKey("console_services", ConsoleServices)
