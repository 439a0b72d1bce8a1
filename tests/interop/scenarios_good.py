"""Honest messages, in both directions wherever that makes sense: one table for both."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from gateway.core.as4.message import Property
from gateway.core.as4.pmode import PMode
from gateway.core.as4.policy import SecurityPolicy, TokenReference
from gateway.transport.tls import client_context
from tests.interop import agreement as a
from tests.interop.plays import send_in, send_out
from tests.interop.scenario import IN, OUT, Doc, Ends, binary, scenario, text, xml

MB = 1 << 20
BASICS = (1, 17, 18, 19, 20, 24, 25, 26, 28, 29)
"""Every honest signed and encrypted message proves these."""


def _out(ends: Ends, *, docs: Callable[[], Sequence[Doc]], pmode: PMode, options: dict[str, Any]) -> None:
    send_out(ends, pmode, docs(), **options)


def _in(ends: Ends, *, docs: Callable[[], Sequence[Doc]], pmode: PMode, options: dict[str, Any]) -> None:
    send_in(ends, pmode, docs(), **options)


def both(
    id: str,  # noqa: A002
    what: str,
    *numbers: int,
    docs: Callable[[], Sequence[Doc]],
    pmodes: tuple[PMode, PMode] = (a.REQUEST, a.NOTICE),
    out: dict[str, Any] | None = None,
    into: dict[str, Any] | None = None,
) -> None:
    """One scenario each way. ``out`` and ``into``: options of our ``send`` and of phase4's."""
    for direction, play, pmode, options in (
        (OUT, _out, pmodes[0], out),
        (IN, _in, pmodes[1], into),
    ):
        scenario.add(
            f"{direction}.{id}",
            direction,
            numbers,
            what,
            partial(play, docs=docs, pmode=pmode, options=options or {}),
        )


# ---- payloads

both("xml-gzip", "one XML document, compressed", *BASICS, 12, docs=lambda: [xml()])
both(
    "xml-plain-bytes",
    "one XML document, not compressed: the digest is over its canonical form",
    1, 13, 20,
    docs=lambda: [xml(compress=False)],
)  # fmt: skip
both("binary-gzip", "one binary, compressed", 1, 12, docs=lambda: [binary(50_000)])
both("binary-plain-bytes", "one binary, not compressed", 1, 13, docs=lambda: [binary(50_000, compress=False)])
both("text-gzip", "text with mixed line ends, compressed", 1, 12, docs=lambda: [text()])
both(
    "text-plain-bytes",
    "text with mixed line ends, not compressed",
    1, 13, 20,
    docs=lambda: [text(compress=False)],
)  # fmt: skip
both(
    "text-latin1",
    "text in ISO-8859-1, named by CharacterSet",
    12,
    docs=lambda: [text("Réadmission".encode("latin-1"), charset="ISO-8859-1")],
)
both(
    "several",
    "XML, text and two binaries in one message; compression differs from part to part",
    *BASICS, 6, 12, 13, 23, 26,
    docs=lambda: [
        xml(),
        text(compress=False),
        binary(70_000, content_id="photo.1@interop.test", mime_type="image/jpeg", compress=False),
        binary(9_000, content_id="annexe-2@interop.test"),
    ],
)  # fmt: skip
both(
    "many",
    "20 parts, every other one compressed, in the order given",
    6, 7, 12, 13,
    docs=lambda: [
        binary(1_000 + n, content_id=f"part-{n}@interop.test", compress=n % 2 == 0) for n in range(20)
    ],
)  # fmt: skip
both(
    "most",
    "28 parts, 30 signed references: as many as Santuario takes",
    6, 7,
    docs=lambda: [binary(100 + n, content_id=f"part-{n}@interop.test") for n in range(28)],
)  # fmt: skip
both("no-payload", "no payload at all: header only", 1, 9, 10, 18, docs=list)
both("empty-gzip", "0 bytes, compressed", 12, docs=lambda: [binary(0)])
both("empty-plain-bytes", "0 bytes, not compressed", 13, docs=lambda: [binary(0, compress=False)])
both("one-byte-gzip", "1 byte, compressed", 12, docs=lambda: [binary(1)])
both("one-byte-plain-bytes", "1 byte, not compressed", 13, docs=lambda: [binary(1, compress=False)])
both("1-mb", "1 MB, compressed", 12, docs=lambda: [xml(MB)])
both("10-mb", "10 MB, one compressed and one not", 12, 13, docs=lambda: [
    xml(5 * MB), binary(5 * MB, compress=False)
])  # fmt: skip


