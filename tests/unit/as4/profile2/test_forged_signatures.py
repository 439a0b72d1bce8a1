"""Forged and broken signatures of profile 2.0 (as4.md 38, Attacks)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, x25519
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from gateway.core.as4 import namespaces as ns
from gateway.core.as4.keys import DecryptionKey, KeyKind, SigningKey
from gateway.core.as4.policy import ECDSA_SHA256, EDDSA_ED25519, RSA_SHA256, SecurityPolicy, TokenReference
from gateway.core.as4.profiles import SecurityProfile
from gateway.core.as4.trust import TrustStore
from gateway.core.as4.wss import tree
from gateway.core.as4.wss.signature_algorithms import sign_octets
from gateway.core.errors import As4Error, ConfigError, FailedAuthentication, PolicyNoncompliance
from tests.fixtures import pki
from tests.fixtures import profile2 as p2
from tests.fixtures.wss_messages import PARTS, Signed, find, signed

pytestmark = pytest.mark.as4(38)
Root = etree._Element
NEW = pytest.mark.parametrize("profile", p2.NEW)
ALGORITHM = {p2.RSA: RSA_SHA256, p2.EDDSA: EDDSA_ED25519, p2.EC: ECDSA_SHA256}
ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493


def policy(profile: SecurityProfile, **changes: object) -> SecurityPolicy:
    return dataclasses.replace(profile.policy(SecurityPolicy()), **changes)  # type: ignore[arg-type]


def message(profile: SecurityProfile, signer: SigningKey | None = None) -> Signed:
    """Signed by the French party in this profile unless told otherwise."""
    return signed(signer=signer or pki.party(pki.FR, profile).signing, policy=policy(profile))


def verify(
    profile: SecurityProfile, change: Callable[[Root], None] = lambda _: None, **options: object
) -> str:
    return message(profile).verify(change, policy=policy(profile), **options).party_id  # type: ignore[arg-type]


def value(change: Callable[[bytes], bytes]) -> Callable[[Root], None]:
    def apply(root: Root) -> None:
        element = find(root, ns.DS, "SignatureValue")
        element.text = tree.base64_text(change(tree.binary(element)))

    return apply


def more_s(octets: bytes) -> bytes:
    """Ed25519 with S + L: another encoding of the same number (RFC 8032, 5.1.7)."""
    s = int.from_bytes(octets[32:], "little") + ED25519_ORDER
    return octets[:32] + s.to_bytes(33, "little")[:32]


def as_der(octets: bytes) -> bytes:
    return encode_dss_signature(int.from_bytes(octets[:32], "big"), int.from_bytes(octets[32:], "big"))


@NEW
def test_the_good_one(profile: SecurityProfile) -> None:
    """What every forgery here starts from is genuine."""
    assert verify(profile) == pki.FR


TAMPERED: dict[str, Callable[[bytes], bytes]] = {
    "one bit": lambda v: bytes([v[0] ^ 1]) + v[1:],
    "one bit of the second half": lambda v: v[:-1] + bytes([v[-1] ^ 1]),
    "cut": lambda v: v[:-1],
    "longer": lambda v: v + b"\0",
    "empty": lambda _: b"",
    "zeros": lambda _: bytes(64),
    "halves exchanged": lambda v: v[32:] + v[:32],
    "DER": as_der,
    "S beyond the order": more_s,
}


@pytest.mark.parametrize("change", TAMPERED.values(), ids=TAMPERED.keys())
@NEW
def test_value(profile: SecurityProfile, change: Callable[[bytes], bytes]) -> None:
    """A changed value, or another encoding of the same value, is refused."""
    with pytest.raises(FailedAuthentication):
        verify(profile, value(change))


@NEW
def test_changed_content(profile: SecurityProfile) -> None:
    """A changed header, a changed part: the digests are the same as ever."""

    def header(root: Root) -> None:
        find(root, ns.EB, "Action").text = "other"

    with pytest.raises(FailedAuthentication, match="digest"):
        verify(profile, header)
    with pytest.raises(FailedAuthentication, match="digest"):
        verify(profile, parts={**PARTS, "second.pdf": b"other"})


@NEW
def test_another_partys_key(profile: SecurityProfile) -> None:
    """Signed by a third party that both trust: it verifies as theirs, never as the sender's."""
    other = message(profile, pki.party(pki.OTHER, profile).signing)
    assert other.verify(policy=policy(profile)).party_id == pki.OTHER


