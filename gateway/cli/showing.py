"""``passerelle messages show``, ``cases show`` and ``reveal``: what the pages show, in the terminal.

Content is never printed by ``show``. ``reveal`` is the console's reveal for somebody who works in a terminal:
the person gives password and second factor, a coded reason and words; the rows are printed once, and the
reveal ends with the command.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import typer

from gateway.cli.common import JsonOption, MessageId, cell, fail, out, print_json, show, with_exchange
from gateway.cli.identity import signed_in
from gateway.cli.listing import cases, messages
from gateway.core.people import User
from gateway.core.reveal import RevealReason
from gateway.core.roles import Permission
from gateway.flows import reveals
from gateway.flows.case_page import case_page
from gateway.flows.exchange import Exchange
from gateway.flows.message_view import message_view
from gateway.flows.reveals import Viewer

Rows = Sequence[Mapping[str, Any]]


def _lines(values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        out.print(f"{name:>16}  {cell(value)}", markup=False)


def _table(rows: Rows, title: str, empty: str) -> None:
    show(rows, as_json=False, title=title, empty=empty)


def _timeline(lines: Rows, title: str) -> None:
    rows = [
        {
            "at": line["at"],
            "leg": line["leg"],
            "what": line["title"]["en"],
            "detail": (line["detail"] or {}).get("en", ""),
            "by": line["actor"],
        }
        for line in lines
    ]
    _table(rows, title, "Nothing.")


@messages.command("show")
def show_message(message_id: str = MessageId, as_json: bool = JsonOption) -> None:
    """Show one message: who holds it, whose part it is, may it go again, timeline, attempts, proofs.

    Never its content; --json is the value that the console's page shows, masked.
    """
    view = with_exchange(lambda exchange: message_view(exchange, message_id))
    if as_json:
        print_json(view)
        return
    message, holding = view["message"], view["holding"]
    _lines(
        {
            "message": message["message_id"],
            "type": message["type"],
            "route": message["direction"],
            "case": f"{message['reference']} ({view['case']['status']})",
            "status": message["status"],
            "code": message["code"],
            "taken in": message["received_at"],
            "delivered": message["delivered_at"],
            "holder": holding["holder_name"]["en"],
            "reason": holding["reason"]["en"],
            "whose part": (holding["fault_name"] or {"en": "nothing is wrong"})["en"],
            "what helps": holding["cure"]["en"],
            "send again?": f"{holding['resend_name']['en']}: {holding['resend_reason']['en']}",
        }
    )
    _timeline(view["timeline"], "Timeline, newest first")
    _table([_attempt(a) for a in view["attempts"]], "Attempts, newest first", "No attempt yet.")
    _table([_clock(c) for c in view["clocks"]], "Time limits", "No time limit.")
    related = [
        {"relation": r["relation"], "id": r["message_id"], "type": r["type"], "status": r["status"]}
        for r in view["related"]
    ]
    _table(related, "Other messages of the case", "None.")
    proofs = [{"": p["symbol"], "proof": p["kind"], "file": p["file"]} for p in view["evidence"]["proofs"]]
    _table(proofs, "Proof, verified now (more: passerelle evidence show)", "No proof yet.")


def _attempt(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "no": row["number"],
        "to": row["channel"],
        "started": row["started_at"],
        "result": row["words"]["outcome"]["en"],
        "code": row["outcome"],
        "http": row["http_status"],
        "detail": row["detail"],
    }


def _clock(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "time limit": row["name"]["en"],
        "state": row["state"],
        "last day": f"{row['due_on']} ({row['zone']})",
        "owed by": row["owed_by"],
        "unverified": row["unverified"] is not None,
    }


@cases.command("show")
def show_case(
    reference: str = typer.Argument(..., metavar="REFERENCE", help="As in: passerelle cases list."),
    as_json: bool = JsonOption,
) -> None:
    """Show one case: its life, messages both ways, time limits, what happened. Never its content."""
    view = with_exchange(lambda exchange: case_page(exchange, reference))
    if as_json:
        print_json(view)
        return
    case = view["case"]
    out.print(f"{case['reference']}: {case['kind']}, {case['status']}", markup=False)
    line = [
        {"state": s["status"], "": s["mark"], "since": s["at"], "by": s["message_type"]} for s in view["line"]
    ]
    _table(line, "The life of the case", "")
    if view["exits"]:
        out.print(f"Also possible from here: {', '.join(view['exits'])}", markup=False)
    rows = [
        {
            "id": m["message_id"],
            "type": m["type"],
            "route": m["direction"],
            "status": m["status"],
            "code": m["code"],
            "received": m["received_at"],
        }
        for m in view["messages"]
    ]
    _table(rows, "Messages", "No message.")
    _table([_clock(d) for d in view["deadlines"]], "Time limits", "No time limit.")
    _timeline(view["events"], "What happened to the case")


@signed_in(Permission.REVEAL)
def reveal(
    by: User,
    message_id: str = MessageId,
    code: RevealReason = typer.Option(..., "--code", help="Coded reason, as in the console."),
    reason: str = typer.Option(..., "--reason", help="Why, in words; kept in the audit log, no names."),
    as_json: bool = JsonOption,
) -> None:
    """Print the content of one message, once, for a reason: audited like the console's reveal."""
    viewer = Viewer(actor=by.actor, side=by.side, may_reveal=True)

    async def work(exchange: Exchange) -> dict[str, Any]:
        reference = (await message_view(exchange, message_id))["message"]["reference"]
        await reveals.start(exchange, reference, viewer, code=code.value, reason=reason)
        try:
            view = await message_view(exchange, message_id, viewer=viewer)
        finally:
            await reveals.end(exchange, reference, viewer)
        return dict(view["content"])

    content = with_exchange(work)
    if not content["revealed"]:
        fail("nothing is shown: France does not have this content yet, so it is not a French user's to see")
    rows = [
        {"heading": "  " * r["depth"] + r["name"]["en"], "value": (r["value"] or {"en": ""})["en"]}
        for r in content["rows"]
    ]
    if as_json:
        print_json(content["rows"])
    else:
        _table(rows, f"Message {message_id}", "It has no content.")
