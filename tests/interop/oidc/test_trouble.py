"""Settings that do not fit the provider: each has a cause, in the reader's language and in the log."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.core.oidc_causes import CAUSES, Cause, OidcFault
from gateway.flows import oidc
from tests.interop.certificates import Certificates, tls_for
from tests.interop.oidc.conftest import World
from tests.interop.oidc.realm import Realm

pytestmark = pytest.mark.interop


async def judged(world: World, *, language: str = "en") -> tuple[int, str | None]:
    """Status and cause as the page says them; the log says the same, and the page in words."""
    async with world.visitor() as visitor:
        with capture_logs() as lines:
            page = await visitor.get(f"{world.base}/console/login/provider?lang={language}")
            if page.url.host == "localhost":
                page = await visitor.fill_in(page, "oliver")
    if page.cause is not None:
        words = CAUSES[Cause(page.cause)]
        said = page.text.replace("&#39;", "'").replace("&#34;", '"')
        assert (words.fr if language == "fr" else words.en) in said
        told = [line for line in lines if line["event"] == "signin.provider"]
        assert [line["reason"] for line in told] == [page.cause]
        assert "oliver" not in str(told)
    return page.status, page.cause


async def examined(world: World) -> str | None:
    """The cause that an administrator finds without anybody signing in."""
    provider = world.services.provider
    assert provider is not None
    try:
        await oidc.examine(provider, world.clock.now(), redirect_uri=world.base + oidc.CALLBACK)
    except OidcFault as exc:
        return exc.cause.value
    return None


@pytest.mark.parametrize("language", ["en", "fr"])
@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"client_secret": "another"}, "client"),
        ({"issuer": "{issuer}/"}, "issuer"),
        ({"issuer": "{issuer}-typo"}, "no_metadata"),
        ({"issuer": "https://127.0.0.1:{port}/realms/agents"}, "certificate_name"),
        ({"issuer": "https://localhost:9/realms/agents"}, "no_connection"),
        ({"issuer": "https://no-such-host.invalid/realms/agents"}, "no_address"),
        ({"issuer": "https://localhost:{port}"}, "no_metadata"),
        ({"anchors": None}, "certificate_ca"),
    ],
)
async def test_settings_that_do_not_fit(
    world: World, realm: Realm, changes: dict[str, Any], cause: str, language: str
) -> None:
    """On the page at the first sign-in, and before it by ``examine``."""
    facts = {"issuer": realm.issuer, "port": realm.keycloak.port}
    filled = {k: v.format(**facts) if isinstance(v, str) else v for k, v in changes.items()}
    world.trust(realm, **filled)
    status, found = await judged(world, language=language)
    assert found == cause
    assert status in {401, 503}
    assert await examined(world) == cause


async def test_settings_that_fit(world: World, realm: Realm) -> None:
    """``examine`` finds nothing, and leaves nothing: nobody has signed in."""
    world.trust(realm)
    assert await examined(world) is None
    assert await world.users() == {}


async def test_a_client_that_the_provider_does_not_know(world: World, realm: Realm) -> None:
    """Keycloak sends nobody back to whom it does not know, and says so itself; ``examine`` tells us."""
    world.trust(realm, client_id="somebody-else")
    async with world.visitor() as visitor:
        page = await visitor.get(await visitor.away())
        assert (page.status, page.url.host) == (400, "localhost")
    assert await examined(world) == "client"


async def test_a_public_client(world: World, own_realm: Realm) -> None:
    """Without a secret PKCE alone binds the code; with one missing for a confidential client it is told."""
    object.__setattr__(own_realm, "secret", None)
    world.trust(own_realm)
    assert await judged(world) == (401, "client")
    own_realm.change_client(publicClient=True)
    assert await judged(world) == (200, None)
    assert await examined(world) is None


@pytest.fixture
def silent() -> Iterator[int]:
    """A port that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


async def test_a_provider_that_is_silent(world: World, realm: Realm, silent: int) -> None:
    """Given up after ``oidc.timeout_s``."""
    world.trust(realm, issuer=f"https://127.0.0.1:{silent}", timeout_s=0.5)
    assert await judged(world) == (503, "timed_out")


def _serve_once(listener: socket.socket, context: ssl.SSLContext | None) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection:
            try:
                wrapped = context.wrap_socket(connection, server_side=True) if context else connection
                wrapped.recv(4096)
                wrapped.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")
                wrapped.close()
            except OSError:
                continue


@pytest.mark.parametrize("kind", ["no TLS", "old TLS", "expired", "not a provider"])
async def test_something_else_answers(
    world: World, realm: Realm, certificates: Certificates, tmp_path: Path, kind: str
) -> None:
    """Plain http, TLS 1.1, a certificate that has ended, and a page that is no metadata."""
    key, chain = tls_for("localhost", ended=kind == "expired").write(tmp_path, "server")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    if kind == "old TLS":
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    expected = {
        "no TLS": (503, "tls"),
        "old TLS": (503, "tls"),
        "expired": (503, "certificate_date"),
        "not a provider": (401, "answer"),
    }[kind]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        given = None if kind == "no TLS" else context
        threading.Thread(target=_serve_once, args=(listener, given), daemon=True).start()
        world.trust(realm, issuer=f"https://localhost:{port}", anchors=certificates.write_ca(tmp_path))
        assert await judged(world) == expected
        listener.shutdown(socket.SHUT_RDWR)
