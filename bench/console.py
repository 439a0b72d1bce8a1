"""``python -m bench.console [--rows N] [--database postgresql|sqlite]``: pages at ten million messages.

Fills a database with a year of messages (``bench.fill``), starts the console and the API above it as one
aiohttp process, and asks for every page and listing again and again over loopback: first, deep and last
pages, every filter. What is measured is the time from the request to the last byte of the answer; the client
shares the process, so the server alone is faster. Prints a table and writes
``bench/results/console-<database>.json``.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import json
import os
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
from aiohttp import web
from rich.console import Console as Terminal
from rich.table import Table

from bench.fill import fill_postgresql, fill_sqlite
from bench.report import machine, percentile
from gateway.core.people import UserRecord
from gateway.core.roles import Role, Side
from gateway.flows.people import People, SignInPolicy
from gateway.logs import configure_logs
from gateway.store import SqlStore, cursors, migrate
from gateway.web.console.app import ConsoleServices, make_console
from gateway.web.services import UkSettings
from tests.fixtures import console as signing
from tests.fixtures.databases import PostgresServer
from tests.fixtures.store_records import accept, new_case
from tests.fixtures.uk_gateway import Gateway, running_gateway

RESULTS = Path(__file__).parent / "results"
TARGET_MS = 100.0
WHO = "bench"
_WARM_UP = 3
_OUTAGE_SHARE = 3
Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """One page or listing; ``form``: what is POSTed."""

    name: str
    path: str
    form: dict[str, str] | None = None
    api: bool = False


# ---- what is asked for --------------------------------------------------------------------------


def filters(rows: int, now: dt.datetime) -> dict[str, str]:
    """Every filter alone and the usual combinations, as queries."""
    weeks = [now - dt.timedelta(weeks=n) for n in (27, 26)]
    between = f"from={weeks[0]:%Y-%m-%d}&to={weeks[1]:%Y-%m-%d}&zone=Europe/Paris"
    message = f"{int((now - dt.timedelta(days=100)).timestamp() * 1000):012x}"
    return {
        "no filter": "",
        "type": "type=ReadmissionDecision",
        "rare type": "type=Correction",
        "status": "status=acknowledged",
        "rare status": "status=held",
        "status of an old outage": "status=failed",
        "two statuses": "status=failed&status=held",
        "direction": "direction=FR_TO_UK",
        "type, status": "type=Nomination&status=acknowledged",
        "type, direction": "type=Acknowledgement&direction=UK_TO_FR",
        "status, direction": "status=rejected&direction=UK_TO_FR",
        "type, status, direction": "type=Acknowledgement&status=delivered&direction=UK_TO_FR",
        "code": "code=EBMS:0004",
        "code begins": "code=EBMS:*",
        "code, type": "code=unknown_case&type=TransferNotice",
        "older than": "older=300+d",
        "newer than": "newer=2+d",
        "a week half a year ago": between,
        "a week, type, status": f"{between}&type=ReadmissionRequest&status=acknowledged",
        "a week, refused": f"{between}&status=rejected",
        "a week, direction": f"{between}&direction=UK_TO_FR",
        "attempts": "attempts=2",
        "many attempts": "attempts=9",
        "attempts, type": "attempts=3&type=Nomination",
        "no receipt": "receipt=no",
        "no receipt, old": "receipt=no&older=200+d",
        "waits for France": "endpoint=FRANCE",
        "text: message id": f"q={message[:8]}-{message[8:]}-7000-8000-{rows // 2:012x}",
        "text: AS4 id": f"q={message[:8]}-{message[8:]}-7000-8000-{rows // 2:012x}@fr.example",
        "text: conversation": f"q=00000000-0000-4000-8000-{rows // 20:012x}",
        "text: reference begins": "q=GB01-02682",
        "text: code begins": "q=quota",
        "reference begins": "reference=GB02-0",
        "odd: type, direction that never meet": "type=Nomination&direction=FR_TO_UK",
        "odd: code, attempts, type": "code=connection_failed&attempts=13&type=Withdrawal",
        "odd: no receipt, acknowledged, old type": "receipt=no&status=acknowledged&type=Correction",
    }


def listings(rows: int, now: dt.datetime, party: str) -> Iterator[Target]:
    """Pages of the list of messages, and the API's listing with the filters that it knows."""
    deep = cursors.encode("messages-", (rows // 2,))
    back = cursors.encode("messages+", (rows // 2,))
    last = cursors.encode("messages-", (60,))
    for name, text in filters(rows, now).items():
        query = text.replace("FRANCE", party)
        yield Target(name=f"messages: {name}", path=f"/console/messages?{query}")
    for name, query in (
        ("no filter", ""),
        ("type", "type=Nomination"),
        ("status", "status=acknowledged"),
        ("direction", "direction=UK_TO_FR"),
    ):
        yield Target(name=f"messages: {name}, deep page", path=f"/console/messages?{query}&cursor={deep}")
        yield Target(name=f"messages: {name}, last page", path=f"/console/messages?{query}&cursor={last}")
        yield Target(
            name=f"messages: {name}, back from deep", path=f"/console/messages?{query}&cursor={back}&back=1"
        )
        yield Target(name=f"API messages: {name}", path=f"/v1/messages?{query}", api=True)
        yield Target(
            name=f"API messages: {name}, deep page", path=f"/v1/messages?{query}&cursor={deep}", api=True
        )
    yield Target(name="API deadlines", path="/v1/deadlines", api=True)
    yield Target(name="API inbox", path="/v1/inbox", api=True)
    yield Target(name="API balance", path="/v1/balance", api=True)


def pages(app: web.Application, message_id: str, reference: str) -> Iterator[Target]:
    """Every page that has an address of its own, and the pages of one message and one case."""
    left_out = ("/export", "/login", "/logout", "/events", "/static", "/provider", "/new", "/weekly", "/try")
    paths = {
        resource.canonical
        for route in app.router.routes()
        if route.method == "GET" and (resource := route.resource) is not None
    }
    for path in sorted(paths):
        if "{" not in path and not any(part in path for part in left_out):
            yield Target(name=f"page {path.removeprefix('/console') or '/'}", path=path)
    yield Target(name="page of a message", path=f"/console/messages/{message_id}")
    yield Target(name="page of a case", path=f"/console/cases/{reference}")
    yield Target(
        name="search for a person",
        path="/console/search",
        form={"kind": "document", "value": "P57126116"},
    )


# ---- measuring ----------------------------------------------------------------------------------


async def measure(
    session: aiohttp.ClientSession, base: str, target: Target, requests: int, token: str
) -> Json:
    """p50, p95 and the longest in milliseconds, over ``requests`` after a warm-up; ``cpu_ms``: what this
    process worked for one, server and client together, which neighbours disturb less."""
    form = None if target.form is None else {signing.CSRF_FIELD: token, **target.form}
    taken: list[float] = []
    status, size, worked = 0, 0, time.process_time()
    for number in range(requests + _WARM_UP):
        started = time.perf_counter()
        method = "GET" if form is None else "POST"
        async with session.request(method, base + target.path, data=form, allow_redirects=False) as answer:
            body = await answer.read()
        if number >= _WARM_UP:
            taken.append((time.perf_counter() - started) * 1000)
        status, size = answer.status, len(body)
    worked = (time.process_time() - worked) * 1000 / (requests + _WARM_UP)
    taken.sort()
    return {
        "name": target.name,
        "status": status,
        "bytes": size,
        "p50_ms": round(percentile(taken, 0.5), 2),
        "p95_ms": round(percentile(taken, 0.95), 2),
        "most_ms": round(taken[-1], 2),
        "cpu_ms": round(worked, 2),
    }


@asynccontextmanager
async def console(gateway: Gateway, store: SqlStore) -> AsyncIterator[tuple[web.Application, str]]:
    """The console above the same store, with one person who may see everything; (application, address)."""
    clock = signing.MovingClock()
    people = People(store=store, clock=clock, policy=SignInPolicy(second_factor=False))
    now = clock.now()
    async with store.begin() as tx:
        await tx.add_user(
            UserRecord(
                user_id=clock.new_id(),
                name=WHO,
                display_name=WHO,
                side=Side.UK,
                roles=frozenset(Role),
                language="en",
                password_hash=signing.password_hash(),
                created_at=now,
                changed_at=now,
            )
        )
    services = ConsoleServices(exchange=gateway.exchange, people=people, secure_cookie=False)
    made, app = make_console(services), web.Application()
    app.add_subapp("/console", made)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield made, f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def run(url: str, rows: int, requests: int, folder: Path, terminal: Terminal) -> list[Json]:
    """Starts both applications above the filled database and measures everything."""
    found: list[Json] = []
    settings = UkSettings(rate_per_second=1e9, rate_burst=10**9)
    async with running_gateway(folder, folder, url=url, settings=settings) as gateway:
        store = gateway.exchange.store
        assert isinstance(store, SqlStore)  # noqa: S101 — narrows the type
        case = new_case(at=gateway.clock.now())
        async with store.begin() as tx:
            real = await accept(tx, case, at=gateway.clock.now())
            await tx.index_identifiers(case.reference, [("document", "P57126116")])
        async with (
            console(gateway, store) as (app, base),
            signing.browser() as browser,
            gateway.client() as client,
            aiohttp.ClientSession(headers={"Authorization": f"Bearer {await client.token()}"}) as machine_,
        ):
            shown = signing.Console(base, store, signing.MovingClock(), real, gateway.exchange)
            if await signing.log_in(browser, shown, name=WHO) != 200:
                raise RuntimeError("the log-in did not work")
            token = await form_token(browser, base)
            targets = [
                *pages(app, real.message_id, case.reference),
                *listings(rows, gateway.clock.now(), gateway.exchange.french_party),
            ]
            for target in targets:
                session, address = (machine_, gateway.base) if target.api else (browser, base)
                found.append(await measure(session, address, target, requests, token))
                terminal.print(f"{found[-1]['p95_ms']:8.1f} ms  {found[-1]['status']}  {target.name}")
    return found


async def form_token(session: aiohttp.ClientSession, base: str) -> str:
    """Of any page's form."""
    async with session.get(f"{base}/console/search") as answer:
        text = await answer.text()
    return text.split(f'name="{signing.CSRF_FIELD}" value="', 1)[1].split('"', 1)[0]


# ---- databases ----------------------------------------------------------------------------------


@contextmanager
def filled(kind: str, rows: int, party: str, terminal: Terminal) -> Iterator[tuple[str, Json]]:
    """A filled database: (address, what it took). It is removed afterwards."""
    start_ms = int((dt.datetime.now(dt.UTC) - dt.timedelta(days=365)).timestamp() * 1000)  # noqa: TID251 — a benchmark reads the machine's clock
    began = time.perf_counter()

    def told(what: str) -> None:
        terminal.print(f"{time.perf_counter() - began:8.1f} s   {what}")

    with tempfile.TemporaryDirectory(prefix="passerelle-bench-") as folder:
        if kind == "sqlite":
            path = Path(folder) / "console.db"
            migrate(f"sqlite:///{path}")
            fill_sqlite(path, rows, start_ms=start_ms, party=party, told=told)
            seconds = time.perf_counter() - began
            yield f"sqlite:///{path}", {"fill_s": round(seconds), "bytes": path.stat().st_size}
            return
        server = PostgresServer()
        try:
            url = server.new_database()
            size = asyncio.run(_fill(url, rows, start_ms, party, told))
            yield url, {"fill_s": round(time.perf_counter() - began), "bytes": size}
        finally:
            server.stop()


async def _fill(url: str, rows: int, start_ms: int, party: str, told: Any) -> int:
    database, host = url.split("@/")[-1].split("?host=")
    connection = await asyncpg.connect(host=host, user="postgres", database=database)
    try:
        await fill_postgresql(connection, rows, start_ms=start_ms, party=party, told=told)
        return int(await connection.fetchval("SELECT pg_database_size(current_database())"))
    finally:
        await connection.close()


def table(found: list[Json]) -> Table:
    shown = Table("page or listing", "status", "p50 ms", "p95 ms", "most ms")
    for row in sorted(found, key=lambda r: -float(r["p95_ms"])):
        late = row["p95_ms"] >= TARGET_MS or row["status"] != 200
        shown.add_row(
            row["name"],
            str(row["status"]),
            *(f"{row[name]:.1f}" for name in ("p50_ms", "p95_ms", "most_ms")),
            style="bold red" if late else "",
        )
    return shown


def main() -> int:
    configure_logs(level="error", format_="console")
    parser = argparse.ArgumentParser(prog="python -m bench.console", description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000, help="messages (default 200,000)")
    parser.add_argument("--database", choices=("postgresql", "sqlite"), default="postgresql")
    parser.add_argument("--requests", type=int, default=50, help="requests of each page (default 50)")
    parser.add_argument("--output", type=Path, help="write the JSON here instead of bench/results")
    arguments = parser.parse_args()
    terminal = Terminal()
    party = signing.uk_fr().parties.fr.id
    with (
        filled(arguments.database, arguments.rows, party, terminal) as (url, filling),
        tempfile.TemporaryDirectory(prefix="passerelle-bench-") as folder,
    ):
        before = os.getloadavg()[0]
        found = asyncio.run(run(url, arguments.rows, arguments.requests, Path(folder), terminal))
    result = {
        "machine": machine(),
        "database": arguments.database,
        "rows": arguments.rows,
        "requests": arguments.requests,
        "load_average": {"before": round(before, 1), "after": round(os.getloadavg()[0], 1)},
        "target_p95_ms": TARGET_MS,
        **filling,
        "measured": found,
    }
    file = arguments.output or RESULTS / f"console-{arguments.database}.json"
    file.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", "utf-8")
    terminal.print(table(found))
    late = [row["name"] for row in found if row["p95_ms"] >= TARGET_MS or row["status"] != 200]
    terminal.print(
        f"{len(found) - len(late)} of {len(found)} under {TARGET_MS:.0f} ms; not: {late or 'none'}"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
