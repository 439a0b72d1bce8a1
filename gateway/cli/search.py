"""``passerelle messages list|counts|export``, ``passerelle filters …``, ``passerelle search person`` and
``passerelle overview``: what the console's first page, list and search show."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import typer

from contracts.codes import Direction, MessageType
from gateway.certificates import certificates
from gateway.cli.common import (
    CursorOption,
    JsonOption,
    LimitOption,
    err,
    leave,
    opened,
    out,
    print_json,
    run,
    show,
    with_exchange,
    write_file,
)
from gateway.cli.identity import AsOption, StdinOption, identify, signed_in
from gateway.cli.listing import case_row, message_line, message_row, messages
from gateway.cli.taking import taking
from gateway.core.errors import InvalidParameter, NotFound
from gateway.core.people import User
from gateway.core.records import MessageStatus
from gateway.core.roles import Permission
from gateway.flows import message_export, saved_filters
from gateway.flows.alert_views import list_alerts
from gateway.flows.attention import row_view
from gateway.flows.attention import rows as pressing
from gateway.flows.endpoints import names
from gateway.flows.exchange import Exchange
from gateway.flows.message_export import Form
from gateway.flows.message_search import Found, MessageQuery, canonical, parse, parse_text, search
from gateway.flows.overview import Overview, RouteCard, counts_view, matrix, overview_view
from gateway.flows.overview import overview as look
from gateway.flows.person_search import PersonKind, search_person
from gateway.flows.ports_alerts import AlertFilter
from gateway.flows.ports_search import Bounded, Place, SavedFilter

filters = typer.Typer(no_args_is_help=True, help="Kept filters of messages: list, save, remove.")
_ALERTS = 20
finding = typer.Typer(no_args_is_help=True, help="Find a person by an exact identifier.")

_TypeOption = typer.Option([], "--type", help="Only this type; may be given again.")
_StatusOption = typer.Option([], "--status", help="Only this status; may be given again.")
_DirectionOption = typer.Option(None, "--direction", help="Only this direction.")
_ReferenceOption = typer.Option("", "--reference", help="Only this case, or cases that begin so.")
_TextOption = typer.Option(
    "", "--text", help="Id, AS4 id, conversation id, reference or code, or its beginning."
)
_CodeOption = typer.Option("", "--code", help="Error code; with * at its end: all that begin so.")
_FromOption = typer.Option(
    "", "--from", help="Received then or later: 2026-11-23, 2026-11-23T14:30 or …:00Z."
)
_ToOption = typer.Option("", "--to", help="Received before that time, or until the end of that day.")
_ZoneOption = typer.Option("", "--zone", help="Zone of both: Europe/London (default), Europe/Paris or UTC.")
_OlderOption = typer.Option("", "--older", help="Received longer ago than: 90 min, 4 h, 2 d.")
_NewerOption = typer.Option("", "--newer", help="Received since: 90 min, 4 h, 2 d.")
_AttemptsOption = typer.Option(None, "--attempts", min=0, help="So many attempts or more.")
_NoReceiptOption = typer.Option(False, "--no-receipt", help="Only messages to France without a receipt.")
_EndpointOption = typer.Option("", "--endpoint", help="Only what waits in the outbox for this endpoint.")
_FilterOption = typer.Option(
    "", "--filter", metavar="QUERY", help="All at once, as in the console's address: status=failed&older=4+h."
)


def _query(text: str, **given: Sequence[str]) -> MessageQuery:
    """The filter of ``--filter``, where the single options do not say something else. Raises
    InvalidParameter."""
    own = parse_qs(canonical(parse(given)))
    return parse(parse_qs(canonical(parse_text(text))) | own)


def _asked(
    text: str = _FilterOption,
    types: list[MessageType] = _TypeOption,
    statuses: list[MessageStatus] = _StatusOption,
    direction: Direction | None = _DirectionOption,
    reference: str = _ReferenceOption,
    words: str = _TextOption,
    code: str = _CodeOption,
    begin: str = _FromOption,
    end: str = _ToOption,
    zone: str = _ZoneOption,
    older: str = _OlderOption,
    newer: str = _NewerOption,
    attempts: int | None = _AttemptsOption,
    no_receipt: bool = _NoReceiptOption,
    endpoint: str = _EndpointOption,
) -> MessageQuery:
    """The filter, of the options of every command that takes one. Leaves with an error when it is none."""
    given: dict[str, Sequence[str]] = {
        "type": types,
        "status": statuses,
        "direction": [direction or ""],
        "reference": [reference],
        "q": [words],
        "code": [code],
        "from": [begin],
        "to": [end],
        "zone": [zone],
        "older": [older],
        "newer": [newer],
        "attempts": ["" if attempts is None else str(attempts)],
        "receipt": ["no" if no_receipt else ""],
        "endpoint": [endpoint],
    }
    try:
        return _query(text, **given)
    except InvalidParameter as exc:
        leave(exc)


def _check_endpoint(exchange: Exchange, query: MessageQuery) -> None:
    """Raises NotFound: that nothing waits for a misspelt endpoint would be no good news."""
    if query.endpoint and query.endpoint not in names(exchange):
        raise NotFound("no such endpoint")


@messages.command("list")
@taking("query", _asked)
def list_messages(
    query: MessageQuery,
    limit: int = LimitOption,
    cursor: str | None = CursorOption,
    counted: bool = typer.Option(False, "--count", help="Also say how many match (up to 1,000)."),
    as_json: bool = JsonOption,
) -> None:
    """List messages, newest first. The work is bounded: a rare combination may need several pages."""

    async def work(exchange: Exchange) -> Found:
        _check_endpoint(exchange, query)
        return await search(exchange, query, cursor=cursor, limit=limit, counted=counted)

    found = with_exchange(work)
    rows = [message_row(r) if as_json else message_line(r) for r in found.items]
    empty = "Nothing found yet." if found.cut else "No message matches."
    show(rows, as_json=as_json, title="Messages", empty=empty)
    told = err if as_json else out  # JSON stays a plain list
    if found.total is not None:
        told.print(f"{'More than ' if found.total.more else ''}{found.total.value} in all", markup=False)
    if found.cut:
        told.print("The search stopped here: go on, or narrow it by a time or a status.", markup=False)
    if found.older:
        told.print(f"More: --cursor {found.older}", markup=False)


@messages.command("counts")
def counts(as_json: bool = JsonOption) -> None:
    """Count all messages by type, direction and status."""

    async def work() -> Mapping[Place, int]:
        async with opened() as (_, store), store.begin(read_only=True) as tx:
            return await tx.message_counts()

    cells = run(work)
    if as_json:
        print_json(counts_view(cells))
        return
    shown = [status for status in MessageStatus if any(place.status is status for place in cells)]
    rows = [
        {
            "type": line.type.value,
            "route": "UK → FR" if line.direction is Direction.UK_TO_FR else "FR → UK",
            **{status.value: line.cells[status].count for status in shown},
            "all": line.total.count,
        }
        for line in matrix(cells)
    ]
    show(rows, as_json=False, title="Messages", empty="No message yet.")


@messages.command("export")
@taking("query", _asked)
def export(
    query: MessageQuery,
    file: Path = typer.Option(..., "--output", "-o", help="The file to write; - for standard output."),
    form: Form = typer.Option(Form.CSV, "--form", help="csv or json."),
) -> None:
    """Write the records of messages (no content) to a file, at most 50,000, newest first."""

    async def work(exchange: Exchange) -> bytes:
        _check_endpoint(exchange, query)
        return b"".join([piece async for piece in message_export.export(exchange, query, form)])

    content = with_exchange(work)
    if str(file) == "-":
        sys.stdout.write(content.decode())
    else:
        write_file(file, content)
        out.print(f"{file}: {len(content)} bytes", markup=False)


# ---- first page ---------------------------------------------------------------------------------


def overview(as_json: bool = JsonOption) -> None:
    """Show what needs action and how both routes stand: the console's first page."""

    async def work() -> tuple[Overview, list[dict[str, Any]], list[dict[str, Any]]]:
        async with opened() as (instance, store):
            exchange = instance.exchange(store)
            opens = AlertFilter(is_open=True)
            alerts, _ = await list_alerts(exchange, opens, cursor=None, limit=_ALERTS)
            seen = await look(exchange, certificates=certificates(instance))
            return seen, alerts, [row_view(row) for row in await pressing(exchange, seen)]

    seen, alerts, first = run(work)
    if as_json:
        print_json({**overview_view(seen), "alerts": alerts, "pressing": first})
        return
    rows = [
        {"id": a["alert_id"], "severity": a["severity"], "what": a["title"]["en"], "opened": a["opened_at"]}
        for a in alerts
    ]
    show(rows, as_json=False, title="Open alerts", empty="No alert is open.")
    needs = [
        {"needs action": group.need.value.replace("_", " "), "count": _number(group.count)}
        for group in seen.groups
    ]
    show(needs, as_json=False, title="Needs action", empty="")
    show([_pressing(row) for row in first], as_json=False, title="Most pressing", empty="Nothing presses.")
    show([_route(card, seen) for card in seen.routes], as_json=False, title="Routes", empty="")


