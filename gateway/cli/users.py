"""``passerelle users …``: who may sign in, with which roles; passwords, second factors, sessions.

Without ``--as`` the actor is ``cli``: whoever can read the keys of the folder may do this anyway, and the
first administrator is made so. With ``--as`` it is that administrator, once recognised.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import segno
import typer

from gateway.cli.common import (
    JsonOption,
    cell,
    choice,
    opened,
    options,
    out,
    print_json,
    read_file,
    run,
    show,
)
from gateway.cli.identity import StdinOption, identify, read_password
from gateway.core.errors import Conflict
from gateway.core.people import LANGUAGES, User
from gateway.core.roles import Permission, Role, Side
from gateway.flows import account, users
from gateway.flows.operators_file import OPERATORS_FILE, import_operators, read_operators
from gateway.flows.people import COMMAND_LINE, People
from gateway.flows.signin import check_password
from gateway.flows.users import Shown

T = TypeVar("T")

app = typer.Typer(no_args_is_help=True, help="Users: who may sign in, roles, second factors, sessions.")
totp = typer.Typer(no_args_is_help=True, help="Second factor: start, confirm, reset.")
app.add_typer(totp, name="totp")

NameArgument = typer.Argument(..., metavar="NAME", help="As in: passerelle users list.")
RolesOption = typer.Option(..., "--role", help=f"May be given again: {', '.join(Role)}.")
ByOption = typer.Option(
    None, "--as", metavar="ADMINISTRATOR", help="Who does it; default the command line itself."
)
_NEW_STDIN = typer.Option(False, "--password-stdin", help="Read the new password from standard input.")


def _administrator(by: str | None) -> User | None:
    return None if by is None else identify(by, Permission.MANAGE_USERS)


def _with_people(work: Callable[[People], Awaitable[T]]) -> T:
    async def main() -> T:
        async with opened() as (instance, store):
            return await work(instance.people(store))

    return run(main)


def row_of(shown: Shown) -> dict[str, Any]:
    """One account as a list shows it."""
    user = shown.user
    return {
        "name": user.name,
        "display_name": user.display_name,
        "side": user.side.value,
        "roles": sorted(role.value for role in user.roles),
        "language": user.language,
        "sign_in": "oidc" if user.subject else "password",
        "second_factor": user.second_factor,
        "state": _state(shown),
        "sessions": shown.sessions,
        "last_sign_in": user.signed_in_at,
        "created_at": user.created_at,
        "changed_at": user.changed_at,
    }


def _state(shown: Shown) -> str:
    if shown.user.disabled:
        return "disabled"
    return "locked" if shown.locked else "enabled"


def _line(row: dict[str, Any]) -> dict[str, Any]:
    hidden = {"display_name", "created_at", "changed_at", "sign_in"}
    return {k: ", ".join(v) if isinstance(v, list) else v for k, v in row.items() if k not in hidden}


def _print(row: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(row)
        return
    for name, value in row.items():
        text = ", ".join(value) if isinstance(value, list) else cell(value)
        out.print(f"{name.replace('_', ' '):>14}  {text}", markup=False)


async def _shown(people: People, name: str) -> dict[str, Any]:
    return row_of(await users.show_user(people, name, by=None))


def _changed(
    name: str,
    by: str | None,
    change: Callable[[People, User | None], Awaitable[object]],
    *,
    as_json: bool,
) -> None:
    """Does it in the name of the administrator, and shows the account as it is then."""
    admin = _administrator(by)

    async def work(people: People) -> dict[str, Any]:
        await change(people, admin)
        return await _shown(people, name)

    _print(_with_people(work), as_json=as_json)


@app.command("list")
def list_users(as_json: bool = JsonOption) -> None:
    """List every account with its roles and state."""
    rows = [row_of(u) for u in _with_people(lambda people: users.list_users(people, by=None))]
    show(rows if as_json else [_line(r) for r in rows], as_json=as_json, title="Users", empty="No user.")


@app.command("show")
def show_user(name: str = NameArgument, as_json: bool = JsonOption) -> None:
    """Show one account."""
    _print(_with_people(lambda people: _shown(people, name)), as_json=as_json)


@app.command("add")
def add(
    name: str = typer.Argument(..., help="Lower case; it stands in the audit log."),
    role: list[str] = RolesOption,
    side: Side = typer.Option(Side.UK, "--side", help="Whose person it is: uk or fr."),
    language: str | None = typer.Option(
        None, "--language", parser=choice(*LANGUAGES), metavar="en|fr", help="Default: that of the side."
    ),
    display_name: str | None = typer.Option(None, "--display-name", help="As the console shows it."),
    subject: str | None = typer.Option(
        None, "--oidc-subject", help="Signs in at the OIDC provider as this subject; has no password."
    ),
    password_stdin: bool = _NEW_STDIN,
    by: str | None = ByOption,
    as_json: bool = JsonOption,
) -> None:
    """Add an account; without --password-stdin a password is made, printed once, and renewed at sign-in."""
    admin = _administrator(by)
    password = read_password(name, from_stdin=True) if password_stdin else None

    async def work() -> dict[str, Any]:
        async with opened() as (instance, store):
            made = await users.add_user(
                instance.people(store),
                name,
                side=side,
                roles=role,
                by=admin,
                language=language,
                display_name=display_name,
                password=password,
                issuer=instance.settings.oidc.issuer,
                subject=subject,
            )
            row = await _shown(instance.people(store), made.user.name)
        return {**row, **({"password": made.password} if made.password else {})}

    row = run(work)
    if as_json:
        print_json(row)
    elif "password" in row:
        out.print(f"user {row['name']}, password {row['password']} (shown once)", markup=False)
    else:
        out.print(f"user {row['name']} added", markup=False)


@app.command("change")
@app.command("roles", hidden=True)
def change(
    name: str = NameArgument,
    role: list[str] | None = typer.Option(None, "--role", help=f"All of them: {', '.join(Role)}."),
    side: Side | None = typer.Option(None, "--side", help="uk or fr."),
    language: str | None = typer.Option(
        None, "--language", parser=choice(*LANGUAGES), metavar="en|fr", help="Of the console."
    ),
    display_name: str | None = typer.Option(None, "--display-name", help="As the console shows it."),
    by: str | None = ByOption,
    as_json: bool = JsonOption,
) -> None:
    """Change roles, side, language or display name, as far as given; new roles end the person's sessions."""

    async def make(people: People, admin: User | None) -> None:
        await users.change_user(
            people, name, by=admin, roles=role, side=side, language=language, display_name=display_name
        )

    _changed(name, by, make, as_json=as_json)


