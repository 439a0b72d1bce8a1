"""``passerelle partner test`` over real sockets: the sandbox ministry passes, each fault ends at its step."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from lxml import etree
from typer.testing import CliRunner

from gateway.bootstrap import Instance
from gateway.cli.main import app
from gateway.clock import SystemClock
from gateway.config import settings_text
from gateway.core.as4.content import whole
from gateway.core.as4.namespaces import WSSE, q
from gateway.core.errors import FailedAuthentication
from gateway.flows.access_point import AccessPoint
from gateway.keys import load_keyring
from gateway.keys.pki import Issued, make_ca, make_tls_certificate
from gateway.partners.probe import Outcome, Probe, Step, Target
from gateway.transport.tls import server_context
from gateway.wiring import french_transport
from tests.fixtures.ends import french_point
from tests.fixtures.world import World, free_port, make_world

CLOCK = SystemClock()
Answer = Callable[[AccessPoint, web.Request, bytes], Awaitable[web.StreamResponse]]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """Both sides' folders; only the ministry runs."""
    with make_world(start=False) as made:
        made.start_ministry()
        yield made


def at(
    world: World, url: str, *, anchors: str | None = None, present: bool = False, total: float = 4.0
) -> Instance:
    """The gateway's instance with another address of the partner."""
    france: dict[str, Any] = {
        "url": url,
        "connect_timeout_s": 2.0,
        "total_timeout_s": total,
        "present_client_certificate": present,
    }
    if anchors is not None:
        france["anchors"] = anchors
    (world.uk / "passerelle.toml").write_text(settings_text({"france": france, "worker": {"lease_s": 30}}))
    return Instance.load(world.uk)


async def steps(instance: Instance, *, message: bool = False) -> list[Step]:
    url = instance.settings.france.url
    target = Target(
        url=url, tls=instance.french_tls() if url.startswith("https") else None, connect_timeout_s=2.0
    )
    async with french_transport(instance) as transport:
        probe = Probe(
            target=target, access_point=instance.make_access_point(), transport=transport, clock=CLOCK
        )
        return [step async for step in probe.run(message=message)]


def failure(found: list[Step]) -> Step:
    """The one step that failed; those before passed, those after were not tried."""
    outcomes = [step.outcome for step in found]
    place = outcomes.index(Outcome.FAILED)
    assert set(outcomes[:place]) <= {Outcome.OK}
    assert set(outcomes[place + 1 :]) <= {Outcome.SKIPPED}
    step = found[place]
    assert step.cause
    assert step.cure
    return step


# ---- the ministry ---------------------------------------------------------------------------------


async def test_the_sandbox_ministry_passes(world: World) -> None:
    """Every step, with the facts a machine needs: TLS version, names, days, message id, references."""
    found = await steps(at(world, f"https://localhost:{world.french_port}/as4"))
    assert [(s.name, s.outcome) for s in found] == [
        (name, Outcome.OK) for name in ("DNS", "TCP", "TLS", "ping", "receipt")
    ]
    facts = {s.name: s.facts for s in found}
    assert facts["TLS"]["version"] == "TLSv1.3"
    assert "localhost" in facts["TLS"]["names"]
    assert facts["TLS"]["days_left"] > 700
    assert facts["receipt"]["party"] == "FR-MI-AS4"
    assert facts["receipt"]["references"] == 2
    assert not world.ministry_status()["received"]


async def test_a_test_message_needs_a_test_pmode(world: World) -> None:
    """The agreement has none, so nothing is sent and the step says why."""
    found = await steps(at(world, f"https://localhost:{world.french_port}/as4"), message=True)
    assert failure(found).name == "message"
    assert not world.ministry_status()["received"]


