"""Signature wrapping, changed content, too little signed: refused, each with its EBMS code (as4.md)."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from gateway.core.as4 import namespaces as ns
from gateway.core.as4.wss import tree
from gateway.core.as4.wss.verify import verify_envelope
from gateway.core.errors import As4Error, InvalidHeader
from tests.fixtures import pki
from tests.fixtures.wss_attacks import (
    AUTHENTICATION,
    GOOD,
    POLICY_CODE,
    Root,
    body,
    code_of,
    evil_messaging,
    header,
    messaging,
    security,
    signature,
    wrapper,
)
from tests.fixtures.wss_messages import PARTS, POLICY, Signed, find, find_all, resign

# ---- signature wrapping ------------------------------------------------------------------------


def messaging_moved_into_a_wrapper(root: Root) -> None:
    """The signed Messaging hides in an unknown header; another stands in its place."""
    original = messaging(root)
    original.getparent().replace(original, evil_messaging())
    wrapper(header(root)).append(original)


def messaging_moved_under_the_signature(root: Root) -> None:
    """The signed Messaging hides in a ds:Object."""
    original = messaging(root)
    original.getparent().replace(original, evil_messaging())
    etree.SubElement(signature(root), ns.q(ns.DS, "Object")).append(original)


def messaging_moved_into_the_body(root: Root) -> None:
    """The only Messaging is no header block."""
    body(root).append(messaging(root))


def messaging_moved_into_a_header_wrapper_alone(root: Root) -> None:
    """The only Messaging is one level too deep."""
    wrapper(header(root)).append(messaging(root))


def messaging_duplicated(root: Root) -> None:
    """Two equal Messagings with one id."""
    header(root).append(copy.deepcopy(messaging(root)))


def messaging_nested(root: Root) -> None:
    """The signed Messaging inside an unsigned one."""
    original = messaging(root)
    outer = evil_messaging()
    original.getparent().replace(original, outer)
    outer.append(original)


def second_messaging_header(root: Root) -> None:
    """A second Messaging without id, before the signed one."""
    header(root).insert(0, evil_messaging())


def body_moved_into_a_wrapper(root: Root) -> None:
    """The signed Body hides in a header; another stands in its place."""
    original = body(root)
    root.replace(original, etree.Element(ns.q(ns.S12, "Body")))
    wrapper(header(root)).append(original)


def body_duplicated(root: Root) -> None:
    """Two Bodies."""
    root.append(etree.Element(ns.q(ns.S12, "Body")))


def body_nested(root: Root) -> None:
    """A Body in the Body."""
    etree.SubElement(body(root), ns.q(ns.S12, "Body"))


def body_before_header(root: Root) -> None:
    """Body and Header change places."""
    root.insert(0, body(root))


def something_after_the_body(root: Root) -> None:
    """A third child of the Envelope."""
    etree.SubElement(root, "{urn:evil}Trailer")


def envelope_nested(root: Root) -> None:
    """A whole second Envelope in the Body."""
    etree.SubElement(body(root), ns.q(ns.S12, "Envelope"))


def second_header(root: Root) -> None:
    """Two Headers."""
    root.insert(0, etree.Element(ns.q(ns.S12, "Header")))


def security_duplicated(root: Root) -> None:
    """Two Security headers."""
    header(root).append(etree.Element(ns.q(ns.WSSE, "Security")))


def security_moved_into_a_wrapper(root: Root) -> None:
    """The only Security is no header block."""
    wrapper(header(root)).append(security(root))


def security_moved_into_the_body(root: Root) -> None:
    """The only Security is in the Body."""
    body(root).append(security(root))


def security_nested(root: Root) -> None:
    """A Security in the Security."""
    etree.SubElement(security(root), ns.q(ns.WSSE, "Security"))


def signature_moved_out_of_security(root: Root) -> None:
    """The signature is a header block of its own."""
    header(root).append(signature(root))


def second_signature(root: Root) -> None:
    """Two signatures."""
    security(root).append(etree.Element(ns.q(ns.DS, "Signature")))


def duplicate_wsu_id(root: Root) -> None:
    """An unknown header has the Messaging's id."""
    wrapper(header(root)).set(tree.WSU_ID, messaging(root).get(tree.WSU_ID))