def _large_out(ends: Ends, *, size: int) -> None:
    send_out(ends, a.REQUEST, [xml(), ends.large(size)])


def _large_in(ends: Ends, *, size: int) -> None:
    send_in(ends, a.NOTICE, [xml(), ends.large(size)])


for _size in (50,):
    _words = f"a document and {_size} MB from a file, read and written piece by piece on our side"
    scenario.add(f"out.{_size}-mb", OUT, (13, 24), _words, partial(_large_out, size=_size * MB))
    scenario.add(f"in.{_size}-mb", IN, (13, 24), _words, partial(_large_in, size=_size * MB))

both(
    "content-ids",
    "Content-IDs with every character that we send",
    6, 20, 26,
    docs=lambda: [
        binary(10, content_id="a!$'*,./:;=?_~&()-b@interop.test"),
        binary(11, content_id="plain"),
        binary(12, content_id="x" * 200 + "@interop.test"),
    ],
)  # fmt: skip

# ---- signed only

both(
    "signed-only",
    "signed and not encrypted, by a P-Mode that says so: XML, text and binary, compressed and not",
    1, 17, 18, 20,
    docs=lambda: [
        xml(compress=False), text(compress=False), binary(2_000, compress=False), binary(3, content_id="c"),
    ],
    pmodes=(a.PLAIN_OUT, a.PLAIN_IN),
)  # fmt: skip

# ---- header

_TYPED = [
    Property(name="reference", value="R-1", type="string"),
    Property(name="untyped", value="two words"),
    Property(name="accents", value="Élodie Œuvre — 北京 🚢"),
    Property(name="long", value="v" * 900),
]
_TYPED_JSON = [{"name": p.name, "value": p.value, "type": p.type} for p in _TYPED]
both(
    "properties",
    "message properties with and without type, non-ASCII and long values",
    8,
    docs=lambda: [xml()],
    out={"properties": tuple(_TYPED)},
    into={"properties": _TYPED_JSON},
)
both(
    "part-properties",
    "part properties with and without type reach the consumer; those of AS4 are not mixed up with them",
    6, 8, 16,
    docs=lambda: [
        xml(properties=(Property(name="role", value="leading"),)),
        binary(20, properties=(
            Property(name="file", value="pièce n° 1.pdf", type="string"), Property(name="n", value="1"),
        )),
    ],
)  # fmt: skip
_CORNERS = (
    Property(name="originalSender", value="urn:test:corner:1", type="urn:oasis:names:tc:ebcore:partyid-type"),
    Property(name="finalRecipient", value="urn:test:corner:4"),
    Property(name="trackingIdentifier", value="track-1"),
)
both(
    "four-corners",
    "originalSender, finalRecipient and trackingIdentifier",
    35,
    docs=lambda: [xml()],
    pmodes=(a.CORNERS_OUT, a.CORNERS_IN),
    out={"properties": _CORNERS},
    into={"properties": [{"name": p.name, "value": p.value, "type": p.type} for p in _CORNERS]},
)
both(
    "conversation",
    "ConversationId and RefToMessageId as the producer gave them",
    3, 6,
    docs=lambda: [xml()],
    out={"conversation_id": "dossier 42/é", "ref_to_message_id": "earlier@interop.test"},
    into={"conversation_id": "dossier 42/é", "ref_to_message_id": "earlier@interop.test"},
)  # fmt: skip
_LONG_ID = "m" * 235 + "@long.interop.test"
both(
    "long-ids",
    "MessageId of 253 characters, RefToMessageId and ConversationId as long",
    3, 6,
    docs=lambda: [xml()],
    out={"message_id": _LONG_ID, "ref_to_message_id": "r" + _LONG_ID[1:], "conversation_id": "c" * 250},
    into={"message_id": _LONG_ID, "ref_to_message_id": "r" + _LONG_ID[1:], "conversation_id": "c" * 250},
)  # fmt: skip
both(
    "untyped",
    "party ids and service without type, no AgreementRef",
    4, 5,
    docs=lambda: [xml()],
    pmodes=(a.UNTYPED_OUT, a.UNTYPED_IN),
)  # fmt: skip
both(
    "ping",
    "the test service: receipt returned, nothing delivered",
    33,
    docs=list,
    pmodes=(a.REQUEST.for_ping(), a.NOTICE.for_ping()),
)


