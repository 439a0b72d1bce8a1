"""Detectors of Art 16: seeded values are found wherever and however they are written, valid messages pass."""

from __future__ import annotations

import base64
import codecs
import quopri
import urllib.parse
from collections.abc import Callable
from email.header import Header
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from contracts.xml import parse_xml
from gateway.core.as4.message import PartInfo, Party, Property, UserMessage
from gateway.core.identifiers import names_of
from gateway.core.treaty import privacy, privacy_detectors, privacy_wire
from gateway.core.treaty.privacy_detectors import Found, findings
from tests.fixtures.cases import load_cases, to_message
from tests.unit.treaty import builders as b

NAMES = privacy_detectors.with_words(("WARSAME", "AL HAMWI", "AMIR HOSSEIN", "WARD"))
DOCUMENTS = ("P57126116",)
EXAMPLES = Path(__file__).parents[3] / "contracts" / "fr" / "v1" / "examples" / "valid"
ALL_NAMES = tuple(sorted({name for record in load_cases() for name in names_of(to_message(record)[0])}))
PLACES = ("{}", "ref {} end", "<{}>", "x:{};y", '"{}"', "\n\t{}\n")
SCRIPTS = (0x30, 0x660, 0x6F0, 0x966, 0x9E6, 0xFF10, 0x1D7CE)
"""ASCII, Arabic-Indic, Persian, Devanagari, Bengali, full-width, mathematical bold: code point of zero."""


def rfc2047(text: str) -> str:
    return Header(text, "utf-8").encode()


ENCODINGS: dict[str, Callable[[str], str]] = {
    "base64": lambda t: base64.b64encode(t.encode()).decode(),
    "base64url": lambda t: base64.urlsafe_b64encode(f"{t}>?".encode()).decode().rstrip("="),
    "base64 of utf-16": lambda t: base64.b64encode(t.encode("utf-16-le")).decode(),
    "base64 twice": lambda t: base64.b64encode(base64.b64encode(t.encode())).decode(),
    "base32": lambda t: base64.b32encode(t.encode()).decode(),
    "hex": lambda t: t.encode().hex(),
    "hex in groups": lambda t: t.encode().hex(":"),
    "percent": lambda t: "".join(f"%{byte:02X}" for byte in t.encode()),
    "percent twice": lambda t: urllib.parse.quote("".join(f"%{byte:02X}" for byte in t.encode())),
    "entities": lambda t: "".join(f"&#{ord(c)};" for c in t),
    "escapes": lambda t: "".join(f"\\u{ord(c):04x}" for c in t),
    "quoted-printable": lambda t: "".join(f"={byte:02X}" for byte in t.encode()),
    "encoded word": rfc2047,
}


@st.composite
def grouped_numbers(draw: st.DrawFn) -> str:
    """Ten digits of one script with anything between them that is no letter and no digit."""
    zero = draw(st.sampled_from(SCRIPTS))
    digits = draw(st.lists(st.integers(0, 9), min_size=10, max_size=10))
    separators = st.sampled_from(
        ("", "", "", " ", ".", "-", "/", "\u00a0", "\u202f", "\u200b", " - ", "\u2011")
    )
    return "".join(chr(zero + d) + draw(separators) for d in digits[:-1]) + chr(zero + digits[-1])


@given(number=grouped_numbers(), place=st.sampled_from(PLACES))
@example(number="2026-11-2312", place="{}")
@example(number="9912-34-5678", place="{}")
def test_a_seeded_number_is_found(number: str, place: str) -> None:
    """Whatever the script and the groups."""
    assert Found.NUMBER in findings(place.format(number), NAMES)


@given(
    name=st.sampled_from(
        ("WARSAME", "Warsame", "wArSaMe", "Al-Ḥamwī", "Amir  Hossein", "W\u200barsame", "Wаrsаme")
    ),
    place=st.sampled_from(PLACES),
)
def test_a_seeded_name_is_found(name: str, place: str) -> None:
    """In any case, with diacritics, invisible characters or letters of another script that look alike."""
    assert Found.NAME in findings(place.format(name), NAMES)


@pytest.mark.parametrize("text", ["W.A.R.S.A.M.E", "W A R D", "w-a-r-d", "WARSAMEABDI", "xxwarsamexx"])
def test_a_name_in_pieces_or_in_a_run(text: str) -> None:
    """Letter by letter, or grown together with something else."""
    assert findings(text, NAMES) == {Found.NAME}


