"""What one access point seals, the other opens: requirements 1 to 16, 31, 33, 35 of the AS4 page."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest

from gateway.core.as4 import namespaces as ns
from gateway.core.as4.compression import gzip
from gateway.core.as4.message import PartInfo, Payload, Property
from gateway.core.as4.mime import MimePart, build_multipart, parse_multipart
from gateway.core.as4.policy import (
    OAEP_SHA1_MGF1P,
    OAEP_SHA256,
    SecurityPolicy,
    TokenReference,
    UnsafeSecurityPolicy,
)
from gateway.core.as4.receipts import build_receipt, match_receipt
from gateway.core.as4.seal import seal_user_message
from gateway.core.as4.verified import VerifiedReceipt
from gateway.core.errors import (
    As4Error,
    As4FeatureNotSupported,
    DecompressionFailure,
    ExternalPayload,
    FailedAuthentication,
    FailedDecryption,
    InvalidHeader,
    MimeInconsistency,
    PolicyNoncompliance,
    ProcessingModeMismatch,
    ValueInconsistent,
    ValueNotRecognized,
)
from tests.fixtures import pki
from tests.fixtures.as4 import (
    DOCUMENT,
    FOUR_CORNER,
    PHOTO,
    PLAIN,
    POLICY,
    REPLY,
    REQUEST,
    Forgery,
    find,
    header,
    one,
    open_any,
    open_user,
    seal,
    tree_of,
)


@pytest.mark.as4(1)
@pytest.mark.parametrize("pmode", [REQUEST, PLAIN], ids=lambda p: p.id)
def test_push_is_answered_by_a_receipt_that_proves_it(pmode):
    """A signed message (encrypted or not) opens, and its receipt matches what was sent (TA01)."""
    sealed = seal(pmode=pmode)
    opened = open_user(sealed)
    receipt = build_receipt(
        opened, signer=pki.party(pki.FR).signing, message_id="r@fr.test", now=pki.NOW, policy=POLICY
    )
    verified = open_any(receipt.content_type, receipt.body)
    assert isinstance(verified, VerifiedReceipt)
    match_receipt(sealed.references, verified, message_id="m-1@uk.test", expected_party=pki.FR)
    assert opened.references == sealed.references
    assert opened.encrypted is pmode.encrypt


@pytest.mark.as4(2)
def test_a_reply_names_its_request_and_conversation():
    """The second leg carries RefToMessageId and the same ConversationId (TA02, TA19)."""
    reply = header(REPLY, message_id="m-2@fr.test", ref_to_message_id="m-1@uk.test")
    opened = open_user(seal(reply, pmode=REPLY))
    assert opened.message.ref_to_message_id == "m-1@uk.test"
    assert opened.message.conversation_id == header().conversation_id
    assert opened.party_id == pki.FR


@pytest.mark.as4(2)
def test_a_reply_without_reference_is_refused_on_both_sides():
    """A second leg without RefToMessageId is neither sent nor accepted."""
    with pytest.raises(ValueInconsistent):
        seal(header(REPLY), pmode=REPLY)
    forged = Forgery(message=header(REPLY), signer=pki.party(pki.FR).signing, encrypt=True)
    with pytest.raises(ValueInconsistent):
        forged.open()


@pytest.mark.as4(3)
def test_the_conversation_id_is_on_the_wire_and_mandatory():
    """ConversationId is sent, and a header without it is against the schema (TA18)."""
    assert one(tree_of(seal()), "//eb:ConversationId").text == "conversation-1"

    def drop(envelope):
        element = one(envelope, "//eb:ConversationId")
        element.getparent().remove(element)

    with pytest.raises(InvalidHeader):
        Forgery(before_signing=drop).open()


@pytest.mark.as4(4)
@pytest.mark.parametrize("side", ["From", "To"])
def test_two_party_ids_are_refused(side):
    """At most one PartyId in From and in To (TA03)."""

    def double(envelope):
        element = one(envelope, f"//eb:{side}/eb:PartyId")
        twin = element.makeelement(element.tag)
        twin.text = "urn:test:party:second"
        element.addnext(twin)

    with pytest.raises(InvalidHeader):
        Forgery(before_signing=double).open()


@pytest.mark.as4(4)
@pytest.mark.parametrize("side", ["From", "To"])
def test_no_party_id_is_refused(side):
    """A From or To without a PartyId names nobody."""

    def drop(envelope):
        element = one(envelope, f"//eb:{side}/eb:PartyId")
        element.getparent().remove(element)

    with pytest.raises(InvalidHeader):
        Forgery(before_signing=drop).open()


@pytest.mark.as4(4)
def test_we_send_one_party_id_each():
    """Our own headers hold one PartyId in From and one in To, with type and role (TA03)."""
    envelope = tree_of(seal())
    for side, party in (("From", REQUEST.initiator), ("To", REQUEST.responder)):
        element = one(envelope, f"//eb:{side}/eb:PartyId")
        assert (element.text, element.get("type")) == (party.id, party.type)
        assert one(envelope, f"//eb:{side}/eb:Role").text == party.role


@pytest.mark.as4(5)
@pytest.mark.parametrize(
    "changes",
    [
        {"from_party": replace(REQUEST.initiator, id="urn:test:party:nobody")},
        {"from_party": replace(REQUEST.initiator, type=None)},
        {"from_party": replace(REQUEST.initiator, role=ns.ROLE_RESPONDER)},
        {"to_party": replace(REQUEST.responder, id="urn:test:party:nobody")},
        {"service": "urn:test:service:other"},
        {"service_type": None},
        {"action": "Other"},
        {"agreement_ref": None},
        {"agreement_ref": "urn:test:agreement:other"},
        {"agreement_type": "urn:test:type"},
        {"agreement_pmode": REQUEST.id},
    ],
    ids=[
        "sender",
        "sender-type",
        "sender-role",
        "receiver",
        "service",
        "service-type",
        "action",
        "no-agreement",
        "agreement",
        "agreement-type",
        "pmode-of-another",
    ],
)
def test_no_matching_pmode_is_ebms_0010(changes):
    """A header that differs in any P-Mode value is refused with EBMS:0010, and not sent."""
    message = replace(header(PLAIN), **changes)
    with pytest.raises(ProcessingModeMismatch) as caught:
        Forgery(message=message).open()
    assert caught.value.ebms.code == "EBMS:0010"
    assert caught.value.ref_to_message_id == message.message_id
    if "agreement_pmode" not in changes:
        with pytest.raises(ProcessingModeMismatch):
            seal(message, pmode=PLAIN)


@pytest.mark.as4(5)
@pytest.mark.parametrize("hint", [None, PLAIN.id, "a-name-that-only-the-sender-uses"])
def test_the_pmode_attribute_is_optional(hint):
    """AgreementRef/@pmode may be absent, ours, or the peer's own name."""
    assert Forgery(message=header(PLAIN, agreement_pmode=hint)).open().pmode == PLAIN


