"""Art 16: what France may not send is found, and what it may send passes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from contracts import codelists, codes, model
from contracts.codes import SENDERS, Direction, MessageType
from contracts.xml import parse_xml
from gateway.core.identifiers import names_of
from gateway.core.treaty import privacy
from tests.fixtures.cases import load_cases, to_message
from tests.unit.treaty import builders as b

FRENCH: list[model.Body] = [
    b.ack(),
    b.decision("accepted"),
    b.decision("refused"),
    b.decision("extension"),
    b.decision("information_needed"),
    b.confirmation("confirmed"),
    b.confirmation("declined"),
    b.receipt(),
    b.update(),
    b.response("objection"),
]
ALL_NAMES = tuple(sorted({name for record in load_cases() for name in names_of(to_message(record)[0])}))


def document(extra: str = "", inside: str = "accepted") -> Any:
    """A small French document with one more thing in it."""
    message = b.message(b.decision("accepted"))
    xml = (
        f'<r xmlns="urn:x"><id>{message.message_id}</id><ref>{message.reference}</ref>'
        f"<le>2026-11-23T10:15:30.123Z</le><jour>2026-11-23-05:00</jour><d>{inside}</d>{extra}</r>"
    )
    return parse_xml(xml.encode())


def breaches(root: Any, names: tuple[str, ...] = (), **more: Any) -> set[str]:
    found = privacy.check_from_france(
        b.message(b.decision("accepted")), privacy.raw_texts(root), names=names, **more
    )
    return {p.code for p in found}


@pytest.mark.parametrize("body", FRENCH)
def test_what_france_may_send_passes(body: model.Body) -> None:
    """Coded French messages have no finding, whatever names the cases hold."""
    message = b.message(body)
    texts = tuple(str(v) for v in msgspec.to_builtins(message).values() if isinstance(v, str))
    assert privacy.check_from_france(message, texts, names=ALL_NAMES) == ()


def test_a_plain_document_passes() -> None:
    """Ids, references, dates and codes of a raw document are not mistaken for personal data."""
    assert breaches(document(), ALL_NAMES, document=document()) == set()


@pytest.mark.parametrize(
    "text",
    [
        "9912345678",
        "AGDREF9912345678",
        "99 1234 5678",
        "99.12.34.56.78",
        "n° 9912345678/B",
        "99\u00a012345678",
        "٩٩١٢٣٤٥٦٧٨",
    ],
)
def test_an_agdref_number_is_found(text: str) -> None:
    """Ten digits are found however they are written, in text and in attributes."""
    assert breaches(document(inside=text)) == {"privacy.agdref_number"}
    assert breaches(document(extra=f'<x a="{text}"/>')) == {"privacy.agdref_number"}


@pytest.mark.parametrize("text", ["123456789", "12345678901", "2026-11-23", "20261123 101530", "AF1234"])
def test_other_numbers_are_none(text: str) -> None:
    """Nine or eleven digits, dates and flights are no AGDREF number."""
    assert breaches(document(inside=text)) == set()


@pytest.mark.parametrize(
    "text",
    ["Al-Ḥamwī", "AL HAMWI", "M. al-Hamwi est arrivé", "xxalhamwixx", "Amir", "hossein", "AMIRHOSSEIN"],
)
def test_a_name_is_found(text: str) -> None:
    """Names of the case are found in any script, order and company."""
    assert breaches(document(inside=text), ("AL HAMWI", "AMIR HOSSEIN")) <= {"privacy.name"}
    hit = breaches(document(inside=text), ("AL HAMWI", "AMIR HOSSEIN", "AMIR"))
    assert hit == {"privacy.name"}


def test_a_name_in_a_comment_and_the_comment_itself() -> None:
    """Comments are no place to hide: they are refused, and read."""
    root = parse_xml(b"<!-- Warsame --><r><a>x</a><?note 9912345678?></r>")
    assert breaches(root, ("WARSAME",), document=root) == {
        "privacy.comment",
        "privacy.name",
        "privacy.agdref_number",
    }


def test_attachments_and_properties() -> None:
    """France sends one document and only the agreed AS4 properties."""
    root = document()
    assert breaches(root, attachments=1) == {"privacy.attachment"}
    assert breaches(root, properties=("originalSender", "personName")) == {"privacy.unknown_property"}
    assert breaches(root, part_properties=("MimeType", "Description")) == {"privacy.unknown_property"}
    known = ("originalSender", "finalRecipient", "trackingIdentifier")
    assert breaches(root, properties=known, part_properties=("MimeType", "CompressionType")) == set()


@pytest.mark.parametrize("body", [b.REQUEST.body, b.NOMINATION.body, b.supplement(), b.correction()])
def test_types_that_france_never_sends(body: model.Body) -> None:
    """A message type that carries personal data does not come from France."""
    codes_found = {p.code for p in privacy.check_from_france(b.message(body), ())}
    assert "privacy.message_type" in codes_found


def test_findings_do_not_repeat_the_content() -> None:
    """A finding names place and code; the value is nowhere in it."""
    found = privacy.check_from_france(
        b.message(b.decision("accepted")), ("Warsame 9912345678",), names=("WARSAME",)
    )
    assert {p.path for p in found} == {"text 0"}
    assert not any(word in repr(found).upper() for word in ("WARSAME", "9912345678"))


@pytest.mark.parametrize("direction", list(Direction))
def test_the_allow_lists_are_exactly_the_model(direction: Direction) -> None:
    """Every type that may travel this way has a list, and every field was allowed on purpose."""
    allowed = privacy.ALLOWED[direction]
    assert set(allowed) == {t for t in MessageType if direction in SENDERS[t]}
    for kind, fields in allowed.items():
        assert set(model.BODIES[kind].__struct_fields__) == fields


def test_media_types_are_one_closed_list_on_both_sides() -> None:
    """A free media type could hide a value: both contracts know the same few, and no other."""
    root = Path(privacy.__file__).parents[3] / "contracts"
    schema = json.loads((root / "uk/v1/schemas/common.json").read_text("utf-8"))
    listed = schema["$defs"]["Attachment"]["properties"]["media_type"]["enum"]
    text = (root / "fr/v1/passerelle-fr-v1.xsd").read_text("utf-8")
    french = re.search(r'name="TypeMedia">(.*?)</xs:simpleType>', text, re.DOTALL)
    assert french is not None
    assert re.findall(r'enumeration value="([^"]+)"', french[1]) == listed
    assert listed == ["application/pdf", "image/jpeg", "image/jp2", "image/png"]


FIELDS = [(kind, name) for kind, fields in sorted(privacy.TO_FRANCE.items()) for name in sorted(fields)]


@pytest.mark.parametrize(("kind", "name"), FIELDS)
def test_every_field_is_on_the_list_for_itself(
    kind: MessageType, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """UK→FR, field by field: taken off the list, exactly this field stops a message that fills it."""
    monkeypatch.setattr(privacy, "TO_FRANCE", {**privacy.TO_FRANCE, kind: privacy.TO_FRANCE[kind] - {name}})
    found = [filled(kind, name)]
    assert [p.path for m in found for p in privacy.check_to_france(m)] == [f"/body/{name}"]


def filled(kind: MessageType, name: str) -> model.Message:
    """A message of the type with a value in the field, whatever the value is worth."""
    fields = dict.fromkeys(model.BODIES[kind].__struct_fields__)
    return b.message(model.BODIES[kind](**{**fields, name: "value"}))  # type: ignore[arg-type]  # structs check on decoding only


@pytest.mark.parametrize("word", ["biometric", "fingerprint", "template", "image", "iris"])
def test_biometrics_have_no_field(word: str) -> None:
    """Biometrics are off: nothing but the reference and the time of enrolment has a field at all."""
    named = {name for fields in privacy.TO_FRANCE.values() for name in fields if word in name}
    assert named <= {"biometrics_enrolled_at", "biometrics_reference"}


def test_a_field_off_the_list_does_not_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    """UK→FR: a field that the list does not name is found, unless it is empty."""
    less = dict(privacy.TO_FRANCE)
    less[MessageType.NOMINATION] = less[MessageType.NOMINATION] - {"gwf"}
    monkeypatch.setattr(privacy, "TO_FRANCE", less)
    assert [p.path for p in privacy.check_to_france(b.NOMINATION)] == ["/body/gwf"]
    body: Any = b.NOMINATION.body
    empty = msgspec.structs.replace(b.NOMINATION, body=msgspec.structs.replace(body, gwf=None))
    assert privacy.check_to_france(empty) == ()


def test_ten_digits_inside_a_uuid_are_none() -> None:
    """A UUID with ten digits in a row is an id; the same digits beside it, or a UUID in a text, are not."""
    uuid = "01234567-89ab-7cde-8f01-a1234567890b"
    own = b.message(b.ack(of=uuid))
    assert privacy.check_from_france(own, (uuid, f"ref {uuid}")) == ()
    other = b.message(b.ack())
    assert privacy.check_from_france(other, (uuid,)) == ()
    assert [p.code for p in privacy.check_from_france(other, (f"ref {uuid}",))] == ["privacy.agdref_number"]


def test_codes_are_not_names() -> None:
    """Someone called like a code, or like a word of one, does not stop the decision that uses it."""
    french = codelists.to_french(codes.RefusalGround)[codes.RefusalGround.NO_STAY_OR_TRANSIT_IN_FRANCE]
    names = ("ACCEPTED", *french.upper().split("_"))
    assert breaches(document(inside="accepted"), names) == set()
    assert breaches(document(inside=french), names) == set()
    assert breaches(document(inside=f"{french} Accepted"), names) == {"privacy.name"}