@pytest.mark.parametrize("how", ENCODINGS)
@pytest.mark.parametrize("value", ["Warsame", "al-Hamwi", "9912345678", "P57126116"])
def test_an_encoded_value_is_found(how: str, value: str) -> None:
    """Names, numbers and document numbers in every usual encoding, also twice."""
    assert findings(ENCODINGS[how](value), NAMES, DOCUMENTS)


@given(value=st.sampled_from(("Warsame", "9912345678")), how=st.sampled_from(sorted(ENCODINGS)))
def test_an_encoded_value_in_company(value: str, how: str) -> None:
    """The encoded value may stand inside a longer text."""
    assert findings(f"note {ENCODINGS[how](value)} end", NAMES)


@pytest.mark.parametrize("text", ["emasraW", codecs.encode("Warsame", "rot13")])
def test_a_mirrored_name(text: str) -> None:
    """Simple games with letters do not help."""
    assert findings(text, NAMES) == {Found.ENCODED}


@pytest.mark.parametrize("text", ["P57126116", "p 571 261-16", "xP57126116y"])
def test_a_document_number(text: str) -> None:
    """The number of a passport of the case, however it is grouped."""
    assert findings(text, NAMES, DOCUMENTS) == {Found.DOCUMENT}


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-23",
        "2026-11-23T10:15:30.123Z",
        "2026-11-23-05:00",
        "2026-11-23T10:15:30+01:00",
        "01234567-89ab-7cde-8f01-a1234567890b",
        "GB01-7QK3M9ZT4XWC",
        "FRCDG",
        "AF1234",
        "123456789",
        "12345678901",
        "accepted",
        "true",
        "12",
        "",
    ],
)
def test_what_a_coded_message_holds_is_nothing(text: str) -> None:
    """Dates, ids, references, codes and counts are no personal data, whatever names the cases hold."""
    assert findings(text, privacy_detectors.with_words(ALL_NAMES), DOCUMENTS) == frozenset()


@given(st.uuids().map(str) | st.datetimes().map(lambda d: d.isoformat()) | st.integers(0, 20).map(str))
def test_no_false_alarm_on_what_machines_make(text: str) -> None:
    """Random ids, instants and counts never look like a person, given every name of all cases."""
    if not "1900" <= text[:4] <= "2099" and "T" in text:
        return  # an instant of another millennium is no instant of a message
    assert findings(text, privacy_detectors.with_words(ALL_NAMES)) == frozenset()


FROM_FRANCE = {str(t) for t in privacy.FROM_FRANCE}
VALID = [p for p in sorted(EXAMPLES.glob("*.xml")) if p.stem.partition("-")[0] in FROM_FRANCE]


@pytest.mark.parametrize("path", VALID, ids=lambda p: p.stem)
def test_no_false_alarm_on_valid_examples(path: Path) -> None:
    """Every valid French example of a type that France sends passes, given every name of all cases."""
    root = parse_xml(path.read_bytes())
    found = privacy.check_from_france(
        b.message(b.decision("accepted")), privacy.raw_texts(root), names=ALL_NAMES, document=root
    )
    assert found == ()


def test_there_are_examples() -> None:
    """The test above has work to do."""
    assert len(VALID) >= len(FROM_FRANCE)


# ---- around the document ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attribute", "code"),
    [
        ('xmlns:z="urn:warsame"', "privacy.namespace"),
        ('xmlns:warsame="urn:x"', "privacy.name"),
        (
            'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="urn:x y.xsd"',
            "privacy.schema_hint",
        ),
        (
            'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:noNamespaceSchemaLocation="y"',
            "privacy.schema_hint",
        ),
        ('xml:lang="fr" xml:id="Warsame"', "privacy.name"),
    ],
)
def test_namespaces_and_hints(attribute: str, code: str) -> None:
    """XSD lets a document declare namespaces and hints anywhere; the gate does not."""
    root = parse_xml(f'<r xmlns="urn:x"><a {attribute}/></r>'.encode())
    found = privacy.check_from_france(
        b.message(b.decision("accepted")), privacy.raw_texts(root), names=("WARSAME",), document=root
    )
    assert code in {p.code for p in found}


def test_names_of_elements_count_where_the_contract_refused() -> None:
    """An element called like a person is found in a document that is not the contract's."""
    root = parse_xml(b'<r xmlns="urn:x"><Warsame/><a Warsame="1"/></r>')
    assert {"Warsame"} <= set(privacy.raw_texts(root, names_of_parts=True))
    assert "Warsame" not in privacy.raw_texts(root)


