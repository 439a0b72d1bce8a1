"""AS4 proofs without payloads: a signed envelope is verified alone, its parts by the digests that it signs.

The same steps as ``core.as4.wss.verify``, with the same functions and the same policy; the parts themselves
are not there (a bundle holds no content), so step (8) compares Messaging and Body only, and what the
signature says of the parts (URI and digest) is proven as signed. Nothing is returned unverified.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field

from cryptography import x509
from lxml import etree

from contracts.xml import parse_xml
from gateway.core.as4 import soap
from gateway.core.as4.content import whole
from gateway.core.as4.ebms import parse_user_message
from gateway.core.as4.keys import CERTIFICATE_ERRORS, fingerprint, names
from gateway.core.as4.message import UserMessage
from gateway.core.as4.mime import parse_multipart
from gateway.core.as4.namespaces import EB, q
from gateway.core.as4.policy import SecurityPolicy
from gateway.core.as4.profiles import SecurityProfile, claimed_profile
from gateway.core.as4.receipts import match_references, parse_acknowledged
from gateway.core.as4.signals import Signal, parse_signal
from gateway.core.as4.wss import reference as references
from gateway.core.as4.wss import structure, tokens, verify
from gateway.core.as4.wss.reference import SignedReference
from gateway.core.as4.wss.structure import Envelope, Place
from gateway.core.errors import As4Error, FailedAuthentication, InvalidReceipt, PolicyNoncompliance
from gateway.core.proofs.known import Known, judge_signer
from gateway.core.proofs.report import Check, CheckCode, Fact, Proof, check

POLICY = SecurityPolicy()


@dataclass(frozen=True, kw_only=True, slots=True)
class SignedEnvelope:
    """What only ``open_envelope`` makes: the header as signed, and who signed it."""

    user: UserMessage | None
    signal: Signal | None
    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...] = field(repr=False)
    references: tuple[SignedReference, ...] = field(repr=False)
    profile: SecurityProfile

    @property
    def signed_at(self) -> dt.datetime:
        unit = self.user or self.signal
        if unit is None:
            raise AssertionError("an envelope is a user message or a signal")
        return unit.timestamp


def open_envelope(content: bytes, certificates: Sequence[x509.Certificate]) -> SignedEnvelope:
    """Verify one stored envelope. ``certificates`` resolve a token that only names its certificate; they
    are not believed for that. Raises As4Error."""
    # (1) structure
    root, _ = soap.parse_envelope(content, POLICY)
    profile = claimed_profile(root) or SecurityProfile.EDELIVERY_1_15
    policy = profile.policy(POLICY)
    envelope = structure.read_envelope(root, policy)
    # (2) algorithms
    signature = verify.read_signature(envelope, policy)
    # (3) and (4) places and scope; parts are not here
    places = _places(signature.references, envelope)
    # (5) KeyInfo
    certificate, chain = _certificate(signature.key_info, envelope, policy, certificates)
    _check_readable(certificate)
    # (7) signature value; (6), trust, is judged by the caller
    verify.check_value(signature, certificate, policy)
    # (8) digests of what is here
    messaging = b""
    for reference, place in places:
        octets = verify.digested(reference, place, {}, {}, policy.max_canonicalised_bytes)
        if not references.holds(reference, octets):
            raise FailedAuthentication("a digest does not match what is in the envelope")
        if place == Place(envelope.messaging):
            messaging = whole(octets)
    # (10) only digested octets are read
    unit = soap.unit(parse_xml(messaging))
    user = parse_user_message(unit, policy) if unit.tag == q(EB, "UserMessage") else None
    if user is not None:
        _match_parts(user, signature.references)
    return SignedEnvelope(
        user=user,
        signal=None if user is not None else parse_signal(unit),
        certificate=certificate,
        chain=chain,
        references=signature.references,
        profile=profile,
    )


def _places(found: Sequence[SignedReference], envelope: Envelope) -> list[tuple[SignedReference, Place]]:
    if len({r.uri for r in found}) != len(found):
        raise PolicyNoncompliance("something is signed twice")
    here = [(r, verify.locate(r, envelope, {})) for r in found if not r.uri.startswith(references.CID)]
    covered = {place for _, place in here}
    if len(covered) != len(here) or not {Place(envelope.messaging), Place(envelope.body)} <= covered:
        raise PolicyNoncompliance("eb:Messaging or the Body is not signed, or something is signed twice")
    return here


def _match_parts(user: UserMessage, signed: Sequence[SignedReference]) -> None:
    """The signature covers exactly the parts that the signed header announces."""
    announced = {part.content_id: b"" for part in user.parts}
    found = {references.find_content_id(r.uri, announced) for r in signed if r.uri.startswith(references.CID)}
    if found != set(announced):
        raise PolicyNoncompliance("the signature does not cover exactly the announced parts")


def _certificate(
    key_info: etree._Element,
    envelope: Envelope,
    policy: SecurityPolicy,
    certificates: Sequence[x509.Certificate],
) -> tuple[x509.Certificate, tuple[x509.Certificate, ...]]:
    token = tokens.read_token(key_info, envelope.security)
    if tokens.token_kind(token) not in policy.token_references:
        raise PolicyNoncompliance("this kind of token reference is not allowed by the policy")
    if isinstance(token, tokens.EmbeddedToken):
        return token.certificates[0], (*token.certificates[1:], *certificates)
    named = {fingerprint(c): c for c in certificates if names(c, token)}
    if len(named) != 1:
        raise FailedAuthentication("the certificate that signed is not in the bundle")
    return next(iter(named.values())), tuple(certificates)


def _check_readable(certificate: x509.Certificate) -> None:
    """What is judged of it later can be read: cryptography parses lazily."""
    try:
        _ = (certificate.not_valid_before_utc, certificate.subject.rfc4514_string(), certificate.issuer)
    except CERTIFICATE_ERRORS as exc:
        raise FailedAuthentication("the signing certificate is malformed") from exc


# ---- judging ------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Expected:
    """What the manifest says of the message; every proof is compared with it."""

    as4_message_id: str | None
    conversation_id: str
    certificates: tuple[x509.Certificate, ...] = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    proof: Proof
    envelope: SignedEnvelope | None
    """None when it did not verify."""


def _unreadable(name: str, kind: str, digest: Check, exc: As4Error) -> Judged:
    failed = check(CheckCode.SIGNATURE, False, error=exc.code, detail=exc.detail)
    return Judged(proof=Proof(name=name, kind=kind, checks=(digest, failed)), envelope=None)


def judge_user_message(
    name: str, kind: str, content: bytes, digest: Check, *, expected: Expected, known: Known
) -> Judged:
    """An envelope as sent or received."""
    try:
        opened = open_envelope(content, expected.certificates)
        if opened.user is None:
            raise PolicyNoncompliance("the envelope holds no user message")
    except As4Error as exc:
        return _unreadable(name, kind, digest, exc)
    user = opened.user
    parts = sum(r.uri.startswith(references.CID) for r in opened.references)
    same = user.message_id == expected.as4_message_id and user.conversation_id == expected.conversation_id
    checks = [
        digest,
        check(
            CheckCode.SIGNATURE,
            True,
            profile=opened.profile.value,
            covers=len(opened.references),
            parts=parts,
        ),
        check(CheckCode.MESSAGE, same, as4_message_id=user.message_id),
        *judge_signer(opened.certificate, opened.chain, opened.signed_at, known),
        *_party(opened, user.from_party.id, known),
    ]
    return Judged(proof=Proof(name=name, kind=kind, checks=tuple(checks)), envelope=opened)


def _party(opened: SignedEnvelope, wanted: str, known: Known) -> tuple[Check, ...]:
    """Only where the certificate is known as that of a party."""
    party = known.party(opened.certificate)
    return (check(CheckCode.PARTY, party == wanted, party=party, wanted=wanted),) if party else ()


def open_signal_body(
    content_type: str, content: bytes, certificates: Sequence[x509.Certificate]
) -> tuple[SignedEnvelope, Signal]:
    """A stored signal, as it came in an HTTP body. Raises As4Error."""
    package = parse_multipart(content_type, content, POLICY)
    if package.parts:
        raise PolicyNoncompliance("a signal has no attachments")
    opened = open_envelope(whole(package.root.content), certificates)
    if opened.signal is None:
        raise PolicyNoncompliance("the envelope holds no signal")
    return opened, opened.signal


def judge_signal(
    name: str,
    kind: str,
    content_type: str,
    content: bytes,
    digest: Check,
    *,
    sent: Sequence[SignedEnvelope],
    expected: Expected,
    known: Known,
) -> Judged:
    """A receipt (matched to what was sent) or an error signal. ``sent``: the verified envelopes of the
    bundle; a replay seals again, and the receipt of any of them proves delivery."""
    try:
        opened, signal = open_signal_body(content_type, content, expected.certificates)
        about = signal.ref_to_message_id or next((e.ref_to_message_id for e in signal.errors), None)
        facts: dict[str, Fact] = {"profile": opened.profile.value, "covers": len(opened.references)}
        if signal.errors:
            facts["errors"] = ", ".join(e.code for e in signal.errors)
        matched = None if signal.receipt is None else _matches(opened, signal, sent)
    except As4Error as exc:
        return _unreadable(name, kind, digest, exc)
    checks = [
        digest,
        check(CheckCode.SIGNATURE, True, **facts),
        check(CheckCode.MESSAGE, about == expected.as4_message_id, as4_message_id=about),
    ]
    if matched is not None:
        checks.append(matched)
    checks += judge_signer(opened.certificate, opened.chain, opened.signed_at, known)
    checks += _other_side(opened, sent, known)
    return Judged(proof=Proof(name=name, kind=kind, checks=tuple(checks)), envelope=opened)


def _matches(opened: SignedEnvelope, signal: Signal, sent: Sequence[SignedEnvelope]) -> Check:
    if signal.receipt is None:
        raise AssertionError("only a receipt is matched")
    acknowledged = parse_acknowledged(signal.receipt, opened.profile.policy(POLICY))
    for envelope in sent:
        try:
            match_references(envelope.references, acknowledged)
        except InvalidReceipt:
            continue
        if envelope.profile is opened.profile:
            return check(CheckCode.MATCH, True, references=len(acknowledged))
    return check(CheckCode.MATCH, False, references=len(acknowledged), compared_with=len(sent))


def _other_side(opened: SignedEnvelope, sent: Sequence[SignedEnvelope], known: Known) -> tuple[Check, ...]:
    """The receiver signs the answer: its certificate is the To party's, never the sender's."""
    users = [e.user for e in sent if e.user is not None]
    if not users:
        return ()
    party, wanted = known.party(opened.certificate), users[0].to_party.id
    if party:
        return (check(CheckCode.PARTY, party == wanted, party=party, wanted=wanted),)
    own = {fingerprint(e.certificate) for e in sent}
    return (check(CheckCode.PARTY, fingerprint(opened.certificate) not in own, wanted=wanted),)
