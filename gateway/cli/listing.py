"""``passerelle messages …`` and ``passerelle cases …``: look, replay, cancel."""

from __future__ import annotations

from typing import Any, Protocol

import typer

from contracts.codes import CaseKind, Direction
from gateway.cli.common import (
    CursorOption,
    DryRunOption,
    JsonOption,
    LimitOption,
    MessageId,
    ReasonOption,
    opened,
    run,
    show,
    show_more,
)
from gateway.cli.identity import MaybeAsOption, StdinOption, actor_of
from gateway.core.records import CaseRecord, MessageRecord
from gateway.core.roles import Permission
from gateway.flows.exchange import Exchange
from gateway.flows.operator import cancel as cancel_message
from gateway.flows.operator import release as release_message
from gateway.flows.operator import replay as replay_message

messages = typer.Typer(no_args_is_help=True, help="Messages: list, show, replay, release, cancel.")
cases = typer.Typer(no_args_is_help=True, help="Cases: list, show.")


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


def case_row(record: CaseRecord) -> dict[str, Any]:
    return {
        "reference": record.reference,
        "kind": record.kind.value,
        "status": record.status,
        "priority": record.priority,
        "created_at": record.created_at,
        "updated_at": record.updated_at,
    }


class _Action(Protocol):
    """A use case of ``gateway.flows.operator``."""

    async def __call__(
        self, exchange: Exchange, message_id: str, *, actor: str, reason: str, dry_run: bool = False
    ) -> MessageRecord: ...


def _act(
    action: _Action, message_id: str, title: str, *, actor: str, reason: str, dry_run: bool, as_json: bool
) -> None:
    """Does it (or tries it), and shows the message as it is after, or as it would be."""

    async def work() -> MessageRecord:
        async with opened() as (instance, store):
            exchange = instance.exchange(store)
            return await action(exchange, message_id, actor=actor, reason=reason, dry_run=dry_run)

    record = run(work)
    title = f"Dry run, nothing was changed. {title} it would be" if dry_run else title
    row = message_row(record) if as_json else message_line(record)
    show([row], as_json=as_json, title=title, empty="")


@messages.command("replay")
def replay(
    message_id: str = MessageId,
    reason: str = ReasonOption,
    by: str | None = MaybeAsOption,
    password_stdin: bool = StdinOption,
    dry_run: bool = DryRunOption,
    as_json: bool = JsonOption,
) -> None:
    """Send a failed message again. One that has its receipt is never sent as new."""
    actor = actor_of(by, Permission.ACT, from_stdin=password_stdin)
    _act(
        replay_message,
        message_id,
        "Queued again",
        actor=actor,
        reason=reason,
        dry_run=dry_run,
        as_json=as_json,
    )


@messages.command("release")
def release(
    message_id: str = MessageId,
    reason: str = ReasonOption,
    by: str | None = MaybeAsOption,
    password_stdin: bool = StdinOption,
    dry_run: bool = DryRunOption,
    as_json: bool = JsonOption,
) -> None:
    """Let a held message go. What the French contract cannot carry stays held."""
    actor = actor_of(by, Permission.ACT, from_stdin=password_stdin)
    _act(
        release_message, message_id, "Released", actor=actor, reason=reason, dry_run=dry_run, as_json=as_json
    )


@messages.command("cancel")
def cancel(
    message_id: str = MessageId,
    reason: str = ReasonOption,
    by: str | None = MaybeAsOption,
    password_stdin: bool = StdinOption,
    dry_run: bool = DryRunOption,
    as_json: bool = JsonOption,
) -> None:
    """Cancel a message that has not left yet."""
    actor = actor_of(by, Permission.ACT, from_stdin=password_stdin)
    _act(
        cancel_message, message_id, "Cancelled", actor=actor, reason=reason, dry_run=dry_run, as_json=as_json
    )


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
        show_more(page.next_cursor, as_json=as_json)

    run(work)
