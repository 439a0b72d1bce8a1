"""``passerelle returned …``: the people returned before the gateway ran, as keyed hashes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from gateway.cli.common import (
    JsonOption,
    ReasonOption,
    opened,
    out,
    print_json,
    read_file,
    run,
    with_exchange,
)
from gateway.flows.returned import import_returned

returned = typer.Typer(no_args_is_help=True, help="People returned before go-live: import, count.")


@returned.command("import")
def import_(
    file: Path = typer.Argument(..., metavar="FILE", help="CSV with a heading (docs/holds.md)."),
    reason: str = ReasonOption,
    dry_run: bool = typer.Option(False, "--dry-run", help="Read and check the file; import nothing."),
    as_json: bool = JsonOption,
) -> None:
    """Hash the identifiers of a file into the store. The file is not kept: delete it afterwards."""
    content = read_file(file)
    done = with_exchange(
        lambda exchange: import_returned(exchange, content, actor="cli", reason=reason, dry_run=dry_run)
    )
    row: dict[str, Any] = {
        "persons": done.persons,
        "added": done.added,
        "known": done.known,
        "flagged": list(done.flagged),
    }
    if as_json:
        print_json({**row, "dry_run": dry_run})
    elif dry_run:
        out.print(f"{done.persons} persons in the file; nothing was imported.")
    else:
        out.print(f"{done.added} persons added, {done.known} known before. Delete the file now.")
        for reference in done.flagged:
            out.print(f"Open nomination of somebody in the file: {reference}. Decide about it.")


@returned.command("count")
def count(as_json: bool = JsonOption) -> None:
    """How many persons were imported; the hashes say no more."""

    async def work() -> int:
        async with opened() as (_, store), store.begin(read_only=True) as tx:
            return await tx.count_returned()

    number = run(work)
    if as_json:
        print_json({"persons": number})
    else:
        out.print(f"{number} persons imported.")