@pytest.mark.as4(6)
def test_the_consumer_gets_back_all_that_the_producer_set():
    """Content-IDs, order, part properties, ids and content survive (TA06, TA45)."""
    typed = Property(name="colour", value="bleu & blanc", type="urn:test:type")
    payloads = (replace(DOCUMENT, properties=(typed, Property(name="n", value="1"))), PHOTO)
    message = header(
        REQUEST, ref_to_message_id="m-0@fr.test", properties=(typed,), conversation_id="conversation-é"
    )
    opened = open_user(seal(message, payloads))
    assert opened.payloads == payloads
    assert [p.content_id for p in opened.message.parts] == [p.content_id for p in payloads]
    assert replace(opened.message, parts=()) == message


@pytest.mark.as4(7)
def test_part_order_is_kept_on_sending_and_free_on_receipt():
    """We send parts in PartInfo order; on receipt another MIME order gives PartInfo's order."""
    sealed = seal()
    package = parse_multipart(sealed.content_type, sealed.body, POLICY)
    assert [p.content_id for p in package.parts] == [DOCUMENT.content_id, PHOTO.content_id]
    shuffled = build_multipart(package.root.content, package.parts[::-1])
    assert [p.content_id for p in open_any(*shuffled).payloads] == [DOCUMENT.content_id, PHOTO.content_id]


@pytest.mark.as4(8)
@pytest.mark.parametrize("kind", [None, "string", "urn:test:type"])
def test_properties_with_and_without_type(kind):
    """Message and part properties are accepted with and without @type (TA20, TA44)."""
    item = Property(name="trackingIdentifier", value="t-1", type=kind)
    opened = open_user(seal(header(properties=(item,)), (replace(DOCUMENT, properties=(item,)),)))
    assert opened.message.properties == (item,)
    assert opened.payloads[0].properties == (item,)


