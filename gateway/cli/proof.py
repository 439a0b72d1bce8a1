"""``passerelle audit``."""

from __future__ import annotations

import datetime as dt
import sys
from typing import Any

import typer

from gateway.cli.common import (
    CursorOption,
    JsonOption,
    fail,
    opened,
    out,
    print_json,
    run,
    show,
    show_more,
    time_option,
)
from gateway.cli.taking import taking
from gateway.core import audit
from gateway.core.errors import AuditChainBroken
from gateway.core.records import AuditEntry, Page
from gateway.flows.audit_views import audit_list, entry_view, export_lines
from gateway.flows.ports import AuditFilter, Store

audit_log = typer.Typer(no_args_is_help=True, help="The hash-chained audit log: verify, list, export.")
_BATCH = 500


@audit_log.command("verify")
def verify_chain(as_json: bool = JsonOption) -> None:
    """Recompute the whole chain; exit status 1 and the place where it breaks when anything was changed."""

    async def work() -> tuple[int, str]:
        sequence, head = 1, audit.GENESIS
        async with opened() as (_, store):
            while True:
                async with store.begin(read_only=True) as tx:
                    batch = await tx.audit_entries(after=sequence - 1, limit=_BATCH)
                if not batch:
                    return sequence - 1, head
                sequence, head = audit.verify_chain(batch, start_hash=head, start_sequence=sequence)

    try:
        count, head = run(work)
    except AuditChainBroken as exc:
        if as_json:
            print_json({"ok": False, "sequence": exc.sequence, "reason": exc.reason})
        fail(f"the audit chain is broken at entry {exc.sequence}: {exc.reason}")
    if as_json:
        print_json({"ok": True, "entries": count, "head": head})
        return
    out.print(f"The audit chain holds: {count} entries, head {head}", markup=False)


def _asked(
    subject: str | None = typer.Option(None, help="Only about this message id, case, endpoint, …"),
    actor: str | None = typer.Option(None, help="Only by this actor, for example operator:nadia."),
    action: str | None = typer.Option(None, help="Only this action, for example privacy.incident."),
    since: dt.datetime | None = time_option("--from", "Only from this instant on"),
    until: dt.datetime | None = time_option("--to", "Only before this instant"),
) -> AuditFilter:
    """The filter of the commands that take one."""
    return AuditFilter(subject=subject, actor=actor, action=action, since=since, until=until)


@audit_log.command("list")
@taking("where", _asked)
def list_entries(
    where: AuditFilter,
    after: int | None = typer.Option(None, help="In order of the chain, after this sequence."),
    limit: int = typer.Option(50, min=1, max=_BATCH, help="Rows at the most."),
    cursor: str | None = CursorOption,
    as_json: bool = JsonOption,
) -> None:
    """List audit entries, the newest first; --json also shows the data and the hash of each."""

    async def work() -> None:
        async with opened() as (_, store):
            if after is None:
                page = await audit_list(store, where, cursor=cursor, limit=limit)
            else:
                page = Page(items=await _onwards(store, where, after, limit), next_cursor=None)
        rows = [entry_view(e) if as_json else _line(e) for e in page.items]
        empty = "No entry." if where == AuditFilter() else "No entry matches. Names are compared exactly."
        show(rows, as_json=as_json, title="Audit log", empty=empty)
        show_more(page.next_cursor, as_json=as_json)

    run(work)


@audit_log.command("export")
@taking("where", _asked)
def export_entries(where: AuditFilter) -> None:
    """Write what matches to standard output as JSON lines, the newest first."""

    async def work() -> None:
        async with opened() as (_, store):
            async for line in export_lines(store, where):
                sys.stdout.write(line)

    run(work)


def _line(entry: AuditEntry) -> dict[str, Any]:
    return {
        "sequence": entry.sequence,
        "at": entry.at,
        "actor": entry.actor,
        "action": entry.action,
        "subject": entry.subject,
        "reason": entry.data.get("reason"),
    }


async def _onwards(store: Store, where: AuditFilter, after: int, limit: int) -> tuple[AuditEntry, ...]:
    """Entries in order of the chain that the filter holds for."""
    found: list[AuditEntry] = []
    while len(found) < limit:
        async with store.begin(read_only=True) as tx:
            batch = await tx.audit_entries(after=after, limit=_BATCH, subject=where.subject)
        if not batch:
            break
        after = batch[-1].sequence
        found += [e for e in batch if _matches(e, where)]
    return tuple(found[:limit])


def _matches(entry: AuditEntry, where: AuditFilter) -> bool:
    return (
        where.actor in {None, entry.actor}
        and where.action in {None, entry.action}
        and (where.since is None or entry.at >= where.since)
        and (where.until is None or entry.at < where.until)
    )
