"""How the messages of a run are made: honest ones by the gateway's own seal, bent ones stage by stage.

A ``Draft`` goes through the same stages as an honest message (header, sign, encrypt, package), and a case
bends one of them. Everything else stays right, so that whoever accepts it has skipped exactly that check.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from cryptography import x509
from lxml import etree

from gateway.conformance.model import Target, Wire
from gateway.core.as4 import namespaces as ns
from gateway.core.as4 import soap
from gateway.core.as4.compression import pack
from gateway.core.as4.content import Octets, whole
from gateway.core.as4.ebms import build_user_message
from gateway.core.as4.keys import KeyKind, SigningKey
from gateway.core.as4.message import PartInfo, Payload, UserMessage
from gateway.core.as4.mime import OCTETS, MimePart, build_multipart
from gateway.core.as4.policy import SecurityPolicy
from gateway.core.as4.seal import seal_user_message
from gateway.core.as4.wss import tree
from gateway.core.as4.wss.encrypt import encrypt_attachments
from gateway.core.as4.wss.reference import SignedReference, read_prefixes, read_reference
from gateway.core.as4.wss.sign import sign_envelope
from gateway.core.as4.wss.signature_algorithms import sign_octets
from gateway.keys.pki import Issued, Purpose, make_ca, make_party_certificate

Element = etree._Element  # noqa: SLF001 — lxml has no public name for the type
Edit = Callable[[Element], None]
Package = Callable[[bytes, Sequence[MimePart]], tuple[str, Octets]]
_SIGNED_INFO = "S12:Header/wsse:Security/ds:Signature/ds:SignedInfo"


def find(envelope: Element, path: str) -> Element:
    """The one element at a path in the usual prefixes."""
    found = envelope.find(path, dict(ns.PREFIXES))
    if found is None:
        raise LookupError(f"the forge found no {path}")
    return found


def signed_info(envelope: Element) -> Element:
    return find(envelope, _SIGNED_INFO)


def references_of(envelope: Element) -> tuple[SignedReference, ...]:
    """The ds:References of our own message; empty when it is not signed."""
    return tuple(
        read_reference(e) for e in envelope.iterfind(f"{_SIGNED_INFO}/ds:Reference", dict(ns.PREFIXES))
    )


def resign(envelope: Element, key: SigningKey) -> None:
    """Computes SignatureValue again over SignedInfo as it now is, by the algorithm that it names."""
    info = signed_info(envelope)
    octets = tree.canonical(info, read_prefixes(find(info, "ds:CanonicalizationMethod")))
    algorithm = find(info, "ds:SignatureMethod").get("Algorithm", "")
    value = sign_octets(key.private_key, algorithm, octets)
    find(envelope, "S12:Header/wsse:Security/ds:Signature/ds:SignatureValue").text = tree.base64_text(value)


def nothing(_: Any) -> None:
    """No bending at this stage."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """One part: its PartInfo, the octets that are signed, its media type."""

    info: PartInfo
    content: bytes
    media_type: str


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A message before it is sealed; each field after ``policy`` bends one stage, in this order."""

    header: UserMessage
    parts: tuple[Part, ...]
    signer: SigningKey
    recipient: x509.Certificate | None
    """None: parts are not encrypted."""
    policy: SecurityPolicy
    announced: tuple[PartInfo, ...] | None = None
    """PartInfo as written; None: those of the parts."""
    before_signing: Edit = nothing
    covered: Callable[[dict[str, bytes]], dict[str, bytes]] = dict
    """Which parts, with which octets, the signature covers."""
    after_signing: Edit = nothing
    encrypted: Callable[[dict[str, bytes]], dict[str, bytes]] = dict
    """Which parts, with which octets, are encrypted (or travel in clear) after signing."""
    rng: Callable[[int], bytes] = os.urandom
    after_encryption: Edit = nothing
    travelling: Callable[[list[MimePart]], list[MimePart]] = list
    serialised: Callable[[bytes], bytes] = bytes
    """The envelope's octets as they leave."""
    package: Package = build_multipart
    signed: bool = True

    def wire(self) -> Wire:
        """Seal it as bent."""
        envelope, messaging = soap.build_envelope(self.header.message_id)
        infos = [p.info for p in self.parts] if self.announced is None else self.announced
        build_user_message(messaging, self.header, infos)
        self.before_signing(envelope)
        media_types = {p.info.content_id: p.media_type for p in self.parts}
        contents = {p.info.content_id: p.content for p in self.parts}
        if self.signed:
            sign_envelope(
                envelope,
                self.covered(contents),
                signer=self.signer,
                policy=self.policy,
                media_types=media_types,
            )
        self.after_signing(envelope)
        contents = self.encrypted(contents)
        hidden: dict[str, bytes] = {}
        if self.recipient is not None and self.signed and contents:
            made = encrypt_attachments(
                envelope,
                contents,
                recipient=self.recipient,
                policy=self.policy,
                media_types=media_types,
                rng=self.rng,
            )
            hidden = {content_id: whole(content) for content_id, content in made.items()}
        self.after_encryption(envelope)
        travelling = [
            MimePart(
                content_id=content_id,
                content_type=OCTETS if content_id in hidden else media_types.get(content_id, OCTETS),
                content=hidden.get(content_id, content),
            )
            for content_id, content in contents.items()
        ]
        octets = self.serialised(soap.serialise(envelope))
        content_type, body = self.package(octets, self.travelling(travelling))
        return Wire(
            content_type=content_type,
            body=whole(body),
            message_id=self.header.message_id,
            references=references_of(envelope) if self.signed else (),
        )


