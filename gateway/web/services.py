"""What the UK API works with, built once by bootstrap."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

from aiohttp import web

from gateway.core.jws import JwsSigner
from gateway.core.tokens import TokenPolicy
from gateway.flows.exchange import Exchange
from gateway.metrics import Metrics
from gateway.web.rest.clients import ClientRegistry


@dataclass(frozen=True, kw_only=True, slots=True)
class UkSettings:
    """Settings of the UK API; rates in requests per second."""

    rate_per_second: float = 50.0
    rate_burst: int = 200
    token_rate_per_second: float = 5.0
    """POST /oauth/token, by address of the caller (it is not authenticated yet)."""
    token_rate_burst: int = 50
    longest_wait: dt.timedelta = dt.timedelta(seconds=60)
    """Upper bound of ``GET /v1/inbox?wait=``."""
    tokens: TokenPolicy = field(default_factory=TokenPolicy)
    metrics_token: str | None = field(repr=False, default=None)
    """What callers of ``/metrics`` show; None: only this machine may call."""
    metrics_cache_s: float = 0
    """How long figures of the database are kept; 0 reads them at every scrape."""


@dataclass(frozen=True, kw_only=True, slots=True)
class UkServices:
    """Everything the UK API works with; built by bootstrap.

    ``exchange.signer`` signs answers and receipts (ES256), ``token_signer`` access tokens (ES256);
    ``webhook_signer`` (EdDSA) is only published in the JWKS.
    """

    exchange: Exchange
    clients: ClientRegistry
    token_signer: JwsSigner = field(repr=False)
    earlier_token_signers: tuple[JwsSigner, ...] = field(repr=False, default=())
    """Rotated token keys: tokens signed with them stay good until they expire."""
    webhook_signer: JwsSigner | None = field(repr=False, default=None)
    settings: UkSettings = field(default_factory=UkSettings)
    metrics: Metrics = field(repr=False, default_factory=Metrics)


SERVICES: web.AppKey[UkServices] = web.AppKey("uk_services", UkServices)
