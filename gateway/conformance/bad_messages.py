"""Messages that break the header, the packaging, the compression or the agreement; all are well signed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import fields, replace
from typing import Any, Final

from lxml import etree

from gateway.conformance.forge import Element, Part, Workshop, document, find
from gateway.conformance.good import Builder
from gateway.conformance.model import Wire
from gateway.core.as4 import namespaces as ns
from gateway.core.as4 import soap
from gateway.core.as4.compression import GZIP, gzip
from gateway.core.as4.content import whole
from gateway.core.as4.message import (
    CHARACTER_SET,
    COMPRESSION_TYPE,
    FINAL_RECIPIENT,
    MIME_TYPE,
    ORIGINAL_SENDER,
    PartInfo,
    Property,
)
from gateway.core.as4.mime import OCTETS, MimePart, build_multipart
from gateway.core.as4.policy import SecurityPolicy, UnsafeSecurityPolicy
from gateway.core.as4.signals import begin_signal, seal_signal

BAD_MESSAGES: Final[dict[str, Builder]] = {}
_USER: Final = "S12:Header/eb:Messaging/eb:UserMessage"
_NOWHERE: Final = "urn:passerelle:conformance:nobody"
_SOAP11: Final = b"http://schemas.xmlsoap.org/soap/envelope/"
NEVER_FETCHED: Final = "https://localhost:9/passerelle-conformance"
"""Where an attack points: the receiver's own discard port. Nothing may ever be fetched from there."""
_MANY: Final = 200
_BOMB_BYTES: Final = 64 * 1024 * 1024


def bad(case_id: str) -> Callable[[Builder], Builder]:
    """Registers the builder of one case of ``cases.toml``."""

    def register(builder: Builder) -> Builder:
        BAD_MESSAGES[case_id] = builder
        return builder

    return register


def weaker(policy: SecurityPolicy, **changes: Any) -> UnsafeSecurityPolicy:
    """A policy to write by, not to judge by: what the profile forbids can be put on the wire."""
    return UnsafeSecurityPolicy(**({f.name: getattr(policy, f.name) for f in fields(policy)} | changes))


def with_property(info: PartInfo, name: str, value: str | None) -> PartInfo:
    """The part property set to ``value``, or taken out."""
    kept = tuple(p for p in info.properties if p.name != name)
    return replace(info, properties=kept if value is None else (*kept, Property(name=name, value=value)))


# ---- the agreement


@bad("unknown-action")
def unknown_action(shop: Workshop) -> Wire:
    return shop.draft(header=shop.header(action="urn:passerelle:conformance:unknown")).wire()


@bad("unknown-service")
def unknown_service(shop: Workshop) -> Wire:
    return shop.draft(header=shop.header(service="urn:passerelle:conformance:unknown")).wire()


@bad("unknown-agreement")
def unknown_agreement(shop: Workshop) -> Wire:
    return shop.draft(header=shop.header(agreement_ref="urn:passerelle:conformance:unknown")).wire()


@bad("unknown-sender")
def unknown_sender(shop: Workshop) -> Wire:
    nobody = replace(shop.target.pmode.initiator, id=_NOWHERE)
    return shop.draft(header=shop.header(from_party=nobody)).wire()


@bad("unknown-receiver")
def unknown_receiver(shop: Workshop) -> Wire:
    nobody = replace(shop.target.pmode.responder, id=_NOWHERE)
    return shop.draft(header=shop.header(to_party=nobody)).wire()


@bad("swapped-parties")
def swapped_parties(shop: Workshop) -> Wire:
    pmode = shop.target.pmode
    header = shop.header(from_party=pmode.responder, to_party=pmode.initiator)
    return shop.draft(header=header).wire()


@bad("four-corner-missing")
def four_corner_missing(shop: Workshop) -> Wire:
    kept = tuple(p for p in shop.target.pmode.properties if p.name != FINAL_RECIPIENT)
    return shop.draft(header=shop.header(properties=kept)).wire()


@bad("four-corner-twice")
def four_corner_twice(shop: Workshop) -> Wire:
    second = Property(name=ORIGINAL_SENDER, value=_NOWHERE)
    return shop.draft(header=shop.header(properties=(*shop.target.pmode.properties, second))).wire()


# ---- the header


def _edited(case_id: str, edit: Callable[[Element], None]) -> None:
    BAD_MESSAGES[case_id] = lambda shop: shop.draft(before_signing=edit).wire()


def _without(path: str) -> Callable[[Element], None]:
    def remove(envelope: Element) -> None:
        element = find(envelope, path)
        parent = element.getparent()
        if parent is not None:
            parent.remove(element)

    return remove


def _two_party_ids(envelope: Element) -> None:
    first = find(envelope, f"{_USER}/eb:PartyInfo/eb:From/eb:PartyId")
    second = deepcopy(first)
    second.text = _NOWHERE
    first.addnext(second)


