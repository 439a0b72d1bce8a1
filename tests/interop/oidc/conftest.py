"""Keycloak once per session, a realm, and a console that knows it, for each test."""

from __future__ import annotations

import dataclasses
import itertools
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from gateway.config import make_settings
from gateway.core.oidc import ProviderPlan
from gateway.core.people import UserRecord
from gateway.flows import users
from gateway.flows.oidc import CALLBACK, Provider
from gateway.flows.people import People
from gateway.store import open_store
from gateway.transport.oidc import OidcHttp
from gateway.transport.tls import client_context
from gateway.web.console.app import ConsoleServices, make_console
from tests.fixtures.console import MovingClock, make_exchange
from tests.fixtures.databases import PlainKeys
from tests.fixtures.people import people_of
from tests.fixtures.world import free_port
from tests.interop.certificates import Certificates, tls_for
from tests.interop.maven import PeerMissing
from tests.interop.oidc.keycloak import Keycloak, running
from tests.interop.oidc.realm import PASSWORD, SETTINGS, Realm
from tests.interop.oidc.visitor import Visitor, visiting

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def keycloak(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[Keycloak]:
    folder = tmp_path_factory.mktemp("keycloak")
    anchor = certificates.write_ca(folder) / "ca.pem"
    try:
        with running(folder, certificate=tls_for("localhost").write(folder, "tls"), anchor=anchor) as made:
            yield made
    except PeerMissing as exc:
        pytest.skip(f"NOT RUN: {exc}")


@pytest.fixture(scope="session")
def console_port() -> int:
    """Of every console of the session: the provider knows its callback address."""
    return free_port()


@pytest.fixture(scope="session")
def realm(keycloak: Keycloak, console_port: int) -> Realm:
    """One that no test changes."""
    return Realm(keycloak, "agents").make([f"http://127.0.0.1:{console_port}{CALLBACK}"])


def _another(keycloak: Keycloak, port: int) -> Realm:
    return Realm(keycloak, f"agents-{next(_numbers)}").make([f"http://127.0.0.1:{port}{CALLBACK}"])


@pytest.fixture
def own_realm(keycloak: Keycloak, console_port: int) -> Realm:
    """One that the test may change."""
    return _another(keycloak, console_port)


@pytest.fixture(scope="session")
def signing_realm(keycloak: Keycloak, console_port: int) -> Realm:
    """One with a key of every kind; each test says by which its ID tokens are signed."""
    made = _another(keycloak, console_port)
    for provider in ("ecdsa-generated", "eddsa-generated"):
        made.add_key(provider, priority=100)
    return made


@dataclass
class World:
    """A console that runs above a new database, and what it knows of the provider."""

    base: str
    people: People
    clock: MovingClock
    services: ConsoleServices
    anchors: Path
    tls: ssl.SSLContext

    def trust(self, realm: Realm, **changes: Any) -> None:
        """The provider from now on, as the settings would say it; nothing of it is known yet."""
        secret = changes.pop("client_secret", realm.secret)
        anchors = changes.pop("anchors", self.anchors)
        calls = OidcHttp(tls=client_context(anchors=anchors), timeout_s=changes.get("timeout_s", 20))
        provider = Provider(plan=plan_of(realm, secret, **changes), calls=calls)
        object.__setattr__(self.services, "provider", provider)  # frozen for everybody else

    def visitor(self) -> AbstractAsyncContextManager[Visitor]:
        return visiting(self.base, self.tls, PASSWORD)

    async def users(self) -> dict[str, UserRecord]:
        found = await users.list_users(self.people, by=None)
        return {shown.user.name: shown.user for shown in found}


def plan_of(realm: Realm, secret: str, **changes: Any) -> ProviderPlan:
    plan = make_settings({"oidc": {"issuer": realm.issuer, **SETTINGS, **changes}}).oidc.plan(secret)
    assert plan is not None
    return plan


@asynccontextmanager
async def _console(folder: Path, port: int, keycloak: Keycloak) -> AsyncIterator[World]:
    store = open_store(f"sqlite:///{folder}/passerelle.db", keyring=PlainKeys(), create=True)
    clock = MovingClock()
    people = people_of(store, clock)
    base = f"http://127.0.0.1:{port}"
    services = ConsoleServices(
        exchange=dataclasses.replace(make_exchange(store, clock), issuer=base),
        people=people,
        secure_cookie=False,
    )
    runner = web.AppRunner(root := web.Application())
    root.add_subapp("/console", make_console(services))
    await runner.setup()
    await web.SockSite(runner, socket.create_server(("127.0.0.1", port))).start()
    try:
        yield World(base, people, clock, services, keycloak.anchor.parent, keycloak.tls)
    finally:
        await runner.cleanup()
        await store.close()


@pytest.fixture
async def world(tmp_path: Path, console_port: int, keycloak: Keycloak) -> AsyncIterator[World]:
    """The strict console; ``trust`` tells it of a realm."""
    async with _console(tmp_path, console_port, keycloak) as made:
        yield made
