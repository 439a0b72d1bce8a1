"""Metrics of real processes: names that dashboard and rules use exist, figures right, access closed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
import yaml
from prometheus_client.parser import text_string_to_metric_families

from gateway.clock import SystemClock
from tests.fixtures.promtool import MISSING, PROMTOOL, promtool
from tests.fixtures.world import (
    World,
    free_port,
    make_world,
    post,
    readmission_request,
    until,
)

FOLDER = Path(__file__).parents[3] / "docs" / "monitoring"
TOKEN = "a-token-of-twenty-characters-or-more"
_NAME = re.compile(r"\b((?:passerelle|process|python)_\w+)")
_SELECTOR = re.compile(r"\b((?:passerelle|process|python)_\w+)\{([^}]*)\}")
_LABEL = re.compile(r'(\w+)\s*(?:=~|!~|!=|=)\s*"')
_BY = re.compile(r"\bby\s*\(([^)]*)\)")
_SET_BY_PROMETHEUS = {"job", "instance", "le"}
pytestmark = pytest.mark.asyncio(loop_scope="module")


class Scraped:
    """One answer of /metrics."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.families = {f.name: f for f in text_string_to_metric_families(text)}
        self.names = {s.name for f in self.families.values() for s in f.samples}
        for line in text.splitlines():
            if line.startswith("# TYPE "):
                _, _, name, kind = line.split()
                self.names |= {name} | (
                    {f"{name}_bucket", f"{name}_count", f"{name}_sum"} if kind == "histogram" else set()
                )

    def value(self, name: str, **labels: str) -> float:
        """The sum of the samples that have these labels."""
        found = [
            s.value
            for f in self.families.values()
            for s in f.samples
            if s.name == name and labels.items() <= s.labels.items()
        ]
        assert found, f"{name}{labels} is not there"
        return sum(found)

    def labels(self, name: str) -> set[str]:
        return {k for f in self.families.values() for s in f.samples if s.name == name for k in s.labels}


def expressions() -> list[tuple[str, str]]:
    """(where, PromQL) of every panel and rule."""
    board = json.loads((FOLDER / "grafana-dashboard.json").read_text("utf-8"))
    found = [(p["title"], t["expr"]) for p in board["panels"] for t in p.get("targets", [])]
    rules = yaml.safe_load((FOLDER / "prometheus-rules.yaml").read_text("utf-8"))
    return found + [(r["alert"], r["expr"]) for g in rules["groups"] for r in g["rules"]]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """One gateway without a worker and a worker of its own, each with a listener for metrics."""
    own = {"metrics": {"port": free_port(), "token_file": "token.txt", "cache_s": 5}}
    with make_world(settings=own, start=False) as made:
        (made.uk / "token.txt").write_text(TOKEN + "\n")
        made.start_ministry()
        made.start_gateway()
        yield made


async def scrape(world: World, *, port: int | None = None) -> Scraped:
    base = f"http://127.0.0.1:{port}" if port else f"https://127.0.0.1:{world.uk_port}"
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.get(f"{base}/metrics", ssl=False) as answer,
    ):
        assert answer.status == 200
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        return Scraped(await answer.text())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def played(world: World) -> Scraped:
    """After a failed attempt, a delivery, an answer from France and a refused POST."""
    world.control(down={"requests": 2})
    async with world.client() as client:
        receipt = await post(client, "/v1/readmission-requests", readmission_request())
        await client.post_raw("/v1/readmission-requests", b"{}")

        async def delivered() -> bool:
            found = (await client.get(f"/v1/messages/{receipt.message_id}")).json()
            return bool(found["receipt_verified"])

        await until(delivered, seconds=30, what="a receipt")
        await until(
            lambda: len([m for m in world.sent_by_ministry(receipt.reference) if m["receipt_verified"]]) > 1,
            seconds=30,
            what="the ministry's answers",
        )
    return await scrape(world)


