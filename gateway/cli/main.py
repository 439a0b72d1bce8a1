"""The program ``passerelle``: global options and commands. Exit status 0 only on success."""

from __future__ import annotations

from pathlib import Path

import typer

from contracts.ports import ContractError
from gateway.cli.commands import Commands
from gateway.cli.common import complain, options
from gateway.core.errors import PasserelleError
from gateway.variables import FOLDER_VARIABLE

app = typer.Typer(
    name="passerelle",
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="Gateway between the United Kingdom and France: readmission requests and legal-route nominations.",
)


@app.callback()
def _globals(
    folder: Path = typer.Option(
        Path(),
        "--dir",
        "-C",
        envvar=FOLDER_VARIABLE,
        help="Instance folder (made by: passerelle init DIR).",
    ),
    verbose: bool = typer.Option(False, "--verbose", "-v", help="Log what happens, on standard error."),
) -> None:
    from gateway.logs import configure_logs  # structlog: help needs none

    options.folder = folder
    configure_logs(level="info" if verbose else "warning", format_="console")


def main() -> None:
    """Entry point of the ``passerelle`` script."""
    try:
        app()
    except (PasserelleError, ContractError, OSError) as exc:  # raised before an event loop runs
        complain(exc)
        raise SystemExit(1) from None
