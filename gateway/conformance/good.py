"""Messages that a conforming access point accepts: plain ones, and habits of other products on the wire."""

from __future__ import annotations

import datetime as dt
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from lxml import etree

from gateway.conformance.forge import Draft, Edit, Element, Workshop, find, resign, signed_info
from gateway.conformance.model import Wire
from gateway.core.as4 import namespaces as ns
from gateway.core.as4.content import Octets, whole
from gateway.core.as4.message import TRACKING_IDENTIFIER, Property
from gateway.core.as4.mime import MimePart
from gateway.core.as4.policy import EXC_C14N, TokenReference
from gateway.core.as4.wss import tree
from gateway.core.as4.wss.reference import append_reference, digest

Builder = Callable[[Workshop], Wire | tuple[Wire, ...]]
GOOD: Final[dict[str, Builder]] = {}
_UNTYPED: Final = Property(name="conformance", value="untyped")
_TYPED: Final = Property(name="conformance", value="typed", type="urn:passerelle:conformance:type")
_OTHER_BLOCK: Final = "{urn:passerelle:conformance}Block"
_LINE: Final = 76


def good(case_id: str) -> Callable[[Builder], Builder]:
    """Registers the builder of one case of ``cases.toml``."""

    def register(builder: Builder) -> Builder:
        GOOD[case_id] = builder
        return builder

    return register


# ---- exchange


@good("push")
def push(shop: Workshop) -> Wire:
    return shop.honest(shop.payload())


@good("ping")
def ping(shop: Workshop) -> Wire:
    return shop.honest(shop.payload(), ping=True)


@good("plain-soap")
def plain_soap(shop: Workshop) -> Wire:
    return shop.honest()


@good("ref-to")
def ref_to(shop: Workshop) -> Wire:
    return shop.honest(shop.payload(), ref_to_message_id=shop.message_id())


@good("agreement-hint")
def agreement_hint(shop: Workshop) -> Wire:
    return shop.honest(shop.payload(), agreement_pmode="urn:passerelle:conformance:a-name-of-ours")


@good("properties-untyped")
def properties_untyped(shop: Workshop) -> Wire:
    own = shop.target.pmode.properties
    return shop.honest(shop.payload(properties=(_UNTYPED,)), properties=(*own, _UNTYPED))


@good("properties-typed")
def properties_typed(shop: Workshop) -> Wire:
    own = shop.target.pmode.properties
    return shop.honest(shop.payload(properties=(_TYPED,)), properties=(*own, _TYPED))


@good("four-corner")
def four_corner(shop: Workshop) -> Wire:
    tracking = Property(name=TRACKING_IDENTIFIER, value=shop.target.clock.new_id())
    return shop.honest(shop.payload(), properties=(*shop.target.pmode.properties, tracking))


@good("long-ids")
def long_ids(shop: Workshop) -> Wire:
    short = shop.message_id()
    return shop.honest(
        shop.payload(content_id="p" * 180 + f"@{shop.target.domain}"[:60]),
        message_id="m" * (255 - len(short)) + short,
        conversation_id=("conformance-" + shop.target.clock.new_id()).ljust(255, "c"),
    )


@good("timestamp-offset")
def timestamp_offset(shop: Workshop) -> Wire:
    def with_offset(envelope: Element) -> None:
        at = find(envelope, "S12:Header/eb:Messaging/eb:UserMessage/eb:MessageInfo/eb:Timestamp")
        zone = dt.timezone(dt.timedelta(hours=2))
        at.text = shop.now.astimezone(zone).isoformat(timespec="seconds")

    return shop.draft(before_signing=with_offset).wire()


# ---- packaging


@good("attachments-several")
def attachments_several(shop: Workshop) -> Wire:
    return shop.honest(shop.payload(1), *(shop.binary(n, 5000) for n in range(2, 6)))


@good("attachments-28")
def attachments_28(shop: Workshop) -> Wire:
    return shop.honest(*(shop.payload(n) for n in range(1, 29)))


