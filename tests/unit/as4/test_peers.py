"""Headers and MIME as other products really wrote them (tests/fixtures/as4_vectors, with their sources)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.core.as4 import soap
from gateway.core.as4.ebms import parse_user_message
from gateway.core.as4.message import UserMessage
from gateway.core.as4.mime import parse_multipart
from gateway.core.as4.policy import SecurityPolicy
from gateway.core.as4.receipts import parse_acknowledged
from gateway.core.as4.signals import parse_signal
from gateway.core.errors import InvalidHeader

VECTORS = Path(__file__).parents[2] / "fixtures" / "as4_vectors"
POLICY = SecurityPolicy()


def read(name: str):
    """``(package, eb:UserMessage or eb:SignalMessage)`` of a vector, unverified."""
    content = (VECTORS / name).read_bytes()
    if content.startswith(b"--"):
        boundary = content.split(b"\r\n", 1)[0][2:].decode()
        content_type = f'multipart/related; boundary="{boundary}"; type="application/soap+xml"'
    elif content.startswith(b"<"):
        content_type = "application/soap+xml"
    else:
        head, content = re.split(rb"\r?\n\r?\n", content, maxsplit=1)
        content_type = re.search(rb"Content-Type: (.*)", head)[1].decode().strip()
    package = parse_multipart(content_type, content, POLICY)
    _, messaging = soap.parse_envelope(package.root.content, POLICY)
    return package, soap.unit(messaging)


@pytest.mark.as4(9)
@pytest.mark.parametrize(
    ("name", "message_id", "parts"),
    [
        ("phase4-signed-encrypted-no-key.as4out", "17a7c374-efe3-41e2-ac0d-8a8f47529e47@phase4", 1),
        ("holodeck-signed-ski.as4", "cdcc838c-96ed-414a-b127-0937f5cd6549@CLT-FGHEYSELS.ad.codit.eu", 2),
    ],
)
def test_messages_of_peers_are_taken_apart(name, message_id, parts):
    """phase4 without start, Holodeck with its own Content-IDs: parts and PartInfo agree."""
    package, unit = read(name)
    message = parse_user_message(unit, POLICY)
    assert message.message_id == message_id
    assert [p.content_id for p in message.parts] == [p.content_id for p in package.parts]
    assert len(message.parts) == parts
    assert {p.value("CompressionType") for p in message.parts} == {"application/gzip"}


@pytest.mark.as4(8)
def test_the_header_of_domibus_is_read():
    """Messaging before Security, cid:message, properties without type."""
    message = parse_user_message(read("domibus-signed-envelope-ski.xml")[1], POLICY)
    assert isinstance(message, UserMessage)
    assert [p.content_id for p in message.parts] == ["message"]
    assert message.value("originalSender") == "urn:oasis:names:tc:ebcore:partyid-type:unregistered:C1"
    assert message.service_type == "tc1"


@pytest.mark.as4(29)
@pytest.mark.parametrize("name", ["phase4-receipt-signed.as4in", "dataport-receipt-bad-digest-prefix.as4in"])
def test_receipts_of_peers_are_read(name):
    """phase4's and Holodeck's NonRepudiationInformation: three references each."""
    signal = parse_signal(read(name)[1])
    references = parse_acknowledged(signal.receipt, POLICY)
    assert len(references) == 3
    assert signal.ref_to_message_id.endswith("@phase4")
    assert all(len(r.digest_value) in {32, 48, 64} for r in references)


def test_a_header_not_marked_must_understand_is_refused():
    """An old AS4.NET leaves the mark out: EBMS:0009."""
    with pytest.raises(InvalidHeader):
        read("eessi-signed-message.txt")
