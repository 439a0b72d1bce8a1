"""What people ask for when they look for messages: read from text, said in one canonical way, found.

A query is what stands in the address of the console's list, in a saved filter and on the command line. It
holds nothing personal: the one text field knows message ids, AS4 message ids, conversation ids, references
and codes. ``parse`` judges it strictly, ``canonical`` writes it back the same way every time.
"""

from __future__ import annotations

import datetime as dt
import re
import zoneinfo
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, TypeVar
from urllib.parse import parse_qsl, urlencode

from contracts.codes import Direction, MessageType
from gateway.core.errors import InvalidParameter
from gateway.core.records import MessageRecord, MessageStatus
from gateway.flows.exchange import Exchange
from gateway.flows.ports_search import Bounded, MessageFilter

E = TypeVar("E", bound=StrEnum)

ZONES: Final = ("Europe/London", "Europe/Paris", "UTC")
MOST_COUNTED: Final = 1000
_LONGEST: Final = 256
_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_UUID_BEGIN: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{0,4}){0,4}[0-9a-f]{0,8}")
_REFERENCE: Final = re.compile(r"GB\d{2}P?-[0-9A-HJKMNP-TV-Z]{12}")
_REFERENCE_BEGIN: Final = re.compile(r"GB\d{1,2}P?(-[0-9A-Z]{0,12})?")
_CODE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}")
_AS4: Final = re.compile(r"[^\s<>]+@[^\s<>]+")
_AGE: Final = re.compile(r"(\d{1,5}) ?(min|h|d)")
_UNITS: Final = {"min": "minutes", "h": "hours", "d": "days"}
_LOCAL: Final = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2})?)?")
_OFFSET: Final = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:\d{2})")
NAMES: Final = (
    "q",
    "reference",
    "type",
    "status",
    "direction",
    "code",
    "from",
    "to",
    "zone",
    "older",
    "newer",
    "attempts",
    "receipt",
    "endpoint",
)
"""Parameters of a query; ``type`` and ``status`` may be given several times."""
_SEVERAL: Final = {"type", "status"}


class QueryRefused(InvalidParameter):
    """One part of a query cannot be understood."""

    def __init__(self, name: str, detail: str) -> None:
        """``name``: one of ``NAMES``, or another that is not known."""
        super().__init__(f"{name}: {detail}")
        self.name = name


@dataclass(frozen=True, kw_only=True, slots=True)
class MessageQuery:
    """As asked: times as people gave them, so that a saved query means the same tomorrow."""

    text: str = ""
    """A whole id, reference or code, or how one begins."""
    reference: str = ""
    types: tuple[MessageType, ...] = ()
    statuses: tuple[MessageStatus, ...] = ()
    direction: Direction | None = None
    code: str = ""
    """With ``*`` at its end: every code that begins so."""
    begin: str = ""
    """Local, ``2026-11-23`` or ``2026-11-23T14:30``; or an instant, ``2026-11-23T14:30:00Z``."""
    end: str = ""
    """The same; a day is meant to its end, a time is left out itself."""
    zone: str = ZONES[0]
    older: str = ""
    """Received longer ago than ``90 min``, ``4 h``, ``2 d``."""
    newer: str = ""
    attempts: int | None = None
    no_receipt: bool = False
    endpoint: str = ""


