"""Verifying a signed envelope: a fixed order of steps, none of which configuration can leave out.

1. structure: one Envelope, Header, Body, Messaging, Security, Signature, each in its one place; ids unique
2. algorithms, transforms and token kind against the policy
3. each Reference stands for a known place: *the* Messaging, *the* Body, a Timestamp or token of *the*
   Security header, or a part; nothing is ever searched for by id
4. scope: Messaging, Body and every part are covered, none twice
5. KeyInfo resolved to one certificate
6. certificate trusted at ``now``, for one party
7. signature value over SignedInfo as it arrived
8. the digest of every Reference
9. wsu:Timestamp, when there is one, inside the window
10. what the caller gets is parsed anew from the octets that were digested (style.md 3)
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from lxml import etree

from contracts.xml import parse_xml
from gateway.core.as4 import namespaces as ns
from gateway.core.as4.content import Octets, whole
from gateway.core.as4.keys import CERTIFICATE_ERRORS
from gateway.core.as4.policy import EXC_C14N, MAX_CANONICALISED_BYTES, SecurityPolicy
from gateway.core.as4.trust import TrustStore
from gateway.core.as4.wss import reference as references
from gateway.core.as4.wss import structure, timestamps, tokens, tree
from gateway.core.as4.wss.reference import SignedReference
from gateway.core.as4.wss.signature_algorithms import verify_octets
from gateway.core.as4.wss.structure import Envelope, Place
from gateway.core.as4.wss.tree import Malformed
from gateway.core.errors import FailedAuthentication, PolicyNoncompliance


@dataclass(frozen=True, kw_only=True, slots=True)
class VerifiedEnvelope:
    """Only what the signature covers. ``messaging`` is a fresh tree; ``attachments`` are the digested octets.

    ``party_id`` is whose certificate signed: compare it with the signed header (as4.md 37).
    """

    messaging: etree._Element
    body_is_empty: bool
    attachments: Mapping[str, Octets]
    certificate: x509.Certificate
    party_id: str
    references: tuple[SignedReference, ...]
    algorithm: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Signature:
    """A ds:Signature as read, its algorithms allowed by the policy; nothing is proven yet."""

    signed_info: etree._Element
    prefixes: tuple[str, ...]
    algorithm: str
    value: bytes
    key_info: etree._Element
    references: tuple[SignedReference, ...]


def verify_envelope(
    envelope: etree._Element,
    attachments: Mapping[str, Octets],
    *,
    trust: TrustStore,
    policy: SecurityPolicy,
    now: dt.datetime,
    media_types: Mapping[str, str] | None = None,
) -> VerifiedEnvelope:
    """Proves who signed this envelope and all its parts, at ``now`` (aware).

    ``attachments``: Content-ID → decrypted octets. ``media_types``: Content-ID → Content-Type, where a
    part is not compressed (SwA 5.4.2 normalises XML and text). Raises InvalidHeader (not SOAP or ebMS),
    As4FeatureNotSupported (an unknown header that must be understood), PolicyNoncompliance (unsigned,
    incomplete or weaker than agreed), FailedAuthentication (anything that does not hold).
    """
    # (1) structure
    parts = structure.read_envelope(envelope, policy)
    # (2) algorithms
    signature = read_signature(parts, policy)
    # (3) places
    places = {reference.uri: locate(reference, parts, attachments) for reference in signature.references}
    # (4) scope
    check_scope(signature, places, parts, attachments, policy)
    # (5) KeyInfo
    certificate, chain = _certificate(signature, parts, trust, policy, now)
    # (6) trust
    party_id = trust.check(certificate, now, chain)
    # (7) signature value
    check_value(signature, certificate, policy)
    # (8) digests
    octets: dict[str, Octets] = {}
    for reference in signature.references:
        octets[reference.uri] = digested(
            reference, places[reference.uri], attachments, media_types or {}, policy.max_canonicalised_bytes
        )
        if not references.holds(reference, octets[reference.uri]):
            raise FailedAuthentication("a digest does not match what arrived")
        octets[reference.uri] = references.pinned(reference, octets[reference.uri])
    # (9) timestamp
    timestamps.check(parts.timestamp, policy, now)
    # (10) only digested octets leave
    by_place = {places[uri]: content for uri, content in octets.items()}
    messaging = parse_xml(whole(by_place[Place(parts.messaging)]))
    return VerifiedEnvelope(
        messaging=messaging,
        body_is_empty=structure.is_empty(parts.body),
        attachments={p.content_id: c for p, c in by_place.items() if p.content_id is not None},
        certificate=certificate,
        party_id=party_id,
        references=signature.references,
        algorithm=signature.algorithm,
    )


def read_signature(envelope: Envelope, policy: SecurityPolicy) -> Signature:
    """(2) The signature's parts, every algorithm judged before anything is computed."""
    signature = envelope.signature
    names = [child.tag for child in tree.elements(signature)]
    if names != [ns.q(ns.DS, name) for name in ("SignedInfo", "SignatureValue", "KeyInfo")]:
        raise PolicyNoncompliance("a signature holds SignedInfo, SignatureValue and KeyInfo, nothing else")
    signed_info, value, key_info = tree.elements(signature)
    inside = tree.elements(signed_info)
    heads, rest = inside[:2], inside[2:]
    if [e.tag for e in heads] != [ns.q(ns.DS, "CanonicalizationMethod"), ns.q(ns.DS, "SignatureMethod")]:
        raise Malformed("SignedInfo does not begin with its methods")
    if tree.attribute(heads[0], "Algorithm") not in policy.canonicalizations:
        raise PolicyNoncompliance("canonicalisation is not allowed by the policy")
    algorithm = tree.attribute(heads[1], "Algorithm")
    if algorithm not in policy.signature_algorithms or tree.elements(heads[1]):
        raise PolicyNoncompliance("signature algorithm is not allowed by the policy")
    if any(e.tag != ns.q(ns.DS, "Reference") for e in rest):
        raise Malformed("SignedInfo holds something else than references")
    if not rest:
        raise PolicyNoncompliance("the signature covers nothing")
    if len(rest) > policy.max_references:
        raise PolicyNoncompliance("more references than the policy allows")
    listed = tuple(references.read_reference(e) for e in rest)
    for reference in listed:
        _check_reference(reference, policy)
    return Signature(
        signed_info=signed_info,
        prefixes=references.read_prefixes(heads[0]),
        algorithm=algorithm,
        value=tree.binary(value),
        key_info=key_info,
        references=listed,
    )


