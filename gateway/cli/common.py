"""What every command shares: the instance folder, output as table or JSON, errors with their cure."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from contracts.ports import ContractError
from gateway.cli.folded import folded
from gateway.core.errors import (
    AuditChainBroken,
    ConfigError,
    Forbidden,
    NotFound,
    PasserelleError,
    Refused,
    Unavailable,
)
from gateway.variables import FOLDER_VARIABLE

if TYPE_CHECKING:
    from gateway.flows.exchange import Exchange
    from gateway.flows.ports import Store
    from gateway.instance import Instance

T = TypeVar("T")

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

_WIDEST = 1000
_WRITTEN = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
"""An instant as views and JSON write it."""
_LISTED = (
    ("held", "holds list"),
    ("message", "messages list"),
    ("case", "cases list"),
    ("batch", "batches list"),
    ("alert", "alerts list"),
    ("endpoint", "endpoints list"),
    ("entry", "ledger list"),
    ("filter", "filters list"),
    ("user", "users list"),
)
"""Where ids are listed, by a word that the error has when there is no such one."""

MessageId = typer.Argument(..., metavar="MESSAGE_ID", help="As in: passerelle messages list.")
JsonOption = typer.Option(False, "--json", help="Print JSON instead of a table.")
ReasonOption = typer.Option(..., "--reason", help="Why; kept in the audit log (no personal data).")
DryRunOption = typer.Option(False, "--dry-run", help="Show what would happen; change nothing.")
LimitOption = typer.Option(50, "--limit", min=1, max=500, help="Rows at the most.")
CursorOption = typer.Option(None, "--cursor", help="Go on where the last page ended.")


def _instant(text: str) -> dt.datetime:
    try:
        value = dt.datetime.fromisoformat(text)
        return (value if value.tzinfo else value.replace(tzinfo=dt.UTC)).astimezone(dt.UTC)
    except (ValueError, OverflowError):
        raise typer.BadParameter("is a day (2026-11-23) or a time (2026-11-23 14:30:00Z), in UTC") from None


def time_option(name: str, says: str) -> Any:
    """An option for an instant, as tables and JSON print it; without an offset it is in UTC."""
    return typer.Option(None, name, parser=_instant, metavar="TIME", help=f"{says} (UTC).")


def choice(*values: str) -> Callable[[str], str]:
    """Parser of an option that takes one of these."""

    def parse(value: str) -> str:
        if value not in values:
            raise typer.BadParameter(f"'{value}' is not one of {', '.join(values)}")
        return value

    return parse


@dataclass(slots=True)
class Options:
    """Global options, set once by the callback of the command line."""

    folder: Path = Path()


options = Options()


def fail(message: str, *, cure: str | None = None, code: int = 1) -> NoReturn:
    """Say what is wrong and what helps, on standard error, and leave with that exit status."""
    err.print(f"[red]error:[/red] {escape(message)}")
    if cure:
        err.print(f"[bold]cure:[/bold] {escape(cure)}")
    raise typer.Exit(code)


def complain(exc: ContractError | Refused | PasserelleError | OSError) -> None:
    """What is wrong, on standard error: the places of a document, then one line with the code."""
    said, places = _said(exc)
    for pointer, text, code in places:
        err.print(f"  {pointer or '/'}: {text} [{code}]", markup=False)
    err.print(f"[red]error:[/red] {escape(said)}")
    cure = _cure(exc)
    if cure:
        err.print(f"[bold]cure:[/bold] {cure}")


def _no_instance(exc: Exception) -> bool:
    """Whether the folder is the cause; the simulated ministry has one of its own."""
    there = (options.folder / "passerelle.toml").exists()
    return isinstance(exc, ConfigError) and not there and "sandbox.toml" not in exc.detail


def _cure(exc: Exception) -> str | None:
    """What helps against an error that says no such thing itself."""
    if _no_instance(exc):
        return f"{options.folder.resolve()} is no instance folder: name one with -C DIR or {FOLDER_VARIABLE}"
    if isinstance(exc, PasserelleError) and exc.code == "signin.refused":
        return "see: passerelle users list; an administrator gives a new password: passerelle users password"
    if isinstance(exc, Forbidden) and "roles" in exc.detail:
        return (
            "somebody with the role does it (see: passerelle users list), or an administrator changes yours"
        )
    if isinstance(exc, Unavailable) and "database" in exc.detail.lower():
        return "see: passerelle check --database"
    if isinstance(exc, NotFound):
        return next((f"see: passerelle {where}" for what, where in _LISTED if what in exc.detail), None)
    return None


def _said(exc: ContractError | Refused | PasserelleError | OSError) -> tuple[str, list[tuple[str, str, str]]]:
    """The line, and (pointer, text, code) of each place."""
    if isinstance(exc, OSError):
        return (f"{exc.filename}: {exc.strerror}" if exc.filename else str(exc)), []
    if isinstance(exc, Refused):
        code = exc.problem.get("code") or exc.problem.get("error")
        why = exc.problem.get("detail") or exc.problem.get("error_description")
        errors = [(e["pointer"], e["message"]["en"], e["code"]) for e in exc.problem.get("errors", ())]
        return f"the gateway refused it: {why} ({exc.status} {code})", errors
    places = [(p.path, p.message_en, p.code) for p in exc.problems]
    if isinstance(exc, ContractError):
        return "the document is refused; nothing was changed", places
    return f"{exc.detail} ({exc.code})", places


def leave(exc: ContractError | PasserelleError | OSError) -> NoReturn:
    """Tell the error and end the command with status 1."""
    complain(exc)
    raise typer.Exit(1) from exc


def run(work: Callable[[], Awaitable[T]]) -> T:
    """Run one coroutine; errors of the tree become one clear line, never a traceback."""

    async def main() -> T:
        return await work()

    try:
        return asyncio.run(main())
    except (AuditChainBroken, BrokenPipeError):
        raise  # audit verify says more of the one; the other is told by whoever stopped to read
    except (ContractError, PasserelleError, OSError) as exc:
        leave(exc)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def read_file(path: Path) -> bytes:
    """The file's bytes; leaves with an error when it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as exc:
        fail(f"{path} cannot be read: {exc.strerror}", cure="give the path of a file that you may read")