def test_the_command_says_it_for_people_and_machines(world: World) -> None:
    """Exit status 0 and a line for each step; JSON with ``ok``; status 1 when the address is wrong."""
    at(world, f"https://localhost:{world.french_port}/as4")
    shown = CliRunner().invoke(app, ["-C", str(world.uk), "partner", "test", "fr"])
    assert shown.exit_code == 0, shown.output
    assert "Connected: every step passed." in shown.stdout
    assert max(map(len, shown.stdout.splitlines())) <= 80
    found = CliRunner().invoke(app, ["-C", str(world.uk), "partner", "test", "--json"])
    assert (found.exit_code, json.loads(found.stdout)["ok"]) == (0, True)
    at(world, f"https://localhost:{free_port()}/as4")
    broken = CliRunner().invoke(app, ["-C", str(world.uk), "partner", "test", "--json"])
    report = json.loads(broken.stdout)
    assert (broken.exit_code, report["ok"]) == (1, False)
    assert [s["outcome"] for s in report["steps"]] == ["ok", "ok", "failed", *["not tried"] * 3]


def test_an_instance_without_certificates_fails_at_setup(world: World, tmp_path: Path) -> None:
    """Before anything is sent; the JSON report has the same steps."""
    assert CliRunner().invoke(app, ["init", str(tmp_path / "new")]).exit_code == 0
    result = CliRunner().invoke(app, ["-C", str(tmp_path / "new"), "partner", "test", "--json"])
    report = json.loads(result.stdout)
    assert (result.exit_code, report["steps"][0]["name"]) == (1, "setup")
    assert "no certificate (*.pem)" in report["steps"][0]["cause"]


# ---- the way there --------------------------------------------------------------------------------


async def test_a_name_that_nobody_knows(world: World) -> None:
    """DNS fails for a name that is reserved never to exist (RFC 6761)."""
    step = failure(await steps(at(world, "https://as4.ministere.invalid/as4")))
    assert (step.name, step.result) == ("DNS", "as4.ministere.invalid has no address")
    assert "check france.url" in (step.cure or "")


async def test_a_closed_port(world: World) -> None:
    """TCP is refused at once."""
    port = free_port()
    step = failure(await steps(at(world, f"https://localhost:{port}/as4")))
    assert (step.name, step.result) == ("TCP", f"localhost port {port} refuses connections")
    assert "nothing listens there" in (step.cause or "")


@contextlib.contextmanager
def tls_server(issued: Issued, folder: Path, *, old: bool = False, ask: bool = False) -> Iterator[int]:
    """A TLS server that says nothing after the handshake; ``old``: version 1.1 and nothing newer; ``ask``:
    wants a client certificate.

    With blocking sockets: unlike asyncio they let OpenSSL's alerts out, as real servers do.
    """
    (folder / "server.crt.pem").write_bytes(issued.chain_pem)
    (folder / "server.key.pem").write_bytes(issued.key_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.crt.pem", folder / "server.key.pem")
    if old:
        context.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.warns(DeprecationWarning, match=r"TLSVersion.TLSv1_1 is deprecated"):
            context.minimum_version = ssl.TLSVersion.TLSv1_1
        with pytest.warns(DeprecationWarning, match=r"TLSVersion.TLSv1_1 is deprecated"):
            context.maximum_version = ssl.TLSVersion.TLSv1_1
    if ask:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(folder / "server.crt.pem")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_serve, args=(listener, context), daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)  # wakes accept
        thread.join(timeout=5)


def _serve(listener: socket.socket, context: ssl.SSLContext) -> None:
    while True:
        try:
            raw, _ = listener.accept()
        except OSError:
            return
        with raw, contextlib.suppress(OSError):
            raw.settimeout(3)
            with context.wrap_socket(raw, server_side=True) as secured:
                secured.recv(1)


async def test_an_alert_after_the_handshake(world: World, tmp_path: Path) -> None:
    """A server that sends TLS 1.3's certificate_required alert: OpenSSL's reason is the cause."""
    issued = make_tls_certificate(_ca(world), now=CLOCK.now(), country="FR")
    with tls_server(issued, tmp_path, ask=True) as port:
        step = failure(await steps(at(world, f"https://localhost:{port}/as4", anchors="trust/tls-test")))
    assert (step.name, step.result) == ("TLS", "the server refuses our client certificate, or wants one")
    assert "CERTIFICATE_REQUIRED" in (step.cause or "")
    assert "france.present_client_certificate = true" in (step.cure or "")