@good("empty-payload")
def empty_payload(shop: Workshop) -> Wire:
    return shop.honest(shop.payload(), shop.binary(2, content=b""))


@good("one-megabyte")
def one_megabyte(shop: Workshop) -> Wire:
    return shop.honest(shop.payload(), shop.binary(2, 1_000_000, compress=False))


@good("part-order")
def part_order(shop: Workshop) -> Wire:
    draft = shop.draft(*(shop.payload(n) for n in (1, 2, 3)))
    return replace(draft, travelling=lambda parts: parts[::-1]).wire()


@good("uncompressed")
def uncompressed(shop: Workshop) -> Wire:
    return shop.honest(shop.binary(compress=False))


@good("uncompressed-xml")
def uncompressed_xml(shop: Workshop) -> Wire:
    return shop.honest(shop.payload(compress=False))


@good("bom")
def bom(shop: Workshop) -> Wire:
    return shop.draft(serialised=lambda octets: b"\xef\xbb\xbf" + octets).wire()


def packaged(root_headers: str, parameters: str) -> Callable[[bytes, Sequence[MimePart]], tuple[str, Octets]]:
    """``multipart/related`` as other products write it: headers of the root part, parameters of the type."""
    boundary = "----=_Part_0_passerelle.conformance"

    def package(envelope: bytes, parts: Sequence[MimePart]) -> tuple[str, Octets]:
        delimiter = f"--{boundary}\r\n".encode()
        chunks = [delimiter, root_headers.encode(), b"\r\n", envelope, b"\r\n"]
        for part in parts:
            head = (
                f"Content-Type: {part.content_type}\r\nContent-Transfer-Encoding: binary\r\n"
                f"Content-ID: <{part.content_id}>\r\n\r\n"
            )
            chunks += [delimiter, head.encode(), whole(part.content), b"\r\n"]
        chunks.append(f"--{boundary}--\r\n".encode())
        content_type = f'multipart/related; boundary="{boundary}"; type="application/soap+xml"{parameters}'
        return content_type, b"".join(chunks)

    return package


@good("mime-no-start")
def mime_no_start(shop: Workshop) -> Wire:
    head = "Content-Type: application/soap+xml;charset=UTF-8\r\nContent-Transfer-Encoding: binary\r\n"
    return shop.draft(package=packaged(head, "")).wire()


@good("mime-start-info")
def mime_start_info(shop: Workshop) -> Wire:
    head = (
        "Content-Type: application/soap+xml; charset=UTF-8\r\nContent-Transfer-Encoding: binary\r\n"
        "Content-ID: <split-root@conformance>\r\n"
    )
    parameters = '; start="<split-root@conformance>"; start-info="application/soap+xml"'
    return shop.draft(package=packaged(head, parameters)).wire()


@good("messaging-first")
def messaging_first(shop: Workshop) -> Wire:
    def swap(envelope: Element) -> None:
        header = find(envelope, "S12:Header")
        header.append(find(envelope, "S12:Header/wsse:Security"))

    return shop.draft(after_encryption=swap).wire()


@good("other-header-block")
def other_header_block(shop: Workshop) -> Wire:
    def add(envelope: Element) -> None:
        etree.SubElement(find(envelope, "S12:Header"), _OTHER_BLOCK).text = "may be ignored"

    return shop.draft(before_signing=add).wire()


# ---- signing


@good("prefix-list")
def prefix_list(shop: Workshop) -> Wire:
    def with_prefixes(envelope: Element) -> None:
        info = signed_info(envelope)
        prefixes = ("S12", "eb")
        places = {
            f"#{element.get(tree.WSU_ID)}": element
            for element in (find(envelope, "S12:Header/eb:Messaging"), find(envelope, "S12:Body"))
        }
        _add_prefixes(find(info, "ds:CanonicalizationMethod"), prefixes)
        for reference in info.iterfind("ds:Reference", dict(ns.PREFIXES)):
            element = places.get(reference.get("URI", ""))
            if element is not None:
                _add_prefixes(find(reference, "ds:Transforms/ds:Transform"), prefixes)
                method = find(reference, "ds:DigestMethod").get("Algorithm", "")
                octets = tree.canonical(element, prefixes)
                find(reference, "ds:DigestValue").text = tree.base64_text(digest(method, octets))
        resign(envelope, shop.target.signer)

    return shop.draft(after_signing=with_prefixes).wire()


