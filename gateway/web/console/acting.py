"""What pages that act have in common: the reason, the token of the form, one page that asks and answers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp_jinja2
from aiohttp import web

from contracts.codes import MessageType
from gateway.core.batches import ReasonCode
from gateway.core.errors import InvalidParameter
from gateway.core.resend import Action, Verdict, Why
from gateway.flows.once import AlreadyDone
from gateway.flows.ports_audit import AuditFilter
from gateway.web.console import reasons
from gateway.web.console.i18n import N_
from gateway.web.console.services import SERVICES
from gateway.web.console.session import user_of

_A_MOMENT: Final = dt.timedelta(minutes=10)
TOKEN: Final = "once"  # noqa: S105 — the name of a field
VERDICTS: Final[Mapping[str, tuple[str, str]]] = {
    Verdict.SAFE: ("good", N_("safe")),
    Verdict.UNCERTAIN: ("wait", N_("uncertain")),
    Verdict.UNSAFE: ("bad", N_("left alone")),
}
"""Kind of tag, and its word."""
WHY: Final[Mapping[str, str]] = {
    Why.NOT_SENT: N_("It has not been sent yet."),
    Why.REFUSED_BEFORE: N_(
        "No attempt reached France, or its access point refused each one: it does not have it."
    ),
    Why.OUTCOME_UNKNOWN: N_("An attempt may have arrived although no receipt came back: France may have it."),
    Why.FROM_FRANCE: N_("It comes from France: it is not ours to send or to stop."),
    Why.RECEIPTED: N_("France's receipt is stored: it is never sent again."),
    Why.UNDER_WAY: N_("It waits in the queue, or is being sent at this moment."),
    Why.HELD: N_("It is held: this is decided in the holding area."),
    Why.REJECTED: N_("Its content was refused: a corrected message must be sent."),
    Why.CANCELLED: N_("It was cancelled."),
    Why.PERHAPS_TAKEN: N_(
        "France may have it: a copy is refused with the same code. Ask, then send it alone."
    ),
    Why.WITHDRAWN: N_("The case was withdrawn: nothing of it may follow."),
    Why.WITHDRAWS: N_(
        "A withdrawal: stopped here, France never learns of it and goes on. Tell France, then stop it alone."
    ),
    Why.DELETED: N_("Its content was deleted when the retention period ended."),
    Why.IN_BATCH: N_("Another grouped action that has not ended holds it."),
    Why.CHANGED: N_("It became uncertain after it was decided about."),
    "conflict": N_("It had changed when its turn came."),
    "internal": N_("An error of the gateway; nothing was changed."),
}
ACTIONS: Final[Mapping[str, str]] = {
    Action.REPLAY: N_("Send again"),
    Action.CANCEL: N_("Cancel"),
}
COMMON: Final[Mapping[str, Any]] = {"type_of": MessageType, "at": dt.datetime.fromisoformat}
"""What templates need for rows that are ready for JSON."""
SAME_ID: Final = N_("It keeps its MessageId, so that France can tell a copy from a new message.")
NOT_RECALLED: Final = N_(
    "Cancelling stops it here; what has arrived is not recalled. A withdrawal does that."
)


@dataclass(frozen=True, kw_only=True)
class Question:
    """One action as a page: what it concerns, what it would do, and the form."""

    title: str
    crumbs: Sequence[tuple[str, str]]
    facts: Sequence[tuple[str, Any]] = ()
    note: str = ""
    kind: str = "wait"
    """Of the note: good, wait or bad."""
    detail: str = ""
    """English, of an error."""
    button: str | None = None
    """None: it cannot be done."""
    danger: bool = False
    hidden: Mapping[str, str] = field(default_factory=dict)
    done: str = ""
    """What has happened, when this page is the result."""
    back: str = "/console"


def ask(request: web.Request, question: Question, *, status: int = 200) -> web.StreamResponse:
    """The page; its form carries a token that is used once."""
    once = request.app[SERVICES].exchange.clock.new_id()
    values = {"q": question, "reasons": list(reasons.ACTION.items()), "once_field": TOKEN, "once": once}
    return aiohttp_jinja2.render_template("confirm.html", request, values, status=status)


def reason_of(form: Mapping[str, str]) -> tuple[ReasonCode, str]:
    """The code and the words (the code again without any). Raises InvalidParameter."""
    try:
        code = ReasonCode(form.get("reason", ""))
    except ValueError as exc:
        raise InvalidParameter("choose a reason") from exc
    words = " ".join(form.get("words", "").split())
    if code is ReasonCode.OTHER and not words:
        raise InvalidParameter("say the other reason in words")
    return code, words or code.value


def reason_text(form: Mapping[str, str]) -> str:
    """Both in one, for the audit entry of a single action. Raises InvalidParameter."""
    code, words = reason_of(form)
    return code.value if words == code.value else f"{code.value}: {words}"


def token_of(form: Mapping[str, str]) -> str:
    """Raises InvalidParameter."""
    token = form.get(TOKEN, "")
    if not token:
        raise InvalidParameter("the form is not whole; open the page again")
    return token


async def has_done(request: web.Request, subject: str, *actions: str) -> bool:
    """Whether this user did one of that to it a moment ago, as the audit log says: an address that ends in
    ``?done`` may come from anywhere, and proves nothing."""
    exchange, user = request.app[SERVICES].exchange, user_of(request)
    since = exchange.clock.now() - _A_MOMENT
    async with exchange.store.begin(read_only=True) as tx:
        for action in actions:
            where = AuditFilter(subject=subject, actor=user.actor, action=action, since=since)
            if (await tx.find_audit(where, limit=1)).items:
                return True
    return False


async def act(work: Callable[[], Awaitable[object]], then: str) -> web.StreamResponse:
    """Does it and shows the result; the same form sent again shows the result too, and does nothing."""
    try:
        await work()
    except AlreadyDone:
        raise web.HTTPSeeOther(then) from None
    raise web.HTTPSeeOther(then)