@pytest.mark.as4(9)
def test_plain_soap_and_multipart_are_both_accepted():
    """Without payloads it is plain SOAP, with them multipart/related (TA21, TA22)."""
    plain, multipart = seal(payloads=()), seal()
    assert plain.content_type.startswith("application/soap+xml")
    assert multipart.content_type.startswith("multipart/related")
    assert "charset" not in multipart.content_type
    assert open_user(plain).payloads == ()
    assert open_user(plain).encrypted is False
    assert len(open_user(multipart).payloads) == 2


@pytest.mark.as4(10)
def test_the_body_is_empty_and_payloads_in_it_are_refused():
    """Payloads travel only as MIME parts (TA05)."""
    assert len(one(tree_of(seal()), "/S12:Envelope/S12:Body")) == 0

    def fill(envelope):
        body = one(envelope, "/S12:Envelope/S12:Body")
        body.append(body.makeelement("payload"))

    with pytest.raises(As4FeatureNotSupported):
        Forgery(before_signing=fill).open()


@pytest.mark.as4(10)
def test_text_in_the_body_is_refused():
    """Text in the Body is a payload in the Body too."""

    def fill(envelope):
        one(envelope, "/S12:Envelope/S12:Body").text = "payload"

    with pytest.raises(As4FeatureNotSupported):
        Forgery(before_signing=fill).open()


@pytest.mark.as4(11)
@pytest.mark.parametrize("href", ["http://127.0.0.1/payload", "file:///etc/passwd", "#body", "", None])
def test_an_external_payload_is_refused(href):
    """An href that is not cid: is EBMS:0011 and is never followed (TA08)."""

    def point(envelope):
        element = find(envelope, "//eb:PartInfo")[0]
        del element.attrib["href"]
        if href is not None:
            element.set("href", href)

    with pytest.raises(ExternalPayload) as caught:
        Forgery(before_signing=point).open()
    assert caught.value.ebms.code == "EBMS:0011"


@pytest.mark.as4(11)
@pytest.mark.parametrize("payloads", [(), (DOCUMENT,)], ids=["plain", "multipart"])
def test_a_byte_order_mark_is_accepted(payloads):
    """A UTF-8 BOM before the envelope changes nothing."""
    sealed = seal(payloads=payloads)
    package = parse_multipart(sealed.content_type, sealed.body, POLICY)
    content_type, body = build_multipart(b"\xef\xbb\xbf" + package.root.content, package.parts)
    assert open_any(content_type, body).message.message_id == "m-1@uk.test"


@pytest.mark.as4(12)
def test_compressed_parts_say_so_on_the_wire():
    """gzip before sign and encrypt, with CompressionType, MimeType and CharacterSet (TA26, TA29)."""
    sealed = seal(pmode=PLAIN)
    properties = {
        (p.getparent().getparent().get("href"), p.get("name")): p.text
        for p in find(tree_of(sealed), "//eb:PartProperties/eb:Property")
    }
    assert properties == {
        ("cid:document@uk.test", "MimeType"): "application/xml",
        ("cid:document@uk.test", "CharacterSet"): "UTF-8",
        ("cid:document@uk.test", "CompressionType"): "application/gzip",
        ("cid:document@uk.test", "role"): "leading",
        ("cid:photo.1@uk.test", "MimeType"): "image/png",
    }
    parts = parse_multipart(sealed.content_type, sealed.body, POLICY).parts
    assert [(p.content_type, p.content) for p in parts] == [
        ("application/gzip", gzip(DOCUMENT.content)),
        ("image/png", PHOTO.content),
    ]


def _one_part(content: bytes, *properties: Property) -> Forgery:
    return Forgery(
        infos=(PartInfo(content_id="document@uk.test", properties=properties),),
        contents={"document@uk.test": content},
    )


GZIPPED = Property(name="CompressionType", value="application/gzip")
XML = Property(name="MimeType", value="application/xml")


