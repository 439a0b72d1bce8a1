"""``passerelle deadlines``: time limits of cases, and the clocks of the agreement that set them."""

from __future__ import annotations

import datetime as dt
from typing import Any

import typer

from gateway.cli.common import (
    CursorOption,
    JsonOption,
    LimitOption,
    choice,
    fail,
    opened,
    options,
    run,
    show,
    show_more,
    time_option,
)
from gateway.core.errors import NotFound
from gateway.core.treaty.clocks import Clock, DeadlineState, clocks_of
from gateway.flows.deadline_views import deadline_list, owed_by
from gateway.flows.ports import DeadlineFilter
from gateway.instance import Instance

deadlines = typer.Typer(no_args_is_help=True, help="Time limits: list, clocks.")
_UNVERIFIED = "unverified"


@deadlines.command("list")
def list_deadlines(
    state: DeadlineState | None = typer.Option(None, help="Only this state."),
    reference: str | None = typer.Option(None, help="Only this case."),
    clock: str | None = typer.Option(None, help="Only this clock (see: passerelle deadlines clocks)."),
    owed: str | None = typer.Option(
        None,
        "--owed-by",
        parser=choice("uk", "fr", "both"),
        metavar="SIDE",
        help="Only what this side owes: uk, fr or both.",
    ),
    after: dt.datetime | None = time_option("--after", "Only what is due at this instant or later"),
    before: dt.datetime | None = time_option("--before", "Only what is due before this instant"),
    unclosed: bool = typer.Option(False, "--unclosed", help="Only what nothing has closed yet."),
    told: bool = typer.Option(False, "--told", help="Only what was warned of or has passed."),
    limit: int = LimitOption,
    cursor: str | None = CursorOption,
    as_json: bool = JsonOption,
) -> None:
    """List time limits, the earliest due first."""

    async def work() -> None:
        async with opened() as (instance, store):
            if clock is not None and clock not in clocks_of(instance.agreement):
                fail(f"no clock {clock}", cure="see: passerelle deadlines clocks")
            if reference is not None:
                async with store.begin(read_only=True) as tx:
                    if await tx.get_case(reference) is None:
                        raise NotFound("no such case")
            where = DeadlineFilter(
                state=state,
                reference=reference,
                clock=clock,
                clocks=None if owed is None else owed_by(instance.agreement, owed),
                after=after,
                before=before,
                unclosed=unclosed,
                told=told,
            )
            page = await deadline_list(instance.exchange(store), where, cursor=cursor, limit=limit)
        rows = [item if as_json else _line(item) for item in page.items]
        show(rows, as_json=as_json, title="Time limits", empty="No time limit matches.")
        show_more(page.next_cursor, as_json=as_json)

    run(work)


def _line(item: dict[str, Any]) -> dict[str, Any]:
    """What a table shows: short enough for one line, the end in the clock's own zone."""
    return {
        "due": item["due_on"],
        "zone": item["zone"],
        "state": item["state"],
        "clock": item["clock"],
        "case": item["reference"],
        "owed by": item["owed_by"],
        "severity": item["severity"],
        "warnings": item["warnings"],
        "closed": item["closed_at"],
        "basis": item["article"] if item["unverified"] is None else f"{item['article']} ({_UNVERIFIED})",
    }


@deadlines.command("clocks")
def list_clocks(as_json: bool = JsonOption) -> None:
    """Show the clocks of the agreement: basis, length, zone, what starts and ends each."""
    agreement = Instance.load(options.folder).agreement
    rows = [_full(c) if as_json else _short(c) for c in clocks_of(agreement).values()]
    show(rows, as_json=as_json, title="Clocks", empty="The agreement has no clock.")


def _full(clock: Clock) -> dict[str, Any]:
    terms = clock.terms
    return {
        "clock": clock.id,
        "article": terms.article,
        "name": {"en": terms.name_en, "fr": terms.name_fr},
        "length": clock.amount,
        "unit": clock.unit.value,
        "zone": clock.zone,
        "starts": list(terms.starts),
        "starts_when": terms.starts_when.value,
        "counts_from": terms.counts_from.value,
        "closes": list(terms.closes),
        "closes_when": terms.closes_when.value,
        "cancels": list(terms.cancels),
        "warn_days": list(terms.warn_days),
        "owed_by": terms.owed_by,
        "severity": terms.severity.value,
        "unverified": {"en": terms.note_en, "fr": terms.note_fr} if terms.unverified else None,
    }


def _short(clock: Clock) -> dict[str, Any]:
    terms = clock.terms
    return {
        "clock": clock.id,
        "length": f"{clock.amount} {clock.unit.value.replace('_', ' ')}",
        "zone": clock.zone,
        "warns before": ", ".join(str(d) for d in terms.warn_days) + " days",
        "owed by": terms.owed_by,
        "severity": terms.severity.value,
        "basis": f"{terms.article} ({_UNVERIFIED})" if terms.unverified else terms.article,
        "name": terms.name_en,
    }
