"""Who gives a command: password and second factor of an account, where a decision of a person counts.

A command that has ``by: User`` and stands under ``@signed_in(Permission.X)`` gets that person. The password
comes from, in this order: standard input (its first line), the file that PASSERELLE_PASSWORD_FILE names, a
prompt. The code of the second factor is the second line of standard input, or asked for.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import typer

from gateway.cli.common import fail, opened, run
from gateway.cli.taking import Command, taking
from gateway.core.people import User
from gateway.core.roles import Permission
from gateway.flows import signin
from gateway.flows.people import COMMAND_LINE, check_may
from gateway.variables import PASSWORD_VARIABLE

AsOption = typer.Option(..., "--as", metavar="NAME", help="Who decides: see passerelle users list.")
MaybeAsOption = typer.Option(
    None, "--as", metavar="NAME", help="Who does it; without it the audit log says cli, and nobody is asked."
)
StdinOption = typer.Option(
    False, "--password-stdin", help="Read the password (and on a second line the code) from standard input."
)


def read_password(name: str, *, from_stdin: bool, confirm: bool = False) -> str:
    """The password of an account as given; leaves with an error when the file cannot be read."""
    if from_stdin:
        return sys.stdin.readline().rstrip("\n")
    file = os.environ.get(PASSWORD_VARIABLE)
    if file and not confirm:
        try:
            return Path(file).read_text("utf-8").rstrip("\n")
        except (OSError, UnicodeDecodeError):
            fail(f"the file that {PASSWORD_VARIABLE} names cannot be read", cure="correct the variable")
    text = f"New password of {name}" if confirm else f"Password of {name}"
    return str(typer.prompt(text, hide_input=True, err=True, confirmation_prompt=confirm))


def read_code(name: str, *, from_stdin: bool) -> str:
    """The second factor as given."""
    if from_stdin:
        return sys.stdin.readline().rstrip("\n")
    return str(typer.prompt(f"Code of {name}'s authenticator (or a recovery code)", err=True))


def identify(name: str, *needed: Permission, from_stdin: bool = False) -> User:
    """The person, once password and second factor were checked; leaves with an error otherwise, also when
    none of their roles gives a permission that is needed."""
    password = read_password(name, from_stdin=from_stdin)

    async def work() -> User:
        async with opened() as (instance, store):
            people = instance.people(store)
            user = await signin.authenticate(
                people, name, password, code=lambda: read_code(name, from_stdin=from_stdin)
            )
        for permission in needed:
            check_may(user, permission)
        return user

    return run(work)


def signed_in(*needed: Permission) -> Callable[[Command], Command]:
    """The command's ``by`` is the person of ``--as``, recognised by ``identify``."""

    def person(name: str = AsOption, password_stdin: bool = StdinOption) -> User:
        return identify(name, *needed, from_stdin=password_stdin)

    return taking("by", person)


def booked_on(needed: Permission) -> Callable[[Command], Command]:
    """The command's ``actor`` is whom the audit log names: the person of ``--as``, who is checked as by
    ``identify``, or without it the command line itself, as whoever can read the keys of the folder is not
    asked who they are."""

    def named(name: str | None = MaybeAsOption, password_stdin: bool = StdinOption) -> str:
        if name is not None:
            return identify(name, needed, from_stdin=password_stdin).actor
        if password_stdin:
            fail("--password-stdin is about the person of --as", cure="name the person with --as NAME")
        return COMMAND_LINE

    return taking("actor", named)
