"""``passerelle audit``."""

from __future__ import annotations

import typer

from gateway.cli.common import JsonOption, fail, opened, out, print_json, run, show
from gateway.core import audit
from gateway.core.errors import AuditChainBroken
from gateway.core.records import AuditEntry

audit_log = typer.Typer(no_args_is_help=True, help="The hash-chained audit log: verify, list.")
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


@audit_log.command("list")
def list_entries(
    after: int = typer.Option(0, help="Only entries after this sequence."),
    limit: int = typer.Option(50, min=1, max=_BATCH, help="Rows at the most."),
    action: str | None = typer.Option(None, help="Only this action, for example privacy.incident."),
    as_json: bool = JsonOption,
) -> None:
    """List audit entries in order; --json also shows the data of each."""

    async def work() -> None:
        found: list[AuditEntry] = []
        last = after
        async with opened() as (_, store):
            while len(found) < limit:
                async with store.begin(read_only=True) as tx:
                    batch = await tx.audit_entries(after=last, limit=_BATCH)
                if not batch:
                    break
                last = batch[-1].sequence
                found += [e for e in batch if action in {None, e.action}]
        rows = [
            {
                "sequence": e.sequence,
                "at": e.at,
                "actor": e.actor,
                "action": e.action,
                "subject": e.subject,
                **({"data": dict(e.data)} if as_json else {}),
            }
            for e in found[:limit]
        ]
        show(rows, as_json=as_json, title="Audit log", empty="No entry.")

    run(work)