def _two_user_messages(envelope: Element) -> None:
    first = find(envelope, _USER)
    second = deepcopy(first)
    identifier = find(second, "eb:MessageInfo/eb:MessageId")
    identifier.text = f"second-{identifier.text}"[:255]
    first.addnext(second)


def _bad_timestamp(envelope: Element) -> None:
    find(envelope, f"{_USER}/eb:MessageInfo/eb:Timestamp").text = "yesterday at noon"


def _must_understand(envelope: Element) -> None:
    block = etree.SubElement(find(envelope, "S12:Header"), "{urn:passerelle:conformance}Block")
    block.set(ns.q(ns.S12, "mustUnderstand"), "true")


def _body_payload(envelope: Element) -> None:
    body = find(envelope, "S12:Body")
    etree.SubElement(body, "{urn:passerelle:conformance}essai").text = "invented"


def _external_payload(envelope: Element) -> None:
    parts = find(envelope, f"{_USER}/eb:PayloadInfo")
    etree.SubElement(parts, ns.q(ns.EB, "PartInfo"), href=NEVER_FETCHED)


_edited("no-message-id", _without(f"{_USER}/eb:MessageInfo/eb:MessageId"))
_edited("no-conversation-id", _without(f"{_USER}/eb:CollaborationInfo/eb:ConversationId"))
_edited("two-party-ids", _two_party_ids)
_edited("two-user-messages", _two_user_messages)
_edited("bad-timestamp", _bad_timestamp)
_edited("must-understand", _must_understand)
_edited("payload-in-body", _body_payload)
_edited("external-payload", _external_payload)


@bad("old-timestamp")
def old_timestamp(shop: Workshop) -> Wire:
    return shop.draft(header=shop.header(timestamp=shop.now - dt.timedelta(days=400))).wire()


@bad("huge-header")
def huge_header(shop: Workshop) -> Wire:
    many = (Property(name=f"filler-{n}", value="x" * 1000) for n in range(2000))
    return shop.draft(header=shop.header(properties=(*shop.target.pmode.properties, *many))).wire()


# ---- XML


def _doctype(octets: bytes, doctype: bytes) -> bytes:
    """Puts a DOCTYPE after the XML declaration; what is signed stays the same."""
    end = octets.index(b"?>") + 2
    return octets[:end] + b"\n" + doctype + octets[end:]


def _with_block(envelope: Element) -> None:
    """An unsigned header block that may be ignored, to hold an entity reference."""
    etree.SubElement(find(envelope, "S12:Header"), "{urn:passerelle:conformance}Block").text = "ENTITY"


@bad("dtd")
def dtd(shop: Workshop) -> Wire:
    header = shop.header()
    said = header.conversation_id.encode()
    declared = b'<!DOCTYPE S12:Envelope [<!ENTITY c "' + said + b'">]>'

    def hide(octets: bytes) -> bytes:
        return _doctype(octets.replace(said, b"&c;", 1), declared)

    return shop.draft(header=header, serialised=hide).wire()


@bad("entity-expansion")
def entity_expansion(shop: Workshop) -> Wire:
    levels = b'<!ENTITY e0 "passerelle">' + b"".join(
        f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">'.encode() for n in range(1, 5)
    )

    def hide(octets: bytes) -> bytes:
        doctype = b"<!DOCTYPE S12:Envelope [" + levels + b"]>"
        return _doctype(octets.replace(b">ENTITY<", b">&e4;<", 1), doctype)

    return shop.draft(after_encryption=_with_block, serialised=hide).wire()


@bad("external-entity")
def external_entity(shop: Workshop) -> Wire:
    declared = f'<!DOCTYPE S12:Envelope [<!ENTITY x SYSTEM "{NEVER_FETCHED}">]>'.encode()

    def hide(octets: bytes) -> bytes:
        return _doctype(octets.replace(b">ENTITY<", b">&x;<", 1), declared)

    return shop.draft(after_encryption=_with_block, serialised=hide).wire()


@bad("soap11")
def soap11(shop: Workshop) -> Wire:
    return shop.draft(serialised=lambda octets: octets.replace(ns.S12.encode(), _SOAP11)).wire()


# ---- MIME


@bad("missing-part")
def missing_part(shop: Workshop) -> Wire:
    draft = shop.draft(shop.payload(1), shop.payload(2))
    return replace(draft, travelling=lambda parts: parts[:1]).wire()


def _extra(content_id: str) -> MimePart:
    return MimePart(content_id=content_id, content_type=OCTETS, content=b"nobody announced or signed this")


@bad("unannounced-part")
def unannounced_part(shop: Workshop) -> Wire:
    extra = _extra(f"extra@{shop.target.domain}")
    return shop.draft(travelling=lambda parts: [*parts, extra]).wire()