def parse(given: Mapping[str, Sequence[str]]) -> MessageQuery:
    """The query of these parameters, empty ones left out. Raises InvalidParameter that names it."""
    values: dict[str, list[str]] = {}
    for name, several in given.items():
        if name not in NAMES:
            raise QueryRefused("filter", f"there is no such one; there are: {', '.join(NAMES)}")
        kept = list(dict.fromkeys(value.strip() for value in several if value.strip()))
        if any(len(value) > _LONGEST for value in kept) or (len(kept) > 1 and name not in _SEVERAL):
            raise QueryRefused(name, f"may be given once, with up to {_LONGEST} characters")
        if kept:
            values[name] = kept

    def one(name: str) -> str:
        return values.get(name, [""])[0]

    query = MessageQuery(
        text=one("q"),
        reference=one("reference").upper(),
        types=_members(values.get("type", []), MessageType, "type"),
        statuses=_members(values.get("status", []), MessageStatus, "status"),
        direction=next(iter(_members(values.get("direction", []), Direction, "direction")), None),
        code=one("code"),
        begin=one("from"),
        end=one("to"),
        zone=one("zone") or ZONES[0],
        older=one("older"),
        newer=one("newer"),
        attempts=_whole(one("attempts"), "attempts"),
        no_receipt=_flag(one("receipt"), "receipt"),
        endpoint=one("endpoint"),
    )
    narrow(query, dt.datetime(2026, 1, 1, tzinfo=dt.UTC))  # every part can be understood
    return query


def parse_text(text: str) -> MessageQuery:
    """Of a canonical query. Raises InvalidParameter."""
    given: dict[str, list[str]] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        given.setdefault(name, []).append(value)
    return parse(given)


def canonical(query: MessageQuery) -> str:
    """URL-encoded, in the order of ``NAMES``, lists sorted, nothing that says nothing."""
    zone = query.zone if query.begin or query.end else ""
    pairs = [
        ("q", query.text),
        ("reference", query.reference),
        *(("type", value) for value in sorted(query.types)),
        *(("status", value) for value in sorted(query.statuses)),
        ("direction", query.direction or ""),
        ("code", query.code),
        ("from", query.begin),
        ("to", query.end),
        ("zone", "" if zone == ZONES[0] else zone),
        ("older", query.older),
        ("newer", query.newer),
        ("attempts", "" if query.attempts is None else str(query.attempts)),
        ("receipt", "no" if query.no_receipt else ""),
        ("endpoint", query.endpoint),
    ]
    return urlencode([(name, str(value)) for name, value in pairs if value])


def _members(values: Sequence[str], kind: type[E], name: str) -> tuple[E, ...]:
    try:
        return tuple(kind(value) for value in values)
    except ValueError:
        raise QueryRefused(name, f"must be one of {', '.join(kind)}") from None


def _whole(value: str, name: str) -> int | None:
    if not value:
        return None
    if not value.isascii() or not value.isdigit() or len(value) > 4:
        raise QueryRefused(name, "must be a whole number up to 9999")
    return int(value)


def _flag(value: str, name: str) -> bool:
    if value not in {"", "no"}:
        raise QueryRefused(name, "may only be: no")
    return value == "no"


def narrow(query: MessageQuery, now: dt.datetime) -> MessageFilter:
    """What the store is asked; ages count from ``now``. Raises InvalidParameter."""
    if query.zone not in ZONES:
        raise QueryRefused("zone", f"must be one of {', '.join(ZONES)}")
    start = _instant(query.begin, query.zone, "from")
    end = _instant(query.end, query.zone, "to", closing=True)
    if query.older:
        before = now - _age(query.older, "older")
        end = before if end is None else min(end, before)
    if query.newer:
        since = now - _age(query.newer, "newer")
        start = since if start is None else max(start, since)
    where = MessageFilter(
        types=query.types,
        statuses=query.statuses,
        direction=query.direction,
        received_from=start,
        received_before=end,
        attempts_from=query.attempts,
        no_receipt=query.no_receipt,
        queued_for=query.endpoint or None,
    )
    where = _with_reference(where, query.reference, "reference")
    if query.code:
        where = _with_code(where, query.code, "code")
    return _with_text(where, query.text) if query.text else where


def _with_reference(where: MessageFilter, text: str, name: str) -> MessageFilter:
    if not text:
        return where
    if _REFERENCE.fullmatch(text):
        return replace(where, reference=text)
    if _REFERENCE_BEGIN.fullmatch(text.removesuffix("*")):
        return replace(where, reference_prefix=text.removesuffix("*"))
    raise QueryRefused(name, "is neither a case reference nor how one begins")


