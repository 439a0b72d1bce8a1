"""``passerelle holds …``: what waits for an operator; release or refuse it, by role and second person."""

from __future__ import annotations

from typing import Any, Protocol

import typer

from gateway.cli.common import (
    CursorOption,
    DryRunOption,
    JsonOption,
    LimitOption,
    MessageId,
    ReasonOption,
    cell,
    out,
    print_json,
    show,
    show_more,
    with_exchange,
)
from gateway.cli.identity import signed_in
from gateway.cli.listing import message_row
from gateway.core.people import User
from gateway.core.treaty.holding import Decider
from gateway.flows import hold_views
from gateway.flows import holds as flow
from gateway.flows.exchange import Exchange

holds = typer.Typer(no_args_is_help=True, help="Held messages: list, show, release, refuse.")


def _line(row: dict[str, Any]) -> dict[str, Any]:
    """What a table shows."""
    return {
        "id": row["message_id"],
        "type": row["type"],
        "case": row["reference"],
        "code": row["code"],
        "where": row["pointer"],
        "age": age(row["age_seconds"]),
        "role": ", ".join(row["roles"]),
        "approved": f"{hold_views.approvals(row)} of {row['persons']}",
    }


def age(seconds: int) -> str:
    """For people: the two largest units."""
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3_600)
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {rest // 60} min" if hours else f"{rest // 60} min"


@holds.command("list")
def list_holds(
    limit: int = LimitOption,
    cursor: str | None = CursorOption,
    as_json: bool = JsonOption,
) -> None:
    """List what waits for an operator or for room in a quota, oldest first."""
    rows, after = with_exchange(lambda exchange: hold_views.list_holds(exchange, cursor=cursor, limit=limit))
    shown = rows if as_json else [_line(row) for row in rows]
    show(shown, as_json=as_json, title="Held messages", empty="Nothing is held.")
    show_more(after, as_json=as_json)


@holds.command("show")
def show_hold(message_id: str = MessageId, as_json: bool = JsonOption) -> None:
    """Show one held message: its reasons as of now, who may decide, what was decided. Never its content."""
    row = with_exchange(lambda exchange: hold_views.show_hold(exchange, message_id))
    if as_json:
        print_json(row)
        return
    for name, value in row.items():
        if name not in {"reasons", "decisions"}:
            text = ", ".join(value) if isinstance(value, list) else cell(value)
            out.print(f"{name.replace('_', ' '):>18}  {text}", markup=False)
    reasons = [{"code": r["code"], "where": r["pointer"], **r["message"]} for r in row["reasons"]]
    show(reasons, as_json=False, title="Reasons", empty="No reason any more.")
    show(row["decisions"], as_json=False, title="Decisions", empty="No decision yet.")


class _Decision(Protocol):
    """A use case of ``gateway.flows.holds``."""

    async def __call__(
        self, exchange: Exchange, message_id: str, *, by: Decider, reason: str, dry_run: bool = False
    ) -> flow.Decided: ...


def _decide(command: str, decision: _Decision, says: str) -> None:
    """Adds the command that decides so about one message, or tries it."""

    @holds.command(command, help=says)
    @signed_in()
    def decide(
        by: User,
        message_id: str = MessageId,
        reason: str = ReasonOption,
        dry_run: bool = DryRunOption,
        as_json: bool = JsonOption,
    ) -> None:
        decided = with_exchange(
            lambda exchange: decision(exchange, message_id, by=by.decider, reason=reason, dry_run=dry_run)
        )
        row = {**message_row(decided.record), "approvals_needed": decided.needed}
        title = "Dry run, nothing was changed. It would be" if dry_run else "The message is now"
        show([row], as_json=as_json, title=title, empty="")
        if decided.needed and not as_json:
            out.print("Another operator with the role must release it too.")


_decide(
    "release",
    flow.release,
    "Let a held message go on as if it came now; where two must agree, the second release does it.",
)
_decide("refuse", flow.refuse, "Refuse a held message: it never leaves, and the UK system is told.")
