"""All 120 neutral cases through a running gateway, as UK systems send them: signed HTTP, real attachments.

What the rules say of each case on paper (``tests/unit/treaty/outcomes.csv``) is what the wire answers;
refused cases leave nothing behind, accepted ones come back as they were posted and can be said in French.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from adapters.fr import FrAdapter
from contracts.codes import MessageType
from contracts.model import REFERENCE_PATTERN, to_utc_ms
from gateway.core.records import Blob, Channel
from gateway.core.treaty import privacy
from tests.fixtures.cases import Record, issued_at, load_cases, to_message, to_supplements
from tests.fixtures.uk_gateway import Gateway, running_gateway
from tests.integration.cases.steps import (
    PATHS,
    READMISSIONS,
    UK,
    carry_to_transfer,
    outcomes,
    post,
    post_record,
    posted_body,
    set_clock,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

RECORDS = sorted(load_cases(), key=issued_at)
OUTCOMES = outcomes()
FR = FrAdapter()
POINTERS = {
    "art4.confirmations": {"/confirmations/no_outstanding_protection_claim"},
    "art8.request_in_time": {"/arrival/at"},
    "row4.identity_document": {"/persons/0/documents"},
    "row5.security_checks": {"/security_checks"},
    "row6.claim": {"/claim/protection_claim"},
    "row8.biometrics": {"/biometrics_enrolled_at", "/biometrics_reference"},
    "row9.returned": {"/persons"},
}
"""Where each rule points in the body that was posted (RFC 6901)."""


def _by_name(name: str) -> Record:
    return next(record for record in RECORDS if record["case"] == name)


def _at(document: Any, pointer: str) -> Any:
    """What a JSON pointer points to; fails when there is no such place."""
    for step in pointer.split("/")[1:]:
        document = document[int(step)] if isinstance(document, list) else document[step]
    return document


def _in_time(record: Record) -> Record:
    """The same readmission, requested on the thirteenth day."""
    return {**record, "request_after_hours": 300}


async def _return(gateway: Gateway, record: Record) -> str:
    """The person of a readmission record is returned to France before; gives the reference of that case."""
    early = _in_time(record)
    set_clock(gateway, issued_at(early))
    async with gateway.client() as client:
        _, answer = await post_record(client, early)
        assert answer.status == 202
        reference: str = answer.json()["reference"]
        await carry_to_transfer(gateway, client, reference)
    return reference


async def _octets(gateway: Gateway, content: bytes | Blob) -> bytes:
    """What the store keeps, large or small."""
    if isinstance(content, bytes):
        return content
    return b"".join([chunk async for chunk in gateway.exchange.store.read_blob(content)])


async def _assert_accepted(gateway: Gateway, record: Record, body: Any, document: Any) -> None:
    """Stored as posted: message page, case, bytes of the attachments, outbox row, blind index."""
    message, parts = to_message(record)
    message_id, reference = document["message_id"], document["reference"]
    assert document["status"] == "accepted"
    assert re.fullmatch(REFERENCE_PATTERN, reference)
    async with gateway.client() as client:
        page = await client.message(message_id)
        case = (await client.get(f"{PATHS[record['kind']]}/{reference}")).json()
    assert page["message"]["body"] == body
    assert (page["type"], page["direction"]) == (message.type.value, "UK_TO_FR")
    assert (case["kind"], [m["message_id"] for m in case["messages"]]) == (record["kind"], [message_id])
    async with gateway.exchange.store.begin(read_only=True) as tx:
        stored = await tx.content(message_id)
        files = await tx.attachments(message_id)
    assert stored.body == message.body
    contents = [await _octets(gateway, f.content) for f in files]
    assert [(f.content_id, f.media_type, f.file_name, c) for f, c in zip(files, contents, strict=True)] == [
        (p.content_id, p.media_type, p.file_name, p.content) for p in parts
    ]
    _assert_french(stored)


def _assert_french(stored: Any) -> None:
    """The French document is valid by both judges' verdict and says the same when read back."""
    french = FR.from_canonical(stored)
    back = FR.to_canonical(FR.validate(french.content))
    assert back == stored
    assert UK.from_canonical(back).content == UK.from_canonical(stored).content


