"""Art 16 against a running gateway: a value anywhere in a French message is refused and kept nowhere."""

from __future__ import annotations

import base64
import dataclasses
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio
from lxml import etree

from gateway.core.as4.message import Property
from gateway.core.as4.verified import VerifiedError, VerifiedReceipt
from tests.fixtures.as4 import one
from tests.integration.hostile.line import Case, Line, open_line

pytestmark = pytest.mark.asyncio(loop_scope="module")

NAME, NUMBER, PASSPORT = "Ghebremariam", "7501234567", "9903221447"
"""Family name and document number of the person in the case; an invented AGDREF number."""
Wire = tuple[str, bytes]
Place = Callable[[Line, Case, str], Wire]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def line() -> AsyncIterator[Line]:
    async with open_line() as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def case(line: Line) -> Case:
    return await line.open_case()


def _document(line: Line, case: Case, change: Callable[[bytes], bytes]) -> Wire:
    message = line.decision(case)
    content = change(line.adapter.from_canonical(message).content)
    return line.forgery(message, content=content).wire()


def element(line: Line, case: Case, value: str) -> Wire:
    return _document(line, case, lambda c: c.replace(b"<acceptee/>", f"<acceptee/><x>{value}</x>".encode()))


def attribute(line: Line, case: Case, value: str) -> Wire:
    return _document(line, case, lambda c: c.replace(b"<acceptee/>", f'<acceptee x="{value}"/>'.encode()))


def comment(line: Line, case: Case, value: str) -> Wire:
    return _document(line, case, lambda c: c.replace(b"<acceptee/>", f"<acceptee/><!-- {value} -->".encode()))


def instruction(line: Line, case: Case, value: str) -> Wire:
    return _document(line, case, lambda c: c.replace(b"<acceptee/>", f"<acceptee/><?n {value}?>".encode()))


def namespace(line: Line, case: Case, value: str) -> Wire:
    added = f'<acceptee xmlns:z="urn:{value}"/>'.encode()
    return _document(line, case, lambda c: c.replace(b"<acceptee/>", added))


def schema_hint(line: Line, case: Case, value: str) -> Wire:
    hint = (
        f'<acceptee xmlns:i="http://www.w3.org/2001/XMLSchema-instance" i:schemaLocation="urn:x {value}"/>'
    ).encode()
    return _document(line, case, lambda c: c.replace(b"<acceptee/>", hint))


def instead_of_a_code(line: Line, case: Case, value: str) -> Wire:
    return _document(line, case, lambda c: c.replace(b"<acceptee/>", value.encode()))


def property_value(line: Line, case: Case, value: str) -> Wire:
    forged = line.forgery(line.decision(case))
    extra = Property(name="trackingIdentifier", value=value)
    forged.header = dataclasses.replace(forged.header, properties=(*forged.header.properties, extra))
    return forged.wire()


def property_name(line: Line, case: Case, value: str) -> Wire:
    forged = line.forgery(line.decision(case))
    extra = Property(name=f"n{value}", value="1")
    forged.header = dataclasses.replace(forged.header, properties=(*forged.header.properties, extra))
    return forged.wire()


def part_property(line: Line, case: Case, value: str) -> Wire:
    def add(root: etree._Element) -> None:
        found = one(root, "//eb:PartProperties")
        added = etree.SubElement(found, etree.QName(found, "Property"), name="FileName")
        added.text = value

    return line.forgery(line.decision(case), before_signing=add).wire()


def domain_of_the_id(line: Line, case: Case, value: str) -> Wire:
    forged = line.forgery(line.decision(case))
    local = forged.header.message_id.partition("@")[0]
    forged.header = dataclasses.replace(forged.header, message_id=f"{local}@{value}.fr")
    return forged.wire()


def mime_header(line: Line, case: Case, value: str) -> Wire:
    content_type, body = line.forgery(line.decision(case)).wire()
    head, _, rest = body.rpartition(b"Content-Transfer-Encoding")
    return (
        content_type,
        head + f"Content-Description: {value}\r\n".encode() + b"Content-Transfer-Encoding" + rest,
    )


