"""Partners: how sending to each endpoint goes, certificates of both sides, the connection test, P-Modes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import aiohttp_jinja2
from aiohttp import web

from contracts.codes import Direction
from gateway.core.as4.namespaces import PULL
from gateway.core.errors import ConfigError, Conflict, Unavailable
from gateway.core.explanations import explain
from gateway.core.roles import Permission
from gateway.core.treaty.agreement import PModeRow
from gateway.flows.endpoints import ATTEMPTS_READ, endpoint_list
from gateway.flows.exchange import Exchange
from gateway.flows.ports_audit import AuditFilter
from gateway.web.console.i18n import N_
from gateway.web.console.services import SERVICES
from gateway.web.console.session import checked_form, require
from gateway.web.console.tools import SystemTools

Json = dict[str, Any]
TESTED: Final = "connection.tested"
CIRCUITS: Final = {
    "closed": N_("working"),
    "open": N_("failing"),
    "paused": N_("paused"),
}
CIRCUIT_TAGS: Final = {"closed": "good", "open": "bad", "paused": "wait"}
OUTCOMES: Final = {"ok": N_("passed"), "failed": N_("failed"), "skipped": N_("not tried")}
USES: Final = {
    "sign": N_("signs messages and receipts"),
    "encrypt": N_("is encrypted to"),
    "anchor": N_("issues the certificates of messages"),
    "tls_anchor": N_("issues the certificate of the server"),
    "tls": N_("shows who the server is"),
}
STEPS: Final = {
    "setup": N_("Own keys and certificates"),
    "DNS": N_("Name of the server"),
    "TCP": N_("Connection"),
    "TLS": N_("Encryption of the line"),
    "ping": N_("Signed AS4 ping"),
    "receipt": N_("Signed receipt"),
}
STEP_SAYS: Final = {
    ("setup", "ok"): N_("Our keys, certificates and authorities are ready."),
    ("setup", "failed"): N_("Something is missing or wrong in our own keys and certificates."),
    ("DNS", "ok"): N_("The name of the server has an address."),
    ("DNS", "failed"): N_("No address was found for the name of the server."),
    ("TCP", "ok"): N_("The server answers at its address."),
    ("TCP", "failed"): N_("The server does not answer at its address."),
    ("TLS", "ok"): N_("The line is secured as the settings ask for it."),
    ("TLS", "failed"): N_("No secured line to the server could be set up."),
    ("ping", "ok"): N_("The access point took our signed ping."),
    ("ping", "failed"): N_("The access point did not take our signed ping."),
    ("receipt", "ok"): N_("Its signed receipt came back and proves what was sent."),
    ("receipt", "failed"): N_("No valid receipt came back."),
    **{(step, "skipped"): N_("An earlier step failed.") for step in STEPS},
}
"""What each step found; the test's own words, which are English, follow as a technical detail."""
STEP_HELPS: Final = {
    "setup": N_("Run passerelle check on the gateway and put right what it finds."),
    "DNS": N_("Compare the address in france.url with the partner; then ask your network team."),
    "TCP": N_("Ask the partner whether its access point runs; then ask both network teams about firewalls."),
    "TLS": N_("Compare the certificate of the server with the partner."),
    "ping": N_("Ask the partner to look into the log of its access point at this moment."),
    "receipt": N_("Compare the certificates with the partner by telephone: fingerprints are below."),
}
"""What helps in most cases when a step failed; the technical detail may know better."""
TAKEN: Final = {True: N_("Notification taken"), False: N_("Notification not taken")}
"""How the newest call of a webhook ended."""
_TEST: web.AppKey[asyncio.Lock] = web.AppKey("console_connection_test", asyncio.Lock)


async def _certificates(tools: SystemTools | None) -> tuple[list[Json], str | None]:
    """(rows, what is wrong with the files)."""
    if tools is None:
        return [], None
    try:
        rows = await asyncio.to_thread(tools.certificates)
    except ConfigError as exc:
        return [], exc.detail
    for row in rows:
        row["tag"], row["words"] = _days(row)
    return rows, None


