"""Metadata files: our format in TOML and JSON, party and address out of a Domibus P-Mode."""

from __future__ import annotations

import json

import pytest

from gateway.core.as4.policy import SecurityPolicy
from gateway.core.errors import PartnerRefused
from gateway.core.treaty.agreement import uk_fr
from gateway.partners.line import make_line
from gateway.partners.metadata import KeyReference, Metadata, metadata_text, read_metadata
from gateway.partners.pmodes import Product, pmode_files
from tests.fixtures import pki
from tests.fixtures.partner_files import PARTY, Ministry, pem

MINISTRY = Ministry(pki.NOW)
SIGN = pem(MINISTRY.sign).decode()
METADATA = Metadata(
    party=PARTY,
    party_type="urn:oasis:names:tc:ebcore:partyid-type:unregistered",
    url="https://as4.ministere.example/as4",
    key_references=(KeyReference.SKI,),
    signing_certificate=SIGN,
    encryption_certificate=pem(MINISTRY.encrypt).decode(),
    ca_certificates=(pem(MINISTRY.ca.certificate).decode(),),
)


def read(content: bytes) -> Metadata:
    return read_metadata(content, "m.toml", party=PARTY)


def test_what_we_write_is_what_we_read() -> None:
    """Our own metadata, as we hand it over, comes back with the same certificates."""
    found = read(metadata_text(METADATA).encode())
    assert (found.party, found.url, found.key_references) == (PARTY, METADATA.url, METADATA.key_references)
    for field in ("signing_certificate", "encryption_certificate", "ca_certificates"):
        expected = [g.certificate for g in METADATA.certificates(field, "a")]
        assert [g.certificate for g in found.certificates(field, "m.toml")] == expected


def test_json_is_the_same_format() -> None:
    """The first character tells JSON from TOML; a byte order mark does not disturb."""
    text = json.dumps({"party": PARTY, "signing_certificate": SIGN})
    found = read(b"\xef\xbb\xbf" + text.encode())
    (given,) = found.certificates("signing_certificate", "m.json")
    assert (given.certificate, given.source) == (MINISTRY.sign, "m.json: signing_certificate")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b'party = "FR-MI-AS4"\nsigning_key = "x"\n', "unknown field"),
        (b"url = 'https://a.example/as4'\n", "missing required field `party`"),
        (b"party = 5\n", "Expected `str`"),
        (b"party = \n", "no valid TOML"),
        (b'{"party": ', "no valid JSON, line 1"),
        (b"\xff\xfe", "not UTF-8 text"),
        (b'party = "FR-MI-AS4"\nkey_references = ["thumbprint"]\n', "Invalid enum value"),
        (b"<a/>", "this XML is not a Domibus P-Mode"),
        (b"<!DOCTYPE a><a/>", "a DOCTYPE is not allowed"),
        (b"<a", "not well-formed XML"),
    ],
    ids=[
        "unknown",
        "no-party",
        "type",
        "toml",
        "json",
        "encoding",
        "reference",
        "xml",
        "doctype",
        "broken-xml",
    ],
)
def test_broken_metadata_is_refused(content: bytes, why: str) -> None:
    """Every defect is refused with what is wrong and where the format is shown."""
    with pytest.raises(PartnerRefused) as caught:
        read(content)
    (found,) = caught.value.problems
    assert (found.path, found.code) == ("m.toml", "partner.metadata")
    assert why in found.message_en
    assert found.message_en.endswith("docs/partners/README.md shows the format")


def test_what_a_file_says_cannot_play_with_the_terminal() -> None:
    """An escape sequence out of the file is shown as its code point."""
    with pytest.raises(PartnerRefused) as caught:
        read(json.dumps({"party": PARTY, "\x1b[2J": 1}).encode())
    (found,) = caught.value.problems
    assert r"\u001b[2J" in found.message_en
    assert found.message_en.isprintable()


def test_a_private_key_in_metadata_is_refused() -> None:
    """A partner that sends its private key is told so, whatever the format."""
    with pytest.raises(PartnerRefused) as caught:
        read(b'party = "FR-MI-AS4"\nkey = """-----BEGIN PRIVATE KEY-----"""\n')
    assert [p.code for p in caught.value.problems] == ["partner.private_key"]


def test_a_domibus_pmode_gives_party_and_address() -> None:
    """Certificates are not in it: they come by --certificate."""
    url = "https://as4.ministere.example/domibus/services/msh"
    line = make_line(uk_fr(), our_url="https://uk.example/as4", their_url=url, policy=SecurityPolicy())
    (content,) = pmode_files(Product.DOMIBUS, line).values()
    found = read(content)
    assert (found.party, found.url) == (PARTY, url)
    assert found.party_type == uk_fr().parties.fr.id_type
    assert found.certificates("signing_certificate", "x") == ()


def test_a_domibus_pmode_of_others_is_refused() -> None:
    """It must name the party that is being added."""
    line = make_line(uk_fr(), our_url="https://uk.example/as4", their_url=None, policy=SecurityPolicy())
    (content,) = pmode_files(Product.DOMIBUS, line).values()
    with pytest.raises(PartnerRefused, match="refused"):
        read_metadata(content, "p.xml", party="FR-OTHER")