@pytest.mark.as4(12)
@pytest.mark.parametrize(
    ("properties", "error"),
    [
        ((GZIPPED,), DecompressionFailure),
        ((XML, Property(name="CompressionType", value="application/x-bzip2")), ValueNotRecognized),
        ((XML, GZIPPED, Property(name="CharacterSet", value="klingon")), ValueNotRecognized),
        ((XML, GZIPPED, Property(name="CharacterSet", value="rot13")), ValueNotRecognized),
        ((Property(name="MimeType", value="xml"), GZIPPED), ValueNotRecognized),
        ((XML, XML, GZIPPED), ValueInconsistent),
        ((XML, GZIPPED, GZIPPED), ValueInconsistent),
    ],
    ids=["no-mimetype", "bzip2", "charset", "codec", "mimetype", "mimetype-twice", "compression-twice"],
)
def test_wrong_compression_properties_are_refused(properties, error):
    """MimeType missing (TA26), CharacterSet invalid (TA29), other compression: synchronous errors."""
    with pytest.raises(error):
        _one_part(gzip(b"<a/>"), *properties).open()


@pytest.mark.as4(13)
def test_uncompressed_parts_are_accepted_and_compressed_ones_delivered_plain():
    """TA04, TA32, TA33, also without any part property."""
    assert _one_part(b"plain").open().payloads == (
        Payload(
            content_id="document@uk.test",
            mime_type="application/octet-stream",
            content=b"plain",
            compress=False,
        ),
    )
    assert _one_part(gzip(b"<a/>"), XML, GZIPPED).open().payloads[0].content == b"<a/>"


@pytest.mark.as4(13)
@pytest.mark.parametrize("pmode", [REQUEST, PLAIN], ids=lambda p: p.id)
def test_uncompressed_xml_and_text_are_signed_as_the_attachment_profile_says(pmode):
    """SwA 5.4.2 canonicalises XML and line ends before the digest, encrypted or not."""
    payloads = (
        replace(DOCUMENT, compress=False, content=b"<a  b='1'/>"),
        Payload(content_id="note@uk.test", mime_type="text/plain", content=b"a\nb", compress=False),
    )
    opened = open_user(seal(header(pmode), payloads, pmode=pmode))
    assert [p.content for p in opened.payloads] == [b'<a b="1"></a>', b"a\r\nb"]


def test_an_uncompressed_payload_that_is_not_its_xml_is_not_sent():
    """What we could not sign we say so, with an error of the tree."""
    with pytest.raises(ValueInconsistent):
        seal(payloads=(replace(DOCUMENT, compress=False, content=b"<a"),))


@pytest.mark.as4(14)
@pytest.mark.parametrize(
    "content",
    [
        b"not gzip",
        b"",
        gzip(b"<a/>" * 99)[:-4],
        gzip(b"<a/>")[:-8] + bytes(8),
        gzip(b"<a/>") + b"garbage",
        gzip(b"<a/>") + gzip(b"<b/>"),
    ],
    ids=["other", "empty", "truncated", "checksum", "garbage-after", "second-member"],
)
def test_corrupt_gzip_is_ebms_0303(content):
    """Corrupt gzip → EBMS:0303 (TA30)."""
    with pytest.raises(DecompressionFailure) as caught:
        _one_part(content, XML, GZIPPED).open()
    assert caught.value.ebms.code == "EBMS:0303"


@pytest.mark.as4(15)
def test_sign_then_compress_is_refused():
    """What was signed uncompressed and compressed afterwards does not verify (TA35)."""
    forged = _one_part(b"<a/>", XML, GZIPPED)
    forged.travelling = lambda parts: {cid: gzip(content) for cid, content in parts.items()}
    with pytest.raises(FailedAuthentication):
        forged.open()


@pytest.mark.as4(15)
def test_encrypt_then_compress_is_refused():
    """What was compressed after encryption does not decrypt (TA37)."""
    forged = _one_part(b"<a/>", XML, GZIPPED)
    forged.encrypt = True
    forged.travelling = lambda parts: {cid: gzip(content) for cid, content in parts.items()}
    with pytest.raises(FailedDecryption):
        forged.open()


@pytest.mark.as4(16)
@pytest.mark.parametrize("name", ["CompressionType", "MimeType", "CharacterSet"])
def test_the_producer_cannot_set_as4s_own_properties(name):
    """CompressionType is AS4's to set."""
    with pytest.raises(ValueError, match="not by the producer"):
        replace(DOCUMENT, properties=(Property(name=name, value="application/gzip"),))


@pytest.mark.as4(16)
def test_the_consumer_does_not_see_the_compression():
    """Neither payload nor header show CompressionType; the fields carry what it meant."""
    opened = open_user(seal())
    shown = [p.name for part in (*opened.payloads, *opened.message.parts) for p in part.properties]
    assert shown == ["role", "role"]
    assert (opened.payloads[0].mime_type, opened.payloads[0].charset) == ("application/xml", "UTF-8")


