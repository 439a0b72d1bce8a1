"""Open alerts by kind and severity for Prometheus."""

from __future__ import annotations

import dataclasses

from aiohttp.test_utils import TestClient, TestServer

from gateway.core.alert_spec import AlertKind, Severity
from gateway.flows.alerts import evaluate
from gateway.metrics import Metrics
from gateway.web.health import make_metrics_app
from tests.fixtures.alerting import AROUND, Desk


async def test_the_gauge_follows_what_is_open(desk: Desk) -> None:
    """1 while the disk is full, 0 before and after; every other kind is there with 0."""
    app = make_metrics_app(desk.exchange, Metrics(), token=None, cache_s=0)
    name = 'passerelle_alerts_open{kind="disk_space",severity="critical"}'
    async with TestClient(TestServer(app)) as client:

        async def value() -> str:
            text = await (await client.get("/metrics")).text()
            assert text.count("passerelle_alerts_open{") == len(AlertKind) * len(Severity)
            (line,) = [line for line in text.splitlines() if line.startswith(name)]
            return line.rpartition(" ")[2]

        assert await value() == "0.0"
        await evaluate(desk.exchange, desk.plan, dataclasses.replace(AROUND, disk_free=0))
        assert await value() == "1.0"
        await evaluate(desk.exchange, desk.plan, AROUND)
        assert await value() == "0.0"
