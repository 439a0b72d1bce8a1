"""``passerelle messages …`` and ``passerelle cases …``: look, replay, cancel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import typer

from contracts.codes import CaseKind, Direction
from gateway.cli.common import JsonOption, MessageId, cell, fail, opened, out, print_json, run, show
from gateway.core.records import CaseRecord, MessageRecord, MessageStatus
from gateway.flows.exchange import Exchange
from gateway.flows.operator import cancel as cancel_message
from gateway.flows.operator import release as release_message
from gateway.flows.operator import replay as replay_message
from gateway.flows.ports import MessageFilter

messages = typer.Typer(no_args_is_help=True, help="Messages: list, show, replay, release, cancel.")
cases = typer.Typer(no_args_is_help=True, help="Cases: list, show.")

ReasonOption = typer.Option(..., "--reason", help="Why; kept in the audit log (no personal data).")
DryRunOption = typer.Option(False, "--dry-run", help="Show what would happen; change nothing.")
LimitOption = typer.Option(50, "--limit", min=1, max=500, help="Rows at the most.")
CursorOption = typer.Option(None, "--cursor", help="Go on where the last page ended.")


_OUTBOUND_HOLDERS = {
    MessageStatus.ACCEPTED: "the gateway: it waits to be sent",
    MessageStatus.SENDING: "the gateway: it is being sent, or waits for its next attempt",
    MessageStatus.DELIVERED: "France: it has the message, and has not acknowledged it",
    MessageStatus.ACKNOWLEDGED: "France: it has taken the message into account",
    MessageStatus.FAILED: "an operator: replay or cancel it",
    MessageStatus.HELD: "an operator (see: passerelle holds show), or room in a quota",
    MessageStatus.REJECTED: "the UK system: France or an operator refused the message",
}
_INBOUND_HOLDERS = {
    MessageStatus.ACCEPTED: "the UK system: it waits in the inbox",
    MessageStatus.SENDING: "the UK system: it waits in the inbox",
    MessageStatus.DELIVERED: "the UK system: it has not acknowledged the message yet",
    MessageStatus.ACKNOWLEDGED: "the UK system: it has taken the message into account",
}


def message_row(record: MessageRecord) -> dict[str, Any]:
    return {
        "id": record.message_id,
        "type": record.type.value,
        "direction": record.direction.value,
        "reference": record.reference,
        "status": record.status.value,
        "code": record.code,
        "attempts": record.attempts,
        "receipt_verified": record.receipt_verified,
        "received_at": record.received_at,
    }


def message_line(record: MessageRecord) -> dict[str, Any]:
    """What a table shows: short enough for one line, with the id whole.

    ``receipt``: whether France's receipt was checked; a message from France has none of its own.
    """
    outbound = record.direction is Direction.UK_TO_FR
    return {
        "id": record.message_id,
        "type": record.type.value,
        "route": "UK → FR" if outbound else "FR → UK",
        "case": record.reference,
        "status": record.status.value,
        "code": record.code,
        "tries": record.attempts if outbound else None,
        "receipt": record.receipt_verified if outbound else None,
        "received": record.received_at,
    }


def held_by(record: MessageRecord) -> str:
    """Who must act next, for people."""
    outbound = record.direction is Direction.UK_TO_FR
    return (_OUTBOUND_HOLDERS if outbound else _INBOUND_HOLDERS).get(record.status, "nobody: it has ended")


def case_row(record: CaseRecord) -> dict[str, Any]:
    return {
        "reference": record.reference,
        "kind": record.kind.value,
        "status": record.status,
        "priority": record.priority,
        "created_at": record.created_at,
        "updated_at": record.updated_at,
    }


def _detail(record: MessageRecord, attempts: Any, evidence: Any) -> Mapping[str, Any]:
    return {
        **message_row(record),
        "held_by": held_by(record),
        "conversation_id": record.conversation_id,
        "in_reply_to": record.in_reply_to,
        "as4_message_id": record.as4_message_id,
        "delivered_at": record.delivered_at,
        "attempt_history": [
            {
                "number": a.number,
                "channel": a.channel.value,
                "started_at": a.started_at,
                "finished_at": a.finished_at,
                "outcome": a.outcome,
                "http_status": a.http_status,
                "detail": a.detail,
            }
            for a in attempts
        ],
        "evidence": [
            {"kind": e.kind.value, "bytes": len(e.content), "created_at": e.created_at} for e in evidence
        ],
    }


@messages.command("show")
def show_message(message_id: str = MessageId, as_json: bool = JsonOption) -> None:
    """Show one message: who holds it, every attempt, every proof. Never its content."""

    async def work() -> None:
        async with opened() as (_, store), store.begin() as tx:
            record = await tx.get_message(message_id)
            if record is None:
                fail(f"no message {message_id}", cure="see: passerelle messages list")
            detail = _detail(record, await tx.attempts(message_id), await tx.evidence(message_id))
        if as_json:
            print_json(detail)
            return
        for name, value in detail.items():
            if name not in {"attempt_history", "evidence"}:
                out.print(f"{name.replace('_', ' '):>18}  {cell(value)}", markup=False)
        show(detail["attempt_history"], as_json=False, title="Attempts", empty="No attempt yet.")
        show(detail["evidence"], as_json=False, title="Proof", empty="No proof yet.")

    run(work)


class _Action(Protocol):
    """A use case of ``gateway.flows.operator``."""

    async def __call__(
        self, exchange: Exchange, message_id: str, *, actor: str, reason: str, dry_run: bool = False
    ) -> MessageRecord: ...


def _act(action: _Action, message_id: str, title: str, *, reason: str, dry_run: bool, as_json: bool) -> None:
    """Does it (or tries it), and shows the message as it is after, or as it would be."""

    async def work() -> MessageRecord:
        async with opened() as (instance, store):
            exchange = instance.exchange(store)
            return await action(exchange, message_id, actor="cli", reason=reason, dry_run=dry_run)

    record = run(work)
    title = f"Dry run, nothing was changed. {title} it would be" if dry_run else title
    row = message_row(record) if as_json else message_line(record)
    show([row], as_json=as_json, title=title, empty="")


@messages.command("replay")
def replay(
    message_id: str = MessageId,
    reason: str = ReasonOption,
    dry_run: bool = DryRunOption,
    as_json: bool = JsonOption,
) -> None:
    """Send a failed message again. One that has its receipt is never sent as new."""
    _act(replay_message, message_id, "Queued again", reason=reason, dry_run=dry_run, as_json=as_json)


@messages.command("release")
def release(
    message_id: str = MessageId,
    reason: str = ReasonOption,
    dry_run: bool = DryRunOption,
    as_json: bool = JsonOption,
) -> None:
    """Let a held message go. What the French contract cannot carry stays held."""
    _act(release_message, message_id, "Released", reason=reason, dry_run=dry_run, as_json=as_json)


@messages.command("cancel")
def cancel(
    message_id: str = MessageId,
    reason: str = ReasonOption,
    dry_run: bool = DryRunOption,
    as_json: bool = JsonOption,
) -> None:
    """Cancel a message that has not left yet."""
    _act(cancel_message, message_id, "Cancelled", reason=reason, dry_run=dry_run, as_json=as_json)


@cases.command("list")
def list_cases(
    kind: CaseKind | None = typer.Option(None, help="readmission or nomination."),
    status: str | None = typer.Option(None, help="Only cases in this state."),
    limit: int = LimitOption,
    cursor: str | None = CursorOption,
    as_json: bool = JsonOption,
) -> None:
    """List cases, newest first."""

    async def work() -> None:
        async with opened() as (_, store), store.begin() as tx:
            page = await tx.list_cases(kind=kind, status=status, cursor=cursor, limit=limit)
        show([case_row(c) for c in page.items], as_json=as_json, title="Cases", empty="No case matches.")
        if page.next_cursor and not as_json:
            out.print(f"More: --cursor {page.next_cursor}", markup=False)

    run(work)


@cases.command("show")
def show_case(
    reference: str = typer.Argument(..., metavar="REFERENCE", help="As in: passerelle cases list."),
    as_json: bool = JsonOption,
) -> None:
    """Show one case and its messages in order."""

    async def work() -> None:
        async with opened() as (_, store), store.begin() as tx:
            case = await tx.get_case(reference)
            if case is None:
                fail(f"no case {reference}", cure="see: passerelle cases list")
            page = await tx.list_messages(MessageFilter(reference=reference), limit=200, newest_first=False)
        if as_json:
            print_json({**case_row(case), "messages": [message_row(r) for r in page.items]})
            return
        rows = [message_line(r) for r in page.items]
        out.print(f"{case.reference}: {case.kind.value}, {case.status}", markup=False)
        show(rows, as_json=False, title="Messages", empty="No message.")

    run(work)
