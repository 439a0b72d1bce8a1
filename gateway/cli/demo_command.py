"""``passerelle demo``."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import typer
import uvloop
from rich.box import SIMPLE_HEAD
from rich.table import Table

from gateway.cli.common import err, fail, out, print_json, print_table
from gateway.cli.demo.runner import Shown, run_demo
from gateway.cli.demo.stage import OPERATOR, PEOPLE
from gateway.cli.demo.story import StoryFailed
from gateway.core.errors import PasserelleError
from gateway.shutdown import stop_on_signal
from gateway.uk_client import Refused

DEFAULT_FOLDER = Path("var/demo")
DEFAULT_PORT = 8440


def _table(report: dict[str, Any]) -> Table:
    table = Table(title="Every message", title_justify="left", header_style="bold", box=SIMPLE_HEAD)
    for name in ("Type", "Route", "Case", "Status"):
        table.add_column(name, no_wrap=True)
    table.add_column("Tries", justify="right", no_wrap=True)
    table.add_column("Receipt", no_wrap=True)
    for row in report["messages"]:
        arrow = "UK → FR" if row["direction"] == "UK_TO_FR" else "FR → UK"
        proof = "✓ verified" if row["receipt_verified"] else "– none"
        table.add_row(row["type"], arrow, row["reference"], row["status"], str(row["attempts"]), proof)
    return table


def _tell(report: dict[str, Any]) -> None:
    print_table(_table(report))
    out.print()
    for case in report["cases"]:
        out.print(
            f"  {case['story']:<15} {case['reference']}  {case['kind']}: {case['status']}", markup=False
        )
    out.print(f"\nRefused from France (Art 16): {len(report['refused'])} messages with personal data.")
    for name, holds in report["checks"].items():
        out.print(f"  {'[green]✓[/green]' if holds else '[red]✗[/red]'} {name.replace('_', ' ')}")
    out.print(f"\n{'[green]ok[/green]' if report['ok'] else '[red]NOT ok[/red]'} in {report['elapsed_s']} s")


def _program() -> str:
    """The way this program was called, as a user can type it again."""
    called = Path(sys.argv[0]).absolute()
    return str(called.relative_to(Path.cwd())) if called.is_relative_to(Path.cwd()) else called.name


async def _stay(shown: Shown) -> None:
    _tell(shown.report)
    folder = shown.folders.gateway
    out.print(
        f"\nConsole   {shown.console_url}\n"
        f"  log in    {OPERATOR} / {shown.folders.password}\n"
        f"            the same for {', '.join(name for name, _, _ in PEOPLE if name != OPERATOR)}\n"
        f"API docs  {shown.console_url.removesuffix('/console')}/docs\n"
        f"Folder    {folder}\n"
        f"Try       {_program()} -C {folder} messages list\n\n"
        "Everything stays up until Ctrl-C.",
        markup=False,
    )
    await stop_on_signal().wait()


def demo(
    once: bool = typer.Option(False, "--once", help="Exit when every message has reached its final state."),
    as_json: bool = typer.Option(False, "--json", help="Print the result as JSON (with --once)."),
    port: int | None = typer.Option(
        None, min=1, max=65532, help="First of four ports; default 8440, with --once any free ones."
    ),
    directory: Path | None = typer.Option(
        None, "--dir", help="Demo folder; default var/demo, with --once one that is removed again."
    ),
) -> None:
    """Start everything on this machine and play the whole story on real, signed and encrypted messages."""
    if as_json and not once:
        fail("--json needs --once: without it the demo stays up and never ends")
    say = (lambda _: None) if as_json else (lambda text: err.print(text, markup=False))
    with tempfile.TemporaryDirectory(prefix="passerelle-demo-") as temporary:
        folder = directory or (Path(temporary) / "demo" if once else DEFAULT_FOLDER)
        first = port if port is not None or once else DEFAULT_PORT
        try:
            report = uvloop.run(run_demo(folder, first_port=first, say=say, then=None if once else _stay))
        except (PasserelleError, StoryFailed, Refused) as exc:
            fail(f"the demo did not come to its end: {exc}")
        except KeyboardInterrupt:
            sys.exit(130)
    if as_json:
        print_json(report)
    elif once:
        _tell(report)
    if not report["ok"]:
        raise typer.Exit(1)
