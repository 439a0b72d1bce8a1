"""What a partner says of itself in one file: our small format (TOML or JSON), or a Domibus P-Mode.

Our format, every table closed (docs/partners/README.md)::

    party = "FR-MI-AS4"
    party_type = "urn:oasis:names:tc:ebcore:partyid-type:unregistered"   # may be left out
    url = "https://as4.ministere.example/as4"                            # may be left out
    key_references = ["bst"]                                             # bst, ski, issuer-serial
    signing_certificate = "-----BEGIN CERTIFICATE----- …"
    encryption_certificate = "-----BEGIN CERTIFICATE----- …"             # may be left out: one for both
    ca_certificates = ["-----BEGIN CERTIFICATE----- …"]                  # may be empty
    tls_ca_certificates = []

Metadata is only a parcel: its certificates are judged and confirmed by phone like any other file.
"""

from __future__ import annotations

import json
import tomllib
from enum import StrEnum
from typing import Any, Final

import msgspec

from contracts.xml import XmlRefused, parse_xml
from gateway.partners.certificates import MAX_BYTES, Given, read_certificates
from gateway.partners.refusals import refuse

_DOMIBUS: Final = "{http://domibus.eu/configuration}configuration"


class KeyReference(StrEnum):
    """How the partner's product names a certificate in its signatures (as4.md 22)."""

    BST = "bst"
    SKI = "ski"
    ISSUER_SERIAL = "issuer-serial"


class Metadata(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file as it stands; certificates are PEM text."""

    party: str
    party_type: str | None = None
    url: str | None = None
    key_references: tuple[KeyReference, ...] = ()
    signing_certificate: str | None = None
    encryption_certificate: str | None = None
    ca_certificates: tuple[str, ...] = ()
    tls_ca_certificates: tuple[str, ...] = ()

    def certificates(self, field: str, source: str) -> tuple[Given, ...]:
        """The certificates of one field, named ``source: field``. Raises PartnerRefused."""
        value = getattr(self, field)
        texts = (value,) if isinstance(value, str) else value or ()
        return tuple(
            given for text in texts for given in read_certificates(text.encode(), f"{source}: {field}")
        )


def read_metadata(content: bytes, source: str, *, party: str) -> Metadata:
    """TOML, JSON or a Domibus P-Mode, told apart by the first character. Raises PartnerRefused.

    ``party`` chooses the party of a Domibus P-Mode, which lists several and holds no certificates.
    """
    if len(content) > MAX_BYTES:
        raise refuse("too_large", source, limit=MAX_BYTES)
    if b"PRIVATE KEY-----" in content:
        raise refuse("private_key", source)
    start = content.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    if start == b"<":
        return _domibus(content, source, party)
    return _plain(content, source, as_json=start == b"{")


def _plain(content: bytes, source: str, *, as_json: bool) -> Metadata:
    try:
        text = content.decode("utf-8-sig")
        values: Any = json.loads(text) if as_json else tomllib.loads(text)
        return msgspec.convert(values, Metadata)
    except UnicodeDecodeError as exc:
        raise refuse("metadata", source, why="not UTF-8 text") from exc
    except json.JSONDecodeError as exc:
        raise refuse("metadata", source, why=f"no valid JSON, line {exc.lineno}") from exc
    except tomllib.TOMLDecodeError as exc:
        raise refuse("metadata", source, why=f"no valid TOML: {exc}") from exc
    except (msgspec.ValidationError, RecursionError) as exc:
        raise refuse("metadata", source, why=str(exc)) from exc


def _domibus(content: bytes, source: str, party: str) -> Metadata:
    """Party id, its type and address out of a Domibus P-Mode: the rest of it is the partner's own affair."""
    try:
        root = parse_xml(content)
    except XmlRefused as exc:
        raise refuse("metadata", source, why=str(exc)) from exc
    if root.tag != _DOMIBUS:
        raise refuse("metadata", source, why="this XML is not a Domibus P-Mode")
    types = {e.get("name"): e.get("value") for e in root.iterfind(".//partyIdTypes/partyIdType")}
    for element in root.iterfind(".//parties/party"):
        for identifier in element.iterfind("identifier"):
            if identifier.get("partyId") == party:
                return Metadata(
                    party=party,
                    party_type=types.get(identifier.get("partyIdType")),
                    url=element.get("endpoint"),
                )
    raise refuse("metadata", source, why=f"the P-Mode does not name {party}")


def metadata_text(metadata: Metadata) -> str:
    """The file in TOML, as ``partner show --ours --export`` writes it for the partner."""
    lines = ["# AS4 partner metadata. Confirm the SHA-256 fingerprints by phone before you use it."]
    for name, value in msgspec.to_builtins(metadata).items():
        if isinstance(value, list | tuple):
            lines.append(f"{name} = [{', '.join(_text(item) for item in value)}]")
        elif value is not None:
            lines.append(f"{name} = {_text(value)}")
    return "\n".join(lines) + "\n"


def _text(value: str) -> str:
    """A TOML string; PEM as a multi-line literal."""
    return f"'''\n{value.strip()}\n'''" if "\n" in value else json.dumps(value)