def duplicate_xml_id(root: Root) -> None:
    """An unknown header has the Messaging's id as xml:id."""
    wrapper(header(root)).set(ns.q(ns.XML, "id"), messaging(root).get(tree.WSU_ID))


def duplicate_plain_id(root: Root) -> None:
    """An unknown header has the Messaging's id as Id."""
    wrapper(header(root)).set("Id", messaging(root).get(tree.WSU_ID))


def duplicate_upper_case_id(root: Root) -> None:
    """An unknown header has the Body's id as ID."""
    wrapper(header(root)).set("ID", body(root).get(tree.WSU_ID))


def id_on_another_element(root: Root) -> None:
    """The signed id is on a copy in an unknown header; the Messaging has none."""
    decoy = wrapper(header(root))
    decoy.set(tree.WSU_ID, messaging(root).attrib.pop(tree.WSU_ID))
    decoy.extend(copy.deepcopy(list(messaging(root))))


def id_as_another_attribute(root: Root) -> None:
    """The Messaging's wsu:Id becomes a plain Id."""
    messaging(root).set("Id", messaging(root).attrib.pop(tree.WSU_ID))


def ids_exchanged(root: Root) -> None:
    """Messaging and Body exchange their ids."""
    first, second = messaging(root).get(tree.WSU_ID), body(root).get(tree.WSU_ID)
    messaging(root).set(tree.WSU_ID, second)
    body(root).set(tree.WSU_ID, first)


# ---- content changed ---------------------------------------------------------------------------


def header_value_changed(root: Root) -> None:
    """One value of the signed header is another."""
    find(root, ns.EB, "Action").text = "withdraw"


def payload_info_added(root: Root) -> None:
    """An unsigned PartInfo."""
    etree.SubElement(find(root, ns.EB, "UserMessage"), ns.q(ns.EB, "PayloadInfo"))


def body_filled(root: Root) -> None:
    """Something in the Body that was signed empty."""
    etree.SubElement(body(root), "{urn:evil}Payload")


def digest_exchanged(root: Root) -> None:
    """A digest is recomputed without the key."""
    find(root, ns.DS, "DigestValue").text = tree.base64_text(bytes(32))


def signature_value_of_another_key(root: Root) -> None:
    """SignedInfo signed by somebody else under the French certificate."""
    resign(root, pki.party(pki.OTHER).signing)


def comment_in_the_digest(root: Root) -> None:
    """A comment splits the digest, so that two readers could read two values."""
    value = find(root, ns.DS, "DigestValue")
    value.insert(0, etree.Comment("x"))


def signature_value_not_base64(root: Root) -> None:
    """The signature value is no base64."""
    find(root, ns.DS, "SignatureValue").text = "%%%"


# ---- unsigned or not enough signed -------------------------------------------------------------


def no_security_header(root: Root) -> None:
    """Nothing is signed."""
    header(root).remove(security(root))


def no_signature(root: Root) -> None:
    """A Security header with a token only."""
    security(root).remove(signature(root))


def empty_reference_list(root: Root) -> None:
    """A signature by a trusted key over nothing."""
    for one in find_all(root, ns.DS, "Reference"):
        one.getparent().remove(one)
    resign(root)


def _drop_reference(number: int) -> Callable[[Root], None]:
    def drop(root: Root) -> None:
        one = find_all(root, ns.DS, "Reference")[number]
        one.getparent().remove(one)
        resign(root)

    return drop


def messaging_not_signed(root: Root) -> None:
    """The reference of the Messaging is left out."""
    _drop_reference(0)(root)


def body_not_signed(root: Root) -> None:
    """The reference of the Body is left out."""
    _drop_reference(1)(root)


def part_not_signed(root: Root) -> None:
    """The reference of a part is left out."""
    _drop_reference(3)(root)


def reference_twice(root: Root) -> None:
    """One thing is signed twice."""
    one = find(root, ns.DS, "Reference")
    one.addnext(copy.deepcopy(one))
    resign(root)


def too_many_references(root: Root) -> None:
    """More references than Santuario would take."""
    one = find(root, ns.DS, "Reference")
    for _ in range(30):
        one.addnext(copy.deepcopy(one))
    resign(root)


def signature_with_an_object(root: Root) -> None:
    """ds:Object could carry anything."""
    etree.SubElement(signature(root), ns.q(ns.DS, "Object"))


