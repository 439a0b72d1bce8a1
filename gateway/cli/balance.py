"""``passerelle balance``, ``quotas``, ``ledger`` and ``report``."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from gateway.cli.common import (
    JsonOption,
    ReasonOption,
    cell,
    choice,
    fail,
    opened,
    out,
    print_json,
    run,
    show,
    time_option,
    with_exchange,
    write_file,
)
from gateway.cli.identity import signed_in
from gateway.core.people import User
from gateway.core.roles import Permission
from gateway.core.treaty.quotas import QuotaKind
from gateway.flows.balance import balance as balance_of
from gateway.flows.balance import ledger_list, previous_week, quota_list, weekly_report
from gateway.flows.exchange import Exchange
from gateway.flows.ledger import correct_entry, verify_ledger
from gateway.flows.quotas import release_waiting, set_quota
from gateway.reports.texts import LANGUAGES
from gateway.reports.weekly import RENDERERS

quotas = typer.Typer(no_args_is_help=True, help="Weekly quotas: list, set.")
ledger = typer.Typer(no_args_is_help=True, help="The ledger of persons: list, correct.")
report = typer.Typer(no_args_is_help=True, help="Reports for the joint committee: weekly.")

_WEEKS_PRINTED = 8
_HIDDEN = ("history", "period_start", "period_end")


def _without(row: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in names}


def balance(
    as_json: bool = JsonOption,
    verify: bool = typer.Option(
        False, "--verify", help="Derive the ledger again from the stored messages and compare."
    ),
) -> None:
    """Show how many people were readmitted and admitted, the weeks, quotas and what is to come."""
    if verify:
        _verify(as_json=as_json)
        return
    values = with_exchange(balance_of)
    if as_json:
        print_json(values)
        return
    for name in ("as_of", "returned", "admitted", "balance", "state"):
        out.print(f"{name.replace('_', ' '):>10}  {cell(values[name])}", markup=False)
    weeks = [_without(row, "period_end") for row in values["weeks"][-_WEEKS_PRINTED:]]
    show(weeks, as_json=False, title=f"Weeks ({values['zone']})", empty="No week yet.")
    rows = [_without(row, "history") for row in values["quotas"]]
    show(rows, as_json=False, title="Quotas of this week", empty="No quota is set.")
    coming = [_without(row, "period_end") for row in values["projection"]["weeks"]]
    show(coming, as_json=False, title="To come, from the cases in progress", empty="Nothing.")
    out.print(f"without a date: {values['projection']['undated_readmissions']} readmissions", markup=False)
    show(values["differences"], as_json=False, title="Different numbers", empty="No differing numbers.")
    _print_unverified(values["unverified"])


def _print_unverified(notes: list[dict[str, Any]]) -> None:
    for item in notes:
        out.print(f"unverified: {item['place']}: {item['note']['en']}", markup=False)


def _verify(*, as_json: bool) -> None:
    found = with_exchange(verify_ledger)
    if as_json:
        print_json(
            {
                "ok": found.ok,
                "cases": found.cases,
                "entries": found.entries,
                "unreadable": found.unreadable,
                "broken": list(found.broken),
                "miscounted": list(found.miscounted),
            }
        )
    if not found.ok:
        places = ", ".join([*found.broken, *found.miscounted])
        fail(
            f"the ledger is not what the messages and the audit log say in: {places}; rows were changed past "
            "the gateway: compare `passerelle ledger list` with `audit list --action ledger.booked`"
        )
    if not as_json:
        out.print(
            f"The ledger holds: {found.entries} entries of {found.cases} cases, "
            f"{found.unreadable} cases deleted by retention",
            markup=False,
        )


# ---- quotas -------------------------------------------------------------------------------------


@quotas.command("list")
def list_quotas(as_json: bool = JsonOption) -> None:
    """Show the quotas of this week, what is used, how many wait, and every change."""

    async def work() -> tuple[list[dict[str, Any]], bool]:
        async with opened() as (instance, store):
            return await quota_list(instance.exchange(store)), instance.agreement.quotas.unverified

    rows, unsure = run(work)
    if as_json:
        print_json([{**row, "unverified": unsure} for row in rows])
        return
    show([_without(row, *_HIDDEN) for row in rows], as_json=False, title="Quotas of this week", empty="None.")
    history = [{"kind": row["kind"], **change} for row in rows for change in row["history"]]
    show(history, as_json=False, title="Changes", empty="No change: the agreement's own numbers.")
    if unsure:
        out.print("unverified: the numbers of the agreement are not confirmed by its text", markup=False)


@quotas.command("set")
@signed_in(Permission.CHANGE_QUOTA)
def change_quota(
    by: User,
    kind: QuotaKind = typer.Argument(..., help="readmissions or nominations."),
    persons: int = typer.Argument(..., min=0, help="Persons a week."),
    reason: str = ReasonOption,
    from_week: str | None = typer.Option(None, "--from", help="First week, 2026-W47; default this one."),
    as_json: bool = JsonOption,
) -> None:
    """Raise or lower a weekly quota; what waits leaves as soon as there is room."""

    async def work(exchange: Exchange) -> dict[str, Any]:
        change = await set_quota(exchange, kind, persons, from_week=from_week, actor=by.actor, reason=reason)
        released = await release_waiting(exchange)
        return {
            "id": change.change_id,
            "kind": change.kind.value,
            "limit": change.persons,
            "from_week": change.from_week,
            "released": released,
        }

    show_one(with_exchange(work), as_json=as_json)


def show_one(row: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(row)
        return
    for name, value in row.items():
        out.print(f"{name.replace('_', ' '):>10}  {cell(value)}", markup=False)


# ---- ledger -------------------------------------------------------------------------------------


@ledger.command("list")
def list_ledger(
    week: str | None = typer.Option(None, "--week", help="Only this ISO week, 2026-W47."),
    after: int = typer.Option(0, "--after", help="Only entries after this one."),
    limit: int = typer.Option(100, "--limit", min=1, max=500, help="Rows at the most."),
    as_json: bool = JsonOption,
) -> None:
    """List entries of readmitted and admitted persons in order of booking."""
    rows = with_exchange(lambda exchange: ledger_list(exchange, week=week, after=after, limit=limit))
    show(rows, as_json=as_json, title="Ledger", empty="No entry.")


@ledger.command("correct")
@signed_in(Permission.CORRECT_LEDGER)
def correct(
    by: User,
    entry: int = typer.Argument(..., help="As in: passerelle ledger list."),
    reason: str = ReasonOption,
    persons: int | None = typer.Option(
        None, "--persons", min=0, help="What is right; without it the event did not happen."
    ),
    event_at: dt.datetime | None = time_option("--at", "When it happened, if otherwise"),
    as_json: bool = JsonOption,
) -> None:
    """Counter an entry and book what is right. A second operator gives the same command to confirm it."""
    done = with_exchange(
        lambda exchange: correct_entry(
            exchange, entry, persons=persons, event_at=event_at, actor=by.actor, reason=reason
        )
    )
    row = {"entry": done.entry_id, "persons": done.persons, "booked": done.booked}
    show_one(row, as_json=as_json)
    if not done.booked and not as_json:
        out.print("proposed: a second person confirms it with the same command", markup=False)


# ---- reports ------------------------------------------------------------------------------------


@report.command("weekly")
def weekly(
    week: str | None = typer.Option(None, "--week", help="ISO week, 2026-W47; default the last one over."),
    form: str = typer.Option(
        "csv", "--format", parser=choice(*RENDERERS), metavar="FORMAT", help="csv, json or html (to print)."
    ),
    lang: str = typer.Option(
        "en", "--lang", parser=choice(*LANGUAGES), metavar="en|fr", help="Language of the report."
    ),
    output: Path | None = typer.Option(None, "--output", help="File to write; default standard output."),
) -> None:
    """Write the weekly figures of readmitted and admitted persons (Art 17)."""
    found = with_exchange(lambda exchange: weekly_report(exchange, week or previous_week(exchange)))
    text = RENDERERS[form](found, lang)
    if output is None:
        sys.stdout.write(text)
        return
    content = text.encode()
    write_file(output, content)
    out.print(f"{output}: {len(content)} bytes", markup=False)
