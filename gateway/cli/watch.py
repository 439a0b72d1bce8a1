"""``passerelle watch``: what happens, as it happens, in the terminal; or one JSON line for each event.

Reads the database only, so it runs beside the gateway or without it, and changes nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
import signal
import sys
from collections import deque
from collections.abc import AsyncIterator, Iterable
from typing import Any, Final

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from contracts.codes import Direction
from gateway.cli.common import opened, plain, run
from gateway.core.errors import PasserelleError
from gateway.core.records import AuditEntry, MessageRecord, MessageStatus
from gateway.core.treaty.clocks import DeadlineState
from gateway.flows.exchange import Exchange
from gateway.flows.figures import MOST, Figures, read_figures
from gateway.flows.live import newest

_LOOK_S: Final = 1.0
_KEPT: Final = 200
_BATCH: Final = 500
_SHOWN: Final = ("type", "status", "code", "attempt", "before", "after", "count")
"""Fields of an audit entry that the view shows: codes and counts."""
_ARROWS: Final = {Direction.UK_TO_FR: "UK → FR", Direction.FR_TO_UK: "FR → UK"}
_BAD: Final = ("failed", "rejected", "refused", "opened", "breached", "incident", "disabled", "broken")
_GOOD: Final = ("delivered", "acknowledged", "closed", "cleared", "met", "resumed")
_WIDEST_EVENT: Final = 26


def watch(
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object per line for each event."),
    once: bool = typer.Option(
        False, "--once", help="Show how things are now (with --json: one object), and end."
    ),
) -> None:
    """Watch deliveries, routes, circuits and time limits live. Ctrl-C ends it."""
    if once:
        run(lambda: _once(as_json=as_json))
        return
    run(lambda: _follow_json() if as_json else _follow())


# ---- reading ------------------------------------------------------------------------------------


async def _once(*, as_json: bool) -> None:
    async with opened() as (instance, store):
        exchange = instance.exchange(store)
        figures = await read_figures(exchange)
        entries = await _tail(exchange)
    if as_json:
        sys.stdout.write(_line({"figures": summary(figures), "events": [event_of(e) for e in entries]}))
        return
    console = Console(highlight=False)
    console.print(view(figures, entries, height=console.height))


async def _tail(exchange: Exchange, *, limit: int = 20) -> list[AuditEntry]:
    """The newest entries, oldest first."""
    last = await newest(exchange.store)
    async with exchange.store.begin(read_only=True) as tx:
        return list(await tx.audit_entries(after=max(0, last - limit), limit=limit))


async def _changes(exchange: Exchange, after: int) -> AsyncIterator[tuple[AuditEntry, ...]]:
    """New entries of the audit chain as they are committed by any process; empty when nothing came for a
    second. A database that is out of reach for a while is waited for."""
    while True:
        try:
            async with exchange.store.begin(read_only=True) as tx:
                found = await tx.audit_entries(after=after, limit=_BATCH)
        except PasserelleError:
            await asyncio.sleep(_LOOK_S)
            continue
        if found:
            after = found[-1].sequence
        yield found
        if len(found) < _BATCH:
            with contextlib.suppress(PasserelleError):
                await exchange.store.wait("outbox", _LOOK_S)


def _stop_quietly() -> asyncio.Event:
    """Set by Ctrl-C or SIGTERM."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


async def _until(stop: asyncio.Event, work: Any) -> None:
    """Runs ``work`` until it ends or ``stop`` is set. Raises what ``work`` raises."""
    task, stopped = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if not task.done():
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        return
    task.result()


# ---- JSON ---------------------------------------------------------------------------------------


def event_of(entry: AuditEntry) -> dict[str, Any]:
    """One event: what happened to what; codes and ids, never content."""
    return {
        "sequence": entry.sequence,
        "at": entry.at,
        "event": entry.action,
        "subject": entry.subject,
        "actor": entry.actor,
        **{name: entry.data[name] for name in ("reference", *_SHOWN) if name in entry.data},
    }


def summary(figures: Figures) -> dict[str, Any]:
    """The figures of ``--once --json``."""
    return {
        "at": figures.at,
        "routes": {
            direction.value: {
                "last_success_at": route.last_success_at,
                "oldest_waiting_at": _taken_at(route.oldest_waiting),
                "oldest_unacknowledged_at": _taken_at(route.oldest_unacknowledged),
                "messages": {status.value: figures.count(status, direction) for status in MessageStatus},
            }
            for direction, route in figures.routes.items()
        },
        "inbox_unacknowledged": figures.inbox,
        "endpoints": [
            {
                "endpoint": c.endpoint,
                "waiting": figures.backlog.get(c.endpoint, 0),
                "circuit": _circuit(c.paused, c.opened_at is not None),
                "failures_in_a_row": c.consecutive_failures,
            }
            for c in figures.circuits
        ],
        "alerts": [
            {"kind": kind.value, "severity": severity.value, "count": count}
            for (kind, severity), count in figures.alerts.items()
        ],
        "batches": {state.value: count for state, count in figures.batches.items()},
        "deadlines": {
            state.value: sum(n for (_, s), n in figures.deadlines.items() if s is state)
            for state in (DeadlineState.OPEN, DeadlineState.BREACHED)
        },
    }


def _taken_at(record: MessageRecord | None) -> dt.datetime | None:
    return None if record is None else record.received_at