def _ca(world: World) -> Issued:
    """A CA that the gateway trusts for TLS only."""
    ca = make_ca("Test TLS CA", now=CLOCK.now(), country="FR")
    target = world.uk / "trust" / "tls-test"
    target.mkdir(exist_ok=True)
    (target / "ca.pem").write_bytes(ca.chain_pem)
    return ca


async def test_a_certificate_for_another_name(world: World, tmp_path: Path) -> None:
    """TLS fails, and says which names the certificate has."""
    ca = _ca(world)
    issued = make_tls_certificate(ca, now=CLOCK.now(), hosts=["as4.elsewhere.example"], country="FR")
    with tls_server(issued, tmp_path) as port:
        step = failure(await steps(at(world, f"https://localhost:{port}/as4", anchors="trust/tls-test")))
    assert (step.name, step.result) == ("TLS", "the certificate is not for localhost")
    assert step.cause == "it names: as4.elsewhere.example"


async def test_a_certificate_of_an_unknown_ca(world: World, tmp_path: Path) -> None:
    """TLS fails, shows the issuer, and says how its CA is added."""
    other = make_ca("Unknown TLS CA", now=CLOCK.now(), country="FR")
    issued = make_tls_certificate(other, now=CLOCK.now(), country="FR")
    with tls_server(issued, tmp_path) as port:
        step = failure(await steps(at(world, f"https://localhost:{port}/as4")))
    assert step.name == "TLS"
    assert step.result == "the TLS certificate is from a CA that is not trusted here"
    assert "CN=Unknown TLS CA" in (step.cause or "")
    assert "--tls-ca FILE" in (step.cure or "")


async def test_an_expired_certificate(world: World, tmp_path: Path) -> None:
    """TLS fails, and says since when."""
    ca = _ca(world)
    past = CLOCK.now().replace(year=CLOCK.now().year - 1, day=1)
    issued = make_tls_certificate(ca, now=past, days=30, country="FR")
    with tls_server(issued, tmp_path) as port:
        step = failure(await steps(at(world, f"https://localhost:{port}/as4", anchors="trust/tls-test")))
    assert (step.name, step.result) == ("TLS", "the TLS certificate has expired")
    assert str(past.year) in (step.cause or "")


@pytest.mark.as4(34)
async def test_a_server_with_tls_1_1_only(world: World, tmp_path: Path) -> None:
    """TLS fails for want of a common version; nothing older than 1.2 is tried."""
    issued = make_tls_certificate(_ca(world), now=CLOCK.now(), country="FR")
    with tls_server(issued, tmp_path, old=True) as port:
        step = failure(await steps(at(world, f"https://localhost:{port}/as4", anchors="trust/tls-test")))
    assert (step.name, step.result) == ("TLS", "no common TLS version: we need 1.2 or newer")
    assert "TLS 1.2 and 1.3" in (step.cure or "")


async def test_a_port_that_speaks_plain_http(world: World) -> None:
    """TLS fails on the sandbox's control endpoint, which is plain."""
    step = failure(await steps(at(world, f"https://localhost:{world.control_port}/as4")))
    assert (step.name, step.result) == ("TLS", "the port does not speak TLS")


# ---- AS4 ------------------------------------------------------------------------------------------


def ministry_point(world: World) -> AccessPoint:
    """The ministry's side, to answer with what each test makes of it."""
    return french_point(world.fr, Instance.load(world.uk).agreement, domain="ministere.example")


@contextlib.asynccontextmanager
async def endpoint(
    point: AccessPoint, answer: Answer, tls: ssl.SSLContext | None = None
) -> AsyncIterator[str]:
    """An HTTP endpoint on loopback; TLS has tests of its own above."""

    async def handle(request: web.Request) -> web.StreamResponse:
        return await answer(point, request, await request.read())

    served = web.Application(client_max_size=10_000_000)
    served.router.add_post("/as4", handle)
    runner = web.AppRunner(served)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
        yield f"{'https' if tls else 'http'}://127.0.0.1:{runner.addresses[0][1]}/as4"
    finally:
        await runner.cleanup()


