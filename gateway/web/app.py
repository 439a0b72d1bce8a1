"""The UK-side web application. Console and AS4 endpoint are applications of their own."""

from __future__ import annotations

from aiohttp import web

from gateway.web.health import add_health
from gateway.web.rest.auth import CLIENT_LIMITER, TOKEN_LIMITER
from gateway.web.rest.docs import add_docs
from gateway.web.rest.http import outer
from gateway.web.rest.limits import RateLimiter
from gateway.web.rest.oauth import token
from gateway.web.rest.read import add_gets
from gateway.web.rest.rules import add_rules
from gateway.web.rest.submit import add_posts
from gateway.web.services import SERVICES, UkServices, UkSettings

__all__ = ["UkServices", "UkSettings", "make_app"]


def make_app(services: UkServices) -> web.Application:
    """Every route of design.md's "HTTP, UK side". The caller runs it (TLS, port) and may mount
    ``/console`` as a sub-application; nothing is added to answers under ``/console`` or ``/as4``."""
    limits = services.exchange.limits
    app = web.Application(
        middlewares=[outer], client_max_size=limits.message_bytes + limits.attachments_bytes
    )
    settings = services.settings
    app[SERVICES] = services
    app[CLIENT_LIMITER] = RateLimiter(rate=settings.rate_per_second, burst=settings.rate_burst)
    app[TOKEN_LIMITER] = RateLimiter(rate=settings.token_rate_per_second, burst=settings.token_rate_burst)
    add_health(
        app,
        services.exchange,
        metrics_of=services.metrics,
        token=settings.metrics_token,
        cache_s=settings.metrics_cache_s,
    )
    add_docs(app)
    app.router.add_post("/oauth/token", token)
    add_posts(app)
    add_gets(app)
    add_rules(app)
    return app
