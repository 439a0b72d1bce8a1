"""The checks on a partner's certificates: each refusal alone, and what passes."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from gateway.core.as4.policy import SecurityPolicy
from gateway.core.as4.profiles import SecurityProfile
from gateway.core.errors import PartnerRefused
from gateway.keys.partner import encrypts, signs
from gateway.partners.certificates import Given, Purpose
from gateway.partners.judge import Known, Parcel, Plan, judge
from gateway.partners.metadata import KeyReference
from tests.fixtures import pki
from tests.fixtures.partner_files import PARTY, Ministry

M = Ministry(pki.NOW)
KNOWN = Known(
    party=PARTY,
    policy=SecurityPolicy(),
    profiles=frozenset({SecurityProfile.EDELIVERY_1_15}),
    may_sign=signs,
    may_encrypt=encrypts,
)


def given(*certificates: x509.Certificate, source: str = "f.pem") -> tuple[Given, ...]:
    return tuple(Given(source=source, certificate=c) for c in certificates)


def parcel(
    sign: x509.Certificate | None = None,
    encrypt: x509.Certificate | None = None,
    *,
    ca: x509.Certificate | None = None,
    **more: Any,
) -> Parcel:
    """Good certificates, but for what the test replaces."""
    return Parcel(
        signing=given(sign or M.sign, source="sign.pem"),
        encryption=given(encrypt or M.encrypt, source="encrypt.pem"),
        anchors=given(ca or M.ca.certificate, source="ca.pem"),
        **more,
    )


def refusals(what: Parcel, known: Known = KNOWN) -> list[tuple[str, str]]:
    """(file, message) of every reason."""
    with pytest.raises(PartnerRefused) as caught:
        judge(what, known, now=pki.NOW)
    return [(p.path, p.message_en) for p in caught.value.problems]


def passes(what: Parcel, known: Known = KNOWN) -> Plan:
    return judge(what, known, now=pki.NOW)


def test_good_certificates_pass() -> None:
    """A signing and an encryption certificate with their CA: three additions, in the order people expect."""
    plan = passes(parcel())
    assert [a.purposes for a in plan.additions] == [(Purpose.SIGN,), (Purpose.ENCRYPT,), (Purpose.ANCHOR,)]
    assert (plan.present, plan.warnings) == ((), ())


def test_one_certificate_may_serve_both_purposes() -> None:
    """One whose key usage allows it is pinned once, for both."""
    plan = passes(Parcel(signing=given(M.both), anchors=given(M.ca.certificate)))
    assert plan.additions[0].purposes == (Purpose.SIGN, Purpose.ENCRYPT)


def test_a_bundle_of_one_of_each_is_sorted_by_key_usage() -> None:
    """A file with a signing, an encryption and a CA certificate needs no second option for the leaves."""
    bundle = given(M.encrypt, M.sign, M.ca.certificate)
    plan = passes(Parcel(signing=bundle, anchors=given(M.ca.certificate)))
    assert [a.given.certificate for a in plan.additions] == [M.sign, M.encrypt, M.ca.certificate]


def test_a_self_signed_certificate_is_its_own_anchor_when_given_as_one() -> None:
    """Without --ca it is refused: nobody vouches for it."""
    alone = M.self_signed()
    assert refusals(Parcel(signing=given(alone)))[0][1].startswith("it does not chain to an anchor")
    plan = passes(Parcel(signing=given(alone), anchors=given(alone)))
    assert plan.additions[0].purposes == (Purpose.SIGN, Purpose.ENCRYPT, Purpose.ANCHOR)


EXPIRED = "the certificate expired on 2026-11-22; ask the partner for its current one"
WEAK = "the RSA key has 1024 bits; at least 2048 are needed; ask for a certificate over a longer key"
LATER = (
    "the certificate is valid from 2026-11-24 only, and none is valid until then; wait, or ask for one "
    "that is valid now"
)
KIND = "the key is EC secp256r1; the agreed P-Modes need RSA; ask for a certificate over such a key"
NO_SKI = (
    "it has no subject key identifier, and the partner refers to keys by it; ask for a certificate "
    "that has one, or agree on another --key-reference"
)
USAGE = "the key usage does not allow to {}; ask the partner for its certificate for that purpose"
CHAIN = "it does not chain to an anchor; its issuer is {}; give that CA (and those above it) with --ca"


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        (lambda: parcel(M.leaf("old", start=-400, end=-1)), [("sign.pem", EXPIRED)]),
        (
            lambda: parcel(M.leaf("new", start=1)),
            [
("sign.pem", LATER)
            ],
        ),
        (lambda: parcel(M.leaf("weak", bits=1024)), [("sign.pem", WEAK)]),
        (lambda: parcel(M.leaf("agrees", usage=pki.ENCRYPTS)), [("sign.pem", USAGE.format("sign"))]),
        (lambda: parcel(encrypt=M.leaf("s2")), [("encrypt.pem", USAGE.format("encrypt to"))]),
        (
            lambda: parcel(M.elliptic()),
            [
("sign.pem", KIND)
            ],
        ),
        (
            lambda: parcel(M.leaf("foreign", issuer=M.authority("Foreign CA"))),
            [
                (
                    "sign.pem",
                    CHAIN.format("CN=Foreign CA,O=Passerelle tests\\, only tests,C=GB"),
                )
            ],
        ),
        (
            lambda: parcel(M.ca.certificate),
            [
                # the CA is trusted, so it could be a self-signed party: its key usage says that it is not
                ("sign.pem", USAGE.format("sign")),
            ],
        ),
        (
            lambda: Parcel(
                signing=given(M.sign, M.leaf("second")),
                encryption=given(M.encrypt),
                anchors=given(M.ca.certificate),
            ),
            [("f.pem", "2 certificates may sign; give the one that the partner uses now")],
        ),
        (
            lambda: Parcel(signing=given(M.sign), anchors=given(M.ca.certificate)),
            [
                (
                    "f.pem",
                    "nothing to encrypt to: the certificate only signs; give --encryption-certificate too",
                )
            ],
        ),
        (
            lambda: Parcel(encryption=given(M.encrypt), anchors=given(M.ca.certificate)),
            [("f.pem", "no certificate that signs is given or installed; give it with --certificate")],
        ),
        (
            lambda: parcel(M.leaf("bare", ski=False), key_references=(KeyReference.SKI,)),
            [
("sign.pem", NO_SKI)
            ],
        ),
    ],
    ids=[
        "expired", "not-yet-valid", "weak-key", "wrong-usage-signing", "wrong-usage-encryption", "key-type",
        "foreign-ca", "trusted-ca-as-party", "two-certificates",
        "nothing-to-encrypt-to", "nothing-that-signs", "no-ski",
    ],
)  # fmt: skip
def test_each_defect_is_refused_with_its_cure(what: Any, expected: list[tuple[str, str]]) -> None:
    """One defect, one exact message that names the file and what helps."""
    assert refusals(what()) == expected


@pytest.mark.parametrize(
    ("what", "code"),
    [
        (Parcel(signing=given(M.ca.certificate), encryption=given(M.encrypt)), "partner.is_ca"),
        (parcel(ca=M.leaf("no ca")), "partner.not_a_ca"),
        (parcel(ca=M.authority("Short CA", bits=1024).certificate), "partner.weak_key"),
        (parcel(M.signed_with(hashes.SHA224())), "partner.weak_signature"),
    ],
    ids=["ca-as-party", "party-as-ca", "weak-ca", "weak-signature"],
)
def test_defects_that_come_with_others_are_named_too(what: Parcel, code: str) -> None:
    """A wrong or weak CA also leaves the chain open: both reasons are told at once."""
    with pytest.raises(PartnerRefused) as caught:
        judge(what, KNOWN, now=pki.NOW)
    assert {code, "partner.no_chain"} <= {p.code for p in caught.value.problems}


@pytest.mark.parametrize("field", ["ours", "others"])
@pytest.mark.parametrize("same", ["certificate", "key"])
def test_a_certificate_or_key_of_somebody_else_is_refused(field: str, same: str) -> None:
    """Ours and another party's, also as a new certificate over the same key (as4.md 37)."""
    key = pki.private_key("partner ministry sign", 2048)
    other = M.sign if same == "certificate" else M.leaf("someone else", key=key)
    known = dataclasses.replace(KNOWN, **{field: (("keys/as4-sign.crt.pem", other),)})
    (reason,) = refusals(parcel(), known)
    owner = "our own certificate or key" if field == "ours" else "belongs to another party already"
    assert reason[0] == "sign.pem"
    assert owner in reason[1]
    assert "keys/as4-sign.crt.pem" in reason[1]


