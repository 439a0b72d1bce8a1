"""What bad input gets, over real HTTPS sockets: a signed ebMS error of the right code, and nothing stored.

Every attack starts from a message that the gateway would accept (the control test sends it), and is sent as
the French access point would send it. Codes are those of as4.md 30.
"""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import datetime as dt
import ssl
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from lxml import etree

from contracts import model
from gateway.core.as4 import namespaces as ns
from gateway.core.as4.compression import gzip
from gateway.core.as4.message import PartInfo, Payload, Property
from gateway.core.as4.verified import VerifiedError, VerifiedReceipt
from gateway.keys import load_keyring
from tests.fixtures import pki
from tests.fixtures.as4 import find, one
from tests.integration.hostile.line import CANARY, Case, Line

pytestmark = pytest.mark.asyncio(loop_scope="module")

OTHER, INCONSISTENT, MIME, HEADER = "EBMS:0004", "EBMS:0003", "EBMS:0007", "EBMS:0009"
PMODE, EXTERNAL, AUTHENTICATION, DECRYPTION = "EBMS:0010", "EBMS:0011", "EBMS:0101", "EBMS:0102"
POLICY, DECOMPRESSION = "EBMS:0103", "EBMS:0303"
Wire = tuple[str, bytes]
Attack = Callable[[Line, Case], Wire]
ATTACKS: dict[str, tuple[str, str, Attack]] = {}
"""Name → (EBMS code, action of the audit entry, how it is made)."""


def attack(code: str, *, action: str = "message.refused") -> Callable[[Attack], Attack]:
    def register(make: Attack) -> Attack:
        ATTACKS[make.__name__] = (code, action, make)
        return make

    return register


def bend(line: Line, case: Case, **changes: Any) -> Wire:
    return line.forgery(line.decision(case), **changes).wire()


def remove(root: etree._Element, path: str) -> None:
    element = one(root, path)
    element.getparent().remove(element)


def document(line: Line, case: Case) -> tuple[model.Message, bytes]:
    message = line.decision(case)
    return message, line.adapter.from_canonical(message).content


# ---- signature ----------------------------------------------------------------------------------


@attack(POLICY)
def without_security(line: Line, case: Case) -> Wire:
    """No Security header, payload in clear."""
    return bend(line, case, recipient=None, after=lambda root: remove(root, "//wsse:Security"))


@attack(POLICY)
def encrypted_but_unsigned(line: Line, case: Case) -> Wire:
    return bend(line, case, after=lambda root: remove(root, "//ds:Signature"))


@attack(POLICY)
def signed_but_not_encrypted(line: Line, case: Case) -> Wire:
    return bend(line, case, recipient=None)


@attack(AUTHENTICATION)
def signed_by_a_stranger(line: Line, case: Case) -> Wire:
    return bend(line, case, signer=pki.untrusted())


@attack(AUTHENTICATION)
def signed_with_our_own_key(line: Line, case: Case) -> Wire:
    """Reflection: the gateway's own signing key does not speak for France."""
    return bend(line, case, signer=load_keyring(line.world.uk / "keys").as4_sign)


@attack(AUTHENTICATION)
def signature_value_changed(line: Line, case: Case) -> Wire:
    def change(root: etree._Element) -> None:
        value = one(root, "//ds:SignatureValue")
        value.text = ("A" if value.text[0] != "A" else "B") + value.text[1:]

    return bend(line, case, after=change)


@attack(AUTHENTICATION)
def digest_changed(line: Line, case: Case) -> Wire:
    def change(root: etree._Element) -> None:
        value = find(root, "//ds:DigestValue")[0]
        value.text = ("A" if value.text[0] != "A" else "B") + value.text[1:]

    return bend(line, case, after=change)


@attack(AUTHENTICATION)
def header_changed_after_signing(line: Line, case: Case) -> Wire:
    def change(root: etree._Element) -> None:
        one(root, "//eb:ConversationId").text = CANARY

    return bend(line, case, after=change)


# ---- wrapping -----------------------------------------------------------------------------------


def _wrap(hide: Callable[[etree._Element, etree._Element], None]) -> Callable[[etree._Element], None]:
    """The signed Messaging hidden by ``hide``, a forged one in its place."""

    def change(root: etree._Element) -> None:
        signed = one(root, "/S12:Envelope/S12:Header/eb:Messaging")
        forged = copy.deepcopy(signed)
        forged.attrib.pop(ns.q(ns.WSU, "Id"))
        one(forged, ".//eb:ConversationId").text = CANARY
        signed.getparent().replace(signed, forged)
        hide(root, signed)

    return change


@attack(HEADER)
def wrapped_in_an_unknown_header_block(line: Line, case: Case) -> Wire:
    def hide(root: etree._Element, signed: etree._Element) -> None:
        block = etree.SubElement(one(root, "/S12:Envelope/S12:Header"), "{urn:evil}Wrapper")
        block.append(signed)

    return bend(line, case, after=_wrap(hide))