def document(number: int = 1) -> bytes:
    """Invented content: no person, no case."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<essai xmlns="urn:passerelle:conformance" numero="{number}">Message d\'essai inventé. '
        "Invented test message.</essai>\n"
    ).encode()


@dataclass(frozen=True, kw_only=True)
class Workshop:
    """Makes the messages of one run for its target. MessageIds are fresh from the clock."""

    target: Target

    @property
    def now(self) -> dt.datetime:
        """The present moment: a run against a slow endpoint may last long."""
        return self.target.clock.now()

    # ---- pieces

    def message_id(self) -> str:
        return f"{self.target.clock.new_id()}@{self.target.domain}"

    def header(self, **changes: Any) -> UserMessage:
        """A header of the test P-Mode; ``changes`` may leave it."""
        message = self.target.pmode.new_message(
            message_id=self.message_id(),
            timestamp=self.target.clock.now(),
            conversation_id=f"conformance-{self.target.clock.new_id()}",
        )
        return replace(message, **changes)

    def payload(self, number: int = 1, **changes: Any) -> Payload:
        """Invented XML, compressed when the P-Mode does."""
        given = {
            "content_id": f"part-{number}@{self.target.domain}",
            "mime_type": "application/xml",
            "content": document(number),
            "charset": "UTF-8",
        }
        return Payload(**(given | changes))

    def binary(self, number: int = 1, size: int = 1000, **changes: Any) -> Payload:
        """Octets that are neither text nor gzip."""
        given: dict[str, Any] = {"mime_type": "application/octet-stream", "charset": None}
        return self.payload(number, **(given | {"content": bytes(range(256)) * (size // 256 + 1)} | changes))

    def part(self, payload: Payload | None = None, *, compress: bool | None = None) -> Part:
        """A payload packed as the P-Mode says, or as ``compress`` does."""
        wanted = self.target.pmode.compress if compress is None else compress
        info, content, media_type = pack(payload or self.payload(), compress=wanted)
        return Part(info=info, content=whole(content), media_type=media_type)

    # ---- messages

    def honest(
        self, *payloads: Payload, policy: SecurityPolicy | None = None, ping: bool = False, **changes: Any
    ) -> Wire:
        """A good message, through the gateway's own seal; ``ping``: to the ping service of the parties."""
        pmode = self.target.pmode
        header = self.header(**changes)
        if ping and not pmode.is_ping:
            pmode = pmode.for_ping()
            header = pmode.new_message(
                message_id=header.message_id,
                timestamp=header.timestamp,
                conversation_id=header.conversation_id,
            )
        sealed = seal_user_message(
            header,
            payloads,
            pmode=pmode,
            signer=self.target.signer,
            recipient=self.target.recipient if pmode.encrypt else None,
            policy=policy or self.target.policy,
            now=self.now,
        )
        return Wire(
            content_type=sealed.content_type,
            body=whole(sealed.body),
            message_id=header.message_id,
            references=sealed.references,
        )

    def draft(self, *payloads: Payload, **changes: Any) -> Draft:
        """A draft that would be good as it is, with one small document unless ``payloads`` are given."""
        parts = tuple(self.part(p) for p in payloads) if payloads else (self.part(),)
        base = Draft(
            header=self.header(),
            parts=parts,
            signer=self.target.signer,
            recipient=self.target.recipient if self.target.pmode.encrypt else None,
            policy=self.target.policy,
        )
        return replace(base, **changes)

    # ---- strangers: keys that nobody trusts, made for this run

    @cached_property
    def _foreign_ca(self) -> Issued:
        return make_ca("Conformance test, trusted by nobody", now=self.now, country="ZZ")

    @cached_property
    def foreign_signer(self) -> SigningKey:
        """A valid certificate from a CA that nobody trusts."""
        return self._stranger("sign", self.target.policy.signing_kind).signing_key()

    @cached_property
    def foreign_recipient(self) -> x509.Certificate:
        """A certificate to encrypt to, whose key nobody keeps."""
        return self._stranger("encrypt", self.target.pmode.security.encryption_kind).certificate

    def _stranger(self, purpose: Purpose, kind: KeyKind) -> Issued:
        return make_party_certificate(
            self._foreign_ca, "Conformance stranger", purpose, now=self.now, country="ZZ", kind=kind
        )