def username_token(root: Root) -> None:
    """Passwords are not part of the profile."""
    etree.SubElement(security(root), ns.q(ns.WSSE, "UsernameToken"))


ATTACKS: list[tuple[Callable[[Root], None], str]] = [
    *(
        (attack, AUTHENTICATION)
        for attack in (
            messaging_moved_into_a_wrapper,
            messaging_moved_under_the_signature,
            messaging_moved_into_the_body,
            messaging_moved_into_a_header_wrapper_alone,
            messaging_duplicated,
            messaging_nested,
            second_messaging_header,
            body_moved_into_a_wrapper,
            body_duplicated,
            body_nested,
            body_before_header,
            something_after_the_body,
            envelope_nested,
            second_header,
            security_duplicated,
            security_moved_into_a_wrapper,
            security_moved_into_the_body,
            security_nested,
            signature_moved_out_of_security,
            second_signature,
            duplicate_wsu_id,
            duplicate_xml_id,
            duplicate_plain_id,
            duplicate_upper_case_id,
            id_on_another_element,
            id_as_another_attribute,
            ids_exchanged,
            header_value_changed,
            payload_info_added,
            body_filled,
            digest_exchanged,
            signature_value_of_another_key,
            comment_in_the_digest,
            signature_value_not_base64,
        )
    ),
    *(
        (attack, POLICY_CODE)
        for attack in (
            no_security_header,
            no_signature,
            empty_reference_list,
            messaging_not_signed,
            body_not_signed,
            part_not_signed,
            reference_twice,
            too_many_references,
            signature_with_an_object,
            username_token,
        )
    ),
]


@pytest.mark.as4(18)
@pytest.mark.parametrize(("attack", "code"), ATTACKS, ids=[attack.__name__ for attack, _ in ATTACKS])
def test_attack_is_refused(attack: Callable[[Root], None], code: str) -> None:
    """Each attack is refused, with the code that tells forgery from too weak a signature."""
    assert code_of(lambda: GOOD.verify(attack)) == code


def test_the_message_under_attack_is_good() -> None:
    """Without a change the same message verifies: what is refused above is the attack."""
    assert GOOD.verify().party_id == pki.FR


# ---- anything else -----------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
@settings(max_examples=300, deadline=None)
@given(st.data())
def test_no_single_octet_can_be_changed_unnoticed(data: st.DataObject) -> None:
    """Whatever one octet becomes: a refusal from the error tree, or the very same signed header."""
    position = data.draw(st.integers(0, len(GOOD.content) - 1))
    changed = bytearray(GOOD.content)
    changed[position] = data.draw(st.integers(0, 255))
    try:
        root = tree.parse_envelope(bytes(changed), POLICY)
        verified = verify_envelope(root, PARTS, trust=pki.trust_store(), policy=POLICY, now=pki.NOW)
    except As4Error:
        return
    assert tree.canonical(verified.messaging) == tree.canonical(GOOD.verify().messaging)
    assert verified.attachments == PARTS


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_no_element_can_be_moved_or_copied_unnoticed(data: st.DataObject) -> None:
    """Signature wrapping in general: any element moved or copied to any place, with or without its id.

    Either a refusal from the error tree, or the very same signed header and parts.
    """
    root = GOOD.tree()
    everything = list(root.iter(etree.Element))
    for _ in range(data.draw(st.integers(1, 3))):
        taken = data.draw(st.sampled_from(everything[1:]))
        element = copy.deepcopy(taken) if data.draw(st.booleans()) else taken
        if data.draw(st.booleans()):
            for inside in element.iter(etree.Element):
                inside.attrib.pop(tree.WSU_ID, None)
        targets = [e for e in everything if e not in set(taken.iter())]
        target = data.draw(st.sampled_from(targets))
        target.insert(data.draw(st.integers(0, len(target))), element)
    try:
        verified = Signed(etree.tostring(root), PARTS, ()).verify()
    except As4Error:
        return
    assert tree.canonical(verified.messaging) == tree.canonical(GOOD.verify().messaging)
    assert verified.attachments == PARTS
    assert verified.body_is_empty


def test_refusals_hold_no_value_of_the_message() -> None:
    """No refusal quotes the message: texts are fixed."""
    with pytest.raises(InvalidHeader) as refusal:
        tree.parse_envelope(b"<secret-name>", POLICY)
    assert "secret" not in str(refusal.value)
