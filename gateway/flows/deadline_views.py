"""What API and CLI show of deadlines: JSON-ready values, each with the words of both sides and both zones."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Iterable
from typing import Any

from gateway.core.errors import InvalidParameter
from gateway.core.records import Page
from gateway.core.treaty.agreement import Agreement
from gateway.core.treaty.clocks import Deadline, clocks_of
from gateway.flows.exchange import Exchange
from gateway.flows.ports import DeadlineFilter, Transaction
from gateway.flows.uk_receipts import instant

Json = dict[str, Any]
_ATTENTION = 50
_SIDES = ("uk", "fr", "both")


def deadline_view(agreement: Agreement, row: Deadline) -> Json:
    """One deadline. Instants are UTC; ``local`` gives them in both zones, ``due_on`` the last day in its own.

    ``unverified``: what the text of the agreement did not confirm of this clock. ``effect``: what silence
    means (Art 8 [U]): escalate, never acceptance.
    """
    clock = clocks_of(agreement).get(row.clock)
    terms = clock.terms if clock is not None else None
    unverified = terms is not None and terms.unverified
    return {
        "deadline_id": row.deadline_id,
        "reference": row.reference,
        "message_id": row.message_id,
        "clock": row.clock,
        "article": terms.article if terms is not None else None,
        "name": {
            "en": terms.name_en if terms is not None else row.clock,
            "fr": terms.name_fr if terms is not None else row.clock,
        },
        "owed_by": terms.owed_by if terms is not None else None,
        "severity": terms.severity.value if terms is not None else None,
        "state": row.state.value,
        "started_at": instant(row.started_at),
        "due_at": instant(row.due_at),
        "due_on": row.due_at.astimezone(zoneinfo.ZoneInfo(row.zone)).date().isoformat(),
        "zone": row.zone,
        "local": [_local(row, zone) for zone in _zones(agreement)],
        "warnings": row.warnings,
        "closed_at": None if row.closed_at is None else instant(row.closed_at),
        "closed_by": row.closed_by,
        "unverified": {"en": terms.note_en, "fr": terms.note_fr}
        if terms is not None and unverified
        else None,
        "effect": agreement.silence.effect,
    }


def _zones(agreement: Agreement) -> tuple[str, ...]:
    return tuple(dict.fromkeys((agreement.clocks.arrival_zone, agreement.clocks.answer_zone)))


def _local(row: Deadline, zone: str) -> Json:
    where = zoneinfo.ZoneInfo(zone)
    return {
        "zone": zone,
        "started_at": _in(row.started_at, where),
        "due_at": _in(row.due_at, where),
    }


def _in(value: dt.datetime, zone: zoneinfo.ZoneInfo) -> str:
    return value.astimezone(zone).isoformat(timespec="milliseconds")


def by_due(rows: Iterable[Deadline]) -> list[Deadline]:
    return sorted(rows, key=lambda row: (row.due_at, row.deadline_id))


async def of_case(tx: Transaction, agreement: Agreement, reference: str) -> list[Json]:
    """All of a case, the earliest due first."""
    return [deadline_view(agreement, row) for row in by_due(await tx.case_deadlines(reference))]


async def of_message(tx: Transaction, agreement: Agreement, reference: str, message_id: str) -> list[Json]:
    """Those that the message started or ended, the earliest due first."""
    rows = by_due(await tx.case_deadlines(reference))
    return [deadline_view(agreement, r) for r in rows if message_id in {r.message_id, r.closed_by}]


async def deadline_list(
    exchange: Exchange, where: DeadlineFilter, *, cursor: str | None, limit: int
) -> Page[Json]:
    """The earliest due first. Raises BadCursor."""
    async with exchange.store.begin(read_only=True) as tx:
        page = await tx.deadlines(where, cursor=cursor, limit=limit)
    items = tuple(deadline_view(exchange.agreement, row) for row in page.items)
    return Page(items=items, next_cursor=page.next_cursor)


def owed_by(agreement: Agreement, side: str) -> tuple[str, ...]:
    """Ids of the clocks whose answer that side owes (``uk``, ``fr``), alone or with the other; for ``both``
    those that neither owes alone. Raises InvalidParameter."""
    if side not in _SIDES:
        raise InvalidParameter(f"owed_by is one of: {', '.join(_SIDES)}")
    kinds = {side, "both"}
    return tuple(name for name, clock in clocks_of(agreement).items() if clock.terms.owed_by in kinds)


def local_days(
    agreement: Agreement, first: str | None, last: str | None
) -> tuple[dt.datetime | None, dt.datetime | None]:
    """Two ISO days, both included, as (first instant, instant after the last), counted in the zone of
    France's answers. Raises InvalidParameter."""
    try:
        start = dt.date.fromisoformat(first) if first else None
        end = dt.date.fromisoformat(last) + dt.timedelta(days=1) if last else None
    except (ValueError, OverflowError) as exc:
        raise InvalidParameter("a day is written YYYY-MM-DD") from exc
    zone = agreement.answer_zone
    begin, until = (
        None if d is None else dt.datetime.combine(d, dt.time(), tzinfo=zone) for d in (start, end)
    )
    return begin, until


async def attention(tx: Transaction, agreement: Agreement) -> list[Json]:
    """What was warned of or has passed, and nothing has closed yet: the first ones due."""
    page = await tx.deadlines(DeadlineFilter(unclosed=True, told=True), limit=_ATTENTION)
    return [deadline_view(agreement, row) for row in page.items]
