"""Two instance folders and two processes: the gateway on one core, the silent French ministry on another."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import psutil

from gateway.cli.setup import CLIENT_KEYS, client_signer, make_instance, register_client
from gateway.core.jws import JwsSigner
from gateway.sandbox import setup as sandbox
from gateway.transport.tls import client_context

CLIENT = "bench"
START_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """What the load generator needs: addresses, keys, the gateway's process and its database file."""

    url: str
    signer: JwsSigner
    tls: ssl.SSLContext
    gateway: psutil.Process
    ministry: psutil.Process
    database: Path


def cores() -> tuple[set[int], set[int]]:
    """(the gateway's core, the cores of everything else); the same ones on a machine with a single core."""
    usable = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
    return {usable[0]}, set(usable[1:]) or {usable[0]}


def stay_on(these: set[int]) -> None:
    """Keep this process on ``these`` cores, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, these)


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [s.getsockname()[1] for s in sockets]


def prepare(folder: Path, changes: Mapping[str, Mapping[str, Any]] | None = None) -> tuple[int, int]:
    """Makes ``gateway`` and ``ministry`` with keys and mutual trust; returns (UK port, control port)."""
    uk, as4, french, control = _free_ports(4)
    settings: dict[str, dict[str, Any]] = {
        # defaults but for the ports, and for the rate: the limiter would answer 429 to the load
        "uk_api": {"port": uk, "rate_per_second": 100_000, "rate_burst": 1_000_000},
        "as4": {"port": as4, "agreement": "agreement.toml"},
        "france": {"url": f"https://127.0.0.1:{french}/as4"},
    }
    for section, values in (changes or {}).items():
        settings.setdefault(section, {}).update(values)
    make_instance(folder / "gateway", settings)
    (folder / "gateway" / "agreement.toml").write_text(_without_quotas(), "utf-8")
    register_client(folder / "gateway", CLIENT)
    sandbox.init(
        folder / "ministry",
        settings=sandbox.SandboxSettings(
            as4_port=french, control_port=control, gateway_url=f"https://127.0.0.1:{as4}/as4"
        ),
        script='default = "silent"\nservices = {}\n',
    )
    sandbox.trust_each_other(folder / "gateway", folder / "ministry")
    return uk, control


def _without_quotas() -> str:
    """The shipped agreement, but nobody waits for a quota: the load is what is measured."""
    text = resources.files("contracts").joinpath("agreement/uk-fr.toml").read_text("utf-8")
    for name in ("readmissions", "nominations"):
        text = text.replace(f"{name} = 50\n", f"{name} = 100_000_000\n")
    return text


@asynccontextmanager
async def _process(log: Path, *arguments: str) -> AsyncIterator[psutil.Process]:
    with log.open("ab") as stream:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", *arguments, stdout=stream, stderr=stream
        )
    try:
        yield psutil.Process(process.pid)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), 30)
        except TimeoutError:
            process.kill()
            await process.wait()


async def _listening(port: int, process: psutil.Process, log: Path) -> None:
    loop = asyncio.get_running_loop()
    end = loop.time() + START_SECONDS
    while loop.time() < end:
        if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
            break
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return
        await asyncio.sleep(0.1)
    tail = (await asyncio.to_thread(log.read_text, "utf-8", "replace"))[-2000:]
    raise RuntimeError(f"a process of the benchmark did not start; the end of its log:\n{tail}")


@asynccontextmanager
async def running(
    folder: Path,
    *,
    profile: Path | None = None,
    changes: Mapping[str, Mapping[str, Any]] | None = None,
) -> AsyncIterator[Stage]:
    """Both processes until the block ends. Raises RuntimeError with the log when one does not start.

    ``changes``: settings of the gateway that are not the defaults.
    ``profile``: the gateway writes a cProfile there when it stops (slower: no figures from such a run).
    """
    uk, control = await asyncio.to_thread(prepare, folder, changes)
    profiled = () if profile is None else ("--profile", str(profile))
    gateway_log, ministry_log = folder / "gateway.log", folder / "ministry.log"
    async with (
        _process(ministry_log, "gateway.sandbox", str(folder / "ministry")) as ministry,
        _process(gateway_log, "bench.gateway", str(folder / "gateway"), *profiled) as gateway,
    ):
        await _listening(control, ministry, ministry_log)
        await _listening(uk, gateway, gateway_log)
        yield Stage(
            url=f"https://127.0.0.1:{uk}",
            signer=client_signer(folder / "gateway" / CLIENT_KEYS / f"{CLIENT}.key.pem"),
            tls=client_context(anchors=folder / "ministry" / "trust" / "uk" / "anchors"),
            gateway=gateway,
            ministry=ministry,
            database=folder / "gateway" / "passerelle.db",
        )