def test_a_revoked_certificate_is_refused() -> None:
    """By issuer and serial number, before its chain is looked at."""
    gone = M.sign
    known = dataclasses.replace(KNOWN, revoked=frozenset({(gone.issuer, gone.serial_number)}))
    assert refusals(parcel(), known) == [
        (
            "sign.pem",
            "the certificate is on a revocation list of its CA; ask the partner for a new one",
        )
    ]


def test_a_certificate_of_tomorrow_is_welcome_beside_one_of_today() -> None:
    """A renewal may be installed before it begins; the plan says so."""
    known = dataclasses.replace(
        KNOWN,
        party_certificates=(("party/sign.pem", M.sign), ("party/encrypt.pem", M.encrypt)),
        anchors=(("anchors/ca.pem", M.ca.certificate),),
    )
    plan = passes(Parcel(signing=given(M.leaf("next", start=5))), known)
    assert plan.warnings == ("f.pem is valid from 2026-11-28; until then the present one is used",)


def test_what_ends_soon_is_said() -> None:
    """Less than 30 days left is no refusal, but a warning."""
    plan = passes(parcel(M.leaf("short", end=10)))
    assert plan.warnings == ("sign.pem ends in 10 days; ask for the next one soon",)


def test_what_is_installed_already_is_not_new() -> None:
    """Giving the same files again changes nothing."""
    known = dataclasses.replace(
        KNOWN,
        party_certificates=(("party/sign.pem", M.sign), ("party/encrypt.pem", M.encrypt)),
        anchors=(("anchors/ca.pem", M.ca.certificate),),
    )
    plan = passes(parcel(), known)
    assert plan.additions == ()
    assert len(plan.present) == 3


