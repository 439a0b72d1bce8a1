"""Namespaces and fixed URIs of AS4, exactly as on the wire (as4.md, "Namespaces")."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

S12: Final = "http://www.w3.org/2003/05/soap-envelope"
EB: Final = "http://docs.oasis-open.org/ebxml-msg/ebms/v3.0/ns/core/200704/"
EBBP: Final = "http://docs.oasis-open.org/ebxml-bp/ebbp-signals-2.0"
WSSE: Final = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
WSU: Final = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
WSSE11: Final = "http://docs.oasis-open.org/wss/oasis-wss-wssecurity-secext-1.1.xsd"
DS: Final = "http://www.w3.org/2000/09/xmldsig#"
XENC: Final = "http://www.w3.org/2001/04/xmlenc#"
XENC11: Final = "http://www.w3.org/2009/xmlenc11#"
DSIG11: Final = "http://www.w3.org/2009/xmldsig11#"
DSIG_MORE: Final = "http://www.w3.org/2021/04/xmldsig-more#"
"""RFC 9231 and its successor: HKDFParams (as4.md 38)."""
XML: Final = "http://www.w3.org/XML/1998/namespace"
XSI: Final = "http://www.w3.org/2001/XMLSchema-instance"

PREFIXES: Final = MappingProxyType(
    {
        "S12": S12,
        "eb": EB,
        "ebbp": EBBP,
        "wsse": WSSE,
        "wsu": WSU,
        "wsse11": WSSE11,
        "ds": DS,
        "xenc": XENC,
        "xenc11": XENC11,
        "dsig11": DSIG11,
        "dsig-more": DSIG_MORE,
    }
)
"""The prefixes that we write; on receipt any prefix is read."""

# MEPs and bindings, ebMS core 2.2 and 2.4
ONE_WAY: Final = EB + "oneWay"
TWO_WAY: Final = EB + "twoWay"
PUSH: Final = EB + "push"
PULL: Final = EB + "pull"
PUSH_AND_PUSH: Final = EB + "pushAndPush"
DEFAULT_MPC: Final = EB + "defaultMPC"
ROLE_INITIATOR: Final = EB + "initiator"
ROLE_RESPONDER: Final = EB + "responder"

# The ping of ebMS core 5.2.2.8 and 5.2.2.9 (as4.md 33)
PING_SERVICE: Final = EB + "service"
PING_ACTION: Final = EB + "test"

# SwA profile 1.1 and the token profiles (as4.md 20 to 26)
SWA_CONTENT_SIGNATURE: Final = (
    "http://docs.oasis-open.org/wss/oasis-wss-SwAProfile-1.1#Attachment-Content-Signature-Transform"
)
SWA_CONTENT_ONLY: Final = "http://docs.oasis-open.org/wss/oasis-wss-SwAProfile-1.1#Attachment-Content-Only"
SWA_CIPHERTEXT: Final = (
    "http://docs.oasis-open.org/wss/oasis-wss-SwAProfile-1.1#Attachment-Ciphertext-Transform"
)


def q(namespace: str, local: str) -> str:
    """The ``{namespace}local`` form that lxml uses."""
    return f"{{{namespace}}}{local}"