def _with_code(where: MessageFilter, text: str, name: str) -> MessageFilter:
    if not _CODE.fullmatch(text.removesuffix("*")):
        raise QueryRefused(name, "is neither a code nor how one begins")
    if text.endswith("*"):
        return replace(where, code_prefix=text.removesuffix("*"))
    return replace(where, code=text)


def _with_text(where: MessageFilter, text: str) -> MessageFilter:
    """By its form: each kind of identifier has its own."""
    lower, upper = text.lower(), text.upper()
    if _AS4.fullmatch(text):
        return replace(where, as4_message_id=text)
    if _UUID.fullmatch(lower):
        return replace(where, id_prefix=lower)
    if _REFERENCE_BEGIN.fullmatch(upper.removesuffix("*")):
        return where if where.reference else _with_reference(where, upper, "q")
    if _UUID_BEGIN.fullmatch(lower.removesuffix("*")):
        return replace(where, id_prefix=lower.removesuffix("*"))
    if where.code or where.code_prefix:
        raise QueryRefused("q", "give a code here or in its own field, not in both")
    try:
        return _with_code(where, text if text.endswith("*") else text + "*", "q")
    except InvalidParameter:
        raise QueryRefused(
            "q", "a message id, AS4 message id, conversation id, reference or code, or how one begins"
        ) from None


def _instant(text: str, zone: str, name: str, *, closing: bool = False) -> dt.datetime | None:
    """UTC. A time that the clock shows twice is the first of both; one that it skips, the next that is.
    An instant says its own offset, and is not of ``zone``."""
    if not text:
        return None
    instant = _OFFSET.fullmatch(text)
    if not instant and not _LOCAL.fullmatch(text):
        raise QueryRefused(
            name, "is a day (2026-11-23), a time (2026-11-23T14:30) or an instant (2026-11-23T14:30:00Z)"
        )
    try:
        value = dt.datetime.fromisoformat(text)
        if instant:
            return value.astimezone(dt.UTC)
        if closing and len(text) == len("2026-11-23"):
            value += dt.timedelta(days=1)
        return value.replace(tzinfo=zoneinfo.ZoneInfo(zone)).astimezone(dt.UTC)
    except (ValueError, OverflowError):
        raise QueryRefused(name, "must be a day of the calendar") from None


def _age(text: str, name: str) -> dt.timedelta:
    found = _AGE.fullmatch(text)
    if found is None:
        raise QueryRefused(name, "is an age such as 90 min, 4 h or 2 d")
    return dt.timedelta(**{_UNITS[found[2]]: int(found[1])})


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """One page of what a query finds, newest first."""

    query: MessageQuery
    items: tuple[MessageRecord, ...]
    older: str | None
    """Cursor of the page that follows."""
    newer: str | None
    """Cursor of the page before, to be asked with ``back``."""
    cut: bool
    """The search stopped before the page was full: the next page goes on."""
    total: Bounded | None
    """Of the whole query, where it was asked for."""


async def search(
    exchange: Exchange,
    query: MessageQuery,
    *,
    cursor: str | None = None,
    back: bool = False,
    limit: int = 50,
    counted: bool = False,
) -> Found:
    """``back``: the page that ends where the cursor stands. Raises InvalidParameter, BadCursor."""
    where = narrow(query, exchange.clock.now())
    async with exchange.store.begin(read_only=True) as tx:
        page = await tx.list_messages(where, cursor=cursor, limit=limit, newest_first=not back)
        total = None
        if counted and cursor is None and page.next_cursor is None:
            total = Bounded(value=len(page.items))  # all of them are on this page
        elif counted:
            total = await tx.count_messages(where, most=MOST_COUNTED)
    if back:
        items, older, newer = page.items[::-1], page.turned_cursor, page.next_cursor
    else:
        items, older, newer = page.items, page.next_cursor, page.turned_cursor
    return Found(query=query, items=items, older=older, newer=newer, cut=page.cut, total=total)
