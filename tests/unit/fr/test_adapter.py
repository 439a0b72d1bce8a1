"""The French adapter: lossless, exact about places, and never dropping what it cannot carry."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

import contracts
from adapters.fr import FrAdapter
from adapters.fr.mapping import LIST_MAX, NAMESPACE
from contracts import codes, model
from contracts.ports import Adapter, InvalidDocument, Unmappable, ValidDocument
from contracts.xml import parse_xml

EXAMPLES = Path(contracts.__file__).parent / "fr/v1/examples/valid"


@pytest.fixture(scope="module")
def french() -> FrAdapter:
    return FrAdapter()


def _example(french: FrAdapter, name: str) -> model.Message:
    return french.to_canonical(french.validate((EXAMPLES / f"{name}.xml").read_bytes()))


def _with_body(message: model.Message, **changes: Any) -> model.Message:
    return msgspec.structs.replace(message, body=msgspec.structs.replace(message.body, **changes))


def _with_person(message: model.Message, **changes: Any) -> model.Message:
    assert isinstance(message.body, model.ReadmissionRequest)
    first, *rest = message.body.persons
    return _with_body(message, persons=(msgspec.structs.replace(first, **changes), *rest))


def _refusal(french: FrAdapter, message: model.Message) -> list[tuple[str, str]]:
    with pytest.raises(Unmappable) as caught:
        french.from_canonical(message)
    assert all(p.message_en and p.message_fr for p in caught.value.problems)
    return [(p.path, p.code) for p in caught.value.problems]


def test_it_is_an_adapter(french: FrAdapter) -> None:
    """The class has the port's methods with the port's types (mypy checks this line too)."""
    port: Adapter = french
    document = port.validate((EXAMPLES / "StatusUpdate.xml").read_bytes())
    assert isinstance(document, ValidDocument)
    assert document.message_type == "StatusUpdate"


def test_a_document_of_the_other_side_is_not_read(french: FrAdapter) -> None:
    """A ValidDocument of the UK adapter is a programming error, not a message."""
    with pytest.raises(TypeError):
        french.to_canonical(ValidDocument(message_type="StatusUpdate", content=b"{}", parsed={}))


def test_not_applicable_is_nil_and_empty_is_empty(french: FrAdapter) -> None:
    """None becomes xsi:nil on an element that is always there; no items become an empty list."""
    message = _with_body(_example(french, "ReadmissionRequest"), family=None, evidence=())
    text = french.from_canonical(message).content.decode()
    assert '<famille xsi:nil="true"/>' in text
    assert "<preuves/>" in text


@pytest.mark.parametrize(
    ("birth", "expected"),
    [
        ((1994, 3, 19), '<dateNaissance precision="jour">1994-03-19</dateNaissance>'),
        ((1994, 3, None), '<dateNaissance precision="mois">1994-03</dateNaissance>'),
        ((1994, None, None), '<dateNaissance precision="annee">1994</dateNaissance>'),
        ((None, None, None), '<dateNaissance precision="inconnue"></dateNaissance>'),
    ],
)
def test_a_birth_date_keeps_its_precision(
    birth: tuple[int | None, int | None, int | None], expected: str, french: FrAdapter
) -> None:
    """No day or month is ever invented."""
    date = model.BirthDate(year=birth[0], month=birth[1], day=birth[2])
    message = _with_person(_example(french, "ReadmissionRequest"), birth_date=date)
    document = french.from_canonical(message)
    assert expected in document.content.decode()
    assert french.to_canonical(document) == message


@pytest.mark.parametrize(
    ("sex", "expected"),
    [
        (codes.Sex.MALE, "<sexe>M</sexe>"),
        (codes.Sex.FEMALE, "<sexe>F</sexe>"),
        (codes.Sex.X, '<sexe origine="X">NP</sexe>'),
        (codes.Sex.UNKNOWN, '<sexe origine="U">NP</sexe>'),
    ],
)
def test_sex_is_carried_with_its_origin(sex: codes.Sex, expected: str, french: FrAdapter) -> None:
    """X and unknown become "non précisé" and come back as what they were."""
    message = _with_person(_example(french, "ReadmissionRequest"), sex=sex)
    document = french.from_canonical(message)
    assert expected in document.content.decode()
    assert french.to_canonical(document) == message


@pytest.mark.parametrize("sex", list(codes.Sex))
def test_sex_not_specified_can_be_held_instead(sex: codes.Sex) -> None:
    """The setting "hold" stops exactly X and unknown for an operator."""
    holding = FrAdapter(sex_not_specified="hold")
    message = _with_person(_example(holding, "ReadmissionRequest"), sex=sex)
    if sex in (codes.Sex.X, codes.Sex.UNKNOWN):
        assert _refusal(holding, message) == [("/body/persons/0/sex", "sex_not_specified")]
    else:
        assert holding.to_canonical(holding.from_canonical(message)) == message


@pytest.mark.parametrize(
    ("country", "element"),
    [
        ("FRA", "<codeCOG>99100</codeCOG>"),
        ("RKS", "<codeCOG>99157</codeCOG>"),
        ("TWN", "<codeCOG>99236</codeCOG>"),
        ("XXA", "<codeOACI>XXA</codeOACI>"),
        ("XXB", "<codeOACI>XXB</codeOACI>"),
        ("XXC", "<codeOACI>XXC</codeOACI>"),
        ("XXX", "<codeOACI>XXX</codeOACI>"),
    ],
)
def test_countries_travel_as_insee_or_icao_codes(country: str, element: str, french: FrAdapter) -> None:
    """Kosovo, Taiwan and the ICAO codes come back as they went."""
    message = _with_person(_example(french, "ReadmissionRequest"), nationalities=(country,))
    document = french.from_canonical(message)
    assert f"<nationalites><nationalite>{element}</nationalite></nationalites>" in document.content.decode()
    assert french.to_canonical(document) == message


@pytest.mark.parametrize("country", ["HKG", "GGY", "XXD", "UNK", "ZZZ", "D<<"])
def test_a_country_outside_the_table_fails_closed(country: str, french: FrAdapter) -> None:
    """Nothing is guessed: the message is held with the exact place."""
    request = _example(french, "ReadmissionRequest")
    for changes, path in (
        ({"nationalities": ("FRA", country)}, "/body/persons/0/nationalities/1"),
        ({"former_nationalities": (country,)}, "/body/persons/0/former_nationalities/0"),
        ({"birth_country": country}, "/body/persons/0/birth_country"),
    ):
        assert _refusal(french, _with_person(request, **changes)) == [(path, "country_unmapped")]


def test_an_insee_code_outside_the_table_fails_closed(french: FrAdapter) -> None:
    """Valid in form, but without counterpart: Unmappable with its XPath, and no value."""
    text = (EXAMPLES / "ReadmissionRequest.xml").read_text("utf-8")
    document = french.validate(re.sub(r"<codeCOG>\d+", "<codeCOG>99999", text, count=1).encode())
    with pytest.raises(Unmappable) as caught:
        french.to_canonical(document)
    (problem,) = caught.value.problems
    assert problem.code == "country_unmapped"
    assert problem.path.endswith("/p:paysNaissance/p:codeCOG")
    assert "99999" not in repr(problem)


@pytest.mark.parametrize(
    "text",
    [" a ", "a\nb", "\t", "a\rb", "a\r\nb", " ", "\u00a0", "]]>", "<&>\"'", "\U0001f600", "\u202eb", "\x85"],
)
def test_white_space_and_markup_survive(text: str, french: FrAdapter) -> None:
    """Outer blanks, line ends of every kind, markup and astral characters come back unchanged."""
    request = _example(french, "ReadmissionRequest")
    name = model.PersonName(family_name=text, given_names=text)
    message = _with_person(request, name=name, birth_place=text)
    for pretty in (False, True):
        document = french.from_canonical(message, pretty=pretty)
        assert french.to_canonical(french.validate(document.content)) == message


@pytest.mark.parametrize("text", ["a\x00", "\x0b", "\x1f", "\ud800", "\ufffe", "\uffff", "a\x1b[0m"])
def test_text_that_xml_cannot_carry_is_held(text: str, french: FrAdapter) -> None:
    """Control characters and lone surrogates are Unmappable with their place, never a crash."""
    request = _example(french, "ReadmissionRequest")
    name = model.PersonName(family_name=text, given_names="A")
    assert _refusal(french, _with_person(request, name=name)) == [
        ("/body/persons/0/name/family_name", "text_not_xml")
    ]
    assert _refusal(french, _with_person(request, birth_place=text)) == [
        ("/body/persons/0/birth_place", "text_not_xml")
    ]


def test_a_truncated_name_is_flagged_and_reads_back_whole(french: FrAdapter) -> None:
    """The transliterated form is cut with a flag; the original is never cut."""
    original = "Wolfeschlegelsteinhausenbergerdorff-Hohenlohe"
    name = model.PersonName(family_name=original, given_names="É/")
    message = _with_person(_example(french, "ReadmissionRequest"), name=name)
    document = french.from_canonical(message)
    text = document.content.decode()
    assert f'<nom tronque="true">{original.upper()[:40]}</nom><nomOrigine>{original}</nomOrigine>' in text
    assert '<prenoms remplace="true">E</prenoms>' in text
    assert french.to_canonical(document) == message


@pytest.mark.parametrize(
    ("changes", "path", "code"),
    [
        ({"persons": ()}, "/body/persons", "list_too_short"),
        ({"home_office_reference": "x"}, "/body/home_office_reference", "xsd.pattern"),
        ({"proposed_place": "paris"}, "/body/proposed_place", "xsd.pattern"),
        ({"priority": None}, "/body/priority", "value_missing"),
        (
            {"requesting_service": model.Service(code="AB", name="n" * 129)},
            "/body/requesting_service/name",
            "xsd.length",
        ),
    ],
)
def test_what_the_contract_refuses_is_held_with_its_canonical_place(
    changes: dict[str, Any], path: str, code: str, french: FrAdapter
) -> None:
    """Limits of the French contract are reported as JSON pointers of the canonical message."""
    assert (path, code) in _refusal(french, _with_body(_example(french, "ReadmissionRequest"), **changes))


def test_lists_have_limits(french: FrAdapter) -> None:
    """One item too many is held, not dropped."""
    request = _example(french, "ReadmissionRequest")
    item = model.Evidence(list=codes.EvidenceList.A, kind=codes.EvidenceKind.OTHER, attachment=None)
    full = _with_body(request, evidence=(item,) * LIST_MAX)
    assert french.to_canonical(french.from_canonical(full)) == full
    assert _refusal(french, _with_body(request, evidence=(item,) * (LIST_MAX + 1))) == [
        ("/body/evidence", "list_too_long")
    ]


REFUSED = codes.ReadmissionDecisionCode.REFUSED
GROUND = codes.RefusalGround.TIME_LIMIT_PASSED


@pytest.mark.parametrize(
    ("name", "changes", "path"),
    [
        ("ReadmissionDecision", {"ground": GROUND}, "/body/ground"),
        ("ReadmissionDecision", {"extended_until": dt.date(2027, 1, 1)}, "/body/extended_until"),
        (
            "ReadmissionDecision",
            {"information_needed": (codes.InformationNeeded.IDENTITY,)},
            "/body/information_needed",
        ),
        ("ReadmissionDecision-refused", {"ground": None}, "/body/ground"),
        ("ReadmissionDecision-extension", {"extended_until": None}, "/body/extended_until"),
        ("ReadmissionDecision-information-needed", {"information_needed": ()}, "/body/information_needed"),
        ("Acknowledgement", {"code": codes.AckCode.OUT_OF_SCOPE}, "/body/code"),
        ("Acknowledgement-rejected", {"code": None}, "/body/code"),
        ("TransferConfirmation-declined", {"reason": None}, "/body/reason"),
        ("TransferConfirmation", {"reason": codes.TransferReason.OTHER}, "/body/reason"),
        ("TransferOutcome", {"reason": codes.TransferReason.OTHER}, "/body/reason"),
        ("TransferOutcome-failed", {"reason": None}, "/body/reason"),
        ("NominationResponse", {"ground": codes.ObjectionGround.THREAT}, "/body/ground"),
        ("NominationOutcome", {"visa_valid_until": None}, "/body/visa_valid_until"),
    ],
)
def test_a_detail_of_another_code_is_never_dropped(
    name: str, changes: dict[str, Any], path: str, french: FrAdapter
) -> None:
    """A ground without refusal (and so on) has no French form: held, not silently lost."""
    message = _with_body(_example(french, name), **changes)
    assert _refusal(french, message) == [(path, "inconsistent")]


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (dt.datetime(2026, 11, 18, 9, 0, tzinfo=dt.UTC), "2026-11-18T09:00:00Z"),
        (dt.datetime(2026, 11, 18, 9, 0, 0, 5000, tzinfo=dt.UTC), "2026-11-18T09:00:00.005Z"),
        (
            dt.datetime(2026, 11, 18, 9, 0, tzinfo=dt.timezone(dt.timedelta(hours=1))),
            "2026-11-18T08:00:00Z",
        ),
    ],
)
def test_instants_are_written_in_utc(value: dt.datetime, written: str, french: FrAdapter) -> None:
    """Z, and milliseconds only where there are some."""
    message = msgspec.structs.replace(_example(french, "StatusUpdate"), issued_at=value)
    document = french.from_canonical(message)
    assert f"<emisLe>{written}</emisLe>" in document.content.decode()
    assert french.to_canonical(document) == message


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (dt.datetime(2026, 11, 18, 9, 0, 0, 5, tzinfo=dt.UTC), "instant_precision"),
        (dt.datetime(2026, 11, 18, 9, 0), "instant_precision"),  # noqa: DTZ001 — naive is the case
        (dt.datetime(1, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=1))), "instant_precision"),
        (dt.datetime(1850, 1, 1, tzinfo=dt.UTC), "xsd.pattern"),
    ],
)
def test_instants_that_the_contract_cannot_say_are_held(
    value: dt.datetime, code: str, french: FrAdapter
) -> None:
    """Finer than a millisecond, naive or out of range: no rounding, no guess."""
    message = msgspec.structs.replace(_example(french, "StatusUpdate"), issued_at=value)
    assert _refusal(french, message) == [("/issued_at", code)]


@pytest.mark.parametrize("name", ["StatusUpdate", "ReadmissionRequest-family"])
def test_prefix_encoding_and_cdata_do_not_matter(name: str, french: FrAdapter) -> None:
    """The same document with a prefix, in UTF-16, with a byte order mark, or with CDATA."""
    raw = (EXAMPLES / f"{name}.xml").read_bytes()
    message = french.to_canonical(french.validate(raw))
    text = raw.decode()
    prefixed = re.sub(r"<(/?)(\w)", r"<\1z:\2", text).replace("xmlns=", "xmlns:z=").replace("z:xml ", "xml ")
    cdata = re.sub(r"<reference>(.{5})([^<]*)", r"<reference>\1<![CDATA[\2]]>", text)
    for variant in (
        prefixed.encode(),
        text.replace("UTF-8", "UTF-16").encode("utf-16"),
        b"\xef\xbb\xbf" + raw,
        cdata.encode(),
    ):
        assert french.to_canonical(french.validate(variant)) == message


def test_codes_on_the_wire_are_french(french: FrAdapter) -> None:
    """The French document speaks French codes in the contract's namespace."""
    document = french.from_canonical(_example(french, "ReadmissionDecision-refused"))
    root = parse_xml(document.content)
    refusal = root.find(f"{{{NAMESPACE}}}refusee")
    assert refusal is not None
    assert refusal.get("motif") == "transit_aeroportuaire"


def test_a_refusal_shows_its_code_and_place(french: FrAdapter) -> None:
    """The text of the exception is made of codes and places alone."""
    with pytest.raises(InvalidDocument, match=r"^xml\.malformed at /$"):
        french.validate(b"not XML")
