"""The examples of the UK contract are what it says they are."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from adapters.uk import UkAdapter
from contracts.codes import MessageType
from contracts.ports import InvalidDocument
from contracts.uk.v1.bundle import HERE, load_schemas

VALID = sorted((HERE / "examples" / "valid").glob("*.json"))
INVALID = HERE / "examples" / "invalid"
EXPECTED: dict[str, dict[str, Any]] = tomllib.loads((INVALID / "expected.toml").read_text("utf-8"))
ADAPTER = UkAdapter()


def _whole_message_validator() -> jsonschema_rs.Draft202012Validator:
    schemas = load_schemas()
    registry = jsonschema_rs.Registry([(s["$id"], s) for s in schemas.values()])
    return jsonschema_rs.Draft202012Validator(schemas["message"], registry=registry, validate_formats=True)


WHOLE = _whole_message_validator()


def test_every_type_has_a_valid_example() -> None:
    """Partners find at least one complete message of every type."""
    assert {path.stem.partition("-")[0] for path in VALID} == {t.value for t in MessageType}


@pytest.mark.parametrize("path", VALID, ids=lambda p: p.stem)
def test_valid_example_is_accepted_and_comes_back(path: Path) -> None:
    """A valid example is accepted, is named by its type, and survives UK → canonical → UK."""
    content = path.read_bytes()
    document = ADAPTER.validate(content)
    assert document.message_type == path.stem.partition("-")[0]
    message = ADAPTER.to_canonical(document)
    again = ADAPTER.from_canonical(message)
    assert json.loads(again.content) == json.loads(content)
    assert ADAPTER.to_canonical(ADAPTER.validate(again.content)) == message


@pytest.mark.parametrize("path", VALID, ids=lambda p: p.stem)
def test_posted_body_gives_the_same_message(path: Path) -> None:
    """The body alone, with a header of the gateway, is the same canonical message."""
    whole = ADAPTER.to_canonical(ADAPTER.validate(path.read_bytes()))
    content = json.dumps(json.loads(path.read_bytes())["body"]).encode()
    document = ADAPTER.validate_body(content, whole.type)
    made = ADAPTER.body_to_canonical(
        document,
        message_id=whole.message_id,
        reference=whole.reference,
        conversation_id=whole.conversation_id,
        issued_at=whole.issued_at,
        in_reply_to=whole.in_reply_to,
    )
    assert made == whole


@pytest.mark.parametrize("path", VALID, ids=lambda p: p.stem)
def test_valid_example_satisfies_the_published_whole_message_schema(path: Path) -> None:
    """message.json alone, as a partner would use it, accepts what the adapter accepts."""
    assert WHOLE.is_valid(json.loads(path.read_bytes()))


def test_every_invalid_example_has_its_expectation() -> None:
    """No file without expectation, no expectation without file."""
    assert {path.stem for path in INVALID.glob("*.json")} == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_invalid_example_is_refused_where_it_says(name: str) -> None:
    """Exactly the pointers and codes that expected.toml promises, in English and French."""
    with pytest.raises(InvalidDocument) as caught:
        ADAPTER.validate((INVALID / f"{name}.json").read_bytes())
    got = sorted([p.path, p.code] for p in caught.value.problems)
    assert got == sorted(EXPECTED[name]["problems"])
    assert all(p.message_en and p.message_fr and p.message_en != p.message_fr for p in caught.value.problems)


def _is_json(name: str) -> bool:
    return all(code != "malformed_json" for _, code in EXPECTED[name]["problems"])


@pytest.mark.parametrize("name", [n for n in EXPECTED if _is_json(n)])
def test_published_whole_message_schema_refuses_the_same(name: str) -> None:
    """message.json alone refuses every example that the adapter refuses for its content."""
    assert not WHOLE.is_valid(json.loads((INVALID / f"{name}.json").read_bytes()))


@pytest.mark.parametrize("name", [n for n, e in EXPECTED.items() if e["problems"][0][0].startswith("/body/")])
def test_posted_body_is_refused_at_the_same_place(name: str) -> None:
    """Posted alone, a defective body is refused with pointers that start at the body."""
    body = json.loads((INVALID / f"{name}.json").read_bytes())["body"]
    declared = body.get("type") if isinstance(body, dict) else None
    if declared not in set(MessageType):
        declared = MessageType.READMISSION_REQUEST
    with pytest.raises(InvalidDocument) as caught:
        ADAPTER.validate_body(json.dumps(body).encode(), declared)
    got = {(p.path, p.code) for p in caught.value.problems}
    wanted = {(path.removeprefix("/body"), code) for path, code in EXPECTED[name]["problems"]}
    if name.startswith("body-"):  # another type than the route's: the schema fixes it by const
        assert {path for path, _ in got} >= {path for path, _ in wanted}
    else:
        assert got == wanted