@scenario("in.pmode-hint", IN, 5, what="AgreementRef/@pmode naming our P-Mode, and one that we do not know")
def _(ends: Ends) -> None:
    send_in(ends, a.NOTICE, [xml()], pmode=a.NOTICE.id)
    ends.ours.reset()
    send_in(ends, a.NOTICE, [xml()], pmode="their-own-name-for-it")


# ---- how certificates are named

_WE_NAME = {
    TokenReference.BINARY_TOKEN: "BinarySecurityToken",
    TokenReference.PKI_PATH: "BinarySecurityToken with a PKIPath",
    TokenReference.ISSUER_SERIAL: "issuer and serial number",
    TokenReference.KEY_IDENTIFIER: "SubjectKeyIdentifier",
}


def _we_name(ends: Ends, *, reference: TokenReference) -> None:
    send_out(ends, a.REQUEST, [xml()], policy=SecurityPolicy(send_token_reference=reference))


for _reference, _words in _WE_NAME.items():
    scenario.add(
        f"out.key-reference.{_reference.name.lower().replace('_', '-')}",
        OUT,
        (21, 22),
        f"our certificate and the recipient's are named by {_words}",
        partial(_we_name, reference=_reference),
    )

_THEY_NAME = {"bst": "BinarySecurityToken", "issuer-serial": "issuer and serial number", "ski": "SKI"}


def _they_name(ends: Ends, *, sign: str, encrypt: str) -> None:
    send_in(ends, a.NOTICE, [xml()], sign_reference=sign, encrypt_reference=encrypt)


for _sign in _THEY_NAME:
    for _encrypt in _THEY_NAME:
        scenario.add(
            f"in.key-reference.{_sign}.{_encrypt}",
            IN,
            (21, 22),
            f"signed with {_THEY_NAME[_sign]}, encrypted with {_THEY_NAME[_encrypt]}",
            partial(_they_name, sign=_sign, encrypt=_encrypt),
        )


def _they_name_in_receipts(ends: Ends, *, reference: str) -> None:
    ends.peer.configure(receipt_reference=reference)
    send_out(ends, a.REQUEST, [xml()])


def _we_name_in_receipts(ends: Ends, *, reference: TokenReference) -> None:
    policy = SecurityPolicy(send_token_reference=reference)
    ends.ours.answer = lambda end, verified: end.receipt(verified, policy=policy)
    send_in(ends, a.NOTICE, [xml()])


for _name, _words in _THEY_NAME.items():
    scenario.add(
        f"out.receipt-reference.{_name}",
        OUT,
        (21, 22, 28),
        f"phase4's receipt names its certificate by {_words}",
        partial(_they_name_in_receipts, reference=_name),
    )
for _reference, _words in _WE_NAME.items():
    scenario.add(
        f"in.receipt-reference.{_reference.name.lower().replace('_', '-')}",
        IN,
        (21, 22, 28),
        f"our receipt names our certificate by {_words}",
        partial(_we_name_in_receipts, reference=_reference),
    )

# ---- TLS


def _our_tls(ends: Ends, *, version: ssl.TLSVersion) -> None:
    context = client_context(anchors=ends.ours.folder / "anchors")
    context.minimum_version = context.maximum_version = version
    send_out(ends, a.REQUEST, [xml()], tls=context)


def _their_tls(ends: Ends, *, version: str) -> None:
    send_in(ends, a.NOTICE, [xml()], tls=version)
    assert ends.ours.tls_versions == [version]


for _version, _their_version in ((ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")):
    scenario.add(
        f"out.{_their_version.lower()}",
        OUT,
        (34,),
        f"over {_their_version}",
        partial(_our_tls, version=_version),
    )
    scenario.add(
        f"in.{_their_version.lower()}",
        IN,
        (34,),
        f"over {_their_version}",
        partial(_their_tls, version=_their_version),
    )


@scenario(
    "in.conversation-made-up", IN, 3, what="no ConversationId given: phase4 makes one up, we hand it on"
)
def _(ends: Ends) -> None:
    send_in(ends, a.NOTICE, [xml()])
    assert ends.ours.received[0].message.conversation_id


@scenario(
    "out.leading-first", OUT, 6, 7, what="the leading document is the first part, PartInfo in the same order"
)
def _(ends: Ends) -> None:
    docs = [xml(content_id="zzz"), binary(30, content_id="aaa"), replace(text(), content_id="mmm")]
    send_out(ends, a.REQUEST, docs)
    (record,) = ends.peer.received()
    assert [part["href"] for part in record["parts"]] == ["cid:zzz", "cid:aaa", "cid:mmm"]
