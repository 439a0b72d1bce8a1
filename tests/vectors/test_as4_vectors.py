"""Real messages of other products: each with exactly the result that its table row promises."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

import pytest
from cryptography import x509
from lxml import etree

from contracts.xml import parse_xml
from gateway.core.as4 import namespaces as ns
from gateway.core.as4.keys import SubjectKeyId
from gateway.core.as4.policy import RSA_SHA256, RSA_SHA384, SecurityPolicy, UnsafeSecurityPolicy
from gateway.core.as4.trust import TrustStore
from gateway.core.as4.wss import reference, structure, tokens, verify
from gateway.core.as4.wss.decrypt import decrypt_attachments
from gateway.core.as4.wss.reference import SignedReference
from gateway.core.errors import As4Error, FailedAuthentication, FailedDecryption, PolicyNoncompliance

VECTORS = Path(__file__).parent.parent / "fixtures" / "as4_vectors"
NOW = dt.datetime(2018, 1, 25, tzinfo=dt.UTC)
SHORT_RSA = UnsafeSecurityPolicy(min_rsa_bits=1024)
WITH_SHA384 = SecurityPolicy(signature_algorithms=frozenset({RSA_SHA256, RSA_SHA384}))
BODY_OPEN = UnsafeSecurityPolicy(require_signed_body=False)
HOLODECK_PARTS = (
    "cdcc838c-96ed-414a-b127-0937f5cd654-341439240@CLT-FGHEYSELS.ad.codit.eu",
    "cdcc838c-96ed-414a-b127-0937f5cd654-445037483@CLT-FGHEYSELS.ad.codit.eu",
)


def read(name: str) -> bytes:
    """The file as it is stored."""
    return (VECTORS / name).read_bytes()


def envelope_of(name: str) -> etree._Element:
    """The SOAP envelope inside the file, from its first to its last octet."""
    match = re.search(rb"<(\w+:)Envelope .*</\1Envelope>", read(name), re.DOTALL)
    assert match is not None
    return parse_xml(match.group())


def mime_parts(name: str) -> dict[str, bytes]:
    """Content-ID → octets of each part after the root, cut at the boundary of the first line."""
    content = read(name)
    boundary = re.search(rb"^--[^\r\n]+", content, re.MULTILINE)
    assert boundary is not None
    parts: dict[str, bytes] = {}
    for raw in re.split(rb"\r?\n?" + re.escape(boundary.group()), content)[2:]:
        head, _, octets = raw.partition(b"\r\n\r\n") if b"\r\n\r\n" in raw else raw.partition(b"\n\n")
        content_id = re.search(rb"(?i)content-id:\s*<([^>]+)>", head)
        if content_id is not None:
            parts[content_id.group(1).decode()] = octets
    return parts


def signer_of(envelope: etree._Element) -> x509.Certificate:
    """The certificate inside the message that its signature names."""
    security = next(envelope.iter(structure.SECURITY))
    signature = next(envelope.iter(structure.SIGNATURE))
    token = tokens.read_token(next(signature.iterchildren(ns.q(ns.DS, "KeyInfo"))), security)
    assert isinstance(token, tokens.EmbeddedToken)
    return token.certificates[0]


def pinning(certificate: x509.Certificate) -> tuple[TrustStore, dt.datetime]:
    """A store that knows this certificate, and a moment in its validity."""
    store = TrustStore((), {"peer": (certificate,)})
    return store, certificate.not_valid_before_utc + dt.timedelta(days=10)


def digests(name: str, policy: SecurityPolicy, attachments: dict[str, bytes]) -> list[bool | type[As4Error]]:
    """For each reference, in order: whether it holds, or how it is refused. The steps before trust."""
    envelope = structure.read_envelope(envelope_of(name), policy)
    signature = verify.read_signature(envelope, policy)

    def outcome(one: SignedReference) -> bool | type[As4Error]:
        try:
            place = verify.locate(one, envelope, attachments)
        except As4Error as exc:
            return type(exc)
        return reference.holds(one, verify.digested(one, place, attachments, {}))

    return [outcome(one) for one in signature.references]


def value_holds(name: str, policy: SecurityPolicy) -> bool:
    """Whether the signature value alone holds under the certificate inside."""
    root = envelope_of(name)
    envelope = structure.read_envelope(root, policy)
    try:
        verify.check_value(verify.read_signature(envelope, policy), signer_of(root), policy)
    except FailedAuthentication:
        return False
    return True


@pytest.mark.parametrize(
    ("name", "policy", "signed_things"),
    [("eessi-signed-message.txt", SHORT_RSA, 2), ("phase4-receipt-signed.as4in", SecurityPolicy(), 2)],
)
def test_valid_messages_of_other_products_verify(
    name: str, policy: SecurityPolicy, signed_things: int
) -> None:
    """AS4.NET's message and phase4's receipt verify in full, and only signed octets come out."""
    root = envelope_of(name)
    store, now = pinning(signer_of(root))
    verified = verify.verify_envelope(root, {}, trust=store, policy=policy, now=now)
    assert verified.party_id == "peer"
    assert verified.body_is_empty
    assert len(verified.references) == signed_things
    assert verified.messaging.tag == structure.MESSAGING


def test_a_short_key_needs_an_unsafe_policy() -> None:
    """AS4.NET's RSA-1024 key is refused by the default policy."""
    root = envelope_of("eessi-signed-message.txt")
    store, now = pinning(signer_of(root))
    with pytest.raises(PolicyNoncompliance):
        verify.verify_envelope(root, {}, trust=store, policy=SecurityPolicy(), now=now)


