"""The schemas, the canonical model and the code lists say the same."""

from __future__ import annotations

import datetime as dt
import enum
import typing
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import msgspec
import pytest

from adapters.uk import mapping, read
from contracts import codes, model
from contracts.codes import Direction, MessageType
from contracts.uk.v1.bundle import BASE_URI, load_schemas

SCHEMAS = load_schemas()
DEFS: dict[str, Any] = SCHEMAS["common"]["$defs"]
ENUMS = {
    n: c
    for n, c in vars(codes).items()
    if isinstance(c, type) and issubclass(c, enum.StrEnum) and c.__module__ == codes.__name__
}
TRANSPORT_ONLY = {"MessageType", "Direction", "CaseKind"}
FRENCH_TYPES = [t for t in MessageType if Direction.FR_TO_UK in codes.SENDERS[t]]


def _structs(root: type) -> Iterator[type[msgspec.Struct]]:
    seen: set[type] = set()
    stack: list[Any] = [root]
    while stack:
        item = stack.pop()
        if isinstance(item, type) and issubclass(item, msgspec.Struct) and item not in seen:
            seen.add(item)
            yield item
            stack.extend(typing.get_type_hints(item).values())
        stack.extend(typing.get_args(item))


STRUCTS = {s.__name__: s for s in _structs(model.Message)}


def _schema_of(name: str) -> dict[str, Any]:
    if name == "Message":
        return SCHEMAS["message"]
    return SCHEMAS[name] if name in set(MessageType) else DEFS[name]