def test_a_nil_attribute_is_no_hint() -> None:
    """``xsi:nil`` belongs to the contract."""
    root = parse_xml(
        b'<r xmlns="urn:x" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><a xsi:nil="true"/></r>'
    )
    found = privacy.check_from_france(
        b.message(b.decision("accepted")), privacy.raw_texts(root), document=root
    )
    assert found == ()


HEAD = b"--b1\r\nContent-Type: application/soap+xml; charset=UTF-8\r\nContent-ID: <root@x>\r\n\r\nA\r\n"
KIND = 'multipart/related; boundary="b1"; type="application/soap+xml"; start="<root@x>"'


def _multipart(header: bytes = b"", *, before: bytes = b"", after: bytes = b"") -> bytes:
    part = b"--b1\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n"
    return before + HEAD + part + b"Content-ID: <doc@x>\r\n" + header + b"\r\nB\r\n--b1--\r\n" + after


@pytest.mark.parametrize(
    "body",
    [
        _multipart(b"Content-Description: Warsame\r\n"),
        _multipart(b'Content-Disposition: attachment; filename="warsame.pdf"\r\n'),
        _multipart(b"Content-Disposition: attachment;\r\n filename*=utf-8''Wars%61me\r\n"),
        _multipart(b"X-Warsame: 1\r\n"),
        _multipart(b"Content-Length: Warsame\r\n"),
        _multipart().replace(b"octet-stream", b"warsame"),
        _multipart().replace(b"UTF-8", b"Warsame"),
        _multipart().replace(b"binary", b"warsame"),
        _multipart(before=b"Warsame\r\n"),
        _multipart(after=b"Warsame"),
        _multipart().replace(b"octet-stream", b'octet-stream; name="V2Fyc2FtZQ=="'),
        _multipart().replace(b"doc@x", b"warsame@x"),
        _multipart().replace(b"doc@x", b"99.1234.5678@x"),
    ],
)
def test_mime_headers(body: bytes) -> None:
    """Headers, parameters, file names, Content-IDs, preamble and epilogue are read."""
    texts = privacy_wire.mime_texts(KIND, body)
    assert any(findings(text, NAMES) for text in texts)


def test_plain_mime_headers_say_nothing() -> None:
    """What every access point writes is not even looked at; machine-made ids lose their digits."""
    kind = 'multipart/related; boundary="----=_Part_1_1557873217.1700000000000"; type="application/soap+xml"'
    body = _multipart().replace(b"b1", b"----=_Part_1_1557873217.1700000000000")
    texts = privacy_wire.mime_texts(kind, body.replace(b"doc@x", b"1557873217.12.1700000@host.fr"))
    assert not any(findings(text, NAMES) for text in texts)
    assert privacy_wire.mime_texts("application/soap+xml; charset=UTF-8", b"") == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"message_id": "01234567-89ab-7cde-8f01-a1234567890b@warsame.fr"},
        {"ref_to_message_id": "01234567-89ab-7cde-8f01-a1234567890b@warsame.fr"},
        {"properties": (Property(name="trackingIdentifier", value="Warsame"),)},
        {"properties": (Property(name="trackingIdentifier", value="1", type="99 1234 5678"),)},
        {"parts": (PartInfo(content_id="warsame@x"),)},
        {
            "parts": (
                PartInfo(content_id="a@x", properties=(Property(name="CharacterSet", value="Warsame"),)),
            )
        },
    ],
)
def test_header_values(changes: dict[str, object]) -> None:
    """Ids, property values and types, part properties of the ebMS header."""
    own = b.REQUEST
    values: dict[str, object] = {
        "message_id": f"{own.message_id}@passerelle.fr",
        "timestamp": own.issued_at,
        "conversation_id": own.conversation_id,
        "from_party": Party(id="FR-MI-AS4", type="urn:x", role="r"),
        "to_party": Party(id="GB-HO", type="urn:x", role="r"),
        "service": "s",
        "action": "ReadmissionDecision",
    }
    plain = UserMessage(**values)  # type: ignore[arg-type]  # keyword values from a dict
    bent = UserMessage(**{**values, **changes})  # type: ignore[arg-type]  # as above
    assert not any(findings(text, NAMES) for text in privacy_wire.header_texts(plain))
    assert any(findings(text, NAMES) for text in privacy_wire.header_texts(bent))


def test_quoted_printable_is_not_confused() -> None:
    """The encodings of this test are those of the standard library."""
    assert quopri.decodestring(ENCODINGS["quoted-printable"]("Warsame").encode()) == b"Warsame"
