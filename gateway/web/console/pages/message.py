"""One message: who holds it, every attempt, every proof."""

from __future__ import annotations

from typing import Any

import aiohttp_jinja2
from aiohttp import web

from gateway.core.errors import NotFound
from gateway.core.records import EvidenceKind
from gateway.web.console.i18n import N_
from gateway.web.console.services import SERVICES

PROOF_NAMES = {
    EvidenceKind.AS4_USER_MESSAGE: N_("AS4 message as signed"),
    EvidenceKind.NRR_RECEIPT: N_("non-repudiation receipt (NRR)"),
    EvidenceKind.AS4_ERROR: N_("AS4 error signal"),
    EvidenceKind.UK_REQUEST_JWS: N_("signature of the UK request (JWS)"),
    EvidenceKind.UK_RECEIPT_JWS: N_("our receipt to the UK (JWS)"),
}


@aiohttp_jinja2.template("message.html")
async def message(request: web.Request) -> dict[str, Any]:
    message_id = request.match_info["message_id"]
    async with request.app[SERVICES].exchange.store.begin(read_only=True) as tx:
        record = await tx.get_message(message_id)
        if record is None:
            raise NotFound("no such message")
        attempts = await tx.attempts(message_id)
        evidence = await tx.evidence(message_id)
        case = await tx.get_case(record.reference)
    return {
        "record": record,
        "attempts": attempts,
        "evidence": evidence,
        "case": case,
        "proof_names": PROOF_NAMES,
    }


def add(app: web.Application) -> None:
    app.router.add_get("/messages/{message_id}", message)