def _response(content_type: str, body: bytes, status: int = 200) -> web.Response:
    return web.Response(status=status, body=body, headers={"Content-Type": content_type})


async def _receipt(point: AccessPoint, request: web.Request, body: bytes) -> tuple[str, bytes]:
    verified = point.open_request(request.headers["Content-Type"], body, now=CLOCK.now())
    sealed = point.receipt(verified, signal_id=CLOCK.new_id(), now=CLOCK.now())
    return sealed.content_type, whole(sealed.body)


async def good(point: AccessPoint, request: web.Request, body: bytes) -> web.StreamResponse:
    return _response(*await _receipt(point, request, body))


async def page(_point: AccessPoint, _request: web.Request, _body: bytes) -> web.StreamResponse:
    return _response("text/html; charset=utf-8", b"<!DOCTYPE html><html><body>Welcome</body></html>")


async def missing(_point: AccessPoint, _request: web.Request, _body: bytes) -> web.StreamResponse:
    raise web.HTTPNotFound


async def elsewhere(_point: AccessPoint, _request: web.Request, _body: bytes) -> web.StreamResponse:
    raise web.HTTPFound("https://login.example/")


async def nothing(_point: AccessPoint, _request: web.Request, _body: bytes) -> web.StreamResponse:
    return web.Response(status=202)


async def broken(_point: AccessPoint, _request: web.Request, _body: bytes) -> web.StreamResponse:
    return web.Response(status=503)


async def unsigned(point: AccessPoint, request: web.Request, body: bytes) -> web.StreamResponse:
    """A good receipt whose WS-Security header was taken out."""
    _, content = await _receipt(point, request, body)
    start, end = content.index(b"<S12:Envelope"), content.index(b"</S12:Envelope>") + len(b"</S12:Envelope>")
    root = etree.fromstring(content[start:end])  # noqa: TID251 — what we sealed ourselves a moment ago
    for security in list(root.iter(q(WSSE, "Security"))):
        parent = security.getparent()
        assert parent is not None
        parent.remove(security)
    return _response("application/soap+xml; charset=UTF-8", etree.tostring(root))


async def stale(point: AccessPoint, request: web.Request, body: bytes) -> web.StreamResponse:
    """The receipt of another message."""
    del request, body
    other = Instance.load(WORLD[0].uk).make_access_point()
    sealed = other.ping(message_id=CLOCK.new_id(), conversation_id=CLOCK.new_id(), now=CLOCK.now())
    verified = point.open_request(sealed.content_type, whole(sealed.body), now=CLOCK.now())
    receipt = point.receipt(verified, signal_id=CLOCK.new_id(), now=CLOCK.now())
    return _response(receipt.content_type, whole(receipt.body))


async def refusing(point: AccessPoint, request: web.Request, body: bytes) -> web.StreamResponse:
    """A signed error signal."""
    verified = point.open_request(request.headers["Content-Type"], body, now=CLOCK.now())
    sealed = point.error(
        FailedAuthentication("the signing certificate is not trusted"),
        signal_id=CLOCK.new_id(),
        now=CLOCK.now(),
        ref_to=verified.message.message_id,
    )
    return _response(sealed.content_type, whole(sealed.body))


async def refusing_unsigned(point: AccessPoint, request: web.Request, body: bytes) -> web.StreamResponse:
    """As Domibus does when it cannot verify us: a SOAP message with the code, and no signature."""
    del point, request, body
    text = (
        b'<env:Envelope xmlns:env="http://www.w3.org/2003/05/soap-envelope"><env:Header><eb:Messaging '
        b'xmlns:eb="http://docs.oasis-open.org/ebxml-msg/ebms/v3.0/ns/core/200704/"><eb:SignalMessage>'
        b'<eb:Error errorCode="EBMS:0010" severity="failure"/></eb:SignalMessage></eb:Messaging>'
        b"</env:Header><env:Body/></env:Envelope>"
    )
    return _response("application/soap+xml", text, 500)


