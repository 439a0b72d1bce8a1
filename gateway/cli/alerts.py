"""``passerelle alerts …``: what is wrong now and was before, acknowledge, test."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import typer

from gateway.alert_parts import alert_transport, make_sender
from gateway.cli.common import (
    CursorOption,
    JsonOption,
    LimitOption,
    ReasonOption,
    cell,
    fail,
    opened,
    out,
    print_json,
    run,
    show,
    show_more,
    with_exchange,
)
from gateway.cli.identity import signed_in
from gateway.core.alert_kinds import AlertKind
from gateway.core.alert_records import NoticeState
from gateway.core.people import User
from gateway.core.roles import Permission
from gateway.flows import alert_views
from gateway.flows import alerts as flow
from gateway.flows.alert_notices import send_due
from gateway.flows.exchange import Exchange
from gateway.flows.ports_alerts import AlertFilter
from gateway.instance import Instance

alerts = typer.Typer(no_args_is_help=True, help="Alerts: list, show, acknowledge, test.")
AlertId = typer.Argument(..., metavar="ALERT_ID", help="As in: passerelle alerts list.")
_TEST_S: Final = 30.0
_LOOK_S: Final = 0.2


def _line(row: dict[str, Any]) -> dict[str, Any]:
    """What a table shows."""
    return {
        "id": row["alert_id"],
        "severity": row["severity"],
        "what": row["title"]["en"],
        "side": row["side"],
        "opened": row["opened_at"],
        "acknowledged_by": row["acknowledged_by"],
        "cleared": row["cleared_at"],
    }


def _told(row: dict[str, Any]) -> dict[str, Any]:
    last = row["attempts"][-1] if row["attempts"] else None
    return {
        "event": row["event"],
        "via": row["via"],
        "recipient": row["recipient"],
        "state": row["state"],
        "attempts": len(row["attempts"]),
        "outcome": None if last is None else last["outcome"],
        "at": row["ended_at"] or row["due_at"],
    }


@alerts.command("list")
def list_alerts(
    everything: bool = typer.Option(False, "--all", help="Also those that are cleared."),
    kind: AlertKind | None = typer.Option(None, help="Only this kind."),
    limit: int = LimitOption,
    cursor: str | None = CursorOption,
    as_json: bool = JsonOption,
) -> None:
    """List open alerts, newest first; one for each incident."""
    where = AlertFilter(kind=kind, is_open=None if everything else True)
    rows, after = with_exchange(
        lambda exchange: alert_views.list_alerts(exchange, where, cursor=cursor, limit=limit)
    )
    shown = rows if as_json else [_line(row) for row in rows]
    show(shown, as_json=as_json, title="Alerts", empty="No alert is open." if not everything else "No alert.")
    show_more(after, as_json=as_json)


@alerts.command("show")
def show_alert(alert_id: str = AlertId, as_json: bool = JsonOption) -> None:
    """Show one alert: cause and cure, the messages it names, who was told and how that went."""
    _print(with_exchange(lambda exchange: alert_views.show_alert(exchange, alert_id)), as_json=as_json)


def _print(row: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(row)
        return
    out.print(f"{row['title']['en']}  ({row['severity']}, {row['state']})", markup=False)
    for name, value in (
        ("side at fault", row["side"]),
        ("opened", row["opened_at"]),
        ("acknowledged", row["acknowledged_at"]),
        ("acknowledged by", row["acknowledged_by"]),
        ("reason", row["reason"]),
        ("escalated", row["escalated_at"]),
        ("cleared", row["cleared_at"]),
        ("why", row["cause"]["en"]),
        ("what to do", row["cure"]["en"]),
        ("ends when", row["ends"]["en"]),
        ("messages", ", ".join(row["messages"]) or None),
    ):
        if value is not None:
            out.print(f"{name:>16}  {cell(value)}", markup=False)
    told = [_told(notice) for notice in row["notices"]]
    show(told, as_json=False, title="Told", empty="Nobody is told: the settings name no recipient.")


@alerts.command("acknowledge")
@signed_in(Permission.ACKNOWLEDGE_ALERT)
def acknowledge(
    by: User, alert_id: str = AlertId, reason: str = ReasonOption, as_json: bool = JsonOption
) -> None:
    """Take an alert in hand: it escalates no more. What cannot end by itself is cleared by it."""

    async def work(exchange: Exchange) -> dict[str, Any]:
        await flow.acknowledge(exchange, alert_id, actor=by.actor, reason=reason)
        return await alert_views.show_alert(exchange, alert_id)

    _print(with_exchange(work), as_json=as_json)


@alerts.command("test")
@signed_in(Permission.TEST_CONNECTION)
def send_test(by: User, as_json: bool = JsonOption) -> None:
    """Send a test to every recipient and say whether it arrived; exit status 1 when one did not."""

    async def work() -> list[dict[str, Any]]:
        async with opened() as (instance, store):
            exchange = instance.exchange(store)
            test_id = await flow.test(exchange, actor=by.actor)
            return await _sent(instance, exchange, test_id)

    rows = run(work)
    shown = rows if as_json else [_told(row) for row in rows]
    show(shown, as_json=as_json, title="Test", empty="")
    if any(row["state"] != NoticeState.SENT for row in rows):
        fail(
            "not every recipient was reached", cure="see the outcome; check the sections [alerts] and [smtp]"
        )


async def _sent(instance: Instance, exchange: Exchange, test_id: str) -> list[dict[str, Any]]:
    """Sends what is due from here, unless a running gateway was faster; waits for the first attempts."""
    async with alert_transport(instance) as transport:
        await send_due(make_sender(instance, exchange, transport))
    loop = asyncio.get_running_loop()
    until = loop.time() + _TEST_S
    while True:
        rows = await alert_views.show_test(exchange, test_id)
        if all(row["attempts"] for row in rows) or loop.time() > until:
            return rows
        await asyncio.sleep(_LOOK_S)
