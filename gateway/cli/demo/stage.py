"""Sets the stage of the demo: two folders with keys of their own, the ministry as its own process."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from gateway.bootstrap import Instance
from gateway.cli.setup import make_instance, register_client
from gateway.core.errors import ConfigError, Unavailable
from gateway.core.roles import Role, Side
from gateway.flows.users import add_user
from gateway.sandbox import setup as sandbox

MARK = ".passerelle-demo"
CLIENT = "home-office-demo"
OPERATOR = "operator"
_WORK = (Role.OPERATOR, Role.SUPERVISOR, Role.EXCLUSION, Role.QUOTAS)
PEOPLE = (
    (OPERATOR, Side.UK, _WORK),
    ("operatrice", Side.FR, _WORK),
    ("second-person", Side.UK, _WORK),
    ("administrator", Side.UK, (Role.ADMINISTRATOR,)),
)
START_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Ports:
    """Uk API and console, AS4, the ministry's AS4, the ministry's control; all on loopback."""

    uk: int
    as4: int
    french_as4: int
    french_control: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Folders:
    gateway: Path
    ministry: Path
    password: str
    """Of the console's operator; shown once."""
    ports: Ports


def choose_ports(first: int | None) -> Ports:
    """Four ports in a row from ``first``, or four free ones. Raises ConfigError when one is taken."""
    sockets = []
    try:
        for offset in range(4):
            sock = socket.socket()
            sockets.append(sock)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(("127.0.0.1", 0 if first is None else first + offset))
        numbers = [s.getsockname()[1] for s in sockets]
    except OSError as exc:
        raise ConfigError(
            f"a port from {first} to {(first or 0) + 3} is in use; choose another with --port"
        ) from exc
    finally:
        for sock in sockets:
            sock.close()
    return Ports(uk=numbers[0], as4=numbers[1], french_as4=numbers[2], french_control=numbers[3])


def prepare(folder: Path, ports: Ports) -> Folders:
    """Makes both folders anew. Raises ConfigError when ``folder`` holds anything but an earlier demo."""
    if folder.exists() and any(folder.iterdir()):
        if not (folder / MARK).exists():
            raise ConfigError(f"{folder} is not empty and no demo folder; choose another with --dir")
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARK).write_text("made by passerelle demo; deleted at its next start\n", "utf-8")
    gateway, ministry = folder / "gateway", folder / "ministry"
    make_instance(
        gateway,
        {
            # plain HTTP on loopback, so that a browser shows the console without a warning
            "uk_api": {"port": ports.uk, "tls": False},
            "as4": {"port": ports.as4},
            "france": {"url": f"https://127.0.0.1:{ports.french_as4}/as4"},
            # outages of the demo last seconds, so do its waits
            "retry": {"schedule_s": [0, 0.5, 1, 1, 2, 2, 4, 4, 8], "jitter": 0.1},
            "breaker": {"failures": 4, "first_wait_s": 0.5, "longest_wait_s": 2},
            "log": {"level": "warning"},
            # the demo's own people, on this machine alone: a password, printed once, is enough
            "console": {"unsafe_optional_second_factor": True},
        },
    )
    register_client(gateway, CLIENT)
    password = secrets.token_urlsafe(12)
    sandbox.init(
        ministry,
        settings=sandbox.SandboxSettings(
            as4_port=ports.french_as4,
            control_port=ports.french_control,
            gateway_url=f"https://127.0.0.1:{ports.as4}/as4",
        ),
        script="reply_delay_s = 0.2\n",
    )
    sandbox.trust_each_other(gateway, ministry)
    return Folders(gateway=gateway, ministry=ministry, password=password, ports=ports)


async def make_people(folders: Folders) -> None:
    """The people of the demo: one for day-to-day work on each side, a second person, an administrator; all
    with the password that is printed."""
    instance = Instance.load(folders.gateway)
    store = await instance.open_store(create=True)
    try:
        people = instance.people(store)
        for name, side, roles in PEOPLE:
            await add_user(
                people, name, side=side, roles=roles, by=None, password=folders.password, renew=False
            )
    finally:
        await store.close()


@asynccontextmanager
async def ministry_process(folders: Folders) -> AsyncIterator[str]:
    """The simulated ministry as a process of its own until the block ends; yields its control address.

    Raises Unavailable when it does not start.
    """
    log = (folders.ministry / "sandbox.log").open("ab")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway.sandbox", str(folders.ministry), stdout=log, stderr=log
    )
    control = f"http://127.0.0.1:{folders.ports.french_control}"
    try:
        await _wait_for(control, process)
        yield control
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), 10)
        except TimeoutError:
            process.kill()
            await process.wait()
        log.close()


async def _wait_for(control: str, process: asyncio.subprocess.Process) -> None:
    end = asyncio.get_running_loop().time() + START_SECONDS
    async with aiohttp.ClientSession() as session:
        while asyncio.get_running_loop().time() < end:
            if process.returncode is not None:
                break
            with contextlib.suppress(aiohttp.ClientError):
                async with session.get(f"{control}/status"):
                    return
            await asyncio.sleep(0.1)
    raise Unavailable("the simulated ministry did not start; see ministry/sandbox.log in the demo folder")
