"""ds:Reference: reading, writing, and the octets that each one digests (as4.md 18-20)."""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from lxml import etree

from contracts.xml import XmlRefused, parse_xml
from gateway.core.as4 import namespaces as ns
from gateway.core.as4.content import Octets, digest_of, size_of, whole
from gateway.core.as4.policy import EXC_C14N, HASHES, MAX_CANONICALISED_BYTES
from gateway.core.as4.streams import CrlfText, Pinned
from gateway.core.as4.wss import tree
from gateway.core.as4.wss.content_cipher import Decrypted
from gateway.core.as4.wss.tree import Malformed
from gateway.core.errors import PolicyNoncompliance

CID: Final = "cid:"
MAX_PREFIXES = 64
_PLAIN_CID = re.compile(r"[A-Za-z0-9!#$&'*+./=?@^_`{|}~:,;()\[\]-]+")
_XML_TYPE = re.compile(r"(text/xml|application/xml|(application|image)/[^;]*\+xml)")
_INCLUSIVE = ns.q(EXC_C14N, "InclusiveNamespaces")


@dataclass(frozen=True, slots=True)
class Transform:
    """One ds:Transform; ``prefixes`` is the PrefixList of exclusive canonicalisation."""

    algorithm: str
    prefixes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class SignedReference:
    """One ds:Reference. ``xml`` is its canonical form (exclusive C14N): a receipt carries it (as4.md 28)."""

    uri: str
    digest_method: str
    digest_value: bytes
    transforms: tuple[Transform, ...]
    xml: bytes

    @property
    def key(self) -> tuple[str, str, bytes]:
        """What a receipt must repeat (as4.md 29): URI, digest method, digest value."""
        return (self.uri, self.digest_method, self.digest_value)


def read_prefixes(method: etree._Element) -> tuple[str, ...]:
    """PrefixList of a CanonicalizationMethod or Transform; nothing else may be inside. Raises Malformed."""
    inside = tree.elements(method)
    if not inside:
        return ()
    if len(inside) != 1 or inside[0].tag != _INCLUSIVE:
        raise Malformed("a transform holds more than InclusiveNamespaces")
    prefixes = tuple(inside[0].get("PrefixList", "").split())
    if len(prefixes) > MAX_PREFIXES:
        raise Malformed("the PrefixList is too long")
    return prefixes


def read_reference(element: etree._Element) -> SignedReference:
    """A ds:Reference, in a signature or in a receipt. Raises Malformed."""
    transforms = tree.optional(element, ns.q(ns.DS, "Transforms"))
    steps = [] if transforms is None else tree.elements(transforms)
    if any(step.tag != ns.q(ns.DS, "Transform") for step in steps):
        raise Malformed("Transforms holds something else than Transform")
    return SignedReference(
        uri=tree.attribute(element, "URI"),
        digest_method=tree.attribute(tree.only(element, ns.q(ns.DS, "DigestMethod")), "Algorithm"),
        digest_value=tree.binary(tree.only(element, ns.q(ns.DS, "DigestValue"))),
        transforms=tuple(Transform(tree.attribute(step, "Algorithm"), _prefixes(step)) for step in steps),
        xml=tree.canonical(element),
    )


def _prefixes(step: etree._Element) -> tuple[str, ...]:
    # Parameters of other transforms (XPath, XSLT) are never read: the algorithm alone refuses them.
    return read_prefixes(step) if step.get("Algorithm") == EXC_C14N else ()


def append_reference(
    signed_info: etree._Element, *, uri: str, transform: str, digest_method: str, octets: Octets
) -> SignedReference:
    """Appends a ds:Reference over ``octets`` to ``signed_info`` and returns it as read back."""
    element = etree.SubElement(signed_info, ns.q(ns.DS, "Reference"), URI=uri)
    transforms = etree.SubElement(element, ns.q(ns.DS, "Transforms"))
    etree.SubElement(transforms, ns.q(ns.DS, "Transform"), Algorithm=transform)
    etree.SubElement(element, ns.q(ns.DS, "DigestMethod"), Algorithm=digest_method)
    value = etree.SubElement(element, ns.q(ns.DS, "DigestValue"))
    value.text = tree.base64_text(digest(digest_method, octets))
    return read_reference(element)


def digest(method: str, octets: Octets) -> bytes:
    return digest_of(octets, HASHES[method].name)


def holds(reference: SignedReference, octets: Octets) -> bool:
    """Whether the digest is that of ``octets`` (compared in constant time)."""
    return hmac.compare_digest(digest(reference.digest_method, octets), reference.digest_value)


def pinned(reference: SignedReference, octets: Octets) -> Octets:
    """``octets`` whose digest ``holds``; a Content is compared with it again whenever all of it is read.

    What was decrypted is as it is: its tag is checked again, and that is the cheaper way.
    """
    if isinstance(octets, bytes | Decrypted):
        return octets
    return Pinned(octets, HASHES[reference.digest_method].name, reference.digest_value)


def element_octets(element: etree._Element, reference: SignedReference) -> bytes:
    """Canonical octets of a subtree, with the PrefixList of the reference's one transform."""
    return tree.canonical(element, reference.transforms[0].prefixes)


def cid_uri(content_id: str) -> str:
    """``cid:`` URI of a part that we send. Spaces, quotes, % and brackets break signatures: ValueError."""
    if not _PLAIN_CID.fullmatch(content_id):
        raise ValueError("a Content-ID must be plain ASCII without spaces, quotes, % or <>")
    return CID + content_id


def find_content_id(uri: str, contents: Mapping[str, Octets]) -> str | None:
    """The key of ``contents`` that a ``cid:`` URI means, percent-encoded (RFC 2392) or not; None: none."""
    name = uri.removeprefix(CID)
    return next((key for key in (name, unquote(name)) if key in contents), None)


def attachment_octets(
    content: Octets, media_type: str | None, *, max_bytes: int = MAX_CANONICALISED_BYTES
) -> Octets:
    """What Attachment-Content-Signature-Transform digests (SwA profile 1.1, 5.4.2).

    XML media types are canonicalised, other ``text/`` gets CR LF line ends, everything else (gzip above
    all) is taken as it is; None means opaque. Raises Malformed for XML that cannot be parsed, and
    PolicyNoncompliance for XML of more than ``max_bytes``: it has to be in memory as a whole.
    """
    kind = (media_type or "").strip().lower()
    if _XML_TYPE.match(kind):
        if size_of(content) > max_bytes:
            raise PolicyNoncompliance(
                f"an uncompressed XML part is over {max_bytes} octets, too large to canonicalise: compress it"
            )
        try:
            text = whole(content)
            return tree.canonical_document(parse_xml(text, max_bytes=max(len(text), 1)))
        except XmlRefused as exc:
            raise Malformed("a part that claims to be XML is not") from exc
    if kind.startswith("text/"):
        if not isinstance(content, bytes):
            return CrlfText(content)
        return re.sub(rb"\r\n|\r|\n", b"\r\n", content)
    return content