def _switch(name: str, by: str | None, *, disabled: bool, as_json: bool) -> None:
    async def make(people: People, admin: User | None) -> None:
        await users.set_disabled(people, name, disabled=disabled, by=admin)

    _changed(name, by, make, as_json=as_json)


@app.command("disable")
def disable(name: str = NameArgument, by: str | None = ByOption, as_json: bool = JsonOption) -> None:
    """Let somebody sign in no more, and end their sessions; the history stays."""
    _switch(name, by, disabled=True, as_json=as_json)


@app.command("enable")
def enable(name: str = NameArgument, by: str | None = ByOption, as_json: bool = JsonOption) -> None:
    """Let somebody sign in again."""
    _switch(name, by, disabled=False, as_json=as_json)


@app.command("unlock")
def unlock(name: str = NameArgument, by: str | None = ByOption, as_json: bool = JsonOption) -> None:
    """Forget the failed attempts that locked somebody out."""
    _changed(name, by, lambda people, admin: users.unlock(people, name, by=admin), as_json=as_json)


@app.command("password")
def password(
    name: str = NameArgument,
    password_stdin: bool = _NEW_STDIN,
    by: str | None = ByOption,
    as_json: bool = JsonOption,
) -> None:
    """Give somebody a new password: a made one, printed once, is renewed at the next sign-in."""
    admin = _administrator(by)
    given = read_password(name, from_stdin=True) if password_stdin else None

    async def work(people: People) -> str | None:
        made = await users.reset_password(people, name, by=admin, password=given, renew=given is None)
        return made.password

    made = _with_people(work)
    if as_json:
        print_json({"name": name, **({"password": made} if made else {})})
    else:
        said = f"password {made} (shown once)" if made else "new password set"
        out.print(f"user {name}, {said}", markup=False)


