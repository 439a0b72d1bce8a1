"""``passerelle operators …``: who may log in to the console and decide about held messages."""

from __future__ import annotations

import secrets
import sys

import typer

from gateway.bootstrap import OPERATORS_FILE
from gateway.cli.common import JsonOption, fail, options, out, show
from gateway.core.treaty.holding import OPERATOR, ROLES
from gateway.web.console.accounts import Accounts, make_account

operators = typer.Typer(no_args_is_help=True, help="Operators: list, add.")


@operators.command("list")
def list_operators(as_json: bool = JsonOption) -> None:
    """List the accounts and what each may decide."""
    accounts = Accounts.load(options.folder / OPERATORS_FILE).operators
    rows = [{"name": o.name, "language": o.language, "roles": ", ".join(sorted(o.roles))} for o in accounts]
    show(rows, as_json=as_json, title="Operators", empty="No operator.")


@operators.command("add")
def add(
    name: str = typer.Argument(..., help="Name of the account; it stands in the audit log."),
    role: list[str] = typer.Option([OPERATOR], "--role", help=f"May be given again: {', '.join(ROLES)}."),
    language: str = typer.Option("en", help="en or fr."),
    password_stdin: bool = typer.Option(False, help="Read the password from standard input."),
) -> None:
    """Add an account; without --password-stdin a password is made and printed once."""
    path = options.folder / OPERATORS_FILE
    unknown = sorted(set(role) - set(ROLES))
    if unknown:
        fail(f"there is no role {unknown[0]}", cure=f"one of: {', '.join(ROLES)}")
    if language not in {"en", "fr"}:
        fail("the language is en or fr")
    if any(o.name == name for o in Accounts.load(path).operators):
        fail(f"{name} is there already; nothing was changed")
    password = sys.stdin.readline().rstrip("\n") if password_stdin else secrets.token_urlsafe(12)
    if not password:
        fail("the password is empty")
    path.touch(mode=0o600)
    with path.open("a", encoding="utf-8") as file:
        file.write(make_account(name, password, language, roles=role))
    if password_stdin:
        out.print(f"operator {name} added", markup=False)
    else:
        out.print(f"operator {name}, password {password} (shown once)", markup=False)
