"""The rules that the gateway enforces, and what they say about a document that somebody pastes."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import aiohttp_jinja2
from aiohttp import web

from contracts.codes import MessageType
from contracts.ports import ContractError
from gateway.core.errors import InvalidParameter, NotFound, TooLarge
from gateway.core.treaty.rules_catalogue import PRIVACY_PART, QUOTA_PART, catalogue, coverage, describe
from gateway.core.treaty.verdict import RULES_PART, Outcome, Severity
from gateway.flows.case_view import case_view
from gateway.flows.dry_run import Court, Rehearsal, judge_body
from gateway.flows.exchange import Exchange
from gateway.web.console.forms import one_of, plain
from gateway.web.console.i18n import N_
from gateway.web.console.services import SERVICES
from gateway.web.console.session import LARGE_FORMS, checked_form, user_of

Json = dict[str, Any]
SEVERITIES: Final = {
    Severity.REFUSE: N_("refuses"),
    Severity.HOLD: N_("makes it wait"),
    Severity.WARN: N_("warns"),
}
VERDICTS: Final = {
    Outcome.ALLOWED: N_("Allowed: the gateway would send it."),
    Outcome.HELD: N_("Held: it would wait for an operator or for room."),
    Outcome.REFUSED: N_("Refused: the gateway would not take it."),
}
PARTS: Final = {
    RULES_PART: N_("the rules"),
    PRIVACY_PART: N_("the privacy gate"),
    QUOTA_PART: N_("quotas and balance"),
}
UNREADABLE: Final = N_(
    "This is no document that a UK system could post: it is not JSON, or names no message type."
)
_TRY: Final = "/console/rules/try"
_FORM_FACTOR: Final = 4
"""A form writes quotation marks, blanks and accents as several characters each."""


@aiohttp_jinja2.template("rules.html")
async def rules(request: web.Request) -> Json:
    agreement = request.app[SERVICES].exchange.agreement
    severity = one_of(Severity, request.query.get("severity"), "severity")
    kind = one_of(MessageType, request.query.get("type"), "type")
    place = request.query.get("place") or None
    unverified = bool(request.query.get("unverified"))
    shown = [
        describe(rule, agreement)
        for rule in catalogue()
        if severity in {None, rule.severity}
        and (kind is None or rule.types is None or kind in rule.types)
        and (place is None or place in rule.places)
    ]
    return {
        "rules": [rule for rule in shown if rule["unverified"] or not unverified],
        "severities": SEVERITIES,
        "severity": severity,
        "types": list(MessageType),
        "type": kind,
        "places": list(coverage()),
        "place": place,
        "unverified": unverified,
    }


@aiohttp_jinja2.template("rule.html")
async def rule(request: web.Request) -> Json:
    found = next((r for r in catalogue() if r.id == request.match_info["rule"]), None)
    if found is None:
        raise NotFound("there is no such rule")
    shown = describe(found, request.app[SERVICES].exchange.agreement)
    return {
        "rule": shown,
        "types": [MessageType(t) for t in shown["types"]],
        "severities": SEVERITIES,
        "parts": PARTS,
        "plain": plain,
    }


# ---- trying a document --------------------------------------------------------------------------


def _shown(**values: Any) -> Json:
    empty = {"text": "", "reference": "", "verdict": None, "says": None, "problem": None}
    return {**empty, "severities": SEVERITIES, **values}


@aiohttp_jinja2.template("rules_try.html")
async def try_form(request: web.Request) -> Json:
    return _shown(reference=request.query.get("reference", ""))


@aiohttp_jinja2.template("rules_try.html")
async def try_document(request: web.Request) -> Json:
    """Judge what was pasted. Nothing of it is stored or logged; the page that answers shows it again."""
    user_of(request)
    exchange = request.app[SERVICES].exchange
    most = exchange.limits.message_bytes
    form = await checked_form(request)
    text, reference = form.get("document", ""), form.get("reference", "").strip()
    content = text.encode("utf-8", "replace")
    if len(content) > most:
        raise TooLarge(f"a document has {most} bytes at the most")
    try:
        verdict = await _judge(exchange, content, reference)
    except ContractError:
        return _shown(text=text, reference=reference, problem=UNREADABLE)
    return _shown(text=text, reference=reference, verdict=verdict, says=VERDICTS[verdict.outcome])


async def _judge(exchange: Exchange, content: bytes, reference: str) -> Rehearsal:
    """Raises ContractError, InvalidParameter (no such case)."""
    court = Court(uk=exchange.uk, fr=exchange.fr, agreement=exchange.agreement, clock=exchange.clock)
    if not reference:
        return await asyncio.to_thread(judge_body, court, content)
    async with exchange.store.begin(read_only=True) as tx:
        case = await tx.get_case(reference)
        if case is None:
            raise InvalidParameter("there is no such case")
        view = await case_view(tx, case)
    return await asyncio.to_thread(judge_body, court, content, case=case, view=view)


def add(app: web.Application) -> None:
    app[LARGE_FORMS][_TRY] = _FORM_FACTOR * app[SERVICES].exchange.limits.message_bytes
    app.router.add_get("/rules", rules)
    app.router.add_get("/rules/try", try_form)
    app.router.add_post("/rules/try", try_document)
    app.router.add_get("/rules/{rule}", rule)