def _assert_refused(record: Record, body: Any, status: int, problem: Any) -> None:
    """422 with the rule ids of the table, each at its place."""
    assert (status, problem["code"]) == (422, "rule_violation")
    found: dict[str, set[str]] = {}
    for error in problem["errors"]:
        found.setdefault(error["code"], set()).add(error["pointer"])
        _at(body, error["pointer"])
        assert error["message"]["en"]
        assert error["message"]["fr"]
    assert found.keys() == OUTCOMES[record["case"]][1]
    assert found == {rule: POINTERS[rule] for rule in found}


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record["case"])
async def test_case_over_http(shared_gateway: Gateway, record: Record) -> None:
    """The HTTP outcome is that of the table; refused leaves nothing, accepted comes back as it was."""
    gateway = shared_gateway
    if record.get("previously_returned_case"):
        await _return(gateway, _by_name(record["previously_returned_case"]))
    set_clock(gateway, issued_at(record))
    before = await gateway.stored()
    async with gateway.client() as client:
        body, answer = await post_record(client, record)
    after = await gateway.stored()
    if OUTCOMES[record["case"]][0] == "refused":
        _assert_refused(record, body, answer.status, answer.json())
        assert after == before
        return
    assert answer.status == 202, answer.body
    grown = {table: after[table] - before[table] for table in after}
    assert grown["attachments"] == len(body["attachments"])
    assert {grown[t] for t in ("cases", "messages", "contents", "outbox", "idempotency")} == {1}
    await _assert_accepted(gateway, record, body, answer.json())


WITH_CERTIFICATE = [r for r in RECORDS if to_supplements(r) and OUTCOMES[r["case"]][0] == "allowed"]


@pytest.mark.parametrize("record", WITH_CERTIFICATE, ids=lambda record: record["case"])
async def test_medical_certificates_follow_separately(shared_gateway: Gateway, record: Record) -> None:
    """The certificate of an accepted case is taken as a message of its own, of its own case."""
    set_clock(shared_gateway, issued_at(record))
    async with shared_gateway.client() as client:
        _, answer = await post_record(client, record)
        reference = answer.json()["reference"]
        opening, _ = to_message(record)
        for supplement, parts in to_supplements(record):
            body = posted_body(msgspec.structs.replace(opening, body=supplement))
            path = f"{READMISSIONS}/{reference}/documents"
            taken = await post(client, path, body, parts)
            assert taken.status == 202
            page = await client.message(taken.json()["message_id"])
            assert (page["reference"], page["message"]["body"]) == (reference, body)


async def test_every_rule_of_the_table_was_met_with_its_pointer() -> None:
    """The table of pointers has no row that no case reaches, and none is missing."""
    assert {rule for _, rules in OUTCOMES.values() for rule in rules} == POINTERS.keys()


