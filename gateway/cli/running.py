"""``passerelle serve``, ``worker`` and ``sandbox``: the processes that run until they are stopped."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import typer
import uvloop

from gateway.bootstrap import run_gateway, run_worker
from gateway.cli.common import err, fail, options, print_json, run
from gateway.core.errors import ConfigError, PasserelleError, Unavailable
from gateway.instance import Instance
from gateway.logs import configure_logs
from gateway.sandbox import setup as sandbox_setup

_ANSWER_S = 5


def _instance() -> Instance:
    try:
        instance = Instance.load(options.folder)
    except ConfigError as exc:
        fail(exc.detail, cure="passerelle check tells more; passerelle init DIR makes a new instance")
    log = instance.settings.log
    configure_logs(level=log.level, format_=log.format)
    return instance


def serve(
    worker: bool = typer.Option(True, "--worker/--no-worker", help="Deliver in this process too."),
) -> None:
    """Run the gateway: UK API and console on one port, the AS4 endpoint on another."""
    instance = _instance()
    err.print(f"Serving {options.folder.resolve()}; stop with Ctrl-C.", markup=False)
    try:
        uvloop.run(run_gateway(instance, with_worker=worker))
    except PasserelleError as exc:
        fail(exc.detail)


def worker() -> None:
    """Deliver only: one more node on the same database."""
    instance = _instance()
    try:
        uvloop.run(run_worker(instance))
    except PasserelleError as exc:
        fail(exc.detail)


async def _sandbox_status(folder: Path) -> Any:
    port = sandbox_setup.load_settings(folder).control_port
    timeout = aiohttp.ClientTimeout(total=_ANSWER_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(f"http://127.0.0.1:{port}/status") as answer,
        ):
            return await answer.json()
    except (aiohttp.ClientError, TimeoutError) as exc:
        raise Unavailable("the simulated ministry does not answer; start it: passerelle sandbox DIR") from exc


def sandbox(
    directory: Path = typer.Argument(..., metavar="DIR", help="Made by: passerelle init --with-sandbox DIR."),
    status: bool = typer.Option(
        False, "--status", help="Ask the one that runs, and print what it has received and sent."
    ),
) -> None:
    """Run the simulated French ministry: a real AS4 access point with keys and a store of its own."""
    if status:
        print_json(run(lambda: _sandbox_status(directory)))
        return
    configure_logs()
    try:
        asyncio.run(sandbox_setup.run_sandbox(directory))
    except PasserelleError as exc:
        fail(exc.detail)