@pytest.mark.as4(31)
def test_sealing_again_gives_the_same_digests():
    """A rebuilt message has the same MessageId and digests: gzip and inner ids are deterministic (TA09)."""
    first, second = seal(), seal()
    assert first.references == second.references
    assert first.body != second.body, "the content key is fresh every time"


@pytest.mark.as4(33)
@pytest.mark.parametrize("agreement", [REQUEST.agreement_ref, None])
def test_a_ping_is_recognised_and_gets_a_receipt(agreement):
    """Service …/service and Action …/test: verified like any message, marked as ping (TA16, TA17)."""
    ping = replace(REQUEST.for_ping(), agreement_ref=agreement)
    opened = open_user(seal(header(ping), (), pmode=ping))
    assert opened.is_ping
    assert (opened.message.service, opened.message.action) == (ns.EB + "service", ns.EB + "test")
    assert not open_user(seal()).is_ping


@pytest.mark.as4(33)
def test_a_ping_between_unknown_parties_is_refused():
    """A ping needs parties that have a P-Mode."""
    stranger = replace(REQUEST.for_ping(), initiator=replace(REQUEST.initiator, id=pki.OTHER))
    forged = Forgery(message=header(stranger), signer=pki.party(pki.OTHER).signing)
    with pytest.raises(ProcessingModeMismatch):
        forged.open()


CORNERS = (
    Property(name="originalSender", value="urn:test:c1"),
    Property(name="finalRecipient", value="urn:test:c4"),
)


@pytest.mark.as4(35)
@pytest.mark.parametrize("tracking", [(), (Property(name="trackingIdentifier", value="t"),)])
def test_four_corner_properties_travel(tracking):
    """originalSender and finalRecipient mandatory, trackingIdentifier optional (4CT_TA01–03)."""
    opened = open_user(seal(header(FOUR_CORNER, properties=CORNERS + tracking), pmode=FOUR_CORNER))
    assert opened.message.value("originalSender") == "urn:test:c1"
    assert opened.message.value("finalRecipient") == "urn:test:c4"
    assert opened.message.from_party == FOUR_CORNER.initiator


@pytest.mark.as4(35)
@pytest.mark.parametrize(
    "properties",
    [CORNERS[:1], CORNERS[1:], (), (*CORNERS, CORNERS[0]), (*CORNERS, replace(CORNERS[0], value="x"))],
    ids=["no-recipient", "no-sender", "neither", "twice-the-same", "twice-different"],
)
def test_missing_or_second_original_sender_is_refused(properties):
    """A message without them, or with a second originalSender, is refused."""
    forged = Forgery(message=header(FOUR_CORNER, properties=properties), encrypt=True)
    with pytest.raises(ValueInconsistent):
        forged.open()


@pytest.mark.as4(23)
def test_a_pmode_that_encrypts_refuses_plain_and_half_plain_messages():
    """All payload parts are encrypted when the P-Mode says so, not some."""
    with pytest.raises(PolicyNoncompliance):
        Forgery(message=header(REQUEST)).open()
    with pytest.raises(PolicyNoncompliance):
        seal_without_recipient()


def seal_without_recipient():
    """Seal for an encrypting P-Mode, but give no certificate."""
    return seal_user_message(
        header(), (DOCUMENT,), pmode=REQUEST, signer=pki.party(pki.UK).signing, recipient=None, policy=POLICY,
        now=pki.NOW,
    )  # fmt: skip


def test_an_expired_certificate_is_not_encrypted_to():
    """A certificate outside its validity is not used for sending."""
    with pytest.raises(PolicyNoncompliance):
        seal_user_message(
            header(),
            (DOCUMENT,),
            pmode=REQUEST,
            signer=pki.party(pki.UK).signing,
            recipient=pki.party(pki.FR).decryption.certificate,
            policy=POLICY,
            now=pki.NOW + dt.timedelta(days=4000),
        )


def test_the_producer_leaves_part_info_to_the_seal():
    """PartInfo follows from the payloads: a header that already has some is refused."""
    with pytest.raises(ValueInconsistent):
        seal(header(parts=(PartInfo(content_id="a@x"),)))


