"""``passerelle evidence`` and ``audit``."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path

import typer

from gateway.cli.common import JsonOption, MessageId, fail, opened, out, print_json, run, show
from gateway.core import audit
from gateway.core.errors import AuditChainBroken
from gateway.core.records import AuditEntry
from gateway.flows import views

evidence = typer.Typer(no_args_is_help=True, help="Evidence bundles: export, check.")
audit_log = typer.Typer(no_args_is_help=True, help="The hash-chained audit log: verify, list.")
_BATCH = 500


@evidence.command("export")
def export(
    message_id: str = MessageId,
    to: Path = typer.Option(None, "--to", help="File to write; default evidence-<message id>.zip."),
) -> None:
    """Write a ZIP of all that proves one message: envelopes, receipts, signatures, keys, manifest."""
    target = to or Path(f"evidence-{message_id}.zip")

    async def work() -> bytes:
        async with opened() as (instance, store):
            return await views.evidence_bundle(instance.exchange(store), message_id)

    content = run(work)
    if target.exists():
        fail(f"{target} is there already; nothing was written", cure="choose another file with --to")
    target.write_bytes(content)
    out.print(f"{target}: {len(content)} bytes", markup=False)


@evidence.command("verify")
def verify_bundle(
    bundle: Path = typer.Argument(..., metavar="FILE", help="A bundle made by: evidence export."),
    as_json: bool = JsonOption,
) -> None:
    """Check that every file of a bundle is the one its manifest names (SHA-256), and none is missing."""
    try:
        with zipfile.ZipFile(bundle) as archive:
            manifest = json.loads(archive.read("manifest.json"))
            rows = [
                {
                    "file": row["name"],
                    "kind": row["kind"],
                    "holds": hashlib.sha256(archive.read(row["name"])).hexdigest() == row["sha256"],
                }
                for row in manifest["files"]
            ]
            extra = set(archive.namelist()) - {row["name"] for row in manifest["files"]} - {"manifest.json"}
    except (OSError, zipfile.BadZipFile, KeyError, json.JSONDecodeError) as exc:
        fail(f"{bundle} is no evidence bundle: {type(exc).__name__}")
    show(rows, as_json=as_json, title=str(bundle), empty="The bundle is empty.")
    if extra or not rows or not all(row["holds"] for row in rows):
        fail("the bundle was changed")


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
