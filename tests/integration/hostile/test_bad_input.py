"""What bad input gets, over real HTTPS sockets: a signed ebMS error of the right code, and nothing stored.

Every attack starts from a message that the gateway would accept (the control test sends it), and is sent as
the French access point would send it. Codes are those of as4.md 30.
"""

from __future__ import annotations

import asyncio
import ssl

import pytest

from gateway.core.as4.verified import VerifiedError, VerifiedReceipt
from tests.integration.hostile import attacks_message, attacks_security
from tests.integration.hostile.line import CANARY, Line
from tests.integration.hostile.register import ATTACKS, bend

MODULES = (attacks_security, attacks_message)
"""Importing them fills the register."""
pytestmark = pytest.mark.asyncio(loop_scope="module")

UNREADABLE = {
    "multipart_cut_short",
    "multipart_without_boundary",
    "nothing",
    "soap_with_doctype",
    "wrapped_in_an_unknown_header_block",
    "wrapped_in_the_body",
    "wrapped_in_the_security_header",
    "second_messaging_beside_the_first",
}
"""No MessageId, or more than one: the error refers to none."""


@pytest.mark.parametrize("name", ATTACKS)
async def test_attack(line: Line, name: str, capfd: pytest.CaptureFixture[str]) -> None:
    """The right code in a signed error that names the message, an audit entry without content, and nothing
    else has changed: no row, no inbox item, not the case."""
    code, action, make = ATTACKS[name]
    case = await line.open_case()
    content_type, body = make(line, case)
    before, last = line.counts(), await line.last_audit()
    reply = await asyncio.wait_for(line.send(content_type, body), 10)
    assert isinstance(reply.signal, VerifiedError), reply.signal
    assert [e.code for e in reply.signal.errors] == [code]
    assert reply.status == 200
    assert line.counts() == before
    assert await line.inbox() == []
    assert await line.case_status(case) == "requested"
    (entry,) = await line.audit(after=last)
    assert (entry.action, entry.data["ebms"]) == (action, code)
    if name in UNREADABLE:
        assert (entry.subject, reply.signal.ref_to_message_id) == ("as4", None)
    else:
        assert entry.subject == reply.signal.ref_to_message_id
        assert entry.subject.encode() in body
    database = line.database_bytes()
    printed = "".join(capfd.readouterr())
    for secret in (CANARY, "7501234567", "GHEBREMARIAM", "Ghebremariam"):
        assert secret.encode() not in reply.body
        assert secret.encode() not in database
        assert secret not in printed


async def test_control(line: Line) -> None:
    """The message that every attack starts from is accepted: a receipt, an inbox item, a moved case."""
    case = await line.open_case()
    message = line.decision(case)
    forged = line.forgery(message)
    before, last = line.counts(), await line.last_audit()
    reply = await line.send(*forged.wire())
    assert isinstance(reply.signal, VerifiedReceipt)
    assert reply.signal.ref_to_message_id == forged.header.message_id
    assert [m["message_id"] for m in await line.inbox()] == [message.message_id]
    assert await line.case_status(case) == "accepted"
    assert line.counts()["messages"] == before["messages"] + 1
    assert [e.action for e in await line.audit(after=last)] == ["message.accepted"]
    again = await line.send(*forged.wire())
    assert again.body == reply.body, "a repeated message gets the stored receipt, byte for byte"
    assert line.counts()["messages"] == before["messages"] + 1
    await line.client.acknowledge(message.message_id)


async def test_connection_that_ends_early(line: Line) -> None:
    """A sender that promises more bytes than it sends gets no receipt and leaves nothing."""
    case = await line.open_case()
    content_type, body = bend(line, case)
    before, last = line.counts(), await line.last_audit()
    port = int(line.running.as4_url.split(":")[2].split("/")[0])
    context: ssl.SSLContext = line.tls
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=context, server_hostname="localhost"
    )
    head = f"POST /as4 HTTP/1.1\r\nHost: localhost\r\nContent-Type: {content_type}\r\n"
    writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[: len(body) // 2])
    await writer.drain()
    writer.close()
    assert b"200" not in (await reader.read(200))[:20]
    assert line.counts() == before
    assert await line.case_status(case) == "requested"
    assert await line.audit(after=last) == ()


async def test_too_many_bytes(line: Line) -> None:
    """A body over the limit is refused by its announced length; nothing is stored or audited."""
    before, last = line.counts(), await line.last_audit()
    reply = await line.send("multipart/related", bytes(5_000_001))
    assert (reply.status, reply.signal) == (413, None)
    assert line.counts() == before
    assert await line.audit(after=last) == ()


async def test_other_methods_and_paths(line: Line) -> None:
    """Only POST /as4 (and its liveness) answers on the French side: no API, no console."""
    base = line.running.as4_url.removesuffix("/as4")
    for method, path, status in (
        ("GET", "/as4", 405),
        ("GET", "/v1/messages", 404),
        ("GET", "/console", 404),
        ("GET", "/metrics", 404),
        ("GET", "/livez", 200),
    ):
        async with line.session.request(method, base + path, ssl=line.tls) as response:
            assert response.status == status