def _days(row: Json) -> tuple[str, str]:
    """(tag, adjective) of a certificate by what is left of it."""
    if row["state"] == "expired":
        return "expired", N_("expired")
    if row["state"] != "valid":
        return "wait", N_("not valid yet")
    if row["near"] is None:
        return "valid", N_("valid")
    return ("bad", N_("ending soon")) if row["near"] <= 7 else ("wait", N_("ending"))


def _outcome(code: str) -> Json:
    """How the newest attempt of an endpoint ended, in both languages."""
    return explain(code).outcome.as_json()


def _channels(rows: Sequence[PModeRow]) -> list[Json]:
    """One row per direction: all its P-Modes share these values."""
    found = []
    for way in Direction:
        mine = [row for row in rows if row.direction is way]
        first = mine[0]
        found.append(
            {
                "direction": way,
                "pulled": first.mep_binding == PULL,
                "mpc": first.mpc,
                "callback": first.receipt == "callback",
                "security": sorted({row.security.value for row in mine}),
                "row": first,
                "count": len(mine),
            }
        )
    return found


async def _shown(request: web.Request, steps: list[Json] | None) -> Json:
    services = request.app[SERVICES]
    exchange, tools = services.exchange, services.system
    rows, trouble = await _certificates(tools)
    async with exchange.store.begin(read_only=True) as tx:
        last = (await tx.find_audit(AuditFilter(action=TESTED), limit=1)).items
    return {
        "endpoints": await endpoint_list(exchange),
        "webhooks": {hook.webhook_id: hook for hook in exchange.webhooks},
        "circuits": CIRCUITS,
        "circuit_tags": CIRCUIT_TAGS,
        "looked_at": ATTEMPTS_READ,
        "parties": exchange.agreement.parties,
        "shared": exchange.agreement.exchange,
        "channels": _channels(exchange.agreement.pmode_rows),
        "pmodes": exchange.agreement.pmode_rows,
        "certificates": rows,
        "trouble": trouble,
        "uses": USES,
        "tools": tools,
        "steps": steps,
        "passed": steps is not None and all(step["outcome"] == "ok" for step in steps),
        "outcomes": OUTCOMES,
        "step_names": STEPS,
        "step_says": STEP_SAYS,
        "step_helps": STEP_HELPS,
        "outcome_of": _outcome,
        "taken": TAKEN,
        "last_test": last[0] if last else None,
    }


@aiohttp_jinja2.template("partners.html")
async def partners(request: web.Request) -> Json:
    return await _shown(request, None)


@aiohttp_jinja2.template("partners.html")
async def test_connection(request: web.Request) -> Json:
    """Runs the test and shows its steps in the answer: nothing but an audit entry is kept of it. One at a
    time: each takes the partner's time too. Raises Conflict, Unavailable."""
    user = require(request, Permission.TEST_CONNECTION)
    await checked_form(request)
    services = request.app[SERVICES]
    if services.system is None:
        raise Unavailable("the connection test is not available here")
    lock = request.app[_TEST]
    if lock.locked():
        raise Conflict("a connection test is running already")
    async with lock:
        steps = await services.system.test_connection()
    await _audit(services.exchange, user.actor, steps)
    return await _shown(request, steps)


async def _audit(exchange: Exchange, actor: str, steps: Sequence[Json]) -> None:
    failed = next((step["name"] for step in steps if step["outcome"] == "failed"), None)
    async with exchange.store.begin() as tx:
        await tx.append_audit(
            at=exchange.clock.now(),
            actor=actor,
            action=TESTED,
            subject=exchange.french_party,
            data={"ok": failed is None, "failed": failed},
        )


def add(app: web.Application) -> None:
    app[_TEST] = asyncio.Lock()
    app.router.add_get("/partners", partners)
    app.router.add_post("/partners/test", test_connection)