def _pressing(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": row["message_id"],
        "what": row["type"] or row["clock"]["en"],
        "state": row["state"],
        "code": row["code"],
        "whose part": (row["part_of"] or {"en": ""})["en"],
        "since": row["since"],
        "next limit": row["due_at"],
        "send again?": row["resend"] or "",
    }


def _number(count: Bounded) -> str:
    return f"more than {count.value}" if count.more else str(count.value)


def _route(card: RouteCard, seen: Overview) -> dict[str, Any]:
    waiting, awaited = card.oldest_waiting, card.oldest_unacknowledged
    return {
        "route": "UK → FR" if card.direction is Direction.UK_TO_FR else "FR → UK",
        "last success": card.last_success_at,
        "oldest waiting": waiting and waiting.received_at,
        "oldest unacknowledged": awaited and awaited.received_at,
        "backlog": card.backlog,
        "circuit": "paused" if card.paused else "open" if card.open else "closed",
        "certificate days": card.days_left(seen.at),
    }


# ---- kept filters -------------------------------------------------------------------------------


def _filter_row(saved: SavedFilter) -> dict[str, Any]:
    return {
        "id": saved.filter_id,
        "name": saved.name,
        "owner": saved.owner,
        "shared": saved.shared,
        "query": saved.query,
        "saved_at": saved.saved_at,
    }