def _walk(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from _walk(value)
    elif isinstance(node, list):
        for value in node:
            yield from _walk(value)


def test_there_is_one_schema_for_each_type() -> None:
    """No type without schema, no schema without type."""
    assert set(SCHEMAS) == {"common", "message", *MessageType}


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_schema_is_valid_2020_12_and_compiles(name: str) -> None:
    """Each file is a valid JSON Schema 2020-12 under its own name, with all references resolved."""
    schema = SCHEMAS[name]
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"] == f"{BASE_URI}{name}.json"
    jsonschema_rs.meta.validate(schema)
    registry = jsonschema_rs.Registry([(s["$id"], s) for s in SCHEMAS.values()])
    jsonschema_rs.Draft202012Validator(schema, registry=registry, validate_formats=True)


@pytest.mark.parametrize("name", sorted(STRUCTS))
def test_schema_has_exactly_the_fields_of_the_model(name: str) -> None:
    """Every field of the model is in the schema and the other way round, all of them required."""
    schema = _schema_of(name)
    fields = set(STRUCTS[name].__struct_fields__)
    if name in set(MessageType):
        fields.add("type")
    if name == "BirthDate":
        fields = {"precision", "value"}
    assert set(schema["properties"]) == fields
    assert set(schema["required"]) == fields


@pytest.mark.parametrize("name", sorted(set(STRUCTS) - {"BirthDate"}))  # another shape: its examples prove it
def test_nullable_in_the_schema_exactly_where_the_model_allows_none(name: str) -> None:
    """Not applicable is an explicit null, and only where the model has it."""
    hints = typing.get_type_hints(STRUCTS[name])
    for field, schema in _schema_of(name)["properties"].items():
        if field in ("type", "body") and name in {*MessageType, "Message"}:
            continue
        nullable = {"type": "null"} in schema.get("anyOf", []) or "null" in schema.get("type", [])
        assert nullable == (type(None) in typing.get_args(hints[field])), field


@pytest.mark.parametrize("name", sorted(set(ENUMS) - TRANSPORT_ONLY))
def test_code_list_equals_the_canonical_one(name: str) -> None:
    """Each canonical enum equals the schema's list, in the same order."""
    assert DEFS[name]["enum"] == [m.value for m in ENUMS[name]]


def test_message_types_are_the_canonical_ones() -> None:
    """The list of types, and the branches of message.json, hold every type once."""
    assert DEFS["MessageType"]["enum"] == [t.value for t in MessageType]
    branches = SCHEMAS["message"]["properties"]["body"]["oneOf"]
    assert [b["$ref"] for b in branches] == [f"{t}.json" for t in MessageType]
    assert all(SCHEMAS[t]["properties"]["type"]["const"] == t for t in MessageType)


def test_every_object_is_closed_and_every_field_described() -> None:
    """Unknown fields are refused everywhere; every field has title and description."""
    for node in _walk(SCHEMAS):
        if "properties" in node and "required" in node and node.get("type") == "object":
            assert node["additionalProperties"] is False
            for field, schema in node["properties"].items():
                assert schema.get("title"), field
                assert schema.get("description"), field


def test_every_list_is_bounded() -> None:
    """A list without end would be memory without end."""
    lists = [n for n in _walk(SCHEMAS) if "items" in n and "properties" not in n]
    assert len(lists) > 10
    assert max(n["maxItems"] for n in lists) == read.MAX_ITEMS


@pytest.mark.parametrize("name", FRENCH_TYPES)
def test_what_france_sends_has_no_free_text(name: MessageType) -> None:
    """Art 16: every text that France sends is a code, a date, an id, a place or a flight."""
    allowed = {"Instant", "Date", "Uuid", "PlaceCode", "FlightNumber"}
    for field, schema in SCHEMAS[name]["properties"].items():
        refs = {n["$ref"].rpartition("/")[2] for n in _walk(schema) if "$ref" in n}
        assert all(r in allowed or "enum" in DEFS[r] for r in refs), field
        inline = {t for n in _walk(schema) if "type" in n for t in [n["type"]]} - {"null", "array"}
        assert inline <= {"integer"}, field
    assert "attachments" not in SCHEMAS[name]["properties"]


def _paths_of(struct: type[msgspec.Struct], wanted: type) -> set[tuple[str, ...]]:
    found: set[tuple[str, ...]] = set()
    for field, hint in typing.get_type_hints(struct).items():
        found |= {(field, *rest) for rest in _paths_in(hint, wanted)}
    return found


def _paths_in(hint: Any, wanted: type) -> set[tuple[str, ...]]:
    if hint is wanted:
        return {()}
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return _paths_of(hint, wanted)
    each = (mapping.EACH,) if typing.get_origin(hint) is tuple else ()
    return {(*each, *rest) for arg in typing.get_args(hint) for rest in _paths_in(arg, wanted)}


@pytest.mark.parametrize("name", list(MessageType))
def test_mapping_tables_name_every_instant_and_birth_date(name: MessageType) -> None:
    """No instant and no birth date of the model is forgotten by the tables."""
    struct = model.BODIES[name]
    assert set(mapping.INSTANTS[name]) == _paths_of(struct, dt.datetime)
    assert set(mapping.BIRTH_DATES.get(name, ())) == _paths_of(struct, model.BirthDate)


def test_patterns_of_the_schema_are_those_of_the_model() -> None:
    """Reference and id have one pattern, written twice only because the files are the contract."""
    assert DEFS["CaseReference"]["pattern"] == model.REFERENCE_PATTERN
    assert DEFS["Uuid"]["pattern"] == model.UUID_PATTERN


def test_every_keyword_of_the_schemas_has_its_texts() -> None:
    """No keyword that can refuse a document falls back to the general text."""
    judging = {
        "const",
        "enum",
        "format",
        "maxItems",
        "maxLength",
        "maximum",
        "minItems",
        "minLength",
        "minimum",
        "oneOf",
        "anyOf",
        "pattern",
        "required",
        "type",
        "uniqueItems",
        "additionalProperties",
    }
    neutral = {
        "$ref",
        "$id",
        "$schema",
        "$defs",
        "title",
        "description",
        "examples",
        "properties",
        "items",
        "allOf",
        "if",
        "then",
        "else",
    }
    names = {n for s in _walk(SCHEMAS) for n in s.get("properties", {})} | set(DEFS) | set(SCHEMAS)
    used = {key for node in _walk(SCHEMAS) for key in node} - names - neutral
    assert used - {"type", "const"} <= judging
    assert judging == set(mapping.TEXTS) - {mapping.MUST_BE_NULL, mapping.MUST_NOT_BE_NULL}
