"""What the adapter promises beyond the examples: strict JSON, instants, headers, privacy of its errors."""

from __future__ import annotations

import datetime as dt
import json
import time
from typing import Any

import msgspec
import pytest

from adapters.uk import UkAdapter, read
from contracts.codes import MessageType
from contracts.model import BirthDate, Message
from contracts.ports import Adapter, InvalidDocument, Unmappable, ValidDocument
from contracts.uk.v1.bundle import HERE

ADAPTER = UkAdapter()
HEADER: dict[str, Any] = {
    "message_id": "019a8c52-4e1f-7c33-a4d8-6b2e9f0c7a15",
    "reference": "GB01-7QK3M9ZT4XWC",
    "conversation_id": "019a8c52-4e0b-7a61-9d2f-3c5b8e7a1f04",
    "issued_at": dt.datetime(2026, 11, 18, 9, 15, 30, tzinfo=dt.UTC),
    "in_reply_to": None,
}


def example(name: str) -> dict[str, Any]:
    """A valid example, parsed."""
    document: dict[str, Any] = json.loads((HERE / "examples" / "valid" / f"{name}.json").read_bytes())
    return document


def canonical(document: dict[str, Any]) -> Message:
    """Judged and translated."""
    return ADAPTER.to_canonical(ADAPTER.validate(json.dumps(document).encode()))


def problems(content: bytes) -> list[tuple[str, str]]:
    """Pointers and codes of the refusal."""
    with pytest.raises(InvalidDocument) as caught:
        ADAPTER.validate(content)
    return [(p.path, p.code) for p in caught.value.problems]


def test_is_an_adapter() -> None:
    """The class satisfies the port as mypy sees it."""
    port: Adapter = ADAPTER
    assert port.validate(json.dumps(example("Withdrawal")).encode()).message_type == "Withdrawal"


@pytest.mark.parametrize(
    ("text", "canonical_text"),
    [
        ("2026-11-18T10:15:30+01:00", "2026-11-18T09:15:30Z"),
        ("2026-11-18T09:15:30.5Z", "2026-11-18T09:15:30.500Z"),
        ("2026-11-18T09:15:30.25-00:30", "2026-11-18T09:45:30.250Z"),
        ("2026-12-31T23:30:00-14:00", "2027-01-01T13:30:00Z"),
        ("2026-11-18T09:15:30.000Z", "2026-11-18T09:15:30Z"),
        ("2028-02-29T00:00:00+23:59", "2028-02-28T00:01:00Z"),
        ("1900-01-01T00:00:00+14:00", None),
    ],
)
def test_any_offset_is_read_and_utc_is_written(text: str, canonical_text: str | None) -> None:
    """Instants keep their time whatever their zone, and leave in UTC with Z; out of range is refused."""
    document = example("Withdrawal")
    document["body"]["at"] = text
    message = canonical(document)
    assert message.body.at == dt.datetime.fromisoformat(text)  # type: ignore[union-attr]
    assert message.body.at.utcoffset() == dt.timedelta(0)  # type: ignore[union-attr]
    if canonical_text is None:  # one hour outside of what the contract can carry
        with pytest.raises(Unmappable):
            ADAPTER.from_canonical(message)
    else:
        assert json.loads(ADAPTER.from_canonical(message).content)["body"]["at"] == canonical_text


@pytest.mark.parametrize(
    ("wire", "parts"),
    [
        ({"precision": "day", "value": "1986-06-30"}, (1986, 6, 30)),
        ({"precision": "month", "value": "1986-06"}, (1986, 6, None)),
        ({"precision": "year", "value": "1986"}, (1986, None, None)),
        ({"precision": "unknown", "value": None}, (None, None, None)),
        ({"precision": "day", "value": "2000-02-29"}, (2000, 2, 29)),
    ],
)
def test_birth_date_never_gains_or_loses_precision(
    wire: dict[str, Any], parts: tuple[int | None, ...]
) -> None:
    """What is not known stays not known, both ways."""
    document = example("ReadmissionRequest")
    document["body"]["persons"][0]["birth_date"] = wire
    message = canonical(document)
    year, month, day = parts
    assert message.body.persons[0].birth_date == BirthDate(year=year, month=month, day=day)  # type: ignore[union-attr,index]
    again = json.loads(ADAPTER.from_canonical(message).content)
    assert again["body"]["persons"][0]["birth_date"] == wire