def _line(value: Any) -> str:
    return json.dumps(plain(value), ensure_ascii=False, separators=(",", ":")) + "\n"


async def _follow_json() -> None:
    async with opened() as (instance, store):
        exchange = instance.exchange(store)
        after, stop = await newest(store), _stop_quietly()
        sys.stdout.write(
            _line(
                {"sequence": after, "at": instance.clock.now(), "event": "watch.started", "subject": "watch"}
            )
        )
        sys.stdout.flush()

        async def follow() -> None:
            async for entries in _changes(exchange, after):
                for entry in entries:
                    sys.stdout.write(_line(event_of(entry)))
                if entries:
                    sys.stdout.flush()

        with contextlib.suppress(BrokenPipeError):
            await _until(stop, follow())


# ---- the view -----------------------------------------------------------------------------------


async def _follow() -> None:
    console = Console(highlight=False)
    async with opened() as (instance, store):
        exchange = instance.exchange(store)
        shown: deque[AuditEntry] = deque(await _tail(exchange), maxlen=_KEPT)
        after, stop = await newest(store), _stop_quietly()
        figures = await read_figures(exchange)

        with Live(
            view(figures, shown, height=console.height),
            console=console,
            screen=console.is_terminal,
            auto_refresh=False,
        ) as live:

            async def follow() -> None:
                async for entries in _changes(exchange, after):
                    shown.extend(entries)
                    with contextlib.suppress(PasserelleError):
                        current = await read_figures(exchange)
                        live.update(view(current, shown, height=console.height), refresh=True)

            await _until(stop, follow())


def view(figures: Figures, entries: Iterable[AuditEntry], *, height: int) -> Group:
    """Routes, endpoints, what needs a person, and the newest events: at most ``height`` lines, 80 columns."""
    routes, endpoints = _routes(figures), _endpoints(figures)
    top = 3 + len(figures.routes) + 3 + len(figures.circuits) + 2
    room = max(3, height - top - 4)
    newest_first = list(entries)[::-1][:room]
    return Group(_attention(figures), routes, endpoints, _events(newest_first))


def _attention(figures: Figures) -> Text:
    dead, held = figures.count(MessageStatus.FAILED), figures.count(MessageStatus.HELD)
    late = sum(n for (_, state), n in figures.deadlines.items() if state is DeadlineState.BREACHED)
    text = Text(f"{figures.at:%Y-%m-%d %H:%M:%S}Z", no_wrap=True, overflow="ellipsis")
    for name, count, style in (
        ("alerts", sum(figures.alerts.values()), "bold red"),
        ("dead letters", dead, "bold red"),
        ("breached", late, "bold red"),
        ("held", held, "yellow"),
    ):
        text.append(f"  {name} {_count(count)}", style=style if count else "green")
    return text


def _count(number: int) -> str:
    return f"{number}+" if number >= MOST else str(number)


def _age(seconds: float) -> str:
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{int(max(0, seconds))} s"


def _since(figures: Figures, record: MessageRecord | None) -> str:
    return "—" if record is None else _age((figures.at - record.received_at).total_seconds())


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", expand=False)
    for name in columns:
        table.add_column(name, no_wrap=True, overflow="ellipsis")
    return table


def _routes(figures: Figures) -> Table:
    table = _table("route", "last success", "undelivered", "unanswered", "waiting", "rejected", "inbox")
    for direction, route in figures.routes.items():
        last = route.last_success_at
        incoming = direction is Direction.FR_TO_UK
        waiting = figures.count(MessageStatus.ACCEPTED, direction) + figures.count(
            MessageStatus.SENDING, direction
        )
        table.add_row(
            _ARROWS[direction],
            "—" if last is None else f"{_age((figures.at - last).total_seconds())} ago",
            _since(figures, route.oldest_waiting),
            _since(figures, route.oldest_unacknowledged),
            "—" if incoming else str(waiting),
            str(figures.count(MessageStatus.REJECTED, direction)),
            _count(figures.inbox) if incoming else "—",
        )
    return table


def _circuit(paused: bool, is_open: bool) -> str:
    return "paused" if paused else "open" if is_open else "closed"


def _endpoints(figures: Figures) -> Table:
    table = _table("endpoint", "circuit", "failures", "backlog")
    for found in figures.circuits:
        state = _circuit(found.paused, found.opened_at is not None)
        style = {"closed": "green", "open": "bold red", "paused": "yellow"}[state]
        table.add_row(
            Text(found.endpoint[:48]),
            Text(state, style=style),
            str(found.consecutive_failures),
            str(figures.backlog.get(found.endpoint, 0)),
        )
    return table


def _events(entries: list[AuditEntry]) -> Table:
    table = _table("time", "event", "about", "")
    for entry in entries:
        word = entry.action.rpartition(".")[2]
        style = "red" if word.endswith(_BAD) else "green" if word.endswith(_GOOD) else ""
        facts = " ".join(str(entry.data[n]) for n in _SHOWN if entry.data.get(n) not in (None, ""))
        table.add_row(
            f"{entry.at:%H:%M:%S}",
            Text(entry.action[:_WIDEST_EVENT], style=style),
            Text(str(entry.data.get("reference") or entry.subject)[:20]),
            Text(facts),
        )
    return table
