"""Puts the commands together. Exit status 0 only on success."""

from __future__ import annotations

from pathlib import Path

import typer

from contracts.ports import ContractError
from gateway.cli import (
    alerts,
    balance,
    batches,
    bench,
    conformance,
    deadlines,
    demo_command,
    endpoints,
    evidence,
    holds,
    instance,
    keys,
    listing,
    partner,
    proof,
    returned,
    rules,
    search,
    send,
    settings,
    showing,
    users,
    watch,
)
from gateway.cli.common import complain, options
from gateway.config import FOLDER_VARIABLE
from gateway.core.errors import PasserelleError
from gateway.logs import configure_logs

app = typer.Typer(
    name="passerelle",
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
    options.folder = folder
    configure_logs(level="info" if verbose else "warning", format_="console")


app.command("demo")(demo_command.demo)
app.command("init")(instance.init)
app.command("check")(instance.check)
app.command("serve")(instance.serve)
app.command("worker")(instance.worker)
app.command("sandbox")(instance.sandbox)
app.command("send")(send.send)
app.command("balance")(balance.balance)
app.command("watch")(watch.watch)
app.command("bench")(bench.bench)
app.command("conformance")(conformance.conformance)
app.add_typer(send.client, name="client")
app.command("overview")(search.overview)
app.command("reveal")(showing.reveal)
app.add_typer(listing.messages, name="messages")
app.add_typer(listing.cases, name="cases")
app.add_typer(search.filters, name="filters")
app.add_typer(search.finding, name="search")
app.add_typer(deadlines.deadlines, name="deadlines")
app.add_typer(holds.holds, name="holds")
app.add_typer(batches.batches, name="batches")
app.add_typer(users.app, name="users")
app.add_typer(users.app, name="operators", hidden=True)  # its name in the first releases
app.add_typer(returned.returned, name="returned")
app.add_typer(alerts.alerts, name="alerts")
app.add_typer(endpoints.endpoints, name="endpoints")
app.add_typer(evidence.evidence, name="evidence")
app.add_typer(proof.audit_log, name="audit")
app.add_typer(balance.quotas, name="quotas")
app.add_typer(balance.ledger, name="ledger")
app.add_typer(balance.report, name="report")
app.add_typer(keys.keys, name="keys")
app.add_typer(partner.partner, name="partner")
app.add_typer(rules.rules, name="rules")
app.add_typer(settings.settings, name="settings")
app.add_typer(settings.agreement, name="agreement")


def main() -> None:
    """Entry point of the ``passerelle`` script."""
    try:
        app()
    except (PasserelleError, ContractError, OSError) as exc:  # raised before an event loop runs
        complain(exc)
        raise SystemExit(1) from None
