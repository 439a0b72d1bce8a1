"""Keys, names of certificates, and whom we trust."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from gateway.core.as4 import namespaces as ns
from gateway.core.as4.keys import (
    DecryptionKey,
    IssuerSerial,
    SigningKey,
    SubjectKeyId,
    name_key,
    names,
    parse_name,
    subject_key_id,
)
from gateway.core.as4.trust import TrustStore
from gateway.core.as4.wss import tokens, tree
from gateway.core.as4.wss.verify import verify_envelope
from gateway.core.errors import ConfigError, FailedAuthentication
from tests.fixtures import pki
from tests.fixtures.wss_messages import POLICY, find, signed

FR = pki.party(pki.FR).signing
LEAF = FR.certificate
CA = pki.authority().certificate


def refused(store: TrustStore, certificate: x509.Certificate, now: dt.datetime = pki.NOW) -> str:
    """The text of the refusal."""
    with pytest.raises(FailedAuthentication) as refusal:
        store.check(certificate, now)
    return str(refusal.value)


def test_the_right_party_is_told() -> None:
    """A pinned certificate under the anchor is its party's."""
    assert pki.trust_store().check(LEAF, pki.NOW) == pki.FR
    assert pki.trust_store().check(pki.party(pki.OTHER).signing.certificate, pki.NOW) == pki.OTHER


@pytest.mark.parametrize(
    ("signer", "words"),
    [
        (pki.expired, "expired"),
        (pki.not_yet_valid, "not yet valid"),
        (pki.revoked, "revoked"),
        (pki.encryption_only, "not made for signatures"),
        (pki.unpinned, "not trusted"),
        (pki.untrusted, "not trusted"),
    ],
)
def test_each_reason_for_refusal_is_its_own(signer: Callable[[], SigningKey], words: str) -> None:
    """The operator reads why a certificate is refused."""
    assert words in refused(pki.trust_store(), signer().certificate)


def test_validity_is_inclusive_at_both_ends() -> None:
    """A certificate is good from its first to its last second."""
    store = pki.trust_store()
    second = dt.timedelta(seconds=1)
    assert store.check(LEAF, LEAF.not_valid_before_utc) == pki.FR
    assert store.check(LEAF, LEAF.not_valid_after_utc) == pki.FR
    assert "not yet valid" in refused(store, LEAF, LEAF.not_valid_before_utc - second)
    assert "expired" in refused(store, LEAF, LEAF.not_valid_after_utc + second)


def test_a_pinned_certificate_must_chain_to_the_anchors() -> None:
    """Pinning does not help a certificate of another CA while anchors are configured."""
    stranger = pki.untrusted().certificate
    assert "trusted CA" in refused(TrustStore((CA,), {"peer": (stranger,)}), stranger)
    assert TrustStore((), {"peer": (stranger,)}).check(stranger, pki.NOW) == "peer"
    assert TrustStore((CA, stranger), {"peer": (stranger,)}).check(stranger, pki.NOW) == "peer"


def test_an_issuer_that_is_no_ca_is_refused() -> None:
    """A leaf cannot issue certificates, nor can a CA whose usage forbids it."""
    key = pki.private_key("victim")
    certifies = pki.key_usage(key_cert_sign=True)
    for usage, ca in ((certifies, False), (pki.SIGNS, True), (None, False)):
        middle_key = pki.private_key("false ca")
        middle = pki.issue(pki.name("false ca"), middle_key.public_key(), pki.authority(), usage=usage, ca=ca)
        false = pki.Authority(middle_key, middle)
        leaf = pki.issue(pki.name("victim"), key.public_key(), false)
        store = TrustStore((CA,), {"peer": (leaf,)})
        with pytest.raises(FailedAuthentication, match="trusted CA"):
            store.check(leaf, pki.NOW, (middle,))


def test_a_revoked_intermediate_is_refused() -> None:
    """Revocation counts for every certificate of the path."""
    key = pki.private_key("leaf below")
    middle = pki.intermediate()
    leaf = pki.issue(pki.name("below"), key.public_key(), middle)
    good = TrustStore((CA,), {"peer": (leaf,)})
    assert good.check(leaf, pki.NOW, (middle.certificate,)) == "peer"
    gone = frozenset({(middle.certificate.issuer, middle.certificate.serial_number)})
    bad = TrustStore((CA,), {"peer": (leaf,)}, gone)
    with pytest.raises(FailedAuthentication, match="revoked"):
        bad.check(leaf, pki.NOW, (middle.certificate,))


