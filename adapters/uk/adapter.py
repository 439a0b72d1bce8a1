"""The UK adapter: the schemas of ``contracts/uk/v1`` judge, the tables of ``mapping`` translate."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import msgspec

from adapters.uk import read, write
from contracts.codes import MessageType
from contracts.model import Message
from contracts.ports import InvalidDocument, Problem, Unmappable, ValidDocument
from contracts.uk.v1.bundle import BASE_URI, Json, load_schemas


class UkAdapter:
    """Implements ``contracts.ports.Adapter`` for UK JSON. Reads its schemas once, when made."""

    def __init__(self) -> None:
        schemas = load_schemas()
        registry = jsonschema_rs.Registry([(s["$id"], s) for s in schemas.values()])
        self._vocabulary = frozenset(_names(schemas))
        self._bodies: dict[str, jsonschema_rs.Draft202012Validator] = {
            name: _validator(schemas[name], registry) for name in MessageType
        }
        self._header = _validator(_without_body(schemas["message"]), registry)

    def validate(self, content: bytes) -> ValidDocument:
        """Judges a whole message: header and body. Raises InvalidDocument.

        The body is judged by the schema of its own ``type`` (what ``oneOf`` means in ``message.json``), so
        that pointers are exact.
        """
        parsed = read.parse_json(content)
        problems = self._judge(parsed)
        if problems:
            raise InvalidDocument(problems)
        return ValidDocument(message_type=parsed["body"]["type"], content=content, parsed=parsed)

    def validate_body(self, content: bytes, expected_type: MessageType | str) -> ValidDocument:
        """Judges a body as UK systems post it, of the type that the route stands for.

        Pointers start at the body. Raises InvalidDocument; another ``type`` is ``const`` at ``/type``.
        """
        parsed = read.parse_json(content)
        problems = self._judge_body(parsed, expected_type)
        if problems:
            raise InvalidDocument(problems)
        return ValidDocument(message_type=str(expected_type), content=content, parsed=parsed)

    def to_canonical(self, document: ValidDocument) -> Message:
        """The canonical message of a document from ``validate``. Raises Unmappable."""
        return read.to_message(read.require(document, "body"))

    def body_to_canonical(
        self,
        document: ValidDocument,
        *,
        message_id: str,
        reference: str,
        conversation_id: str,
        issued_at: dt.datetime,
        in_reply_to: str | None,
    ) -> Message:
        """The canonical message of a body from ``validate_body`` and the header that the gateway makes.

        ``issued_at`` is aware. Raises Unmappable when the header itself breaks the contract.
        """
        header = {
            "message_id": message_id,
            "reference": reference,
            "conversation_id": conversation_id,
            "issued_at": write.write_instant(issued_at),
            "in_reply_to": in_reply_to,
        }
        body = read.require(document, "type")
        problems = read.problems_of(self._header.iter_errors({**header, "body": body}), self._vocabulary)
        if problems:
            raise Unmappable(problems)
        return read.to_message({**header, "body": body})

    def from_canonical(self, message: Message) -> ValidDocument:
        """The whole message in normal form. Raises Unmappable, with pointers, where the contract refuses."""
        try:
            content = write.to_bytes(write.to_document(message))
        except UnicodeEncodeError:
            raise Unmappable((_NO_UNICODE,)) from None
        parsed = msgspec.json.decode(content)
        problems = self._judge(parsed)
        if problems:
            raise Unmappable(problems)
        return ValidDocument(message_type=message.type.value, content=content, parsed=parsed)

    def _judge(self, parsed: Any) -> tuple[Problem, ...]:
        if not self._header.is_valid(parsed):
            header = read.problems_of(self._header.iter_errors(parsed), self._vocabulary)
        else:
            header = ()
        body = parsed.get("body") if isinstance(parsed, dict) else None
        if not isinstance(body, dict):
            return header
        name = body.get("type")
        if not isinstance(name, str) or name not in self._bodies:
            return header  # the header's schema has judged body.type
        return (header + self._judge_body(body, name, "/body"))[: read.MAX_PROBLEMS]

    def _judge_body(
        self, body: Any, message_type: MessageType | str, prefix: str = ""
    ) -> tuple[Problem, ...]:
        validator = self._bodies[message_type]
        if validator.is_valid(body):
            return ()
        return read.problems_of(validator.iter_errors(read.prune(body)), self._vocabulary, prefix)


def _validator(schema: Json, registry: jsonschema_rs.Registry) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(schema, registry=registry, validate_formats=True)


def _without_body(message: Json) -> Json:
    """``message.json`` with only the type of the body judged; the rest has its own schema."""
    kind = {"type": "string", "enum": [t.value for t in MessageType]}
    body = {"type": "object", "required": ["type"], "properties": {"type": kind}}
    return {
        **message,
        "$id": f"{BASE_URI}header.json",
        "properties": {**message["properties"], "body": body},
    }


def _names(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        properties = node.get("properties")
        if isinstance(properties, dict):
            yield from properties
        for value in node.values():
            yield from _names(value)
    elif isinstance(node, list):
        for value in node:
            yield from _names(value)


_NO_UNICODE = Problem(
    path="",
    code="lone_surrogate",
    message_en="a text holds a lone surrogate",
    message_fr="un texte contient un demi-codet isolé",
)
