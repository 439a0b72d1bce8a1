"""Messages, receipts and errors of every security profile, there and back (as4.md 38)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.core.as4.content import whole
from gateway.core.as4.message import Payload, Sealed
from gateway.core.as4.policy import RSA_SHA256, RSA_SHA384, SHA256, SHA512, SecurityPolicy, TokenReference
from gateway.core.as4.profiles import SecurityProfile
from gateway.core.as4.pull import build_pull_request
from gateway.core.as4.receipts import build_receipt, match_receipt
from gateway.core.as4.signals import build_error
from gateway.core.as4.verified import VerifiedError, VerifiedPullRequest, VerifiedReceipt, VerifiedUserMessage
from gateway.core.errors import PayloadRefused
from tests.fixtures import as4, pki
from tests.fixtures import profile2 as p2

pytestmark = pytest.mark.as4(38)
PROFILES = pytest.mark.parametrize("profile", list(SecurityProfile))
EMPTY = Payload(content_id="empty@uk.test", mime_type="application/octet-stream", content=b"")
MANY = tuple(
    Payload(content_id=f"part.{n}@uk.test", mime_type="application/pdf", content=bytes([n]) * n * 997)
    for n in range(1, 27)
)


def contents(payloads: tuple[Payload, ...]) -> list[tuple[str, bytes]]:
    return [(p.content_id, whole(p.content)) for p in payloads]


def receipt(verified: VerifiedUserMessage, profile: SecurityProfile) -> Sealed:
    return build_receipt(
        verified,
        signer=pki.party(pki.FR, profile).signing,
        message_id="r-1@fr.test",
        now=pki.NOW,
        policy=SecurityPolicy(),
    )


@PROFILES
@pytest.mark.parametrize(
    "payloads", [(), (as4.DOCUMENT,), (as4.DOCUMENT, as4.PHOTO, EMPTY), MANY], ids=["none", "1", "3", "26"]
)
def test_user_message(profile: SecurityProfile, payloads: tuple[Payload, ...]) -> None:
    """What was sealed comes out: every part, in its order, signed by the party that sent it."""
    opened = p2.open_user(p2.seal(profile, payloads))
    assert contents(opened.payloads) == contents(payloads)
    assert opened.encrypted is bool(payloads)
    assert opened.party_id == pki.UK
    assert opened.pmode.security is profile
    assert opened.certificate == pki.party(pki.UK, profile).signing.certificate


@PROFILES
@pytest.mark.parametrize("kind", [k for k in TokenReference if k is not TokenReference.PKI_PATH])
def test_every_key_reference(profile: SecurityProfile, kind: TokenReference) -> None:
    """Signer and recipient can be named in each way, whatever the kind of key."""
    assert p2.open_user(p2.seal(profile, kind=kind)).party_id == pki.UK


@PROFILES
def test_signed_only(profile: SecurityProfile) -> None:
    """A P-Mode that does not encrypt is signed by its profile all the same."""
    opened = p2.open_user(p2.seal(profile, base=as4.PLAIN))
    assert not opened.encrypted
    assert opened.certificate == pki.party(pki.UK, profile).signing.certificate


@PROFILES
def test_two_way(profile: SecurityProfile) -> None:
    """The reply travels by the same profile in the other direction."""
    opened = p2.open_user(p2.seal(profile, base=as4.REPLY, ref_to_message_id="m-1@uk.test"))
    assert (opened.party_id, opened.pmode.security) == (pki.FR, profile)


@PROFILES
def test_receipt_proves_the_message(profile: SecurityProfile) -> None:
    """The receipt is signed by the profile of the message, and matches what was sent."""
    sealed = p2.seal(profile)
    answer = receipt(p2.open_user(sealed), profile)
    opened = p2.open_any(answer.content_type, whole(answer.body))
    assert isinstance(opened, VerifiedReceipt)
    assert opened.profile is profile
    match_receipt(sealed.references, opened, message_id="m-1@uk.test", expected_party=pki.FR)


@PROFILES
def test_error_signal(profile: SecurityProfile) -> None:
    """An error is signed by the profile that it is asked for."""
    sealed = build_error(
        PayloadRefused("no"),
        signer=pki.party(pki.FR, profile).signing,
        message_id="e-1@fr.test",
        ref_to_message_id="m-1@uk.test",
        now=pki.NOW,
        policy=profile.policy(SecurityPolicy()),
    )
    opened = p2.open_any(sealed.content_type, whole(sealed.body))
    assert isinstance(opened, VerifiedError)
    assert (opened.profile, opened.errors[0].code) == (profile, "EBMS:0004")


@PROFILES
def test_pull_request(profile: SecurityProfile) -> None:
    """A PullRequest is signed by the profile of its channel."""
    sealed = build_pull_request(
        "urn:test:mpc",
        signer=pki.party(pki.FR, profile).signing,
        message_id="q-1@fr.test",
        now=pki.NOW,
        policy=profile.policy(SecurityPolicy()),
    )
    opened = p2.open_any(sealed.content_type, whole(sealed.body))
    assert isinstance(opened, VerifiedPullRequest)
    assert opened.profile is profile


@pytest.mark.parametrize("profile", p2.NEW)
def test_every_message_has_its_own_ephemeral_key(profile: SecurityProfile) -> None:
    """Originator key, salt and wrapped key are new each time, and never the recipient's."""
    paths = (
        "//xenc:OriginatorKeyInfo//text()",
        "//dsig-more:Salt/text()",
        "//xenc:EncryptedKey/xenc:CipherData/xenc:CipherValue/text()",
    )
    trees = [as4.tree_of(p2.seal(profile)) for _ in range(4)]
    for path in paths:
        values = {"".join(as4.find(tree, path)) for tree in trees}
        assert len(values) == len(trees)


@pytest.mark.parametrize("profile", p2.NEW)
def test_large_part(profile: SecurityProfile) -> None:
    """A part of some megabytes opens to the same octets."""
    part = Payload(content_id="big@uk.test", mime_type="image/png", content=bytes(3_000_000), compress=False)
    opened = p2.open_user(p2.seal(profile, (part,)))
    assert whole(opened.payloads[0].content) == part.content


def test_the_policy_of_each_profile() -> None:
    """Each names one signature and one key establishment, and keeps the limits it was given."""
    base = SecurityPolicy(max_parts=7)
    for profile in SecurityProfile:
        policy = profile.policy(base)
        assert policy.signature_algorithms == {policy.send_signature}
        assert policy.key_transports == {policy.send_key_transport}
        assert policy.signing_kind is profile.signing_kind
        assert policy.max_parts == 7
        for again in SecurityProfile:
            assert again.policy(policy) == again.policy(base)


def test_what_was_agreed_beside_rsa_stays_with_rsa() -> None:
    """Tolerance for 1.15 does not reach the profiles of 2.0."""
    wide = SecurityPolicy(
        signature_algorithms=frozenset({RSA_SHA256, RSA_SHA384}),
        digest_algorithms=frozenset({SHA256, SHA512}),
    )
    assert p2.RSA.policy(wide) is wide
    for profile in p2.NEW:
        assert profile.policy(wide).digest_algorithms == {SHA256}
        assert replace(profile.policy(wide)) == profile.policy(SecurityPolicy())
