"""``passerelle messages …`` and ``passerelle cases …``: look, replay, cancel."""

from __future__ import annotations

from typing import Any, Final, Protocol

import typer

from contracts.codes import CaseKind, Direction
from gateway.cli.common import (
    CursorOption,
    DryRunOption,
    JsonOption,
    LimitOption,
    MessageId,
    ReasonOption,
    err,
    fail,
    opened,
    run,
    show,
    show_more,
    with_exchange,
)
from gateway.cli.identity import booked_on
from gateway.core.records import CaseRecord, MessageRecord
from gateway.core.resend import Action, Verdict, Why
from gateway.core.roles import Permission
from gateway.core.treaty.states import STATUSES
from gateway.flows import operator
from gateway.flows.exchange import Exchange
from gateway.flows.resending import facts_of, verdict_alone

messages = typer.Typer(
    no_args_is_help=True, help="Messages: list, show, counts, export, replay, release, cancel."
)
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


_STOPPED: Final = (
    "a withdrawal that is stopped never reaches France, which goes on with the case: tell France another way"
)


async def _judged(exchange: Exchange, message_id: str, action: Action) -> tuple[Verdict, Why]:
    async with exchange.store.begin(read_only=True) as tx:
        facts = await facts_of(tx, message_id, exchange.clock.now())
    verdict, why, _ = verdict_alone(exchange, action, facts)
    return verdict, why


def _act(command: str, action: _Action, done: str, says: str, *, judged: Action | None = None) -> None:
    """Adds the command that does this to one message, or tries it. ``judged``: its dry run shows the verdict,
    as a batch would have it, and why."""

    @messages.command(command, help=says)
    @booked_on(Permission.ACT)
    def act(
        actor: str,
        message_id: str = MessageId,
        reason: str = ReasonOption,
        dry_run: bool = DryRunOption,
        as_json: bool = JsonOption,
    ) -> None:
        async def work(exchange: Exchange) -> tuple[MessageRecord, tuple[Verdict, Why] | None]:
            before = None if judged is None else await _judged(exchange, message_id, judged)
            return await action(exchange, message_id, actor=actor, reason=reason, dry_run=dry_run), before

        record, before = with_exchange(work)
        title = f"Dry run, nothing was changed. {done} it would be" if dry_run else done
        row = message_row(record) if as_json else message_line(record)
        if before is not None and dry_run:
            row |= {"verdict": before[0].value, "why": before[1].value}
        show([row], as_json=as_json, title=title, empty="")
        if before is not None and before[1] is Why.WITHDRAWS:
            err.print(_STOPPED, markup=False)


_act(
    "replay",
    operator.replay,
    "Queued again",
    "Send a failed message again. One that has its receipt is never sent as new.",
    judged=Action.REPLAY,
)
_act(
    "release",
    operator.release,
    "Released",
    "Let a held message go. What the French contract cannot carry stays held.",
)
_act(
    "cancel",
    operator.cancel,
    "Cancelled",
    "Cancel a message that has not left yet, or that failed.",
    judged=Action.CANCEL,
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

    known = tuple(dict.fromkeys(str(s) for one in CaseKind if kind in {None, one} for s in STATUSES[one]))
    if status is not None and status not in known:
        fail(f"no case is ever {status}", cure=f"one of: {', '.join(known)}")

    async def work() -> None:
        async with opened() as (_, store), store.begin(read_only=True) as tx:
            page = await tx.list_cases(kind=kind, status=status, cursor=cursor, limit=limit)
        show([case_row(c) for c in page.items], as_json=as_json, title="Cases", empty="No case matches.")
        show_more(page.next_cursor, as_json=as_json)

    run(work)