def test_the_receipt_of_phase4_carries_references() -> None:
    """The references in phase4's receipt can be read for matching (as4.md 29)."""
    root = envelope_of("phase4-receipt-signed.as4in")
    store, now = pinning(signer_of(root))
    verified = verify.verify_envelope(root, {}, trust=store, policy=SecurityPolicy(), now=now)
    receipt = next(verified.messaging.iter(ns.q(ns.EB, "Receipt")))
    listed = [reference.read_reference(e) for e in receipt.iter(ns.q(ns.DS, "Reference"))]
    assert len(listed) >= 2
    assert all(len(one.digest_value) == 32 for one in listed)


@pytest.mark.parametrize(
    ("name", "policy"),
    [
        ("eessi-wrong-signed-message.txt", SHORT_RSA),
        ("eessi-untrusted-signed-message.txt", SHORT_RSA),
        ("dataport-receipt-bad-digest-prefix.as4in", SecurityPolicy()),
    ],
)
def test_broken_messages_are_refused(name: str, policy: SecurityPolicy) -> None:
    """Wrong digests, a wrong signature value and a re-serialised Messaging fail authentication."""
    root = envelope_of(name)
    store, now = pinning(signer_of(root))
    with pytest.raises(FailedAuthentication) as refusal:
        verify.verify_envelope(root, {}, trust=store, policy=policy, now=now)
    assert refusal.value.ebms is not None
    assert refusal.value.ebms.code == "EBMS:0101"


def test_eessi_wrong_fails_for_the_reasons_given() -> None:
    """The signature value holds; the Messaging digest does not; the Body reference points nowhere."""
    name = "eessi-wrong-signed-message.txt"
    assert value_holds(name, SHORT_RSA)
    assert digests(name, SHORT_RSA, {}) == [False, FailedAuthentication]


def test_eessi_untrusted_fails_for_the_reason_given() -> None:
    """All digests hold; the signature value does not."""
    name = "eessi-untrusted-signed-message.txt"
    assert not value_holds(name, SHORT_RSA)
    assert digests(name, SHORT_RSA, {}) == [True, True]


def test_dataport_fails_for_the_reason_given() -> None:
    """The signature value holds; a digest does not: Messaging was re-serialised under another prefix."""
    name = "dataport-receipt-bad-digest-prefix.as4in"
    assert value_holds(name, SecurityPolicy())
    assert digests(name, SecurityPolicy(), {}) == [False, True]


def test_holodeck_is_outside_the_default_policy() -> None:
    """rsa-sha384 is refused as noncompliant before anything else is looked at."""
    parts = mime_parts("holodeck-signed-ski.as4")
    root = envelope_of("holodeck-signed-ski.as4")
    with pytest.raises(PolicyNoncompliance):
        verify.verify_envelope(root, parts, trust=TrustStore((), {}), policy=SecurityPolicy(), now=NOW)


def test_holodeck_digests_hold_with_prefix_lists_and_attachments() -> None:
    """Under a policy with sha384, Messaging, Body and both attachments hold; the SKI names nobody known."""
    name = "holodeck-signed-ski.as4"
    parts = mime_parts(name)
    assert tuple(parts) == HOLODECK_PARTS
    envelope = structure.read_envelope(envelope_of(name), WITH_SHA384)
    signature = verify.read_signature(envelope, WITH_SHA384)
    assert len(signature.references) == 4
    for one in signature.references:
        place = verify.locate(one, envelope, parts)
        assert reference.holds(one, verify.digested(one, place, parts, {}))
    assert isinstance(tokens.read_token(signature.key_info, envelope.security), SubjectKeyId)
    with pytest.raises(FailedAuthentication):
        verify.verify_envelope(
            envelope_of(name),
            parts,
            trust=TrustStore((), {}),
            policy=WITH_SHA384,
            now=NOW,
        )


def test_phase4_signed_and_encrypted_holds_where_it_can_be_checked() -> None:
    """Signature value, Messaging and Body hold; without the key the part can neither open nor verify."""
    name = "phase4-signed-encrypted-no-key.as4out"
    policy = SecurityPolicy()
    root = envelope_of(name)
    parts = mime_parts(name)
    assert len(parts) == 1
    assert value_holds(name, policy)
    assert digests(name, policy, parts) == [True, True, False]
    with pytest.raises(FailedDecryption):
        decrypt_attachments(root, parts, keys=(), policy=policy)
    store, now = pinning(signer_of(root))
    with pytest.raises(FailedAuthentication):
        verify.verify_envelope(root, parts, trust=store, policy=policy, now=now)


def test_domibus_messaging_holds_without_its_part() -> None:
    """Security after Messaging; the Messaging digest holds; the part is missing; no Body signature."""
    name = "domibus-signed-envelope-ski.xml"
    assert digests(name, BODY_OPEN, {}) == [True, FailedAuthentication]
    with pytest.raises(FailedDecryption):
        decrypt_attachments(envelope_of(name), {}, keys=(), policy=SecurityPolicy())
