"""A real Prometheus, set up as the guide says, scrapes gateway and worker, evaluates rules and dashboard."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
import yaml

from tests.fixtures.promtool import (
    BOARD,
    FOLDER,
    MISSING,
    PROMETHEUS,
    PROMTOOL,
    RULES,
    promtool,
    without_variables,
)
from tests.fixtures.world import World, free_port, make_world, post, readmission_request, until

TOKEN = "a-token-of-twenty-characters-or-more"
EMPTY = {
    *("Failed attempts by code", "Refused before storing", "Time limits that have passed"),
    "Waiting, sending, rejected",
}
"""Panels that show nothing while nothing goes wrong and nothing is under way."""
pytestmark = [
    pytest.mark.xdist_group("prometheus"),  # one world; the last test ends its gateway
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(PROMTOOL is None or PROMETHEUS is None, reason=MISSING),
]


_PLAYED = (
    "sum(increase(passerelle_receipt_seconds_count[1m]))",
    'sum(increase(passerelle_messages_taken_total{direction="FR_TO_UK"}[1m]))',
    'sum(increase(passerelle_http_requests_total{route="/as4"}[1m]))',
    'passerelle_last_success_timestamp_seconds{direction="FR_TO_UK"} > 0',
)
"""What has a result once both directions were seen in two looks at least."""


@dataclass
class Prometheus:
    """The server, and the gateway that it watches."""

    base: str
    world: World

    async def ask(self, path: str, **parameters: str) -> Any:
        """The ``data`` of an answer of its API."""
        url = f"{self.base}/api/v1/{path}"
        async with aiohttp.ClientSession() as session, session.get(url, params=parameters) as answer:
            found = await answer.json()
        assert found["status"] == "success", found
        return found["data"]

    async def rules(self) -> dict[str, Any]:
        found = await self.ask("rules")
        return {rule["name"]: rule for group in found["groups"] for rule in group["rules"]}

    async def query(self, expression: str) -> list[Any]:
        found: list[Any] = (await self.ask("query", query=expression))["result"]
        return found


def configuration(folder: Path, world: World, worker_port: int) -> Path:
    """The ``prometheus.yml`` of the guide with our files and ports, and a look each second."""
    guide = (FOLDER / "README.md").read_text("utf-8")
    block = re.search(r"```yaml\n(# prometheus\.yml\n.*?)```", guide, re.DOTALL)
    assert block is not None
    values = yaml.safe_load(block.group(1))
    gateway, worker = values["scrape_configs"]
    (folder / "metrics-token.txt").write_text(TOKEN + "\n", "utf-8")
    anchors = sorted((world.fr / "trust" / "uk" / "anchors").glob("*.pem"))
    (folder / "passerelle-tls.pem").write_bytes(b"".join(path.read_bytes() for path in anchors))
    (folder / "prometheus-rules.yaml").write_bytes(RULES.read_bytes())
    gateway["static_configs"] = [{"targets": [f"127.0.0.1:{world.uk_port}"]}]
    worker["static_configs"] = [{"targets": [f"127.0.0.1:{worker_port}"]}]
    values["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    path = folder / "prometheus.yml"
    path.write_text(yaml.safe_dump(values), "utf-8")
    return path


@contextlib.contextmanager
def _running(folder: Path, config: Path) -> Iterator[str]:
    assert PROMETHEUS is not None
    port = free_port()
    command = [
        PROMETHEUS,
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=warn",
    ]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    folder = tmp_path_factory.mktemp("prometheus")
    worker_port = free_port()
    own = {"metrics": {"token_file": "token.txt", "cache_s": 5, "port": free_port()}}
    with make_world(settings=own, start=False) as world:
        (world.uk / "token.txt").write_text(TOKEN + "\n", "utf-8")
        world.start_ministry()
        world.start_gateway(with_worker=False)
        settings = (world.uk / "passerelle.toml").read_text("utf-8")
        theirs = settings.replace(f"port = {own['metrics']['port']}", f"port = {worker_port}")
        assert theirs != settings
        (world.uk / "passerelle.toml").write_text(theirs, "utf-8")
        world.start_worker()
        config = configuration(folder, world, worker_port)
        with _running(folder, config) as base:
            yield Prometheus(base, world)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def played(prometheus: Prometheus) -> Prometheus:
    """After a delivery, an answer of France that was acknowledged, and some looks at them."""
    async with prometheus.world.client() as client:
        receipt = await post(client, "/v1/readmission-requests", readmission_request())

        async def delivered() -> bool:
            found = (await client.get(f"/v1/messages/{receipt.message_id}")).json()
            return bool(found["receipt_verified"])

        await until(delivered, seconds=60, what="a receipt")

        async def answered() -> Any:
            return (await client.inbox())["items"]

        (answer, *_) = await until(answered, seconds=60, what="an answer of France")
        await client.acknowledge(answer["message_id"])

    missing = list(_PLAYED)

    async def scraped() -> bool:
        with contextlib.suppress(aiohttp.ClientError):
            missing[:] = [expression for expression in _PLAYED if not await prometheus.query(expression)]
        return not missing

    try:
        await until(scraped, seconds=60)
    except AssertionError:
        targets = (await prometheus.ask("targets"))["activeTargets"]
        seen = [(t["scrapeUrl"], t["health"], t["lastError"]) for t in targets]
        raise AssertionError(f"no result of {missing}; {seen}") from None
    return prometheus


async def test_the_guide_is_a_configuration(prometheus: Prometheus, tmp_path: Path) -> None:
    """``promtool check config`` takes the guide's, with the rules beside it."""
    path = configuration(tmp_path, prometheus.world, 9464)
    said = promtool("check", "config", path)
    assert "SUCCESS" in said
    assert "rules found" in said


async def test_both_processes_are_scraped(played: Prometheus) -> None:
    """Over TLS with the token, and the worker's listener."""
    found = (await played.ask("targets"))["activeTargets"]
    assert {t["labels"]["job"]: (t["health"], t["lastError"]) for t in found} == {
        "passerelle": ("up", ""),
        "passerelle-worker": ("up", ""),
    }


async def test_every_rule_is_evaluated(played: Prometheus) -> None:
    """None has an error with real series, and none is raised while everything is well."""

    async def evaluated() -> bool:
        return all(rule["health"] == "ok" for rule in (await played.rules()).values())

    await until(evaluated, seconds=30, what="an evaluation of every rule")
    rules = await played.rules()
    assert len(rules) > 15
    assert {name: rule["lastError"] for name, rule in rules.items() if rule.get("lastError")} == {}
    assert {name for name, rule in rules.items() if rule["state"] != "inactive"} == set()


async def test_every_panel_shows_something(played: Prometheus) -> None:
    """Each query of the dashboard is evaluated; all have a result but those of what goes wrong."""
    board = json.loads(BOARD.read_text("utf-8"))
    empty = set()
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            if not await played.query(without_variables(target["expr"])):
                empty.add(panel["title"])
    assert empty <= EMPTY
    jobs = await played.ask("label/job/values", **{"match[]": "passerelle_build_info"})
    assert set(jobs) == {"passerelle", "passerelle-worker"}  # the variable of the dashboard


async def test_a_gateway_that_is_gone(played: Prometheus) -> None:
    """Killed, with its worker: two rules wait for their minutes, and no panel breaks."""
    played.world.kill_gateway()
    for worker in played.world.workers:
        worker.kill()
        worker.wait()

    async def noticed() -> bool:
        return (await played.rules())["PasserelleDown"]["state"] == "pending"

    await until(noticed, seconds=60, what="PasserelleDown")
