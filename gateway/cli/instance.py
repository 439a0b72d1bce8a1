"""``passerelle init`` and ``check``: making an instance, and what is wrong with it."""

from __future__ import annotations

import ssl
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import typer

from gateway.check import Finding, Level, check_database, check_provider, check_settings
from gateway.cli.common import JsonOption, fail, opened, options, out, run, show
from gateway.cli.setup import make_instance, register_client
from gateway.config import load_settings
from gateway.core.errors import PasserelleError
from gateway.core.roles import Role, Side
from gateway.flows.users import add_user
from gateway.instance import Instance

LIVE_SECONDS = 5


def init(
    directory: Path = typer.Argument(..., metavar="DIR", help="A new folder for the instance."),
    with_sandbox: Path | None = typer.Option(
        None, help="Also make a simulated French ministry there; both trust each other."
    ),
    client: str | None = typer.Option(None, help="Also register this UK client, with a new key."),
    operator: str | None = typer.Option(
        None, help="Also make an account with the role operator; its password is printed once."
    ),
    administrator: str | None = typer.Option(
        None, help="Also make an account that manages users; its password is printed once."
    ),
    if_missing: bool = typer.Option(
        False, "--if-missing", help="Do nothing when the instance is there already."
    ),
) -> None:
    """Make an instance: keys, certificates, settings, folders. Never overwrites anything."""
    if if_missing and (directory / "passerelle.toml").exists():
        out.print(f"{directory} is there already; nothing was changed.", markup=False)
        return
    try:
        make_instance(directory)
        if client:
            key = register_client(directory, client)
            out.print(f"UK client {client}: private key in {key}", markup=False)
        if with_sandbox:
            from gateway.sandbox import setup as sandbox_setup  # a gateway of its own: check needs none

            sandbox_setup.init(with_sandbox)
            sandbox_setup.trust_each_other(directory, with_sandbox)
            out.print(f"simulated ministry in {with_sandbox}", markup=False)
    except PasserelleError as exc:
        fail(exc.detail)
    run(lambda: _create_database(directory))
    for name, role in ((operator, Role.OPERATOR), (administrator, Role.ADMINISTRATOR)):
        if name:
            password = run(partial(_add_user, directory, name, role))
            out.print(f"{role.value} {name}, password {password} (shown once)", markup=False)
    out.print(f"Instance made in {directory}. Next:", markup=False)
    if not with_sandbox:
        out.print(f"  passerelle -C {directory} partner add fr --help", markup=False)
    out.print(f"  passerelle -C {directory} check\n  passerelle -C {directory} serve", markup=False)


async def _create_database(folder: Path) -> None:
    await (await Instance.load(folder).open_store(create=True)).close()


async def _add_user(folder: Path, name: str, role: Role) -> str | None:
    instance = Instance.load(folder)
    store = await instance.open_store()
    try:
        made = await add_user(instance.people(store), name, side=Side.UK, roles=(role,), by=None)
    finally:
        await store.close()
    return made.password


async def _live(folder: Path) -> Finding:
    """Asks the running gateway of this folder whether it is ready; loopback only."""
    part = load_settings(folder).uk_api
    url = f"{'https' if part.tls else 'http'}://127.0.0.1:{part.port}/readyz"
    # loopback and our own certificate: the name in it may be the public one
    context = ssl.create_default_context(cafile=str(folder / "keys" / "tls.crt.pem")) if part.tls else None
    if context is not None:
        context.check_hostname = False
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        timeout = aiohttp.ClientTimeout(total=LIVE_SECONDS)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(url, ssl=context if context is not None else True) as answer,
        ):
            if answer.status == 200:
                return Finding(level=Level.OK, setting="live", text="the gateway is ready")
            text = f"the gateway answers {answer.status}: it is up but not ready"
    except (aiohttp.ClientError, TimeoutError):
        text = "no gateway answers at uk_api.port; start it: passerelle serve"
    return Finding(level=Level.ERROR, setting="live", text=text)


async def _database() -> tuple[Finding, ...]:
    try:
        async with opened() as (_, store):
            return await check_database(store)
    except PasserelleError as exc:
        return (Finding(level=Level.ERROR, setting="database", text=exc.detail),)


def check(
    database: bool = typer.Option(
        False, "--database", help="Also open the database: its schema, and who may manage users."
    ),
    live: bool = typer.Option(False, "--live", help="Also ask the running gateway on this machine."),
    provider: bool = typer.Option(
        False, "--provider", help="Also ask the OIDC provider, with our client id and secret."
    ),
    as_json: bool = JsonOption,
) -> None:
    """Tell what is wrong, weak or about to expire in the instance; exit status 1 on any error."""

    async def work() -> list[Finding]:
        found = list(check_settings(options.folder))
        if found[0].level is Level.ERROR:
            return found  # there is no instance, so nothing else can be tried
        if database:
            found += await _database()
        if provider:
            found += await check_provider(options.folder)
        if live:
            found.append(await _live(options.folder))
        return found

    found = run(work)
    rows: list[dict[str, Any]] = [
        {"level": f.level.value, "setting": f.setting, "text": f.text} for f in found
    ]
    show(rows, as_json=as_json, title="Check", empty="")
    if any(f.level is Level.ERROR for f in found):
        raise typer.Exit(1)