def _add_prefixes(method: Element, prefixes: Sequence[str]) -> None:
    etree.SubElement(
        method,
        ns.q(EXC_C14N, "InclusiveNamespaces"),
        PrefixList=" ".join(prefixes),
        nsmap={"ec": EXC_C14N},
    )


@good("folded-base64")
def folded_base64(shop: Workshop) -> Wire:
    def fold(envelope: Element) -> None:
        security = find(envelope, "S12:Header/wsse:Security")
        for path in ("ds:Signature/ds:SignatureValue", "wsse:BinarySecurityToken"):
            element = security.find(path, dict(ns.PREFIXES))
            if element is not None and element.text:
                element.text = "\n".join(textwrap.wrap(element.text, _LINE))

    return shop.draft(after_signing=fold).wire()


def _with_token(kind: TokenReference) -> Builder:
    def build(shop: Workshop) -> Wire:
        policy = replace(shop.target.policy, send_token_reference=kind)
        return shop.honest(shop.payload(), policy=policy)

    return build


GOOD["token-binary"] = _with_token(TokenReference.BINARY_TOKEN)
GOOD["token-pkipath"] = _with_token(TokenReference.PKI_PATH)
GOOD["token-issuer-serial"] = _with_token(TokenReference.ISSUER_SERIAL)
GOOD["token-ski"] = _with_token(TokenReference.KEY_IDENTIFIER)


def security_timestamp(shop: Workshop, *, created: dt.timedelta, expires: dt.timedelta) -> Edit:
    """Adds a signed wsu:Timestamp; both instants are relative to now."""

    def add(envelope: Element) -> None:
        security = find(envelope, "S12:Header/wsse:Security")
        identifier = tree.fresh_id(envelope, "_timestamp")
        element = etree.SubElement(security, ns.q(ns.WSU, "Timestamp"), {tree.WSU_ID: identifier})
        for name, shift in (("Created", created), ("Expires", expires)):
            at = (shop.now + shift).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
            etree.SubElement(element, ns.q(ns.WSU, name)).text = at
        append_reference(
            signed_info(envelope),
            uri=f"#{identifier}",
            transform=EXC_C14N,
            digest_method=shop.target.policy.send_digest,
            octets=tree.canonical(element),
        )
        resign(envelope, shop.target.signer)

    return add


@good("security-timestamp")
def good_security_timestamp(shop: Workshop) -> Wire:
    minute = dt.timedelta(minutes=1)
    return shop.draft(after_signing=security_timestamp(shop, created=0 * minute, expires=5 * minute)).wire()


# ---- reliability


@good("retry")
def retry(shop: Workshop) -> tuple[Wire, ...]:
    wire = shop.honest(shop.payload())
    return wire, wire


@good("retry-after-refusal")
def retry_after_refusal(shop: Workshop) -> tuple[Wire, ...]:
    draft = shop.draft()
    return _broken(draft), draft.wire()


def _broken(draft: Draft) -> Wire:
    def tamper(envelope: Element) -> None:
        place = "S12:Header/eb:Messaging/eb:UserMessage/eb:CollaborationInfo/eb:ConversationId"
        find(envelope, place).text = "conformance-changed-on-the-way"

    return replace(draft, after_signing=tamper).wire()


@good("reused-id")
def reused_id(shop: Workshop) -> tuple[Wire, ...]:
    draft = shop.draft()
    return draft.wire(), replace(draft, parts=(shop.part(shop.payload(2)),)).wire()