@NEW
def test_certificate_exchanged(profile: SecurityProfile) -> None:
    """The token of another party over this signature does not hold."""
    other = pki.party(pki.OTHER, profile).signing.certificate

    def change(root: Root) -> None:
        token = find(root, ns.WSSE, "BinarySecurityToken")
        token.text = tree.base64_text(other.public_bytes(Encoding.DER))

    with pytest.raises(FailedAuthentication, match="does not hold"):
        verify(profile, change)


@NEW
def test_untrusted_key(profile: SecurityProfile) -> None:
    """A key of the right kind that is pinned for nobody."""
    key = pki.key_of(profile.signing_kind, "stranger")
    assert not isinstance(key, x25519.X25519PrivateKey)
    certificate = pki.issue(pki.name("stranger"), key.public_key(), pki.authority())
    stranger = message(profile, SigningKey(key, (certificate,)))
    with pytest.raises(FailedAuthentication, match="not trusted"):
        stranger.verify(policy=policy(profile))


@pytest.mark.parametrize(("agreed", "other"), p2.PAIRS, ids=str)
def test_algorithm_and_key_of_different_kinds(agreed: SecurityProfile, other: SecurityProfile) -> None:
    """The method says one profile, the certificate is of another: refused whatever the value is."""

    def change(root: Root) -> None:
        find(root, ns.DS, "SignatureMethod").set("Algorithm", ALGORITHM[agreed])
        info = tree.canonical(find(root, ns.DS, "SignedInfo"))
        key = pki.party(pki.FR, other).signing.private_key
        made = sign_octets(key, ALGORITHM[other], info)
        find(root, ns.DS, "SignatureValue").text = tree.base64_text(made)

    with pytest.raises(PolicyNoncompliance, match="kind"):
        message(other).verify(change, policy=policy(agreed))


@pytest.mark.parametrize(("agreed", "other"), p2.PAIRS, ids=str)
def test_other_algorithm(agreed: SecurityProfile, other: SecurityProfile) -> None:
    """A genuine signature of another profile is outside the policy, whoever made it."""
    with pytest.raises(PolicyNoncompliance, match="algorithm"):
        message(other).verify(policy=policy(agreed))


@pytest.mark.parametrize(
    "uri",
    [
        "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha1",
        "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384",
        "http://www.w3.org/2021/04/xmldsig-more#eddsa-ed25519ctx",
        "http://www.w3.org/2021/04/xmldsig-more#eddsa-ed25519ph",
        "http://www.w3.org/2021/04/xmldsig-more#eddsa-ed448",
        "http://www.w3.org/2000/09/xmldsig#dsa-sha1",
        "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256",
        "",
    ],
)
@NEW
def test_relatives_of_the_algorithm(profile: SecurityProfile, uri: str) -> None:
    """Neighbours of the agreed algorithm are other algorithms."""

    def change(root: Root) -> None:
        find(root, ns.DS, "SignatureMethod").set("Algorithm", uri)

    with pytest.raises(PolicyNoncompliance):
        verify(profile, change)


@NEW
def test_hmac_with_the_public_key(profile: SecurityProfile) -> None:
    """Parameters inside the SignatureMethod are refused, as with RSA."""

    def change(root: Root) -> None:
        etree.SubElement(find(root, ns.DS, "SignatureMethod"), ns.q(ns.DS, "HMACOutputLength")).text = "1"

    with pytest.raises(PolicyNoncompliance):
        verify(profile, change)


