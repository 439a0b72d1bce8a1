"""Reading certificates as partners send them, and the facts shown of them."""

from __future__ import annotations

import re

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.serialization import pkcs7

from gateway.core.errors import PartnerRefused
from gateway.partners.certificates import (
    MAX_BYTES,
    facts,
    group_lines,
    groups,
    hex_text,
    last_groups,
    normal,
    read_certificates,
)
from gateway.partners.refusals import TEXTS, problem
from tests.fixtures import pki
from tests.fixtures.partner_files import Ministry, der, pem

MINISTRY = Ministry(pki.NOW)
SIGN, CA = MINISTRY.sign, MINISTRY.ca.certificate


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (pem(SIGN), [SIGN]),
        (pem(SIGN, CA), [SIGN, CA]),
        (b"Bag Attributes\n  friendlyName: sign\n" + pem(SIGN), [SIGN]),
        (der(SIGN), [SIGN]),
        (pem(SIGN, SIGN), [SIGN]),
        (pkcs7.serialize_certificates([SIGN, CA], serialization.Encoding.DER), [SIGN, CA]),
        (pkcs7.serialize_certificates([SIGN, CA], serialization.Encoding.PEM), [SIGN, CA]),
    ],
    ids=["pem", "pem-chain", "pem-with-text", "der", "twice", "p7b-der", "p7b-pem"],
)
def test_every_usual_form_is_read(content: bytes, expected: list[x509.Certificate]) -> None:
    """PEM, DER and PKCS#7 give the same certificates, each once, with the file's name."""
    found = read_certificates(content, "a.pem")
    assert {g.certificate for g in found} == set(expected)
    assert {g.source for g in found} == {"a.pem"}


def _request() -> bytes:
    key = pki.private_key("partner request")
    builder = x509.CertificateSigningRequestBuilder().subject_name(pki.name("request"))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _key() -> bytes:
    return pki.private_key("partner request").private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "not_a_certificate"),
        (b"hello", "not_a_certificate"),
        (b"\x30\x82\x01\x00" + b"\0" * 300, "not_a_certificate"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "not_a_certificate"),
        (_request(), "request"),
        (pem(SIGN) + _key(), "private_key"),
        (b"x" * (MAX_BYTES + 1), "too_large"),
    ],
    ids=["empty", "text", "noise", "broken-pem", "request", "with-private-key", "too-large"],
)
def test_anything_else_is_refused(content: bytes, code: str) -> None:
    """What is no certificate is refused by its own code, and the text names the cure."""
    with pytest.raises(PartnerRefused) as caught:
        read_certificates(content, "a.pem")
    (found,) = caught.value.problems
    assert (found.path, found.code) == ("a.pem", f"partner.{code}")


def test_what_the_library_only_warns_of_is_refused() -> None:
    """A serial number that is not positive (RFC 5280 4.1.2.2) would be refused by its next release (found
    by fuzzing)."""
    key, serial = pki.private_key("partner odd name"), b"\x11\x22\x33\x44\x55\x66\x77\x08"
    good = (
        x509.CertificateBuilder()
        .subject_name(pki.name("odd"))
        .issuer_name(pki.name("odd"))
        .public_key(key.public_key())
        .serial_number(int.from_bytes(serial, "big"))
        .not_valid_before(pki.NOW)
        .not_valid_after(pki.NOW + pki.DAY)
        .sign(key, hashes.SHA256())
    )
    negative = der(good).replace(serial, b"\x91" + serial[1:])
    with pytest.raises(PartnerRefused) as caught:
        read_certificates(negative, "a.der")
    assert [p.code for p in caught.value.problems] == ["partner.malformed"]


def test_facts_are_those_of_the_certificate() -> None:
    """Serial in hex and decimal, SKI, SHA-256, key and validity as OpenSSL would show them."""
    found = facts(SIGN, pki.NOW)
    assert found.serial == SIGN.serial_number
    assert int(found.serial_hex, 16) == SIGN.serial_number
    assert found.ski == SIGN.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest.hex()
    assert found.sha256 == SIGN.fingerprint(hashes.SHA256()).hex()
    assert (found.key, found.state, found.days_left) == ("RSA 2048", "valid", 300)


def test_the_state_follows_the_moment() -> None:
    """Before, during and after its validity."""
    at = (pki.NOW - 40 * pki.DAY, pki.NOW, pki.NOW + 301 * pki.DAY)
    assert [facts(SIGN, now).state for now in at] == ["not yet valid", "valid", "expired"]
    assert facts(SIGN, at[2]).days_left == -1


def test_fingerprints_are_read_in_groups() -> None:
    """Sixteen groups of four on two lines; hidden ones are dots; what is typed may have colons and blanks."""
    digits = facts(SIGN, pki.NOW).sha256
    assert "".join(groups(digits)) == digits
    lines = group_lines(digits, hide=2)
    assert [len(line) for line in lines] == [39, 39]
    assert lines[1].endswith(" ···· ····")
    assert digits[-8:] not in " ".join(lines).replace(" ", "")
    assert last_groups(digits) == digits[-8:]
    assert normal(f" {digits[:2].upper()}:{digits[2:]} ") == digits


def test_a_serial_number_has_whole_bytes() -> None:
    """As OpenSSL and keytool print it."""
    assert [hex_text(n) for n in (1, 0xABC, 0x1234)] == ["01", "0abc", "1234"]


def test_names_cannot_play_with_the_terminal() -> None:
    """Escape sequences and direction marks in a name are shown as what they are."""
    key = pki.private_key("partner odd name")
    evil = pki.issue(pki.name("a\x1b[2Jb\u202ec\nd"), key.public_key(), None, signer=key)
    found = facts(evil, pki.NOW)
    assert found.subject == found.issuer
    assert found.subject.startswith(r"CN=a\u001b[2Jb\u202ec\u000ad,")


def test_every_refusal_says_what_helps_in_both_languages() -> None:
    """Each text has a matter and a cure, separated by a semicolon, in English and in French."""

    class Any:
        def __format__(self, _: str) -> str:
            return "x"

    names = {name for texts in TEXTS.values() for name in re.findall(r"{(\w+)}", texts[0])}
    values = dict.fromkeys(names, Any())
    for code in TEXTS:
        found = problem(code, "f", **values)
        assert (";" in found.message_en, ";" in found.message_fr) == (True, True) or code == "url", code
        assert "{" not in found.message_en + found.message_fr