def test_a_party_known_by_its_subject() -> None:
    """A renewed certificate under an anchor is the party's by its subject name; elsewhere it is not."""
    key = pki.private_key("renewed")
    renewed = pki.issue(LEAF.subject, key.public_key(), pki.authority())
    store = TrustStore((CA,), {}, party_subjects={pki.FR: LEAF.subject})
    assert store.check(renewed, pki.NOW) == pki.FR
    assert "trusted CA" in refused(store, pki.untrusted().certificate)


def test_contradictory_trust_is_a_configuration_error() -> None:
    """One certificate or subject for two parties, or a subject without anchor, stops the start."""
    with pytest.raises(ConfigError, match="pinned twice"):
        TrustStore((), {"a": (LEAF,), "b": (LEAF,)})
    with pytest.raises(ConfigError, match="pinned twice"):
        TrustStore((), {"a": (LEAF, LEAF)})
    with pytest.raises(ConfigError, match="two parties"):
        TrustStore((CA,), {}, party_subjects={"a": LEAF.subject, "b": LEAF.subject})
    with pytest.raises(ConfigError, match="anchor"):
        TrustStore((), {}, party_subjects={"a": LEAF.subject})


def test_finding_by_reference() -> None:
    """SKI and issuer with serial number find the one pinned certificate; anything else finds none."""
    store = pki.trust_store()
    assert store.find(SubjectKeyId(FR.subject_key_id), pki.NOW) == LEAF
    assert store.find(FR.issuer_serial, pki.NOW) == LEAF
    for unknown in (SubjectKeyId(b"x"), IssuerSerial(FR.issuer_serial.issuer, 1)):
        with pytest.raises(FailedAuthentication, match="not known"):
            store.find(unknown, pki.NOW)


def test_a_renewed_certificate_keeps_its_key_identifier() -> None:
    """Of two pinned certificates over one key, the SKI means the newest that is valid at the time."""
    key = pki.private_key("renewed over one key")
    old, new = (
        pki.issue(
            pki.name("renewed"),
            key.public_key(),
            pki.authority(),
            not_before=pki.NOW + start * pki.DAY,
            not_after=pki.NOW + (start + 30) * pki.DAY,
        )
        for start in (-20, 5)
    )
    store = TrustStore((CA,), {"peer": (new, old)})
    reference = SubjectKeyId(subject_key_id(old))
    assert store.find(reference, pki.NOW) == old
    assert store.find(reference, pki.NOW + 7 * pki.DAY) == new
    long_ago = pki.NOW - 400 * pki.DAY
    assert "not yet valid" in refused(store, store.find(reference, long_ago), long_ago)


def test_one_key_identifier_for_two_parties_means_nobody() -> None:
    """Two parties' certificates over one key cannot be told apart."""
    key = pki.private_key("shared")
    first, second = (pki.issue(pki.name(n), key.public_key(), pki.authority()) for n in ("a", "b"))
    store = TrustStore((CA,), {"a": (first,), "b": (second,)})
    with pytest.raises(FailedAuthentication, match="not known"):
        store.find(SubjectKeyId(subject_key_id(first)), pki.NOW)


@pytest.mark.parametrize(
    ("issuer", "same"),
    [
        ("CN=Test CA,O=Passerelle tests\\, only tests,C=GB", True),
        ("C=GB, O=Passerelle tests\\, only tests, CN=Test CA", True),
        ("cn=test ca,o=passerelle  tests\\, only tests,c=gb", True),
        ("CN=Another CA,O=Passerelle tests\\, only tests,C=GB", False),
        ("no name at all", True),
    ],
)
def test_issuer_names_as_peers_write_them(issuer: str, same: bool) -> None:
    """Order, case and spacing differ between peers; what cannot be read leaves the serial to decide."""
    assert names(LEAF, IssuerSerial(issuer, LEAF.serial_number)) is same


def test_names_with_java_keywords() -> None:
    """EMAILADDRESS and SERIALNUMBER are what Java writes."""
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.EMAIL_ADDRESS, "ap@example.org"),
            x509.NameAttribute(NameOID.SERIAL_NUMBER, "7"),
        ]
    )
    assert parse_name("SERIALNUMBER=7, EMAILADDRESS=ap@example.org") == name_key(name)