@app.command("sessions")
def sessions(
    name: str = NameArgument,
    end: bool = typer.Option(False, "--end", help="End all of them."),
    by: str | None = ByOption,
    as_json: bool = JsonOption,
) -> None:
    """List the open sessions of somebody, or end them all."""
    if end:
        admin = _administrator(by)
        ended = _with_people(lambda people: users.end_all_sessions(people, name, by=admin))
        _print({"name": name, "ended": ended}, as_json=as_json)
        return
    found = _with_people(lambda people: account.sessions_of(people, name))
    rows = [
        {"id": s.session_id, "since": s.created_at, "seen": s.seen_at, "ends": s.expires_at, "with": s.agent}
        for s in found
    ]
    show(rows, as_json=as_json, title=f"Sessions of {name}", empty="No session.")


@app.command("import")
def import_file(
    file: Path | None = typer.Argument(None, help=f"Default: {OPERATORS_FILE} of the folder."),
    as_json: bool = JsonOption,
) -> None:
    """Take over the accounts of an older release with their passwords; accounts that are there stay."""
    path = file or options.folder / OPERATORS_FILE
    read_file(path)  # says where and why it cannot be read
    text = read_operators(path)
    done = _with_people(lambda people: import_operators(people, text, by=COMMAND_LINE))
    _print({"added": list(done.added), "there": list(done.there)}, as_json=as_json)


# ---- second factor ------------------------------------------------------------------------------


def _recognised(name: str, *, from_stdin: bool) -> None:
    """The password alone: who enrols has no second factor yet."""
    given = read_password(name, from_stdin=from_stdin)
    _with_people(lambda people: _check_password(people, name, given))


async def _check_password(people: People, name: str, given: str) -> None:
    """Raises SignInRefused, SignInLocked; Conflict when there is a second factor already."""
    user = await check_password(people, name, given, address="cli")
    if user.second_factor:
        raise Conflict("there is a second factor already: change it in the console, or reset it first")


@totp.command("start")
def start(name: str = NameArgument, password_stdin: bool = StdinOption, as_json: bool = JsonOption) -> None:
    """Show the key for an authenticator app, once, to the person whose password is given."""
    _recognised(name, from_stdin=password_stdin)
    made = _with_people(lambda people: account.start_enrolment(people, name))
    if as_json:
        print_json({"name": name, "secret": made.secret, "uri": made.uri})
        return
    segno.make(made.uri, error="m").terminal(compact=True)
    out.print(f"key {made.secret}\nnext: passerelle users totp confirm {name} CODE", markup=False)


@totp.command("confirm")
def confirm(
    name: str = NameArgument,
    code: str = typer.Argument(..., help="What the authenticator shows now."),
    password_stdin: bool = StdinOption,
    as_json: bool = JsonOption,
) -> None:
    """Give the first code of the new authenticator; prints the recovery codes, once."""
    _recognised(name, from_stdin=password_stdin)
    codes = _with_people(lambda people: account.confirm_enrolment(people, name, code))
    if as_json:
        print_json({"name": name, "recovery_codes": list(codes)})
        return
    out.print("The second factor counts from now on. Recovery codes, each good once:")
    for line in codes:
        out.print(f"  {line}", markup=False)


@totp.command("reset")
def reset(name: str = NameArgument, by: str | None = ByOption, as_json: bool = JsonOption) -> None:
    """Remove somebody's second factor and recovery codes, and end their sessions."""
    _changed(
        name, by, lambda people, admin: users.reset_second_factor(people, name, by=admin), as_json=as_json
    )