@pytest.mark.as4(22)
@pytest.mark.parametrize("kind", list(TokenReference), ids=lambda k: k.value)
def test_every_kind_of_token_reference_is_understood(kind):
    """BST, PKIPath, SubjectKeyIdentifier and IssuerSerial, for signing and encryption key."""
    policy = SecurityPolicy(send_token_reference=kind)
    opened = open_user(seal(policy=policy))
    assert opened.certificate == pki.party(pki.UK).signing.certificate


@pytest.mark.as4(25)
def test_the_older_key_transport_needs_an_agreement():
    """rsa-oaep-mgf1p is refused by default and read under the policy that allows it."""
    older = UnsafeSecurityPolicy(
        key_transports=frozenset({OAEP_SHA256, OAEP_SHA1_MGF1P}), send_key_transport=OAEP_SHA1_MGF1P
    )
    sealed = seal(policy=older)
    with pytest.raises(FailedDecryption):
        open_user(sealed)
    assert open_user(sealed, policy=older).encrypted


@pytest.mark.parametrize(
    "payloads",
    [(DOCUMENT, DOCUMENT), tuple(replace(PHOTO, content_id=f"p{n}@uk.test") for n in range(29))],
    ids=["same-content-id", "too-many"],
)
def test_payloads_that_no_peer_takes_are_not_sent(payloads):
    """Two payloads of one Content-ID, or more than 28, stay here."""
    with pytest.raises(ValueInconsistent):
        seal(payloads=payloads)


@pytest.mark.as4(6)
@pytest.mark.parametrize("character", "+#^`{|}")
def test_content_ids_that_phase4_cannot_resolve_are_not_sent(character):
    """WSS4J reads + in a cid: URL as a space and knows no URI with the others: accepted, never written."""
    payload = replace(PHOTO, content_id=f"a{character}b@uk.test")
    with pytest.raises(ValueInconsistent):
        seal(payloads=(payload,))


@pytest.mark.parametrize("content_id", ["has space", "<a@b>", "é@b", 'a"b', "a%20b", "", "x" * 256])
def test_content_ids_that_break_signatures_are_refused(content_id):
    """Spaces in a Content-ID break signatures (Traps)."""
    with pytest.raises(ValueError, match="Content-ID"):
        Payload(content_id=content_id, mime_type="image/png", content=b"")


@pytest.mark.as4(7)
def test_a_percent_encoded_reference_is_understood():
    """RFC 2392 lets a peer write cid:photo%2E1%40uk.test for photo.1@uk.test."""

    def encode(envelope):
        find(envelope, "//eb:PartInfo")[1].set("href", "cid:photo%2E1%40uk.test")

    assert Forgery(before_signing=encode).open().payloads[1].content == PHOTO.content


@pytest.mark.as4(37)
def test_another_known_partys_key_is_refused():
    """A message signed with the key of another party that we know is refused."""
    with pytest.raises(ValueInconsistent):
        Forgery(signer=pki.party(pki.OTHER).signing).open()
    with pytest.raises(ValueInconsistent):
        Forgery(signer=pki.party(pki.FR).signing).open()


@pytest.mark.as4(37)
def test_the_claim_is_compared_with_the_signed_header():
    """A header changed after signing chooses another P-Mode, but never gets through."""

    def switch(envelope):
        one(envelope, "//eb:Action").text = "FourCorner"

    with pytest.raises(As4Error):
        Forgery(after_signing=switch).open()


@pytest.mark.as4(23)
def test_an_unencrypted_message_may_arrive_encrypted():
    """A P-Mode without encryption does not refuse more protection."""
    assert Forgery(encrypt=True).open().encrypted


@pytest.mark.as4(11)
def test_a_part_without_its_announcement_or_the_reverse_is_refused():
    """PartInfo and MIME parts name each other exactly."""
    extra = Forgery()
    extra.travelling = lambda parts: {**parts, "extra@uk.test": b"x"}
    with pytest.raises(MimeInconsistency):
        extra.open()
    missing = Forgery()
    missing.travelling = lambda parts: {cid: parts[cid] for cid in list(parts)[:1]}
    with pytest.raises(ExternalPayload):
        missing.open()


def test_mime_parts_are_kept_apart_from_the_root():
    """The root's own Content-ID is no payload."""
    sealed = seal()
    package = parse_multipart(sealed.content_type, sealed.body, POLICY)
    assert isinstance(package.root, MimePart)
    assert package.root.content == sealed.envelope