async def test_the_same_nomination_before_and_after_the_return(tmp_path: Path, sqlite_template: Path) -> None:
    """Row 9: a person only requested back is held; once transferred, the passport refuses, while the name
    with the birth date is held for operators, as two people may share them."""
    nomination = _by_name("S7-003")
    early = _in_time(_by_name("S7-001"))
    async with running_gateway(tmp_path, sqlite_template) as gateway:
        set_clock(gateway, issued_at(early))
        async with gateway.client() as client:
            _, opened = await post_record(client, early)
            reference = opened.json()["reference"]
            _, answer = await post_record(client, nomination)
            assert answer.status == 422, "located and enrolled later than now"
            set_clock(gateway, issued_at(nomination))
        async with gateway.client() as client:
            _, answer = await post_record(client, nomination)
            assert (answer.status, answer.json()["status"]) == (202, "held")
            assert [hold["code"] for hold in answer.json()["holds"]] == ["row9.in_readmission"]
            await carry_to_transfer(gateway, client, reference)
        set_clock(gateway, issued_at(nomination) + dt.timedelta(days=3))
        person = nomination["persons"][0]
        document = person["documents"][0]
        other_passport = {**person, "documents": [{**document, "number": "X0000001"}]}
        other_name = {**person, "family_name": "Someone", "given_names": "Else"}
        swapped = {
            **other_passport,
            "family_name": person["given_names"].upper(),
            "given_names": person["family_name"].upper(),
        }
        spaced = {**other_name, "documents": [{**document, "number": " ".join(document["number"].lower())}]}
        nobody = {**other_name, "documents": other_passport["documents"]}
        async with gateway.client() as client:
            for who in (person, other_name, spaced):
                _, answer = await post_record(client, {**nomination, "persons": [who]})
                assert answer.status == 422
                assert [e["code"] for e in answer.json()["errors"]] == ["row9.returned"]
            for who in (other_passport, swapped):
                _, answer = await post_record(client, {**nomination, "persons": [who]})
                assert (answer.status, answer.json()["status"]) == (202, "held")
                assert [hold["code"] for hold in answer.json()["holds"]] == ["row9.near_match"]
            _, answer = await post_record(client, {**nomination, "persons": [nobody]})
            assert (answer.status, answer.json()["status"]) == (202, "accepted")


async def test_what_waits_for_france_is_exactly_what_was_accepted(
    tmp_path: Path, sqlite_template: Path
) -> None:
    """After refused and accepted cases the outbox holds one row per accepted message, in order."""
    some = [r for r in RECORDS if not r.get("attachments") and not r.get("previously_returned_case")][:20]
    expected = []
    async with running_gateway(tmp_path, sqlite_template) as gateway:
        for record in some:
            set_clock(gateway, issued_at(record))
            async with gateway.client() as client:
                _, answer = await post_record(client, record)
            if answer.status == 202:
                expected.append(answer.json()["message_id"])
        async with gateway.exchange.store.begin() as tx:
            now = to_utc_ms(gateway.clock.now())
            rows = await tx.claim_due(now=now, limit=100, lease=dt.timedelta(seconds=5))
        listed: list[str] = []
        async with gateway.client() as client:
            listed = [m["message_id"] for m in (await client.get("/v1/messages?limit=200")).json()["items"]]
    assert [row.message_id for row in rows if row.channel is Channel.AS4] == expected
    assert listed == expected[::-1]
    assert 0 < len(expected) < len(some)


async def test_records_are_posted_as_json_that_names_survive() -> None:
    """What the suite posts still holds each name letter by letter: the wire form does not flatten them."""
    for record in RECORDS:
        message, _ = to_message(record)
        text = json.dumps(posted_body(message), ensure_ascii=False)
        for person in record["persons"]:
            for part in (person["family_name"], person["given_names"]):
                assert part is None or part in text


async def test_what_the_agreement_does_not_need_is_refused(
    shared_gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Art 16, UK side: a field that is not on the allow list of its type does not leave, and is named."""
    record = next(r for r in RECORDS if r.get("evidence") and OUTCOMES[r["case"]][0] == "allowed")
    kind = MessageType.READMISSION_REQUEST
    narrowed = {**privacy.TO_FRANCE, kind: privacy.TO_FRANCE[kind] - {"evidence"}}
    monkeypatch.setattr(privacy, "TO_FRANCE", narrowed)
    set_clock(shared_gateway, issued_at(record))
    before = await shared_gateway.stored()
    async with shared_gateway.client() as client:
        _, answer = await post_record(client, record)
    assert answer.status == 422
    assert [(e["code"], e["pointer"]) for e in answer.json()["errors"]] == [
        ("privacy.unknown_field", "/evidence")
    ]
    assert await shared_gateway.stored() == before
