"""Signing an envelope with its parts (as4.md 17-22)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lxml import etree

from gateway.core.as4 import namespaces as ns
from gateway.core.as4.content import Octets
from gateway.core.as4.keys import SigningKey
from gateway.core.as4.policy import EXC_C14N, SecurityPolicy
from gateway.core.as4.wss import reference as references
from gateway.core.as4.wss import tokens, tree
from gateway.core.as4.wss.reference import SignedReference
from gateway.core.as4.wss.signature_algorithms import sign_octets


def sign_envelope(
    envelope: etree._Element,
    attachments: Mapping[str, Octets],
    *,
    signer: SigningKey,
    policy: SecurityPolicy,
    media_types: Mapping[str, str] | None = None,
) -> tuple[SignedReference, ...]:
    """Adds wsse:Security before eb:Messaging, with a signature over Messaging, Body and every part.

    ``attachments``: Content-ID (without ``cid:``) → the octets that travel, compressed but not yet
    encrypted. ``media_types``: Content-ID → Content-Type of a part that is not compressed; XML and text
    are normalised before the digest (SwA 5.4.2). Returns one reference per signed thing, in order, for
    the receipt. Raises ValueError for an envelope we should not have built: signed already, without its
    header, more parts than the policy allows, a Content-ID that breaks signatures; ConfigError when
    the signer's key is not of the policy's kind.
    """
    try:
        header = tree.only(envelope, ns.q(ns.S12, "Header"))
        messaging = tree.only(header, ns.q(ns.EB, "Messaging"))
        body = tree.only(envelope, ns.q(ns.S12, "Body"))
    except tree.Malformed as exc:
        raise ValueError("not an ebMS envelope") from exc
    if tree.children(header, ns.q(ns.WSSE, "Security")):
        raise ValueError("the envelope has a security header already")
    if len(attachments) > policy.max_parts or len(attachments) + 2 > policy.max_references:
        raise ValueError("more parts than the policy allows")

    security = etree.Element(ns.q(ns.WSSE, "Security"), nsmap={"wsse": ns.WSSE, "wsu": ns.WSU})
    security.set(ns.q(ns.S12, "mustUnderstand"), "true")
    header.insert(header.index(messaging), security)
    signed: list[tuple[str, str, Octets]] = [
        (f"#{_identify(envelope, element, stem)}", EXC_C14N, tree.canonical(element))
        for element, stem in ((messaging, "_messaging"), (body, "_body"))
    ]
    for content_id, content in attachments.items():
        octets = references.attachment_octets(
            content, (media_types or {}).get(content_id), max_bytes=policy.max_canonicalised_bytes
        )
        signed.append((references.cid_uri(content_id), ns.SWA_CONTENT_SIGNATURE, octets))
    return _write_signature(security, signed, signer, policy)


def _write_signature(
    security: etree._Element,
    signed: Sequence[tuple[str, str, Octets]],
    signer: SigningKey,
    policy: SecurityPolicy,
) -> tuple[SignedReference, ...]:
    """``signed``: (URI, transform, octets) of each reference."""
    signature = etree.SubElement(security, ns.q(ns.DS, "Signature"), nsmap={"ds": ns.DS})
    signed_info = etree.SubElement(signature, ns.q(ns.DS, "SignedInfo"))
    etree.SubElement(signed_info, ns.q(ns.DS, "CanonicalizationMethod"), Algorithm=EXC_C14N)
    etree.SubElement(signed_info, ns.q(ns.DS, "SignatureMethod"), Algorithm=policy.send_signature)
    result = tuple(
        references.append_reference(
            signed_info, uri=uri, transform=transform, digest_method=policy.send_digest, octets=octets
        )
        for uri, transform, octets in signed
    )
    value = etree.SubElement(signature, ns.q(ns.DS, "SignatureValue"))
    key_info = etree.SubElement(signature, ns.q(ns.DS, "KeyInfo"))
    kind = policy.send_token_reference
    tokens.write_token(key_info, security, signer.chain, kind=kind, stem="_signing-token", position=0)
    octets = tree.canonical(signed_info)
    value.text = tree.base64_text(sign_octets(signer.private_key, policy.send_signature, octets))
    return result


def _identify(envelope: etree._Element, element: etree._Element, stem: str) -> str:
    """The element's wsu:Id, given to it when it has none."""
    value = element.get(tree.WSU_ID)
    if value is None:
        value = tree.fresh_id(envelope, stem)
        element.set(tree.WSU_ID, value)
    return value
