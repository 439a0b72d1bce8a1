"""What every command shares: the instance folder, output as table or JSON, errors with their cure."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table

from contracts.ports import ContractError
from gateway.bootstrap import Instance
from gateway.core.errors import AuditChainBroken, PasserelleError
from gateway.flows.ports import Store
from gateway.uk_client import Refused

T = TypeVar("T")

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

_WIDEST = 1000

MessageId = typer.Argument(..., metavar="MESSAGE_ID", help="As in: passerelle messages list.")
JsonOption = typer.Option(False, "--json", help="Print JSON instead of a table.")
ReasonOption = typer.Option(..., "--reason", help="Why; kept in the audit log (no personal data).")
DryRunOption = typer.Option(False, "--dry-run", help="Show what would happen; change nothing.")
LimitOption = typer.Option(50, "--limit", min=1, max=500, help="Rows at the most.")
CursorOption = typer.Option(None, "--cursor", help="Go on where the last page ended.")


@dataclass(slots=True)
class Options:
    """Global options, set once by the callback of the command line."""

    folder: Path = Path()


options = Options()


def fail(message: str, *, cure: str | None = None, code: int = 1) -> NoReturn:
    """Say what is wrong and what helps, on standard error, and leave with that exit status."""
    err.print(f"[red]error:[/red] {message}")
    if cure:
        err.print(f"[bold]cure:[/bold] {cure}")
    raise typer.Exit(code)


def run(work: Callable[[], Awaitable[T]]) -> T:
    """Run one coroutine; errors of the tree become one clear line, never a traceback."""

    async def main() -> T:
        return await work()

    try:
        return asyncio.run(main())
    except ContractError as exc:
        for problem in exc.problems:
            err.print(f"  {problem.path or '/'}: {problem.message_en} [{problem.code}]", markup=False)
        fail("the document is refused; nothing was changed")
    except Refused as exc:
        for place in exc.problem.get("errors", ()):
            err.print(
                f"  {place['pointer'] or '/'}: {place['message']['en']} [{place['code']}]", markup=False
            )
        code = exc.problem.get("code") or exc.problem.get("error")
        why = exc.problem.get("detail") or exc.problem.get("error_description")
        fail(f"the gateway refused it: {why} ({exc.status} {code})")
    except AuditChainBroken:
        raise  # audit verify says more about it
    except PasserelleError as exc:
        for problem in exc.problems:
            err.print(f"  {problem.path or '/'}: {problem.message_en} [{problem.code}]", markup=False)
        fail(f"{exc.detail} ({exc.code})")
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


@asynccontextmanager
async def opened() -> AsyncIterator[tuple[Instance, Store]]:
    """The instance of ``--dir`` and its store, closed again at the end."""
    instance = Instance.load(options.folder)
    store = await instance.open_store()
    try:
        yield instance, store
    finally:
        await store.close()


def plain(value: Any) -> Any:
    """A value as JSON shows it: instants in UTC with Z."""
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, Mapping):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return value


def print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(plain(value), ensure_ascii=False, indent=2) + "\n")


def show(rows: Sequence[Mapping[str, Any]], *, as_json: bool, title: str, empty: str) -> None:
    """Rows with the same keys, as a table with those headings or as a JSON array."""
    if as_json:
        print_json(list(rows))
        return
    if not rows:
        out.print(empty)
        return
    table = Table(title=title, title_justify="left", header_style="bold", box=SIMPLE_HEAD)
    for name in rows[0]:
        table.add_column(name.replace("_", " "), no_wrap=True)
    for row in rows:
        table.add_row(*(escape(cell(v)) for v in row.values()))
    print_table(table)


def show_more(cursor: str | None, *, as_json: bool) -> None:
    """Below the rows of a page: how to see the next one. JSON is the rows alone."""
    if cursor and not as_json:
        out.print(f"More: --cursor {cursor}", markup=False)


def print_table(table: Table) -> None:
    """The table at its natural width: ids must be whole to be copied, also in a pipe or a narrow window."""
    width = Measurement.get(out, out.options.update(width=_WIDEST), table).maximum
    Console(highlight=False, width=max(width, out.width)).print(table)


def cell(value: Any) -> str:
    """A value for people: an instant to the second in UTC, yes or no, a dash for nothing."""
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    if value is None:
        return "—"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