@filters.command("list")
@signed_in(Permission.VIEW)
def list_filters(by: User, as_json: bool = JsonOption) -> None:
    """List your own filters, and those that others of your side share."""
    kept = with_exchange(lambda exchange: saved_filters.listed(exchange, owner=by.name, side=by.side))
    rows = [_filter_row(saved) for saved in kept]
    show(rows, as_json=as_json, title="Kept filters", empty="No filter is kept.")


@filters.command("save")
@signed_in(Permission.VIEW)
def save_filter(
    by: User,
    title: str = typer.Argument(..., metavar="NAME", help="What the filter is called."),
    text: str = typer.Option(..., "--filter", metavar="QUERY", help="As in: passerelle messages list."),
    shared: bool = typer.Option(False, "--shared", help="For everybody of your side."),
    as_json: bool = JsonOption,
) -> None:
    """Keep a filter under a name; one of the same name is replaced."""
    saved = with_exchange(
        lambda exchange: saved_filters.save(
            exchange, name=title, query=text, owner=by.name, side=by.side, shared=shared
        )
    )
    show([_filter_row(saved)], as_json=as_json, title="Kept", empty="")


@filters.command("remove")
@signed_in(Permission.VIEW)
def remove_filter(
    by: User, filter_id: str = typer.Argument(..., metavar="ID", help="As in: passerelle filters list.")
) -> None:
    """Remove a filter of your own."""
    with_exchange(lambda exchange: saved_filters.remove(exchange, filter_id, owner=by.name, side=by.side))
    out.print("The filter is removed.")


# ---- persons ------------------------------------------------------------------------------------


@finding.command("person")
def person(
    kind: PersonKind = typer.Option(..., "--kind", help="By which identifier."),
    name: str = AsOption,
    password_stdin: bool = StdinOption,
    as_json: bool = JsonOption,
) -> None:
    """Find the cases that hold exactly this identifier. It is asked for (or read from the next lines of
    standard input), never given on the command line, and not kept; that you searched is in the audit log."""
    user = identify(name, Permission.SEARCH_PERSON, from_stdin=password_stdin)
    wanted = ("family_name", "given_names", "birth_date") if kind is PersonKind.NAME_BIRTH else ("value",)
    given = {field: _read(field, from_stdin=password_stdin) for field in wanted}
    found = with_exchange(lambda exchange: search_person(exchange, kind, actor=user.actor, **given))
    rows = [case_row(case) for case in found.cases]
    show(rows, as_json=as_json, title="Cases", empty="No case holds this identifier.")
    if found.more:
        err.print("There are more cases than these.", markup=False)


def _read(field: str, *, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\n")
    return str(typer.prompt(field.replace("_", " ").capitalize(), err=True, default="", show_default=False))
