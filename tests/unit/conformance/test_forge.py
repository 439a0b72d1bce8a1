"""What the forge makes: good messages open, each bad one is refused for exactly the defect of its name."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from contracts.xml import parse_xml
from gateway.conformance.bad_messages import weaker
from gateway.conformance.cases import BUILDERS, all_cases
from gateway.conformance.forge import Workshop, document, find
from gateway.conformance.model import Case, Expectation, Wire
from gateway.core.as4.content import whole
from gateway.core.as4.mime import parse_multipart
from gateway.core.as4.open import open_message
from gateway.core.as4.pmode import PModes
from gateway.core.as4.policy import (
    OAEP_SHA1_MGF1P,
    OAEP_SHA256,
    RSA_SHA1,
    RSA_SHA256,
    SHA1,
    SHA256,
    SecurityPolicy,
)
from gateway.core.as4.verified import VerifiedUserMessage
from gateway.core.as4.wss.encrypt import oaep
from gateway.core.as4.wss.tree import binary
from gateway.core.errors import As4Error, FailedAuthentication
from tests.fixtures import pki
from tests.fixtures.as4 import POLICY
from tests.fixtures.conformance import PMODE, TARGET

SHOP = Workshop(target=TARGET)
GOOD = {
    Expectation.RECEIPT,
    Expectation.RECEIPT_PREFERRED,
    Expectation.SAME_RECEIPT,
    Expectation.NO_NEW_RECEIPT,
}
MADE = [c for c in all_cases() if c.id in BUILDERS]

DEFECTS = {
    "unknown-action": "no P-Mode matches",
    "unknown-service": "no P-Mode matches",
    "unknown-agreement": "no P-Mode matches",
    "unknown-sender": "no P-Mode matches",
    "unknown-receiver": "no P-Mode matches",
    "swapped-parties": "no P-Mode matches",
    "four-corner-missing": "originalSender or finalRecipient is missing",
    "four-corner-twice": "is given twice",
    "no-message-id": "MessageInfo lacks MessageId",
    "no-conversation-id": "CollaborationInfo lacks ConversationId",
    "two-party-ids": "too many PartyId in From",
    "two-user-messages": "exactly one UserMessage",
    "bad-timestamp": "not a dateTime",
    "old-timestamp": "eb:Timestamp is far from the present",
    "must-understand": "must be understood is not known",
    "huge-header": "not acceptable XML",
    "payload-in-body": "payloads in the SOAP Body",
    "external-payload": "points outside the MIME parts",
    "missing-part": "names no MIME part",
    "unannounced-part": "not announced by any PartInfo",
    "duplicate-content-id": "the same Content-ID",
    "truncated": "no closing boundary",
    "not-soap": "neither SOAP 1.2 nor multipart",
    "soap11": "not a SOAP 1.2 envelope",
    "many-parts": "too many MIME parts",
    "dtd": "not acceptable XML",
    "entity-expansion": "not acceptable XML",
    "external-entity": "not acceptable XML",
    "corrupt-gzip": "not valid gzip",
    "truncated-gzip": "truncated",
    "not-gzip": "not valid gzip",
    "unknown-compression": "unknown CompressionType",
    "missing-mime-type": "no MimeType property",
    "bad-charset": "unknown CharacterSet",
    "sign-then-compress": "a digest does not match",
    "encrypt-then-compress": "could not be decrypted",
    "gzip-bomb": "expands beyond the limits",
    "unsigned": "not signed",
    "no-references": "covers nothing",
    "messaging-not-signed": "eb:Messaging is not signed",
    "body-not-signed": "the Body is not signed",
    "part-not-signed": "a part is not signed",
    "weak-digest": "digest algorithm is not allowed",
    "weak-signature": "signature algorithm is not allowed",
    "hmac-signature": "signature algorithm is not allowed",
    "username-token": "outside the profile",
    "untrusted-certificate": "not trusted",
    "wrong-key-reference": "the signature does not hold",
    "expired-certificate": "expired|validity",
    "revoked-certificate": "revoked",
    "other-party-certificate": "signed by another party",
    "expired-timestamp": "outside the window",
    "tampered-header": "a digest does not match",
    "tampered-body": "payloads in the SOAP Body",
    "tampered-payload": "a digest does not match",
    "added-part": "a part is not signed",
    "wrap-moved": "occurs twice",
    "wrap-duplicate-id": "occurs twice",
    "wrap-other-id": "occurs twice",
    "wrap-body": "occurs twice",
    "second-messaging": "occurs twice",
    "second-security": "occurs twice",
    "xpath-transform": "exactly the transform",
    "external-reference": "points outside the message",
    "unencrypted": "every payload is encrypted",
    "one-part-unencrypted": "every payload is encrypted",
    "other-recipient": "could not be decrypted",
    "damaged-ciphertext": "could not be decrypted",
    "short-ciphertext": "could not be decrypted",
    "missing-encrypted-key": "could not be decrypted",
    "weak-key-transport": "could not be decrypted|not allowed",
    "cbc-encryption": "could not be decrypted|not allowed",
    "pull-unsigned": "not signed",
}
"""Case → what our own strict reader finds wrong with it."""


def wires(case_id: str) -> tuple[Wire, ...]:
    made = BUILDERS[case_id](SHOP)
    return (made,) if isinstance(made, Wire) else made


def open_it(wire: Wire, policy: SecurityPolicy = POLICY) -> Any:
    """Open it as the receiver would."""
    return open_message(
        wire.content_type,
        wire.body,
        pmodes=PModes((PMODE,)),
        trust=pki.trust_store(),
        decryption_keys=(pki.party(pki.UK).decryption,),
        policy=policy,
        now=pki.NOW,
    )


@pytest.mark.parametrize("case", [c for c in MADE if c.expect in GOOD], ids=lambda c: c.id)
def test_good_messages_are_good(case: Case) -> None:
    """Our own strict reader accepts them, and the references kept for the receipt are those that it saw."""
    wire = wires(case.id)[-1]
    opened = open_it(wire)
    assert isinstance(opened, VerifiedUserMessage)
    assert opened.message.message_id == wire.message_id
    assert [r.key for r in opened.references] == [r.key for r in wire.references]


@pytest.mark.parametrize("case_id", DEFECTS)
def test_bad_messages_have_the_one_defect_they_are_named_by(case_id: str) -> None:
    """Anything else wrong with them would hide whether the receiver makes this very check."""
    with pytest.raises(As4Error, match=DEFECTS[case_id]) as refused:
        open_it(wires(case_id)[-1])
    (case,) = [c for c in MADE if c.id == case_id]
    assert refused.value.ebms is not None
    assert not case.codes or refused.value.ebms.code in case.codes


def test_every_bad_case_has_its_defect_named() -> None:
    """No bad case without a line above; signed pulls are right in form and refused by agreement only."""
    bad = {c.id for c in MADE if c.expect not in GOOD}
    assert bad - set(DEFECTS) == {"pull-default-mpc", "pull-unknown-mpc"}


@pytest.mark.parametrize(
    ("case_id", "changes"),
    [
        ("weak-digest", {"digest_algorithms": frozenset({SHA1, SHA256})}),
        ("weak-signature", {"signature_algorithms": frozenset({RSA_SHA1, RSA_SHA256})}),
        ("weak-key-transport", {"key_transports": frozenset({OAEP_SHA256, OAEP_SHA1_MGF1P})}),
        ("body-not-signed", {"require_signed_body": False}),
    ],
)
def test_weak_messages_are_only_weak(case_id: str, changes: dict[str, Any]) -> None:
    """A receiver that allows the weak algorithm accepts them: it is the only thing wrong."""
    opened = open_it(wires(case_id)[-1], weaker(POLICY, **changes))
    assert isinstance(opened, VerifiedUserMessage)


@pytest.mark.as4(24)
def test_cbc_is_well_encrypted() -> None:
    """A receiver that still did CBC would read the document: the refusal is about the algorithm."""
    wire = wires("cbc-encryption")[-1]
    package = parse_multipart(wire.content_type, wire.body, POLICY)
    envelope = parse_xml(whole(package.root.content))
    value = find(envelope, "S12:Header/wsse:Security/xenc:EncryptedKey/xenc:CipherData/xenc:CipherValue")
    private: Any = pki.party(pki.UK).decryption.private_key
    key = private.decrypt(binary(value), oaep(OAEP_SHA256))
    hidden = whole(package.parts[0].content)
    cipher = Cipher(algorithms.AES(key), modes.CBC(hidden[:16])).decryptor()
    clear = cipher.update(hidden[16:]) + cipher.finalize()
    assert clear[: -clear[-1]] == document()


@pytest.mark.as4(32)
def test_retries_are_the_same_bytes_and_reused_ids_are_not() -> None:
    """A retry repeats the message; the other two share only its MessageId."""
    first, second = wires("retry")
    assert (first.body, first.message_id) == (second.body, second.message_id)
    for case_id in ("reused-id", "retry-after-refusal"):
        first, second = wires(case_id)
        assert first.message_id == second.message_id
        assert first.body != second.body


def test_message_ids_are_fresh() -> None:
    """Two runs never share a MessageId, so that duplicate detection of an earlier day plays no part."""
    ids = [w.message_id for c in MADE for w in wires(c.id)[:1]]
    assert len(set(ids)) == len(ids)


@pytest.mark.as4(37)
def test_strangers_are_strangers() -> None:
    """The keys made for a run are not ours, and the partner trusts none of them."""
    stranger = SHOP.foreign_signer
    assert stranger.private_key.public_key() != TARGET.signer.certificate.public_key()
    with pytest.raises(FailedAuthentication, match="not trusted"):
        TARGET.trust.check(stranger.certificate, pki.NOW, ())