WORLD: list[World] = []


@pytest.mark.as4(29)
@pytest.mark.parametrize(
    ("answer", "step", "result", "cure"),
    [
        (page, "ping", "HTTP 200 with a web page instead of AS4", "check the path in france.url"),
        (missing, "ping", "HTTP 404 instead of AS4", "check the path in france.url"),
        (elsewhere, "ping", "HTTP 302: the server sends us elsewhere", "the final address"),
        (nothing, "ping", "HTTP 202 without any receipt", "receipts to reply in the response"),
        (broken, "ping", "HTTP 503 without an AS4 signal", "looks at its log"),
        (refusing, "ping", "the partner answers with EBMS:0101", "show --ours --export"),
        (
            refusing_unsigned,
            "ping",
            "an error signal, EBMS:0010, that cannot be verified",
            "partner pmode --for domibus",
        ),
        (unsigned, "receipt", "the answer is not signed as agreed", "signs its receipts"),
        (stale, "receipt", "the receipt does not prove what was sent", "every ds:Reference"),
    ],
    ids=lambda value: getattr(value, "__name__", None) or "",
)
async def test_each_wrong_answer_ends_at_its_step(
    world: World, answer: Answer, step: str, result: str, cure: str
) -> None:
    """What the partner answers instead of a receipt is named, with what helps."""
    WORLD[:] = [world]
    async with endpoint(ministry_point(world), answer) as url:
        found = failure(await steps(at(world, url)))
    assert (found.name, found.result) == (step, result)
    assert cure in (found.cure or "")


async def test_the_endpoint_of_these_tests_would_pass(world: World) -> None:
    """The same endpoint with a good receipt passes: the faults above are the only difference."""
    async with endpoint(ministry_point(world), good) as url:
        found = await steps(at(world, url))
    assert {s.outcome for s in found} == {Outcome.OK}
    assert found[2].facts == {"tls": False}


async def test_a_receipt_of_another_key_is_not_accepted(world: World) -> None:
    """Signed, but with a key that is not pinned for the ministry: compare fingerprints."""
    point = ministry_point(world)
    foreign = Instance.load(world.uk).keyring.as4_sign
    async with endpoint(_with_signer(point, foreign), good) as url:
        step = failure(await steps(at(world, url)))
    assert (step.name, step.result) == ("receipt", "the signature of the answer is not accepted")
    assert "compare SHA-256 fingerprints by phone" in (step.cure or "")


def _with_signer(point: AccessPoint, signer: Any) -> AccessPoint:
    return dataclasses.replace(point, signer=signer)


async def test_a_server_that_wants_a_client_certificate(world: World) -> None:
    """TLS 1.3 tells it after the handshake: the step names the setting that helps; with it, all pass."""
    keys = load_keyring(world.fr / "keys")
    tls = server_context(
        certificate=keys.tls_certificate,
        key=keys.tls_key,
        client_certificates="required",
        client_anchors=world.fr / "trust" / "uk" / "anchors",
    )
    async with endpoint(ministry_point(world), good, tls) as url:
        step = failure(await steps(at(world, url)))
        assert (step.name, step.result) == (
            "TLS",
            "the server ends the connection right after the handshake",
        )
        assert "france.present_client_certificate = true" in (step.cure or "")
        found = await steps(at(world, url, present=True))
    assert {s.outcome for s in found} == {Outcome.OK}


async def test_a_partner_that_hangs(world: World) -> None:
    """It takes the ping and says nothing: the total timeout ends it."""

    async def hang(_point: AccessPoint, _request: web.Request, _body: bytes) -> web.StreamResponse:
        await asyncio.sleep(30)
        return web.Response()

    async with endpoint(ministry_point(world), hang) as url:
        step = failure(await steps(at(world, url, total=1.0)))
    assert (step.name, step.result) == ("ping", "the partner took the ping and did not answer in time")
