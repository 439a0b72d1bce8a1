"""Attacks on MIME, SOAP, header values and the French document."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable
from typing import Any

from lxml import etree

from contracts import model
from gateway.core.as4.message import Payload, Property
from gateway.flows.access_point import LEADING_PART as LEADING
from tests.fixtures.as4 import one
from tests.integration.hostile.line import CANARY, Case, Line
from tests.integration.hostile.register import (
    EXTERNAL,
    HEADER,
    INCONSISTENT,
    MIME,
    OTHER,
    PMODE,
    Wire,
    attack,
    bend,
    document,
)

# ---- MIME and SOAP ------------------------------------------------------------------------------


@attack(MIME)
def multipart_cut_short(line: Line, case: Case) -> Wire:
    content_type, body = bend(line, case)
    return content_type, body[: len(body) * 2 // 3]


@attack(MIME)
def multipart_without_boundary(line: Line, case: Case) -> Wire:
    _, body = bend(line, case)
    return "multipart/related", body


@attack(MIME)
def part_missing(line: Line, case: Case) -> Wire:
    return bend(line, case, travelling=lambda parts: {"another": parts[LEADING]})


@attack(MIME)
def surplus_part(line: Line, case: Case) -> Wire:
    return bend(line, case, travelling=lambda parts: {**parts, "surplus": CANARY.encode()})


@attack(MIME)
def nothing(line: Line, case: Case) -> Wire:
    return "application/octet-stream", b""


@attack(HEADER)
def soap_with_doctype(line: Line, case: Case) -> Wire:
    content_type, body = bend(line, case)
    doctype = f'<!DOCTYPE x [<!ENTITY e "{CANARY}">]>'.encode()
    return content_type, body.replace(b"<S12:Envelope", doctype + b"<S12:Envelope", 1)


@attack(EXTERNAL)
def payload_elsewhere(line: Line, case: Case) -> Wire:
    """A PartInfo that points to an address: nothing is ever fetched."""

    def change(root: etree._Element) -> None:
        one(root, "//eb:PartInfo").set("href", "http://127.0.0.1:9/payload")

    return bend(line, case, before_signing=change)


# ---- P-Mode and header --------------------------------------------------------------------------


def _header(line: Line, case: Case, **changes: Any) -> Wire:
    forged = line.forgery(line.decision(case))
    forged.header = dataclasses.replace(forged.header, **changes)
    return forged.wire()


@attack(PMODE)
def unknown_action(line: Line, case: Case) -> Wire:
    return _header(line, case, action=CANARY)


@attack(PMODE)
def unknown_service(line: Line, case: Case) -> Wire:
    return _header(line, case, service="urn:evil:service")


@attack(PMODE)
def another_agreement(line: Line, case: Case) -> Wire:
    return _header(line, case, agreement_ref="urn:evil:agreement")


@attack(INCONSISTENT)
def message_from_last_year(line: Line, case: Case) -> Wire:
    return _header(line, case, timestamp=line.clock.now() - dt.timedelta(days=365))


@attack(INCONSISTENT)
def message_id_of_another_document(line: Line, case: Case) -> Wire:
    return _header(line, case, message_id=f"{line.clock.new_id()}@passerelle.fr")


@attack(INCONSISTENT)
def conversation_of_another_document(line: Line, case: Case) -> Wire:
    return _header(line, case, conversation_id=line.clock.new_id())


# ---- business document --------------------------------------------------------------------------


def _content(line: Line, case: Case, change: Callable[[bytes], bytes]) -> Wire:
    message, content = document(line, case)
    changed = change(content)
    assert changed != content
    return line.forgery(message, content=changed).wire()


@attack(OTHER)
def french_document_not_in_the_contract(line: Line, case: Case) -> Wire:
    return _content(line, case, lambda c: c.replace(b"<acceptee/>", b"<acceptee>peut-etre</acceptee>"))


@attack(OTHER)
def french_document_cut_short(line: Line, case: Case) -> Wire:
    return _content(line, case, lambda c: c[:-20])


@attack(OTHER)
def french_document_with_doctype(line: Line, case: Case) -> Wire:
    return _content(
        line, case, lambda c: c.replace(b"<Decision", b"<!DOCTYPE DecisionReadmission><Decision", 1)
    )


@attack(OTHER)
def french_document_with_external_entity(line: Line, case: Case) -> Wire:
    doctype = b'<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/hostname">]>'
    return _content(
        line,
        case,
        lambda c: c.replace(b"<Decision", doctype + b"<Decision", 1).replace(
            b"<acceptee/>", b"<acceptee>&x;</acceptee>"
        ),
    )


@attack(OTHER)
def french_document_with_entity_expansion(line: Line, case: Case) -> Wire:
    """A billion laughs."""
    levels = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    doctype = f'<!DOCTYPE d [<!ENTITY l0 "{CANARY}">{levels}]>'.encode()
    return _content(
        line,
        case,
        lambda c: c.replace(b"<Decision", doctype + b"<Decision", 1).replace(
            b"<acceptee/>", b"<acceptee>&l9;</acceptee>"
        ),
    )


@attack(OTHER)
def unknown_case(line: Line, case: Case) -> Wire:
    message = line.decision(case, reference="GB01-000000000000", conversation_id=line.clock.new_id())
    return line.forgery(message).wire()


@attack(OTHER)
def answer_to_a_message_of_another_case(line: Line, case: Case) -> Wire:
    return line.forgery(line.decision(case, in_reply_to=line.clock.new_id())).wire()


@attack(OTHER)
def out_of_sequence(line: Line, case: Case) -> Wire:
    now = line.clock.now()
    receipt = model.TransferReceipt(taken_charge_at=now, place="FRCDG", flight=None, persons_received=1)
    return line.forgery(line.decision(case, body=receipt)).wire()


@attack(OTHER, action="privacy.incident")
def attachment_from_france(line: Line, case: Case) -> Wire:
    forged = line.forgery(line.decision(case))
    extra = Payload(content_id="photo", mime_type="image/jpeg", content=CANARY.encode())
    forged.payloads = (*forged.payloads, extra)
    return forged.wire()


@attack(OTHER, action="privacy.incident")
def agdref_number_in_an_unknown_element(line: Line, case: Case) -> Wire:
    return _content(
        line, case, lambda c: c.replace(b"<acceptee/>", b"<acceptee/><numero>7501234567</numero>")
    )


@attack(OTHER, action="privacy.incident")
def name_of_the_person(line: Line, case: Case) -> Wire:
    return _content(line, case, lambda c: c.replace(b"<acceptee/>", b"<acceptee/><nom>GHEBREMARIAM</nom>"))


@attack(OTHER, action="privacy.incident")
def unknown_message_property(line: Line, case: Case) -> Wire:
    forged = line.forgery(line.decision(case))
    extra = Property(name="note", value=CANARY)
    forged.header = dataclasses.replace(forged.header, properties=(*forged.header.properties, extra))
    return forged.wire()
