"""Making and running a sandbox folder: keys, ``sandbox.toml``, ``script.toml``, ``sandbox.db``."""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from adapters.fr import FrAdapter
from contracts.codes import Direction
from gateway.clock import SystemClock
from gateway.core.as4.keys import KeyKind
from gateway.core.as4.policy import SecurityPolicy
from gateway.core.errors import ConfigError
from gateway.core.treaty.agreement import Agreement, load_agreement, uk_fr
from gateway.flows.access_point import make_access_point
from gateway.keys import FR, generate_instance, install_trust, load_keyring
from gateway.keys.partner import load_partner
from gateway.keys.profiles import profile_keys
from gateway.logs import get_logger
from gateway.sandbox.brain import Brain
from gateway.sandbox.memory import Memory
from gateway.sandbox.pulling import pull_forever
from gateway.sandbox.script import load_script
from gateway.sandbox.server import Ministry, make_as4_app, make_control_app
from gateway.shutdown import stop_on_signal
from gateway.transport.http import HttpTransport
from gateway.transport.tls import client_context, server_context

SETTINGS_FILE = "sandbox.toml"
SCRIPT_FILE = "script.toml"
DATABASE_FILE = "sandbox.db"
RECEIVED_FOLDER = "received"
LOOPBACK = "127.0.0.1"
Port = Annotated[int, Field(ge=0, le=65535)]


class SandboxSettings(BaseModel):
    """``sandbox.toml``; it listens on loopback only."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    as4_port: Port = 9443
    control_port: Port = 9444
    gateway_url: str = "https://127.0.0.1:8441/as4"
    agreement: str = ""
    """A file in the folder, in place of the agreement shipped with the gateway."""
    retry_s: Annotated[tuple[float, ...], Field(min_length=1)] = (0.2, 0.5, 1, 2, 5)
    max_bytes: Annotated[int, Field(ge=1024)] = 600_000_000
    """Largest AS4 message taken in, and largest attachment once it is decompressed."""


def init(folder: Path, *, settings: SandboxSettings | None = None, script: str = "") -> None:
    """Makes a sandbox: keys of its own and its settings. Raises ConfigError when keys are there."""
    generate_instance(folder, identity=FR, now=SystemClock().now())
    settings = settings or SandboxSettings()
    lines = [
        f"as4_port = {settings.as4_port}",
        f"control_port = {settings.control_port}",
        f'gateway_url = "{settings.gateway_url}"',
        f"retry_s = {list(settings.retry_s)}",
        f"max_bytes = {settings.max_bytes}",
    ]
    (folder / SETTINGS_FILE).write_text("\n".join(lines) + "\n", "utf-8")
    (folder / SCRIPT_FILE).write_text(script, "utf-8")


def trust_each_other(gateway_folder: Path, sandbox_folder: Path) -> None:
    """Exchanges the public certificates of both sides: ``trust/fr`` there, ``trust/uk`` here."""
    install_trust(gateway_folder / "trust" / "fr", partner=sandbox_folder)
    install_trust(sandbox_folder / "trust" / "uk", partner=gateway_folder)


def load_settings(folder: Path) -> SandboxSettings:
    """Raises ConfigError."""
    try:
        return SandboxSettings(**tomllib.loads((folder / SETTINGS_FILE).read_text("utf-8")))
    except FileNotFoundError as exc:
        raise ConfigError(
            f"{SETTINGS_FILE} is missing in {folder}; make it: passerelle init DIR --with-sandbox {folder}"
        ) from exc
    except (tomllib.TOMLDecodeError, ValidationError) as exc:
        raise ConfigError(f"{SETTINGS_FILE} is wrong; correct it") from exc


@dataclass(frozen=True, kw_only=True, slots=True)
class RunningSandbox:
    """Addresses as bound."""

    ministry: Ministry
    as4_url: str
    control_url: str


def _agreement(folder: Path, settings: SandboxSettings) -> Agreement:
    """Raises ConfigError."""
    if not settings.agreement:
        return uk_fr()
    try:
        return load_agreement((folder / settings.agreement).read_bytes())
    except OSError as exc:
        raise ConfigError(f"agreement: {settings.agreement} cannot be read; correct the path") from exc


def make_ministry(folder: Path, transport: HttpTransport) -> Ministry:
    """The sandbox of ``folder``, not yet listening. Raises ConfigError."""
    clock = SystemClock()
    settings = load_settings(folder)
    agreement = _agreement(folder, settings)
    keys = load_keyring(folder / "keys")
    partner = load_partner(folder / "trust" / "uk", agreement.parties.uk.id, now=clock.now())
    return Ministry(
        access_point=make_access_point(
            agreement,
            Direction.FR_TO_UK,
            domain="passerelle.fr",
            signer=keys.as4_sign,
            decryption_keys=keys.decryption_keys,
            recipient=partner.recipients.get(KeyKind.RSA),
            keys=profile_keys(keys, partner),
            trust=partner.trust,
            policy=SecurityPolicy(max_decompressed_bytes=settings.max_bytes),
        ),
        brain=Brain(script=load_script(folder / SCRIPT_FILE), adapter=FrAdapter(), new_id=clock.new_id),
        memory=Memory(folder / DATABASE_FILE),
        transport=transport,
        clock=clock,
        gateway_url=settings.gateway_url,
        retry_s=settings.retry_s,
        files=folder / RECEIVED_FOLDER,
        max_bytes=settings.max_bytes,
    )


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[RunningSandbox]:
    """The sandbox, listening and sending, until the block ends."""
    settings = load_settings(folder)
    transport = HttpTransport(
        clock=SystemClock(),
        tls=client_context(anchors=folder / "trust" / "uk" / "anchors"),
        total_timeout_s=15,
    )
    ministry = make_ministry(folder, transport)
    keys = load_keyring(folder / "keys")
    tls = server_context(certificate=keys.tls_certificate, key=keys.tls_key)
    as4, control = web.AppRunner(make_as4_app(ministry)), web.AppRunner(make_control_app(ministry))
    await as4.setup()
    await control.setup()
    tasks = [asyncio.create_task(ministry.send_forever()), asyncio.create_task(pull_forever(ministry))]
    try:
        await web.TCPSite(as4, LOOPBACK, settings.as4_port, ssl_context=tls).start()
        await web.TCPSite(control, LOOPBACK, settings.control_port).start()
        yield RunningSandbox(
            ministry=ministry,
            as4_url=f"https://{LOOPBACK}:{as4.addresses[0][1]}/as4",
            control_url=f"http://{LOOPBACK}:{control.addresses[0][1]}",
        )
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await ministry.drain()
        await as4.cleanup()
        await control.cleanup()
        await transport.close()
        ministry.memory.close()


async def run_sandbox(folder: Path) -> None:
    """Serves until SIGTERM or SIGINT."""
    stop = stop_on_signal()
    async with serving(folder) as running:
        get_logger().info("sandbox.ready", endpoint=running.as4_url)
        await stop.wait()
