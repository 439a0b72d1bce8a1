"""``/livez``, ``/readyz`` and Prometheus ``/metrics``; no personal data in labels.

Who may read ``/metrics``: with a token set, whoever shows it; without one, callers on this machine, and
nobody through a proxy (which would make everybody look like this machine).
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field

from aiohttp import web

from gateway.config_sections import is_loopback
from gateway.flows.exchange import Exchange
from gateway.flows.figures import FigureCache
from gateway.flows.ports import Store
from gateway.metrics import CONTENT_TYPE
from gateway.metrics import Metrics as Metrics

_PROXIED = ("Forwarded", "X-Forwarded-For", "X-Real-Ip")


@dataclass(frozen=True, kw_only=True, slots=True)
class Scraping:
    """What ``/metrics`` works with."""

    exchange: Exchange
    figures: FigureCache
    token: str | None = field(repr=False, default=None)


METRICS: web.AppKey[Metrics] = web.AppKey("metrics", Metrics)
_SCRAPING: web.AppKey[Scraping] = web.AppKey("scraping", Scraping)


async def livez(_: web.Request) -> web.Response:
    """200 while the process answers; looks at nothing else (a restart would not cure the database)."""
    return web.json_response({"status": "ok"})


async def readyz(request: web.Request) -> web.Response:
    """200 when the database is reachable and its schema current, else 503."""
    store: Store = request.app[_SCRAPING].exchange.store
    try:
        await store.ping()
    except Exception:  # noqa: BLE001 — whatever it is, this node must get no traffic
        return web.json_response({"status": "unavailable"}, status=503)
    return web.json_response({"status": "ok"})


def _refusal(request: web.Request, token: str | None) -> web.Response | None:
    """401 or 403 for whoever may not read the metrics."""
    if token is not None:
        given = request.headers.get("Authorization", "")
        if hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
            return None
        text = "metrics are for callers with the token of metrics.token_file\n"
        return web.Response(status=401, text=text, headers={"WWW-Authenticate": 'Bearer realm="metrics"'})
    if is_loopback(request.remote or "") and not any(name in request.headers for name in _PROXIED):
        return None
    text = "metrics are for this machine only; set metrics.token_file for others\n"
    return web.Response(status=403, text=text)


async def metrics(request: web.Request) -> web.Response:
    """Prometheus text format 0.0.4. Figures of the database are read when scraped, and kept for a while."""
    scraping = request.app[_SCRAPING]
    refusal = _refusal(request, scraping.token)
    if refusal is not None:
        return refusal
    figures = await scraping.figures.get()
    text = request.app[METRICS].text(figures, scraping.exchange.clock.now())
    return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE})


def add_health(
    app: web.Application,
    exchange: Exchange,
    *,
    metrics_of: Metrics | None = None,
    token: str | None = None,
    cache_s: float = 0,
) -> None:
    """``cache_s`` 0 reads the figures at every scrape (tests)."""
    app[METRICS] = metrics_of or Metrics()
    app[_SCRAPING] = Scraping(exchange=exchange, figures=FigureCache(exchange, keep_s=cache_s), token=token)
    app.router.add_get("/livez", livez)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", metrics)


def make_metrics_app(
    exchange: Exchange, metrics_of: Metrics, *, token: str | None, cache_s: float
) -> web.Application:
    """The listener of ``metrics.port``: health and metrics, and nothing else."""
    app = web.Application(client_max_size=1024)
    add_health(app, exchange, metrics_of=metrics_of, token=token, cache_s=cache_s)
    return app