def _check_reference(reference: SignedReference, policy: SecurityPolicy) -> None:
    if reference.digest_method not in policy.digest_algorithms:
        raise PolicyNoncompliance("digest algorithm is not allowed by the policy")
    if reference.uri.startswith(references.CID):
        allowed = policy.attachment_transforms
    elif reference.uri.startswith("#") and "(" not in reference.uri:
        allowed = policy.canonicalizations
    else:
        raise PolicyNoncompliance("a reference points outside the message")
    if len(reference.transforms) != 1 or reference.transforms[0].algorithm not in allowed:
        raise PolicyNoncompliance("a reference needs exactly the transform of the profile")


def locate(reference: SignedReference, envelope: Envelope, attachments: Mapping[str, Octets]) -> Place:
    """(3) The one known place that a reference can mean. Raises FailedAuthentication for any other."""
    if reference.uri.startswith(references.CID):
        content_id = references.find_content_id(reference.uri, attachments)
        if content_id is None:
            raise FailedAuthentication("a signed part is missing")
        return Place(content_id=content_id)
    for element in envelope.signable:
        if element.get(tree.WSU_ID) == reference.uri[1:]:
            return Place(element)
    raise FailedAuthentication("a reference points at something else than the message")


def check_scope(
    signature: Signature,
    places: Mapping[str, Place],
    envelope: Envelope,
    attachments: Mapping[str, Octets],
    policy: SecurityPolicy,
) -> None:
    """(4) Everything that will be read is covered, once. Raises PolicyNoncompliance."""
    if len(attachments) > policy.max_parts:
        raise PolicyNoncompliance("more parts than the policy allows")
    covered = set(places.values())
    if len(covered) != len(signature.references):
        raise PolicyNoncompliance("something is signed twice")
    if Place(envelope.messaging) not in covered:
        raise PolicyNoncompliance("eb:Messaging is not signed")
    body_may_be_open = not policy.require_signed_body and structure.is_empty(envelope.body)
    if Place(envelope.body) not in covered and not body_may_be_open:
        raise PolicyNoncompliance("the Body is not signed")
    if any(Place(content_id=content_id) not in covered for content_id in attachments):
        raise PolicyNoncompliance("a part is not signed")


def _certificate(
    signature: Signature,
    envelope: Envelope,
    trust: TrustStore,
    policy: SecurityPolicy,
    now: dt.datetime,
) -> tuple[x509.Certificate, tuple[x509.Certificate, ...]]:
    """(5) The signing certificate and the intermediates that came with it."""
    token = tokens.read_token(signature.key_info, envelope.security)
    if tokens.token_kind(token) not in policy.token_references:
        raise PolicyNoncompliance("this kind of token reference is not allowed by the policy")
    if isinstance(token, tokens.EmbeddedToken):
        return token.certificates[0], token.certificates[1:]
    return trust.find(token, now), ()


def check_value(signature: Signature, certificate: x509.Certificate, policy: SecurityPolicy) -> None:
    """(7) The signature value over the canonical SignedInfo."""
    try:
        public_key = certificate.public_key()
    except CERTIFICATE_ERRORS as exc:
        raise FailedAuthentication("the signing certificate has no readable key") from exc
    try:
        verify_octets(
            public_key,
            signature.algorithm,
            signature.value,
            tree.canonical(signature.signed_info, signature.prefixes),
            min_rsa_bits=policy.min_rsa_bits,
        )
    except InvalidSignature as exc:
        raise FailedAuthentication("the signature does not hold") from exc


def digested(
    reference: SignedReference,
    place: Place,
    attachments: Mapping[str, Octets],
    media_types: Mapping[str, str],
    max_canonicalised: int = MAX_CANONICALISED_BYTES,
) -> Octets:
    """(8) The octets that a reference digests."""
    if place.content_id is not None:
        return references.attachment_octets(
            attachments[place.content_id], media_types.get(place.content_id), max_bytes=max_canonicalised
        )
    assert place.element is not None  # noqa: S101 — a Place is one or the other; tells mypy
    assert reference.transforms[0].algorithm == EXC_C14N  # noqa: S101 — step (2)
    return references.element_octets(place.element, reference)