def write_file(path: Path, content: bytes) -> None:
    """Leaves with an error when it cannot be written."""
    try:
        path.write_bytes(content)
    except OSError as exc:
        fail(f"{path} cannot be written: {exc.strerror}", cure="give a place where you may write")


@asynccontextmanager
async def opened() -> AsyncIterator[tuple[Instance, Store]]:
    """The instance of ``--dir`` and its store, closed again at the end."""
    from gateway.instance import Instance  # keys, store and drivers: help and many commands need none

    instance = Instance.load(options.folder)
    store = await instance.open_store()
    try:
        yield instance, store
    finally:
        await store.close()


def with_exchange(work: Callable[[Exchange], Awaitable[T]]) -> T:
    """What ``work`` returns over the instance of ``--dir``; errors as by ``run``."""

    async def main() -> T:
        async with opened() as (instance, store):
            return await work(instance.exchange(store))

    return run(main)


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
    """One line a row, as wide as it is: ids must be whole to be copied, also in a pipe. In a terminal that is
    narrower, a row goes on below."""
    width = Measurement.get(out, out.options.update(width=_WIDEST), table).maximum
    if not out.is_terminal or width <= out.width:
        Console(highlight=False, width=max(width, out.width)).print(table)
        return
    texts = [[Text.from_markup(str(cell)).plain for cell in column.cells] for column in table.columns]
    head, rows = folded([str(c.header) for c in table.columns], list(zip(*texts, strict=True)), out.width)
    if table.title:
        out.print(f"{table.title}\n", markup=False, style="italic")
    out.print("\n".join(head), markup=False, style="bold")
    out.print("\n".join(["─" * out.width, *rows]), markup=False)


def cell(value: Any) -> str:
    """A value for people: an instant to the second in UTC, yes or no, a dash for nothing."""
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    if isinstance(value, str) and _WRITTEN.fullmatch(value):
        return f"{value[:10]} {value[11:19]}Z"
    if value is None:
        return "—"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