@attack(HEADER)
def wrapped_in_the_body(line: Line, case: Case) -> Wire:
    return bend(
        line, case, after=_wrap(lambda root, signed: one(root, "/S12:Envelope/S12:Body").append(signed))
    )


@attack(HEADER)
def wrapped_in_the_security_header(line: Line, case: Case) -> Wire:
    return bend(line, case, after=_wrap(lambda root, signed: one(root, "//wsse:Security").append(signed)))


@attack(HEADER)
def second_messaging_beside_the_first(line: Line, case: Case) -> Wire:
    def change(root: etree._Element) -> None:
        signed = one(root, "//eb:Messaging")
        signed.addprevious(copy.deepcopy(signed))

    return bend(line, case, after=change)


# ---- payload ------------------------------------------------------------------------------------


def _flip(parts: dict[str, bytes]) -> dict[str, bytes]:
    changed = {cid: bytearray(content) for cid, content in parts.items()}
    changed[LEADING][-1] ^= 1
    return {cid: bytes(content) for cid, content in changed.items()}


LEADING = "document"


@attack(DECRYPTION)
def ciphertext_tampered(line: Line, case: Case) -> Wire:
    return bend(line, case, travelling=_flip)


@attack(AUTHENTICATION)
def payload_exchanged_after_signing(line: Line, case: Case) -> Wire:
    """Well encrypted for us, but not what was signed."""
    return bend(line, case, before_encryption=lambda _: {LEADING: gzip(f"<x>{CANARY}</x>".encode())})


@attack(DECRYPTION)
def encrypted_for_someone_else(line: Line, case: Case) -> Wire:
    return bend(line, case, recipient=pki.party(pki.OTHER).decryption.certificate)


@attack(DECRYPTION)
def wrapped_key_destroyed(line: Line, case: Case) -> Wire:
    def change(root: etree._Element) -> None:
        value = one(root, "//xenc:EncryptedKey/xenc:CipherData/xenc:CipherValue")
        value.text = ("A" if value.text[0] != "A" else "B") + value.text[1:]

    return bend(line, case, after=change)


def _gzipped(content: bytes) -> dict[str, Any]:
    properties = (
        Property(name="MimeType", value="application/xml"),
        Property(name="CompressionType", value="application/gzip"),
    )
    return {
        "infos": (PartInfo(content_id=LEADING, properties=properties),),
        "contents": {LEADING: content},
    }


