"""``passerelle batches …``: send many messages again, or stop them: preview, create, approve, start."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import typer

from gateway.cli.common import (
    CursorOption,
    JsonOption,
    LimitOption,
    ReasonOption,
    cell,
    out,
    print_json,
    show,
    show_more,
    with_exchange,
)
from gateway.cli.identity import signed_in
from gateway.core.batches import BatchState, Reason, ReasonCode, Seen
from gateway.core.people import User
from gateway.core.resend import Action
from gateway.core.roles import Permission
from gateway.flows import batch_views as views
from gateway.flows import batches as flow
from gateway.flows.batch_preview import Selection
from gateway.flows.batch_preview import preview as look
from gateway.flows.exchange import Exchange
from gateway.flows.message_search import parse_text
from gateway.flows.ports_actions import BatchRecord

batches = typer.Typer(
    no_args_is_help=True,
    help="Send many messages again, or stop them: list, preview, create, show, approve, start, pause, stop.",
)

BatchArgument = typer.Argument(..., metavar="BATCH_ID", help="As in: passerelle batches list.")
ActionOption = typer.Option(..., "--action", help="replay (send dead letters again) or cancel (stop).")
IdOption = typer.Option([], "--id", metavar="MESSAGE_ID", help="May be given again: these messages.")
FilterOption = typer.Option(
    None,
    "--filter",
    metavar="QUERY",
    help="All that match, as in the address of the console's list: 'status=failed&direction=UK_TO_FR'.",
)
DigestOption = typer.Option(..., "--digest", help="What was seen: as printed by preview (or show).")
CodeOption = typer.Option(..., "--reason-code", help="Why, for statistics.")


def _selection(ids: list[str], text: str | None) -> Selection:
    return Selection(ids=tuple(ids), query=None if text is None else parse_text(text))


def _counts(view: dict[str, Any]) -> list[dict[str, Any]]:
    counts = view["counts"]
    return [
        {"what": what, "which": which, "messages": n} for what in counts for which, n in counts[what].items()
    ]


def _print_preview(view: dict[str, Any]) -> None:
    show(_counts(view), as_json=False, title="Nothing was changed. It would be", empty="No message matches.")
    show(view["items"], as_json=False, title="Messages", empty="No message matches.")
    out.print(f"To do: {view['to_do']} of {view['count']}")
    if view["second_person"]:
        out.print("A second person must approve it.")
    out.print(f"digest: {view['digest']}", markup=False)


@batches.command("preview")
def preview(
    action: Action = ActionOption,
    ids: list[str] = IdOption,
    text: str | None = FilterOption,
    as_json: bool = JsonOption,
) -> None:
    """Show what would be done to each message, and why not; change nothing."""

    async def work(exchange: Exchange) -> dict[str, Any]:
        return views.preview_view(await look(exchange, _selection(ids, text), action))

    view = with_exchange(work)
    if as_json:
        print_json(view)
    else:
        _print_preview(view)


@batches.command("create")
@signed_in(Permission.ACT)
def create(
    by: User,
    action: Action = ActionOption,
    ids: list[str] = IdOption,
    text: str | None = FilterOption,
    digest: str = DigestOption,
    code: ReasonCode = CodeOption,
    reason: str = ReasonOption,
    as_json: bool = JsonOption,
) -> None:
    """Fix the set that was previewed as a batch. It waits, paused, until it is started."""

    async def make(exchange: Exchange) -> BatchRecord:
        return await flow.create(
            exchange,
            _selection(ids, text),
            action,
            by=by,
            reason=Reason(code=code, text=reason),
            seen=Seen.parse(digest),
        )

    _print_batch(_changed(make), as_json=as_json)


def _changed(change: Callable[[Exchange], Awaitable[BatchRecord]]) -> dict[str, Any]:
    """Does it, and shows the batch as it is then."""

    async def work(exchange: Exchange) -> dict[str, Any]:
        return await views.show_batch(exchange, (await change(exchange)).batch_id)

    return with_exchange(work)


_LISTED = ("batch_id", "action", "state", "count", "to_do", "created_by", "approved_by", "created_at")


def _line(row: dict[str, Any]) -> dict[str, Any]:
    results = row["results"]
    done = f"{results['done']} done, {results['skipped']} skipped, {results['failed']} failed"
    return {**{name: row[name] for name in _LISTED}, "results": done}


def _print_batch(row: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(row)
        return
    for name, value in row.items():
        if name not in {"items", "now", "results", "possible"}:
            out.print(f"{name.replace('_', ' '):>14}  {cell(value)}", markup=False)
    results = ", ".join(f"{number} {result}" for result, number in row["results"].items())
    out.print(f"{'results':>14}  {results}", markup=False)
    out.print(f"{'possible':>14}  {', '.join(row['possible']) or '—'}", markup=False)
    show(row["items"], as_json=False, title="Messages", empty="No message.")
    if row["now"] is not None:
        out.print(f"As of now {row['now']['to_do']} of {row['now']['count']} would be acted upon.")
        out.print(f"digest: {row['now']['digest']}", markup=False)


@batches.command("list")
def list_batches(
    state: BatchState | None = typer.Option(None, help="Only in this state."),
    limit: int = LimitOption,
    cursor: str | None = CursorOption,
    as_json: bool = JsonOption,
) -> None:
    """List batches, newest first."""
    rows, after = with_exchange(
        lambda exchange: views.list_batches(exchange, state=state, cursor=cursor, limit=limit)
    )
    shown = rows if as_json else [_line(row) for row in rows]
    show(shown, as_json=as_json, title="Batches", empty="No batch.")
    show_more(after, as_json=as_json)


@batches.command("show")
def show_batch(
    batch_id: str = BatchArgument,
    after: int = typer.Option(-1, "--after", help="Messages behind this position."),
    limit: int = typer.Option(200, "--limit", min=1, max=20_000, help="Messages at the most."),
    as_json: bool = JsonOption,
) -> None:
    """Show one batch, the result of each message, and (waiting for approval) the digest to approve."""
    batch = with_exchange(lambda exchange: views.show_batch(exchange, batch_id, after=after, limit=limit))
    _print_batch(batch, as_json=as_json)


@batches.command("approve")
@signed_in(Permission.APPROVE)
def approve(
    by: User,
    batch_id: str = BatchArgument,
    digest: str = DigestOption,
    reason: str = ReasonOption,
    as_json: bool = JsonOption,
) -> None:
    """Be the second person: agree to what ``show`` printed. The batch still waits to be started."""

    async def change(exchange: Exchange) -> BatchRecord:
        return await flow.approve(exchange, batch_id, by=by, reason=reason, seen=Seen.parse(digest))

    _print_batch(_changed(change), as_json=as_json)


def _step(name: str, change: Callable[..., Awaitable[BatchRecord]], says: str) -> None:
    """Adds a command that moves a batch on; they differ in nothing but the use case."""

    @batches.command(name, help=says)
    @signed_in(Permission.ACT)
    def step(
        by: User, batch_id: str = BatchArgument, reason: str = ReasonOption, as_json: bool = JsonOption
    ) -> None:

        async def work(exchange: Exchange) -> BatchRecord:
            return await change(exchange, batch_id, by=by, reason=reason)

        _print_batch(_changed(work), as_json=as_json)


_step("start", flow.start, "Begin, or go on after a pause; a worker takes one message after the other.")
_step("pause", flow.pause, "Take no further message until it is started again.")
_step("stop", flow.stop, "End it for good. What was done stays done.")