def test_every_reason_is_told_at_once() -> None:
    """An operator who calls the partner once hears everything that is wrong."""
    bad = M.leaf("bad", bits=1024, start=-400, end=-1, usage=pki.ENCRYPTS, issuer=M.authority("Foreign CA"))
    with pytest.raises(PartnerRefused) as caught:
        judge(parcel(bad), KNOWN, now=pki.NOW)
    assert [p.code for p in caught.value.problems] == [
        "partner.weak_key",
        "partner.wrong_usage",
        "partner.expired",
        "partner.no_chain",
    ]


def test_profile_2_takes_its_own_kinds_of_key() -> None:
    """With P-Modes of profile 2.0 an EC certificate is accepted where they say so, and RSA is not."""
    known = dataclasses.replace(KNOWN, profiles=frozenset({SecurityProfile.EDELIVERY_2_0_EC}))
    found = dict(refusals(parcel(M.elliptic(), M.both), known))
    assert "sign.pem" not in found
    assert "need EC P-256" in found["encrypt.pem"]


def test_keys_of_the_next_profile_are_welcome_beside_those_in_use() -> None:
    """A change of profile is prepared: an EC certificate is taken beside RSA, with a note, and not alone."""
    known = dataclasses.replace(
        KNOWN,
        party_certificates=(("party/sign.pem", M.sign), ("party/encrypt.pem", M.encrypt)),
        anchors=(("anchors/ca.pem", M.ca.certificate),),
    )
    plan = passes(Parcel(signing=given(M.elliptic())), known)
    assert plan.additions[0].purposes == (Purpose.SIGN,)
    assert plan.warnings == ("f.pem is over a key that no P-Mode of the agreement uses yet",)
    alone = Parcel(signing=given(M.elliptic()), anchors=given(M.ca.certificate))
    assert KIND in [message for _, message in refusals(alone)]