def test_the_key_identifier_of_a_certificate_without_the_extension() -> None:
    """Without the extension the SKI is SHA-1 over the public key (RFC 5280 4.2.1.2)."""
    key = pki.private_key("no ski")
    without = pki.issue(pki.name("x"), key.public_key(), pki.authority(), ski=False)
    expected = x509.SubjectKeyIdentifier.from_public_key(key.public_key()).digest
    assert subject_key_id(without) == expected


def test_keys_and_certificates_must_belong_together() -> None:
    """A key with another's certificate, or without any, stops the start."""
    other = pki.party(pki.OTHER).signing
    with pytest.raises(ConfigError, match="does not belong"):
        SigningKey(other.private_key, (LEAF,))
    with pytest.raises(ConfigError, match="does not belong"):
        DecryptionKey(other.private_key, LEAF)
    with pytest.raises(ConfigError, match="needs its certificate"):
        SigningKey(other.private_key, ())


def test_helpers_of_both_keys() -> None:
    """Fingerprint, issuer with serial number and SKI are those of the certificate."""
    holder = pki.party(pki.FR).decryption
    for key in (FR, holder):
        certificate = key.certificate
        assert key.fingerprint == certificate.fingerprint(hashes.SHA256()).hex()
        assert key.issuer_serial.serial == certificate.serial_number
        assert names(certificate, key.issuer_serial)
        assert key.subject_key_id == subject_key_id(certificate)


def test_no_private_key_in_a_repr() -> None:
    """A key never shows itself in a log."""
    assert "private_key" not in repr(FR)
    assert "private_key" not in repr(pki.party(pki.FR).decryption)


# ---- PKIPath -----------------------------------------------------------------------------------


def test_a_path_is_split_as_it_was_joined() -> None:
    """Leaf first in, leaf first out."""
    chain = (LEAF, CA)
    assert tokens.split_pki_path(tokens.join_pki_path(chain)) == tuple(
        c.public_bytes(Encoding.DER) for c in chain
    )


@pytest.mark.parametrize(
    "der",
    [
        b"",
        b"\x30",
        b"\x31\x00",
        b"\x30\x00",
        b"\x30\x80",
        b"\x30\x85\x01\x01\x01\x01\x01",
        b"\x30\x05\x30\x00",
        b"\x30\x02\x30\x00\x00",
        b"\x30\x02\x30\x05\x00\x00\x00\x00\x00",
        b"\x30\x04\x30\x01\x00\x02",
        b"\x30\x02\x30\x05",
        b"\x30\x14" + b"\x30\x00" * 10,
    ],
    ids=[
        "nothing", "cut-header", "no-sequence", "empty", "indefinite", "long-length", "cut", "trailing",
        "trailing-member", "not-a-certificate", "member-past-the-end", "too-many",
    ],
)  # fmt: skip
def test_a_malformed_path_is_refused(der: bytes) -> None:
    """A PKIPath that is not DER, is cut off, empty or too long."""
    with pytest.raises(FailedAuthentication):
        tokens.split_pki_path(der)


def test_a_pinned_certificate_whose_key_nobody_can_read() -> None:
    """An unknown key algorithm is a refusal, even when somebody pinned the certificate."""
    rsa_encryption, unknown = bytes.fromhex("2a864886f70d010101"), bytes.fromhex("2a864886f70d01017f")
    der = LEAF.public_bytes(Encoding.DER).replace(rsa_encryption, unknown)
    strange = x509.load_der_x509_certificate(der)
    message = signed()
    root = message.tree()
    find(root, ns.WSSE, "BinarySecurityToken").text = tree.base64_text(der)
    with pytest.raises(FailedAuthentication, match="no readable key"):
        verify_envelope(
            root, message.parts, trust=TrustStore((), {"peer": (strange,)}), policy=POLICY, now=pki.NOW
        )


def test_a_certificate_with_broken_extensions() -> None:
    """A certificate that cannot be read to its end is refused as malformed."""
    usage = bytes.fromhex("0603551d0f0101ff0404030206c0")
    der = LEAF.public_bytes(Encoding.DER)
    assert usage in der
    broken = x509.load_der_x509_certificate(der.replace(usage, usage[:-4] + bytes.fromhex("050206c0")))
    with pytest.raises(FailedAuthentication, match="malformed"):
        TrustStore((), {"peer": (broken,)}).check(broken, pki.NOW)


def test_a_small_path_uses_the_short_form_of_length() -> None:
    """An empty chain is written as DER says, and refused on reading."""
    assert tokens.join_pki_path(()) == b"\x30\x00"
