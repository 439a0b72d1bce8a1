"""Steps: people who are requested back, returned, nominated; operators who decide."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from pathlib import Path
from typing import Any

import msgspec

from contracts import codes, model
from gateway.core.records import AuditEntry, Channel, MessageRecord, MessageStatus, OutboxEntry
from gateway.core.treaty import exclusion
from gateway.core.treaty.holding import Decider
from gateway.instance import Instance
from gateway.uk_client import Answer, UkClient
from tests.fixtures.store_records import new_case, record_for
from tests.fixtures.uk_gateway import Gateway, example_body, parts_for, simple_request
from tests.integration.cases.steps import NOMINATIONS, READMISSIONS, carry_to_transfer, posted_body, written
from tests.unit.treaty.builders import NOMINATION

__all__ = ["carry_to_transfer"]
NADIA = Decider(name="nadia", roles=frozenset({"exclusion", "operator"}))
OMAR = Decider(name="omar", roles=frozenset({"exclusion", "operator", "quotas"}))
TOM = Decider(name="tom", roles=frozenset({"operator", "quotas"}))
WHY = "other fingerprints and another place of birth"


def as_json(*persons: model.Person) -> list[Any]:
    """Persons as a UK system writes them; the first is the principal, the others are minors."""
    roles = (codes.PersonRole.PRINCIPAL, *(codes.PersonRole.SPOUSE,) * (len(persons) - 1))
    family = tuple(msgspec.structs.replace(p, role=role) for p, role in zip(persons, roles, strict=True))
    body = msgspec.structs.replace(NOMINATION.body, persons=family)
    found: list[Any] = posted_body(msgspec.structs.replace(NOMINATION, body=body))["persons"]
    return found


async def _post(client: UkClient, path: str, body: Any) -> Answer:
    return await client.post_raw(path, json.dumps(body).encode(), attachments=parts_for(body))


async def nominate(client: UkClient, *persons: model.Person, **changes: Any) -> Answer:
    return await _post(
        client, NOMINATIONS, {**example_body("Nomination"), "persons": as_json(*persons), **changes}
    )


async def held(client: UkClient, *persons: model.Person) -> str:
    """A nomination that is held; its message id."""
    answer = await nominate(client, *persons)
    assert (answer.status, answer.json()["status"]) == (202, "held"), answer.body
    return str(answer.json()["message_id"])


async def request_back(client: UkClient, *persons: model.Person) -> str:
    """An open readmission; its reference."""
    answer = await _post(client, READMISSIONS, {**simple_request(), "persons": as_json(*persons)})
    assert answer.status == 202, answer.body
    return str(answer.json()["reference"])


async def return_(gateway: Gateway, client: UkClient, *persons: model.Person) -> str:
    """A readmission whose transfer was carried out (of one person, as the outcome says); its reference."""
    reference = await request_back(client, *persons)
    await carry_to_transfer(gateway, client, reference)
    return reference


async def correct(client: UkClient, reference: str, *persons: model.Person) -> None:
    page = (await client.get(f"{READMISSIONS}/{reference}")).json()
    opening = page["messages"][0]["message_id"]
    body = {"type": "Correction", "corrects": opening, "persons": as_json(*persons), "arrival": None}
    assert (await _post(client, f"{READMISSIONS}/{reference}/corrections", body)).status == 202


async def withdraw(gateway: Gateway, client: UkClient, reference: str) -> None:
    body = {"type": "Withdrawal", "reason": "litigation", "at": written(gateway.clock.now())}
    assert (await _post(client, f"{READMISSIONS}/{reference}/withdrawals", body)).status == 202


async def taken_in_charge(gateway: Gateway, reference: str, persons: int = 1) -> None:
    """France's TransferReceipt, stored as accept_fr stores it."""
    body = {
        "type": "TransferReceipt",
        "taken_charge_at": written(gateway.clock.now()),
        "place": "FRCDG",
        "flight": None,
        "persons_received": persons,
    }
    await gateway.from_france(body, reference=reference, in_reply_to=None)


async def queued(gateway: Gateway) -> list[OutboxEntry]:
    """What waits for France, claimed."""
    async with gateway.exchange.store.begin() as tx:
        rows = await tx.claim_due(now=gateway.clock.now(), limit=100, lease=dt.timedelta(seconds=60))
    return [row for row in rows if row.channel is Channel.AS4]


async def record(gateway: Gateway, message_id: str) -> MessageRecord:
    async with gateway.exchange.store.begin(read_only=True) as tx:
        found = await tx.get_message(message_id)
    assert found is not None
    return found


async def audit(gateway: Gateway, message_id: str) -> list[AuditEntry]:
    async with gateway.exchange.store.begin(read_only=True) as tx:
        return list(await tx.audit_entries(subject=message_id))


async def case_status(gateway: Gateway, reference: str) -> str:
    async with gateway.exchange.store.begin(read_only=True) as tx:
        case = await tx.get_case(reference)
    assert case is not None
    return case.status


async def held_on_disk(folder: Path, returned: model.Person, nominee: model.Person) -> str:
    """In the store of an instance folder: somebody imported as returned, and a nomination held for that."""
    instance = Instance.load(folder)
    store = await instance.open_store()
    now = instance.clock.now()
    assert isinstance(NOMINATION.body, model.Nomination)
    body = msgspec.structs.replace(
        NOMINATION.body,
        persons=(nominee,),
        located_in_france_at=now - dt.timedelta(days=40),
        biometrics_enrolled_at=now - dt.timedelta(days=10),
    )
    case = new_case(at=now, kind=codes.CaseKind.NOMINATION, status="nominated")
    message = msgspec.structs.replace(
        NOMINATION,
        message_id=instance.clock.new_id(),
        reference=case.reference,
        conversation_id=case.conversation_id,
        issued_at=now,
        body=body,
    )
    waiting = dataclasses.replace(
        record_for(message, at=now), status=MessageStatus.HELD, code="row9.near_match"
    )
    try:
        async with store.begin() as tx:
            await tx.add_returned(tuple(exclusion.near_index(returned)), now)
            await tx.add_case(case)
            await tx.add_message(waiting, message, ())
    finally:
        await store.close()
    return message.message_id