@bad("duplicate-content-id")
def duplicate_content_id(shop: Workshop) -> Wire:
    def twice(parts: list[MimePart]) -> list[MimePart]:
        return [_extra(str(parts[0].content_id)), *parts]

    return shop.draft(travelling=twice).wire()


@bad("truncated")
def truncated(shop: Workshop) -> Wire:
    wire = shop.draft(shop.payload(), shop.binary(2, 20_000, compress=False)).wire()
    return replace(wire, body=wire.body[:-10_000])


@bad("not-soap")
def not_soap(shop: Workshop) -> Wire:
    return Wire(
        content_type="application/json",
        body=b'{"conformance": true}',
        message_id=shop.message_id(),
        references=(),
    )


@bad("many-parts")
def many_parts(shop: Workshop) -> Wire:
    policy = weaker(shop.target.policy, max_parts=_MANY, max_references=_MANY + 2)
    return shop.draft(*(shop.payload(n) for n in range(1, _MANY + 1)), policy=policy).wire()


# ---- compression


def _compressed(
    shop: Workshop, content: bytes | None = None, properties: Iterable[tuple[str, str | None]] = ()
) -> Wire:
    """One compressed part, with other octets or part properties; signed and encrypted as it is."""
    part = shop.part(compress=True)
    info = part.info
    for name, value in properties:
        info = with_property(info, name, value)
    bent = replace(part, info=info, content=part.content if content is None else content)
    return shop.draft(parts=(bent,)).wire()


@bad("corrupt-gzip")
def corrupt_gzip(shop: Workshop) -> Wire:
    whole = gzip(document() * 20)
    middle = len(whole) // 2
    return _compressed(shop, whole[:middle] + bytes(8) + whole[middle + 8 :])


@bad("truncated-gzip")
def truncated_gzip(shop: Workshop) -> Wire:
    return _compressed(shop, gzip(document() * 20)[:-12])


@bad("not-gzip")
def not_gzip(shop: Workshop) -> Wire:
    return _compressed(shop, document())


@bad("gzip-bomb")
def gzip_bomb(shop: Workshop) -> Wire:
    return _compressed(shop, gzip(bytes(_BOMB_BYTES)))


@bad("unknown-compression")
def unknown_compression(shop: Workshop) -> Wire:
    return _compressed(shop, properties=[(COMPRESSION_TYPE, "application/x-bzip2")])


@bad("missing-mime-type")
def missing_mime_type(shop: Workshop) -> Wire:
    return _compressed(shop, properties=[(MIME_TYPE, None)])


@bad("bad-charset")
def bad_charset(shop: Workshop) -> Wire:
    return _compressed(shop, properties=[(CHARACTER_SET, "no such charset!")])


def _announced_gzip(shop: Workshop) -> Part:
    """A part that is announced as gzip but signed as it was before."""
    part = shop.part(compress=True)
    return replace(part, content=document())


@bad("sign-then-compress")
def sign_then_compress(shop: Workshop) -> Wire:
    def squeeze(contents: dict[str, bytes]) -> dict[str, bytes]:
        return {content_id: gzip(content) for content_id, content in contents.items()}

    return shop.draft(parts=(_announced_gzip(shop),), encrypted=squeeze).wire()


@bad("encrypt-then-compress")
def encrypt_then_compress(shop: Workshop) -> Wire:
    def squeeze(parts: list[MimePart]) -> list[MimePart]:
        return [replace(p, content=gzip(whole(p.content)), content_type=GZIP) for p in parts]

    return shop.draft(parts=(_announced_gzip(shop),), travelling=squeeze).wire()


# ---- pull


def _pull(shop: Workshop, mpc: str, *, sign: bool) -> Wire:
    message_id = shop.message_id()
    envelope, messaging = soap.build_envelope(message_id)
    unit = begin_signal(messaging, message_id=message_id, ref_to_message_id=None, now=shop.now)
    etree.SubElement(unit, ns.q(ns.EB, "PullRequest"), mpc=mpc)
    if not sign:
        content_type, body = build_multipart(soap.serialise(envelope), ())
        return Wire(content_type=content_type, body=whole(body), message_id=message_id, references=())
    sealed = seal_signal(envelope, signer=shop.target.signer, policy=shop.target.policy)
    return Wire(
        content_type=sealed.content_type, body=whole(sealed.body), message_id=message_id, references=()
    )


@bad("pull-unsigned")
def pull_unsigned(shop: Workshop) -> Wire:
    return _pull(shop, shop.target.pmode.mpc or ns.DEFAULT_MPC, sign=False)


@bad("pull-default-mpc")
def pull_default_mpc(shop: Workshop) -> Wire:
    return _pull(shop, ns.DEFAULT_MPC, sign=True)


@bad("pull-unknown-mpc")
def pull_unknown_mpc(shop: Workshop) -> Wire:
    return _pull(shop, "urn:passerelle:conformance:nobody's-channel", sign=True)