CURVES: dict[str, Callable[[], ec.EllipticCurvePrivateKey]] = {
    "P-224": lambda: ec.generate_private_key(ec.SECP224R1()),
    "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "secp256k1": lambda: ec.generate_private_key(ec.SECP256K1()),
    "brainpoolP256r1": lambda: ec.generate_private_key(ec.BrainpoolP256R1()),
}


@pytest.mark.parametrize("make", CURVES.values(), ids=CURVES.keys())
def test_other_curves(make: Callable[[], ec.EllipticCurvePrivateKey]) -> None:
    """A pinned certificate on another curve signs nothing: neither here nor with us."""
    key = make()
    certificate = pki.issue(pki.name("curve"), key.public_key(), pki.authority())
    with pytest.raises(ConfigError, match="kind of key"):
        SigningKey(key, (certificate,))
    agreeing = pki.issue(pki.name("curve"), key.public_key(), pki.authority(), usage=pki.AGREES)
    with pytest.raises(ConfigError, match="kind of key"):
        DecryptionKey(key, agreeing)
    sender = message(p2.EC)

    def change(root: Root) -> None:
        token = find(root, ns.WSSE, "BinarySecurityToken")
        token.text = tree.base64_text(certificate.public_bytes(Encoding.DER))

    with pytest.raises(PolicyNoncompliance, match="kind"):
        sender.verify(change, policy=policy(p2.EC), trust=TrustStore((), {pki.FR: (certificate,)}))


def test_agreement_keys_do_not_sign_and_signing_keys_do_not_decrypt() -> None:
    """X25519 is no signing key, Ed25519 no decryption key; a P-256 certificate for signing does not agree."""
    agreeing, signing = x25519.X25519PrivateKey.generate(), ed25519.Ed25519PrivateKey.generate()
    with pytest.raises(ConfigError):
        SigningKey(agreeing, (pki.issue(pki.name("x"), agreeing.public_key(), pki.authority()),))  # type: ignore[arg-type]
    with pytest.raises(ConfigError):
        DecryptionKey(signing, pki.issue(pki.name("x"), signing.public_key(), pki.authority()))  # type: ignore[arg-type]
    key = pki.party(pki.FR, p2.EC).signing
    assert isinstance(key.private_key, ec.EllipticCurvePrivateKey)
    with pytest.raises(ConfigError, match="key agreement"):
        DecryptionKey(key.private_key, key.certificate)


@NEW
def test_certificate_for_agreement_does_not_sign(profile: SecurityProfile) -> None:
    """Key usage keyAgreement alone makes no signature, even over a pinned key."""
    key = pki.key_of(profile.signing_kind, "agrees only")
    assert not isinstance(key, x25519.X25519PrivateKey)
    certificate = pki.issue(pki.name("agrees"), key.public_key(), pki.authority(), usage=pki.AGREES)
    sent = message(profile, SigningKey(key, (certificate,)))
    with pytest.raises(FailedAuthentication, match="not made for signatures"):
        sent.verify(
            policy=policy(profile), trust=TrustStore((pki.authority().certificate,), {pki.FR: (certificate,)})
        )


@NEW
def test_expired(profile: SecurityProfile) -> None:
    """Validity and chain are judged for every kind of key."""
    late = pki.NOW + 400 * pki.DAY
    with pytest.raises(As4Error, match="expired"):
        verify(profile, now=late)


@NEW
def test_kinds_of_reference_follow_the_policy(profile: SecurityProfile) -> None:
    """The policy's limits hold under every profile."""
    only = policy(profile, token_references=frozenset({TokenReference.KEY_IDENTIFIER}))
    with pytest.raises(PolicyNoncompliance, match="token reference"):
        message(profile).verify(policy=only)


def test_kinds_are_told_apart() -> None:
    """Each profile has its own kind of signing key, and each key its kind."""
    kinds = [profile.signing_kind for profile in SecurityProfile]
    assert kinds == [KeyKind.RSA, KeyKind.ED25519, KeyKind.P256]
    for profile in SecurityProfile:
        party = pki.party(pki.FR, profile)
        assert (party.signing.kind, party.decryption.kind) == (profile.signing_kind, profile.encryption_kind)
