"""One message: who holds it, the timeline of both legs, attempts, clocks, proofs, and its masked content."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any, Final

import aiohttp_jinja2
from aiohttp import web

from contracts import codelists
from contracts.codes import MessageType
from gateway.core.errors import InvalidParameter
from gateway.core.records import EvidenceKind
from gateway.core.roles import Permission
from gateway.flows import reveals
from gateway.flows.evidence import export_evidence
from gateway.flows.message_view import message_view
from gateway.flows.reveals import Viewer
from gateway.web.console.context import language_of
from gateway.web.console.i18n import N_
from gateway.web.console.services import SERVICES
from gateway.web.console.session import checked_form, require, user_of

PROOF_NAMES: Final = {
    "manifest": N_("manifest, signed by the gateway"),
    "gateway_keys": N_("public keys of the gateway"),
    "certificates": N_("certificates of both sides"),
    EvidenceKind.AS4_USER_MESSAGE: N_("AS4 message as signed"),
    EvidenceKind.NRR_RECEIPT: N_("non-repudiation receipt (NRR)"),
    EvidenceKind.AS4_ERROR: N_("AS4 error signal"),
    EvidenceKind.UK_REQUEST_JWS: N_("signature of the UK request (JWS)"),
    EvidenceKind.UK_RECEIPT_JWS: N_("our receipt to the UK (JWS)"),
}
RELATIONS: Final = {
    "answers": N_("answered by this message"),
    "answered_by": N_("answers this message"),
    "same_case": N_("same case"),
}
FACTS: Final = {
    "fingerprint": N_("Fingerprint"),
    "subject": N_("Certificate"),
    "party": N_("Party"),
    "signed_at": N_("Signed"),
    "valid_until": N_("Valid until"),
    "thumbprint": N_("Key"),
    "owner": N_("Owner"),
    "alg": N_("Algorithm"),
    "profile": N_("Security profile"),
    "parts": N_("Parts covered"),
    "references": N_("References compared"),
    "as4_message_id": N_("AS4 MessageId"),
    "error": N_("Code"),
    "errors": N_("Codes"),
}
"""What is shown of the facts of a check; the others are in the JSON of the command line."""
DONE: Final = {
    "revealed": N_("Personal data of this case is shown to you now. Every view is written down."),
    "hidden": N_("Personal data is hidden again."),
}
REASONS: Final = {row["code"]: row["text"] for row in reveals.reason_list()}


def viewer_of(request: web.Request) -> Viewer:
    user = user_of(request)
    return Viewer(actor=user.actor, side=user.side, may_reveal=user.may(Permission.REVEAL))


def type_label(request: web.Request) -> Callable[[str], str]:
    """A message type of a JSON-ready value in the reader's words."""
    language = language_of(request)
    return lambda name: codelists.label(MessageType(name), language)


def when(text: str | None) -> dt.datetime | None:
    """An instant of a JSON-ready value."""
    return None if text is None else dt.datetime.fromisoformat(text)


def page(
    request: web.Request, template: str, values: dict[str, Any], content: dict[str, Any]
) -> web.Response:
    """A page that may show personal data: it hides again by itself when the reveal ends, without a script."""
    said = request.query.get("done", "")
    done = DONE.get(said) if (said == "revealed") is content["revealed"] else None
    shared: dict[str, Any] = {
        "when": when,
        "done": done,
        "reveal_reasons": REASONS,
        "content": content,
        "type_label": type_label(request),
    }
    if content["revealed"]:  # a page with personal data is not fetched again and again: every view counts
        shared["live_areas"] = ""
    response = aiohttp_jinja2.render_template(template, request, {**values, **shared})
    if content["revealed"] and content["reveal"] is not None:
        response.headers["Refresh"] = str(content["reveal"]["seconds_left"] + 1)
    return response


async def message(request: web.Request) -> web.Response:
    view = await message_view(
        request.app[SERVICES].exchange, request.match_info["message_id"], viewer=viewer_of(request)
    )
    names = {"proof_names": PROOF_NAMES, "relations": RELATIONS, "fact_names": FACTS}
    return page(request, "message.html", {"v": view, **names}, view["content"])


async def evidence(request: web.Request) -> web.Response:
    """The bundle as a file."""
    user = require(request, Permission.EXPORT_EVIDENCE)
    message_id = request.match_info["message_id"]
    content = await export_evidence(request.app[SERVICES].exchange, message_id, actor=user.actor)
    headers = {"Content-Disposition": f'attachment; filename="evidence-{message_id}.zip"'}
    return web.Response(body=content, content_type="application/zip", headers=headers)


def _back(reference: str, form: Any, done: str) -> web.HTTPSeeOther:
    message_id = str(form.get("message_id", ""))
    path = f"/console/messages/{message_id}" if message_id else f"/console/cases/{reference}"
    return web.HTTPSeeOther(f"{path}?done={done}#content")


def _checked_id(form: Any) -> None:
    if not all(c in "0123456789abcdef-" for c in str(form.get("message_id", ""))):
        raise InvalidParameter("no such message")


async def reveal(request: web.Request) -> web.Response:
    """Begin to see personal data of one case."""
    require(request, Permission.REVEAL)
    form = await checked_form(request)
    _checked_id(form)
    reference = request.match_info["reference"]
    await reveals.start(
        request.app[SERVICES].exchange,
        reference,
        viewer_of(request),
        code=form.get("reason", ""),
        reason=form.get("words", ""),
    )
    raise _back(reference, form, "revealed")


async def hide(request: web.Request) -> web.Response:
    """End it before its time."""
    form = await checked_form(request)
    _checked_id(form)
    reference = request.match_info["reference"]
    await reveals.end(request.app[SERVICES].exchange, reference, viewer_of(request))
    raise _back(reference, form, "hidden")


def add(app: web.Application) -> None:
    app.router.add_get("/messages/{message_id}", message)
    app.router.add_get("/messages/{message_id}/evidence", evidence)
    app.router.add_post("/cases/{reference}/reveal", reveal)
    app.router.add_post("/cases/{reference}/hide", hide)
