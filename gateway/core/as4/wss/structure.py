"""Step (1) of verification: the one shape that a signed ebMS envelope may have (as4.md, Attacks)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from lxml import etree

from gateway.core.as4 import namespaces as ns
from gateway.core.as4.policy import SecurityPolicy
from gateway.core.as4.wss import tree
from gateway.core.errors import (
    As4FeatureNotSupported,
    FailedAuthentication,
    InvalidHeader,
    PolicyNoncompliance,
)

ENVELOPE: Final = ns.q(ns.S12, "Envelope")
HEADER: Final = ns.q(ns.S12, "Header")
BODY: Final = ns.q(ns.S12, "Body")
MESSAGING: Final = ns.q(ns.EB, "Messaging")
SECURITY: Final = ns.q(ns.WSSE, "Security")
SIGNATURE: Final = ns.q(ns.DS, "Signature")
TIMESTAMP: Final = ns.q(ns.WSU, "Timestamp")
TOKEN: Final = ns.q(ns.WSSE, "BinarySecurityToken")
_ONCE = frozenset({ENVELOPE, HEADER, BODY, MESSAGING, SECURITY, SIGNATURE})
_IN_SECURITY = frozenset(
    {SIGNATURE, TIMESTAMP, TOKEN, ns.q(ns.XENC, "EncryptedKey"), ns.q(ns.XENC, "EncryptedData")}
)
_NEXT_TO_NOBODY = "http://www.w3.org/2003/05/soap-envelope/role/none"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a reference points: an element of this very tree, or a part. Equal only when identical."""

    element: etree._Element | None = None
    content_id: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Envelope:
    """The elements of an envelope whose structure holds."""

    messaging: etree._Element
    body: etree._Element
    security: etree._Element
    signature: etree._Element
    timestamp: etree._Element | None
    tokens: tuple[etree._Element, ...]

    @property
    def signable(self) -> tuple[etree._Element, ...]:
        """The only elements that a reference may mean."""
        timestamp = () if self.timestamp is None else (self.timestamp,)
        return (self.messaging, self.body, *timestamp, *self.tokens)


def is_empty(body: etree._Element) -> bool:
    """No element and no text but white space inside."""
    return not tree.elements(body) and not "".join(str(text) for text in body.itertext()).strip()


def read_envelope(root: etree._Element, policy: SecurityPolicy) -> Envelope:
    """Each known element exactly once, in its place; ids unique; depth within the policy.

    Raises InvalidHeader when it is no SOAP or ebMS, PolicyNoncompliance when nothing is signed,
    FailedAuthentication for any shape in which two readers could read two messages.
    """
    seen = _scan(root, policy)
    if root.tag != ENVELOPE:
        raise InvalidHeader("the root is no SOAP 1.2 Envelope")
    for name in (HEADER, BODY, MESSAGING):
        if not seen.get(name):
            raise InvalidHeader(f"the envelope has no {etree.QName(name).localname}")
    for name in (SECURITY, SIGNATURE):
        if not seen.get(name):
            raise PolicyNoncompliance("the message is not signed")
    if any(len(seen[name]) != 1 for name in _ONCE):
        raise FailedAuthentication("an element that may occur once occurs again")
    header, body, security = seen[HEADER][0], seen[BODY][0], seen[SECURITY][0]
    messaging, signature = seen[MESSAGING][0], seen[SIGNATURE][0]
    if tree.elements(root) != [header, body]:
        raise FailedAuthentication("an Envelope holds one Header, then one Body")
    if messaging.getparent() is not header or security.getparent() is not header:
        raise FailedAuthentication("a header block is not directly in the Header")
    if signature.getparent() is not security:
        raise FailedAuthentication("the Signature is not directly in the Security header")
    _check_other_headers(header)
    if any(child.tag not in _IN_SECURITY for child in tree.elements(security)):
        raise PolicyNoncompliance("the Security header holds something outside the profile")
    return Envelope(
        messaging=messaging,
        body=body,
        security=security,
        signature=signature,
        timestamp=tree.optional(security, TIMESTAMP),
        tokens=tuple(tree.children(security, TOKEN)),
    )


def _scan(root: etree._Element, policy: SecurityPolicy) -> dict[str, list[etree._Element]]:
    """One walk over the tree: depth, processing instructions, ids; where the known elements are."""
    seen: dict[str, list[etree._Element]] = {}
    depth = 0
    for event, node in etree.iterwalk(root, events=("start", "end", "pi")):
        if event == "pi":
            raise InvalidHeader("SOAP allows no processing instruction")
        if event == "end":
            depth -= 1
            continue
        depth += 1
        if depth > policy.max_depth:
            raise InvalidHeader("elements are nested deeper than the policy allows")
        if node.tag in _ONCE:
            seen.setdefault(str(node.tag), []).append(node)
    values = list(tree.ids(root))
    if len(set(values)) != len(values):
        raise FailedAuthentication("two elements have the same id")
    return seen


def _check_other_headers(header: etree._Element) -> None:
    """Unknown blocks are tolerated unless they must be understood (SOAP 1.2, 2.4)."""
    for block in tree.elements(header):
        if block.tag in (MESSAGING, SECURITY) or block.get(ns.q(ns.S12, "role")) == _NEXT_TO_NOBODY:
            continue
        if block.get(ns.q(ns.S12, "mustUnderstand"), "false").strip() not in ("false", "0"):
            raise As4FeatureNotSupported("a header block that must be understood is not known")