@attack(DECOMPRESSION)
def gzip_bomb(line: Line, case: Case) -> Wire:
    """256 MiB of blanks in 260 kB."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    chunk = b" " * (1 << 20)
    bomb = b"".join(packer.compress(chunk) for _ in range(256)) + packer.flush()
    return bend(line, case, **_gzipped(bomb))


@attack(DECOMPRESSION)
def not_gzip_at_all(line: Line, case: Case) -> Wire:
    return bend(line, case, **_gzipped(f"<x>{CANARY}</x>".encode()))


@attack(DECOMPRESSION)
def gzip_cut_short(line: Line, case: Case) -> Wire:
    _, content = document(line, case)
    return bend(line, case, **_gzipped(gzip(content)[:-9]))


# ---- MIME and SOAP ------------------------------------------------------------------------------


@attack(MIME)
def multipart_cut_short(line: Line, case: Case) -> Wire:
    content_type, body = bend(line, case)
    return content_type, body[: len(body) * 2 // 3]


@attack(MIME)
def multipart_without_boundary(line: Line, case: Case) -> Wire:
    _, body = bend(line, case)
    return "multipart/related", body


@attack(MIME)
def part_missing(line: Line, case: Case) -> Wire:
    return bend(line, case, travelling=lambda parts: {"another": parts[LEADING]})


@attack(MIME)
def surplus_part(line: Line, case: Case) -> Wire:
    return bend(line, case, travelling=lambda parts: {**parts, "surplus": CANARY.encode()})


@attack(MIME)
def nothing(line: Line, case: Case) -> Wire:
    return "application/octet-stream", b""


@attack(HEADER)
def soap_with_doctype(line: Line, case: Case) -> Wire:
    content_type, body = bend(line, case)
    doctype = f'<!DOCTYPE x [<!ENTITY e "{CANARY}">]>'.encode()
    return content_type, body.replace(b"<S12:Envelope", doctype + b"<S12:Envelope", 1)


@attack(EXTERNAL)
def payload_elsewhere(line: Line, case: Case) -> Wire:
    """A PartInfo that points to an address: nothing is ever fetched."""

    def change(root: etree._Element) -> None:
        one(root, "//eb:PartInfo").set("href", "http://127.0.0.1:9/payload")

    return bend(line, case, before_signing=change)


# ---- P-Mode and header --------------------------------------------------------------------------


def _header(line: Line, case: Case, **changes: Any) -> Wire:
    forged = line.forgery(line.decision(case))
    forged.header = dataclasses.replace(forged.header, **changes)
    return forged.wire()


@attack(PMODE)
def unknown_action(line: Line, case: Case) -> Wire:
    return _header(line, case, action=CANARY)


@attack(PMODE)
def unknown_service(line: Line, case: Case) -> Wire:
    return _header(line, case, service="urn:evil:service")


@attack(PMODE)
def another_agreement(line: Line, case: Case) -> Wire:
    return _header(line, case, agreement_ref="urn:evil:agreement")


@attack(INCONSISTENT)
def message_from_last_year(line: Line, case: Case) -> Wire:
    return _header(line, case, timestamp=line.clock.now() - dt.timedelta(days=365))


@attack(INCONSISTENT)
def message_id_of_another_document(line: Line, case: Case) -> Wire:
    return _header(line, case, message_id=f"{line.clock.new_id()}@passerelle.fr")


@attack(INCONSISTENT)
def conversation_of_another_document(line: Line, case: Case) -> Wire:
    return _header(line, case, conversation_id=line.clock.new_id())


# ---- business document --------------------------------------------------------------------------


def _content(line: Line, case: Case, change: Callable[[bytes], bytes]) -> Wire:
    message, content = document(line, case)
    changed = change(content)
    assert changed != content
    return line.forgery(message, content=changed).wire()


@attack(OTHER)
def french_document_not_in_the_contract(line: Line, case: Case) -> Wire:
    return _content(line, case, lambda c: c.replace(b"<acceptee/>", b"<acceptee>peut-etre</acceptee>"))


@attack(OTHER)
def french_document_cut_short(line: Line, case: Case) -> Wire:
    return _content(line, case, lambda c: c[:-20])


@attack(OTHER)
def french_document_with_doctype(line: Line, case: Case) -> Wire:
    return _content(
        line, case, lambda c: c.replace(b"<Decision", b"<!DOCTYPE DecisionReadmission><Decision", 1)
    )


@attack(OTHER)
def french_document_with_external_entity(line: Line, case: Case) -> Wire:
    doctype = b'<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/hostname">]>'
    return _content(
        line,
        case,
        lambda c: c.replace(b"<Decision", doctype + b"<Decision", 1).replace(
            b"<acceptee/>", b"<acceptee>&x;</acceptee>"
        ),
    )


@attack(OTHER)
def french_document_with_entity_expansion(line: Line, case: Case) -> Wire:
    """A billion laughs."""
    levels = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    doctype = f'<!DOCTYPE d [<!ENTITY l0 "{CANARY}">{levels}]>'.encode()
    return _content(
        line,
        case,
        lambda c: c.replace(b"<Decision", doctype + b"<Decision", 1).replace(
            b"<acceptee/>", b"<acceptee>&l9;</acceptee>"
        ),
    )


@attack(OTHER)
def unknown_case(line: Line, case: Case) -> Wire:
    message = line.decision(case, reference="GB01-000000000000", conversation_id=line.clock.new_id())
    return line.forgery(message).wire()


@attack(OTHER)
def answer_to_a_message_of_another_case(line: Line, case: Case) -> Wire:
    return line.forgery(line.decision(case, in_reply_to=line.clock.new_id())).wire()


@attack(OTHER)
def out_of_sequence(line: Line, case: Case) -> Wire:
    now = line.clock.now()
    receipt = model.TransferReceipt(taken_charge_at=now, place="FRCDG", flight=None, persons_received=1)
    return line.forgery(line.decision(case, body=receipt)).wire()


@attack(OTHER, action="privacy.incident")
def attachment_from_france(line: Line, case: Case) -> Wire:
    forged = line.forgery(line.decision(case))
    extra = Payload(content_id="photo", mime_type="image/jpeg", content=CANARY.encode())
    forged.payloads = (*forged.payloads, extra)
    return forged.wire()


@attack(OTHER, action="privacy.incident")
def agdref_number_in_an_unknown_element(line: Line, case: Case) -> Wire:
    return _content(
        line, case, lambda c: c.replace(b"<acceptee/>", b"<acceptee/><numero>7501234567</numero>")
    )


@attack(OTHER, action="privacy.incident")
def name_of_the_person(line: Line, case: Case) -> Wire:
    return _content(line, case, lambda c: c.replace(b"<acceptee/>", b"<acceptee/><nom>GHEBREMARIAM</nom>"))


@attack(OTHER, action="privacy.incident")
def unknown_message_property(line: Line, case: Case) -> Wire:
    forged = line.forgery(line.decision(case))
    extra = Property(name="note", value=CANARY)
    forged.header = dataclasses.replace(forged.header, properties=(*forged.header.properties, extra))
    return forged.wire()


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

# ---- tests --------------------------------------------------------------------------------------


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