def file_name(line: Line, case: Case, value: str) -> Wire:
    content_type, body = line.forgery(line.decision(case)).wire()
    head, _, rest = body.rpartition(b"Content-Transfer-Encoding")
    added = f'Content-Disposition: attachment; filename="{value}.xml"\r\n'.encode()
    return content_type, head + added + b"Content-Transfer-Encoding" + rest


def epilogue(line: Line, case: Case, value: str) -> Wire:
    content_type, body = line.forgery(line.decision(case)).wire()
    return content_type, body + f"\r\n{value}\r\n".encode()


def content_id(line: Line, case: Case, value: str) -> Wire:
    forged = line.forgery(line.decision(case))
    forged.payloads = tuple(dataclasses.replace(p, content_id=f"{value}@x") for p in forged.payloads)
    return forged.wire()


PLACES: tuple[Place, ...] = (
    element,
    attribute,
    comment,
    instruction,
    namespace,
    schema_hint,
    instead_of_a_code,
    property_value,
    property_name,
    part_property,
    domain_of_the_id,
    mime_header,
    file_name,
    content_id,
)
VALUES = {
    "name": NAME,
    "number": NUMBER,
    "document": PASSPORT,
    "base64": base64.urlsafe_b64encode(NAME.encode()).decode().rstrip("="),
}


async def _refused(line: Line, case: Case, wire: Wire) -> dict[str, Any]:
    before, after = line.counts(), await line.last_audit()
    reply = await line.send(*wire)
    assert isinstance(reply.signal, VerifiedError), reply.status
    assert line.counts() == before
    entries = await line.audit(after=after)
    assert len(entries) == 1
    assert all(hidden not in entries[0].subject for hidden in VALUES.values())
    return {"action": entries[0].action, "actor": entries[0].actor, **entries[0].data, "reply": reply}


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("place", PLACES, ids=lambda p: p.__name__)
async def test_a_value_in_any_place_is_an_incident(line: Line, case: Case, place: Place, value: str) -> None:
    """Refused before storing, answered with the agreed error, recorded without the value."""
    hidden = VALUES[value]
    entry = await _refused(line, case, place(line, case, hidden))
    assert entry["action"] == "privacy.incident"
    assert entry["actor"] == "party:FR-MI-AS4"
    assert entry["code"] == "privacy.personal_data"
    assert "privacy." in str(entry["codes"])
    reply = entry.pop("reply")
    assert [e.code for e in reply.signal.errors] == ["EBMS:0004"]
    assert hidden not in json.dumps(entry)
    # an ebMS error names the message it refuses, to the side that named it so
    assert place is domain_of_the_id or hidden.encode() not in reply.body
    assert await line.case_status(case) == "requested"


async def test_text_after_the_multipart_is_no_message(line: Line, case: Case) -> None:
    """What stands behind the closing boundary is refused before anything is read."""
    entry = await _refused(line, case, epilogue(line, case, NAME))
    assert entry["action"] == "message.refused"


async def test_an_honest_message_passes(line: Line, case: Case) -> None:
    """The same message without anything hidden is taken in."""
    reply = await line.send(*line.forgery(line.decision(case)).wire())
    assert isinstance(reply.signal, VerifiedReceipt)
    assert await line.case_status(case) == "accepted"


async def test_values_of_another_case_are_no_names_here(line: Line, case: Case) -> None:
    """Only names of the case itself are known: an unknown word in an unused place is a mistake of form."""
    entry = await _refused(line, case, element(line, case, "Dupont"))
    assert entry["action"] == "message.refused"


async def test_nothing_of_it_is_in_the_database(line: Line) -> None:
    """After all of it: neither number nor encoded name in any byte of the database."""
    content = line.database_bytes()
    for value in (NUMBER, VALUES["base64"], PASSPORT, "CHEBREMARIAM"):
        assert value.encode() not in content