def test_normal_form_is_sorted_utf_8_without_white_space() -> None:
    """The same message always gives the same bytes, and Unicode stays readable."""
    message = canonical(example("Nomination"))
    first, second = ADAPTER.from_canonical(message), ADAPTER.from_canonical(message)
    assert first.content == second.content
    expected = json.dumps(example("Nomination"), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    assert first.content == expected.encode()


def test_whole_number_written_as_fraction_is_the_same_number() -> None:
    """JSON knows one kind of number: 2.0 is 2 (JSON Schema 2020-12 section 6.1.1)."""
    document = example("TransferNotice")
    document["body"]["escort_count"] = 2.0
    assert canonical(document) == canonical(example("TransferNotice"))


def test_posted_body_of_another_type_is_refused() -> None:
    """A route takes its own type alone, and says so at /type."""
    content = json.dumps(example("Withdrawal")["body"]).encode()
    with pytest.raises(InvalidDocument) as caught:
        ADAPTER.validate_body(content, MessageType.TRANSFER_OUTCOME)
    assert ("/type", "const") in [(p.path, p.code) for p in caught.value.problems]


@pytest.mark.parametrize(
    ("field", "value", "pointer"),
    [
        ("reference", "GB01-7QK3M9ZT4XW", "/reference"),
        ("message_id", "not-a-uuid", "/message_id"),
        ("conversation_id", HEADER["conversation_id"].upper(), "/conversation_id"),
        ("in_reply_to", "", "/in_reply_to"),
    ],
)
def test_header_made_by_the_gateway_is_judged_too(field: str, value: str, pointer: str) -> None:
    """Nothing invalid leaves: a wrong header is refused before a message exists."""
    document = ADAPTER.validate_body(json.dumps(example("Withdrawal")["body"]).encode(), "Withdrawal")
    with pytest.raises(Unmappable) as caught:
        ADAPTER.body_to_canonical(document, **{**HEADER, field: value})
    assert [p.path for p in caught.value.problems] == [pointer]


@pytest.mark.parametrize(
    "instant",
    [
        dt.datetime(2026, 11, 18, 9, 15, 30, 250_001, tzinfo=dt.UTC),
        dt.datetime(2026, 11, 18, 9, 15, 30),  # noqa: DTZ001 — naive on purpose
    ],
)
def test_instant_is_never_cut_or_guessed(instant: dt.datetime) -> None:
    """Finer than a millisecond, or without zone: refused, not rounded."""
    message = canonical(example("Withdrawal"))
    with pytest.raises(Unmappable) as caught:
        ADAPTER.from_canonical(msgspec.structs.replace(message, issued_at=instant))
    assert [p.code for p in caught.value.problems] == ["instant_precision"]


def test_canonical_text_that_the_contract_refuses_is_unmappable_with_pointer() -> None:
    """A value that only the canonical model allows does not leave, and the place is named."""
    message = canonical(example("ReadmissionRequest"))
    person = message.body.persons[0]  # type: ignore[union-attr,index]
    name = msgspec.structs.replace(person.name, family_name="two\nlines")
    body = msgspec.structs.replace(message.body, persons=(msgspec.structs.replace(person, name=name),))
    with pytest.raises(Unmappable) as caught:
        ADAPTER.from_canonical(msgspec.structs.replace(message, body=body))
    assert [(p.path, p.code) for p in caught.value.problems] == [
        ("/body/persons/0/name/family_name", "pattern")
    ]


def test_lone_surrogate_in_the_model_is_unmappable() -> None:
    """A text that is no Unicode cannot leave."""
    message = canonical(example("TransferNotice"))
    body = msgspec.structs.replace(message.body, carrier="\ud800")
    with pytest.raises(Unmappable) as caught:
        ADAPTER.from_canonical(msgspec.structs.replace(message, body=body))
    assert [p.code for p in caught.value.problems] == ["lone_surrogate"]


def test_surrogate_pair_in_escapes_is_one_character() -> None:
    """An escaped pair is an ordinary character beyond the basic plane."""
    document = example("TransferNotice")
    document["body"]["carrier"] = "𐌰𐌽𐌰"
    content = json.dumps(document).encode()
    assert b"\\ud800\\udf30" in content
    assert ADAPTER.to_canonical(ADAPTER.validate(content)).body.carrier == "𐌰𐌽𐌰"  # type: ignore[union-attr]


def test_errors_never_repeat_values_or_unknown_names() -> None:
    """No text of a refusal holds anything of the document that is not the contract's own word."""
    document = example("ReadmissionRequest")
    secret = "Zubaida"
    person = document["body"]["persons"][0]
    person.update({"sex": secret, "birth_place": f" {secret}", secret: 1, "nationalities": [secret]})
    document[secret] = {secret: secret}
    document["reference"] = secret
    with pytest.raises(InvalidDocument) as caught:
        ADAPTER.validate(json.dumps(document).encode())
    assert len(caught.value.problems) >= 6
    assert secret not in repr(caught.value.problems) + str(caught.value)
    chain: BaseException | None = caught.value
    while chain is not None:  # a traceback in a log shows the causes as well
        assert secret not in str(chain)
        chain = chain.__cause__ or (None if chain.__suppress_context__ else chain.__context__)


def test_malformed_json_hides_its_cause() -> None:
    """The decoder's own error would hold the document; it is not chained where a log would print it."""
    with pytest.raises(InvalidDocument) as caught:
        ADAPTER.validate(b'{"name": "Zubaida"')
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_too_large_is_refused_before_it_is_parsed() -> None:
    """Size is bounded before anything else is done."""
    assert problems(b'"' + b"x" * read.MAX_BYTES + b'"') == [("", "malformed_json")]


@pytest.mark.parametrize("levels", [read.MAX_DEPTH + 1, 5_000, 900_000])
@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_depth_is_bounded(levels: int, opening: bytes) -> None:
    """Neither a little nor very much too deep brings anything but a refusal."""
    content = (opening * levels)[: read.MAX_BYTES - 1]
    closing = {b"[": b"]", b'{"a":': b"}"}[opening]
    assert problems(content) == [("", "malformed_json")]
    if levels < 1_000:
        assert problems(opening * levels + b"1" + closing * levels) == [("", "malformed_json")]


def test_deepest_allowed_is_judged_by_the_schema() -> None:
    """The bound on depth does not hide the schema's own answer."""
    content = b"[" * read.MAX_DEPTH + b"]" * read.MAX_DEPTH
    assert problems(content) == [("", "type")]


@pytest.mark.parametrize(
    "content",
    [
        b'{"body":{"type":"Nomination","persons":[' + b"{}," * 100_000 + b"{}]}}",
        b'{"body":{"type":"Nomination","persons":[' + b'{"sex":"' + b"x" * 1_000_000 + b'"}]}}',
        b"[" + b"1e1," * 400_000 + b"1]",
        b"{" + b",".join(b'"k%d":1' % i for i in range(100_000)) + b"}",
    ],
    ids=["many persons", "long text", "many numbers", "many names"],
)
def test_hostile_documents_cost_bounded_time_and_answers(content: bytes) -> None:
    """Whatever fits the size is answered in seconds with at most MAX_PROBLEMS complaints."""
    started = time.perf_counter()
    assert 1 <= len(problems(content)) <= read.MAX_PROBLEMS
    assert time.perf_counter() - started < 10


@pytest.mark.parametrize("key", ["body", "type"])
def test_foreign_documents_are_a_programming_error(key: str) -> None:
    """A body is no whole message and the other way round; mixing them up is a bug, not a refusal."""
    whole = ValidDocument(message_type="Withdrawal", content=b"", parsed={"neither": 1})
    with pytest.raises(TypeError):
        read.require(whole, key)


def test_not_utf_8_in_the_middle_of_a_character() -> None:
    """A document cut inside a character is refused as malformed."""
    content = json.dumps(example("Nomination"), ensure_ascii=False).encode()
    cut = content.index("مهتاب".encode()) + 1
    assert problems(content[:cut]) == [("", "malformed_json")]


@pytest.mark.parametrize(
    ("name", "pointer", "word"),
    [
        ("decision-refused-without-ground", "/body/ground", "must be given"),
        ("decision-accepted-with-ground", "/body/ground", "must be null"),
        ("confirmation-as-text", "/body/confirmations/no_injunction", "wrong type"),
    ],
)
def test_a_wrong_type_says_what_is_wrong(name: str, pointer: str, word: str) -> None:
    """One code for clients, but people read whether null is missing, too much, or beside the point."""
    with pytest.raises(InvalidDocument) as caught:
        ADAPTER.validate((HERE / "examples" / "invalid" / f"{name}.json").read_bytes())
    assert [(p.path, p.code) for p in caught.value.problems] == [(pointer, "type")]
    assert word in caught.value.problems[0].message_en
