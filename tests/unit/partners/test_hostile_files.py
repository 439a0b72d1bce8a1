"""Whatever a file holds, reading and judging it ends in a plan or in PartnerRefused, and nothing else."""

from __future__ import annotations

import contextlib

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs7
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.as4.policy import SecurityPolicy
from gateway.core.as4.profiles import SecurityProfile
from gateway.core.errors import PartnerRefused
from gateway.keys.partner import encrypts, signs
from gateway.partners.certificates import facts, read_certificates
from gateway.partners.judge import Known, Parcel, judge
from gateway.partners.metadata import Metadata, metadata_text, read_metadata
from tests.fixtures import pki
from tests.fixtures.partner_files import PARTY, Ministry, der, pem

M = Ministry(pki.NOW)
SEEDS = (
    der(M.both),
    pem(M.both),
    pkcs7.serialize_certificates([M.sign, M.ca.certificate], serialization.Encoding.DER),
    pkcs7.serialize_certificates([M.sign], serialization.Encoding.PEM),
)
METADATA = metadata_text(
    Metadata(party=PARTY, url="https://ministere.example/as4", signing_certificate=pem(M.both).decode())
)
KNOWN = Known(
    party=PARTY,
    policy=SecurityPolicy(),
    profiles=frozenset({SecurityProfile.EDELIVERY_1_15}),
    may_sign=signs,
    may_encrypt=encrypts,
)


@st.composite
def damaged(draw: st.DrawFn, seeds: tuple[bytes, ...]) -> bytes:
    """A good file with a few bytes changed, cut out or repeated."""
    content = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(content) - 1))
        kind = draw(st.sampled_from(["change", "cut", "repeat", "flip"]))
        if kind == "change":
            content[at] = draw(st.integers(0, 255))
        elif kind == "flip":
            content[at] ^= 1 << draw(st.integers(0, 7))
        elif kind == "cut":
            del content[at : at + draw(st.integers(1, 40))]
        else:
            content[at:at] = content[at : at + draw(st.integers(1, 40))]
        if not content:
            return b""
    return bytes(content)


@settings(max_examples=400, deadline=None)
@given(damaged(SEEDS) | st.binary(max_size=300))
def test_damaged_certificates_are_read_or_refused(content: bytes) -> None:
    """No other exception leaves the reader, the facts or the judge."""
    with contextlib.suppress(PartnerRefused):
        found = read_certificates(content, "f")
        assert [facts(g.certificate, pki.NOW).subject.isprintable() for g in found] == [True] * len(found)
        judge(Parcel(signing=found, anchors=found), KNOWN, now=pki.NOW)


@settings(max_examples=300, deadline=None)
@given(damaged((METADATA.encode(),)) | st.text(max_size=200).map(str.encode))
def test_damaged_metadata_is_read_or_refused(content: bytes) -> None:
    """TOML, JSON or XML: the format's own errors are translated."""
    with contextlib.suppress(PartnerRefused):
        found = read_metadata(content, "f", party=PARTY)
        for field in ("signing_certificate", "encryption_certificate", "ca_certificates"):
            found.certificates(field, "f")