async def test_every_name_that_is_used_exists(played: Scraped) -> None:
    """In dashboard and rules: metric names, and the labels of those that have samples."""
    used = expressions()
    assert len(used) > 50
    for where, expression in used:
        names = set(_NAME.findall(expression))
        assert names or expression == "", where
        assert names <= played.names, f"{where}: {sorted(names - played.names)}"
        for name, selector in _SELECTOR.findall(expression):
            known = played.labels(name) | _SET_BY_PROMETHEUS
            if known != _SET_BY_PROMETHEUS:
                assert set(_LABEL.findall(selector)) <= known, f"{where}: {name}{{{selector}}}"
        by = {label.strip() for labels in _BY.findall(expression) for label in labels.split(",")}
        known = {label for name in names for label in played.labels(name)} | _SET_BY_PROMETHEUS
        sampled = all(played.labels(name) for name in names)
        assert by <= known or not sampled, f"{where}: by {by - known}"


@pytest.mark.skipif(PROMTOOL is None, reason=MISSING)
async def test_promtool_finds_nothing_to_complain_about(played: Scraped) -> None:
    """``promtool check metrics`` on what a gateway answers: format, names, units, help."""
    assert promtool("check", "metrics", given=played.text).strip() == ""


async def test_the_play_is_counted(played: Scraped) -> None:
    """Attempts, receipt, messages of both directions, refusals: as they happened."""
    as4 = {"channel": "as4"}
    attempts = "passerelle_delivery_attempts_total"
    assert played.value(attempts, outcome="delivered", **as4) == 1
    assert played.value(attempts, outcome="retry", **as4) == 2
    assert played.value("passerelle_delivery_errors_total", **as4) == 2
    assert played.value("passerelle_receipt_seconds_count", type="ReadmissionRequest") == 1
    assert played.value("passerelle_delivery_attempt_seconds_count", **as4) == 3
    taken = "passerelle_messages_taken_total"
    assert played.value(taken, direction="UK_TO_FR") == 1
    assert played.value(taken, direction="FR_TO_UK") >= 2
    assert played.value("passerelle_messages_refused_total") == 1
    assert played.value("passerelle_inbox_unacknowledged") >= 2
    assert played.value("passerelle_oldest_unacknowledged_seconds", direction="FR_TO_UK") > 0
    for direction in ("UK_TO_FR", "FR_TO_UK"):
        assert played.value("passerelle_last_success_timestamp_seconds", direction=direction) > 1.7e9
    assert played.value("passerelle_messages", status="failed") == 0
    assert played.value("passerelle_breaker_open") == 0
    ends = played.value("passerelle_certificate_expiry_timestamp_seconds", certificate="tls")
    assert ends - SystemClock().now().timestamp() > 300 * 86_400
    assert played.value("passerelle_database_up") == 1
    assert played.value("passerelle_worker_alive") == 1
    assert played.value("passerelle_http_requests_total", route="/as4", status="200") >= 2
    assert played.value("process_cpu_seconds_total") > 0


async def test_a_worker_can_be_scraped(world: World, played: Scraped) -> None:
    """A process without listeners of its own has that of the metrics, with the same figures."""
    port = free_port()
    settings = (world.uk / "passerelle.toml").read_text()
    own = re.sub(r"(?m)^port = \d+(?=  # a TCP port of metrics)", f"port = {port}", settings)
    assert own != settings
    (world.uk / "passerelle.toml").write_text(own)
    world.start_worker()

    async def answers() -> Any:
        try:
            return await scrape(world, port=port)
        except aiohttp.ClientError:
            return None

    found = await until(answers, seconds=30, what="the worker's metrics")
    assert found.value("passerelle_worker_alive") == 1
    assert found.value("passerelle_audit_entries_total") >= played.value("passerelle_audit_entries_total")
    async with aiohttp.ClientSession() as session:
        for path, status in (("/livez", 200), ("/readyz", 200), ("/metrics", 401), ("/v1/messages", 404)):
            async with session.get(f"http://127.0.0.1:{port}{path}") as answer:
                assert answer.status == status, path


@pytest.mark.parametrize("given", [None, "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN} "])
async def test_a_token_is_asked_for(world: World, given: str | None) -> None:
    """With ``metrics.token_file`` nothing else opens the metrics, from this machine neither."""
    headers = {"Authorization": given} if given else {}
    url = f"https://127.0.0.1:{world.uk_port}/metrics"
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers, ssl=False) as answer:
        # blanks around a header's value are no part of it (RFC 9110 5.5)
        assert answer.status == (200 if given and given.strip() == f"Bearer {TOKEN}" else 401)
        assert ("passerelle_messages" in await answer.text()) == (answer.status == 200)
