"""What UK system and ministry do in the tests of the balance: open cases, carry them to their end, look."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import msgspec

from gateway.core.treaty.agreement import Agreement, uk_fr
from gateway.core.treaty.ledger import OUTCOMES, Entry
from gateway.uk_client import UkClient
from tests.fixtures.uk_gateway import Gateway, example_body, parts_for, simple_request

READMISSIONS, NOMINATIONS = "/v1/readmission-requests", "/v1/nominations"


def agreed(
    *, quotas: dict[str, Any] | None = None, balance: dict[str, Any] | None = None, readmissions: int = 3
) -> Agreement:
    """The shipped agreement with small quotas, and whatever else the test changes."""
    agreement = uk_fr()
    return msgspec.structs.replace(
        agreement,
        quotas=msgspec.structs.replace(
            agreement.quotas, readmissions=readmissions, nominations=2, **(quotas or {})
        ),
        balance=msgspec.structs.replace(agreement.balance, **(balance or {})),
    )


def written(at: dt.datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def request_body(*, persons: int = 1, priority: bool = False) -> dict[str, Any]:
    """A request that every rule allows, of one adult or of several."""
    body = simple_request()
    adult = body["persons"][0]
    body["persons"] = [adult, *({**adult, "role": "spouse"} for _ in range(persons - 1))]
    body["priority"] = priority
    if persons > 1:
        body["family"] = {"family_reference": "FAM-1", "main_applicant": True}
    return body


async def open_request(client: UkClient, *, persons: int = 1, priority: bool = False) -> dict[str, Any]:
    """The answer to the POST."""
    body = json.dumps(request_body(persons=persons, priority=priority)).encode()
    answer = await client.post_raw(READMISSIONS, body)
    assert answer.status == 202, answer.body
    found: dict[str, Any] = answer.json()
    return found


async def open_nomination(client: UkClient) -> dict[str, Any]:
    body = example_body("Nomination")
    answer = await client.post_raw(NOMINATIONS, json.dumps(body).encode(), attachments=parts_for(body))
    assert answer.status == 202, answer.body
    found: dict[str, Any] = answer.json()
    return found


def taken_in_charge(gateway: Gateway, persons: int = 1) -> dict[str, Any]:
    """What France writes when they have arrived, just now."""
    return {
        "type": "TransferReceipt",
        "taken_charge_at": written(gateway.clock.now()),
        "place": "FRCDG",
        "flight": None,
        "persons_received": persons,
    }


async def transferred(
    gateway: Gateway, client: UkClient, reference: str, *, reported: int | None = 1, received: int | None = 1
) -> None:
    """An open readmission is accepted, noticed and carried out; either report may be missing (None)."""
    path, now = f"{READMISSIONS}/{reference}", gateway.clock.now()
    decision = {
        "type": "ReadmissionDecision",
        "decision": "accepted",
        "ground": None,
        "information_needed": [],
        "extended_until": None,
        "decided_at": written(now),
    }
    await gateway.from_france(decision, reference=reference, in_reply_to=None)
    notice = example_body("TransferNotice")
    notice |= {
        "departure_at": written(now + dt.timedelta(minutes=5)),
        "arrival_at": written(now + dt.timedelta(minutes=90)),
        "confirmations": dict.fromkeys(notice["confirmations"], True),
    }
    await client.send(f"{path}/transfer-notices", notice)
    gateway.clock.skip(dt.timedelta(hours=2))
    at = written(gateway.clock.now())
    if reported is not None:
        outcome = {
            "type": "TransferOutcome",
            "outcome": "carried_out",
            "reason": None,
            "at": at,
            "persons_transferred": reported,
        }
        await client.send(f"{path}/transfer-outcomes", outcome)
    if received is not None:
        receipt = taken_in_charge(gateway, received)
        await gateway.from_france(receipt, reference=reference, in_reply_to=None)


async def arrived(gateway: Gateway, client: UkClient, reference: str, *, persons: int = 1) -> None:
    """An open nomination meets no objection, gets its visa, and the persons arrive."""
    path, now = f"{NOMINATIONS}/{reference}", gateway.clock.now()
    response = {
        "type": "NominationResponse",
        "response": "no_objection",
        "ground": None,
        "decided_at": written(now),
    }
    await gateway.from_france(response, reference=reference, in_reply_to=None)
    outcome = {
        "type": "NominationOutcome",
        "outcome": "visa_granted",
        "visa_valid_until": (now + dt.timedelta(days=80)).date().isoformat(),
        "decided_at": written(now),
    }
    await client.send(f"{path}/outcomes", outcome)
    admission = {
        "type": "AdmissionOutcome",
        "outcome": "arrived",
        "at": written(now),
        "persons_admitted": persons,
    }
    await client.send(f"{path}/admissions", admission)


async def outcome_entries(gateway: Gateway) -> list[Entry]:
    async with gateway.exchange.store.begin(read_only=True) as tx:
        return [e for e in await tx.list_entries() if e.side in OUTCOMES]


async def audit_actions(gateway: Gateway, subject: str) -> list[str]:
    async with gateway.exchange.store.begin(read_only=True) as tx:
        return [entry.action for entry in await tx.audit_entries(subject=subject)]


async def status_of(client: UkClient, message_id: str) -> tuple[str, str | None]:
    page = await client.message(message_id)
    return page["status"], page["code"]


async def queued(gateway: Gateway) -> list[str]:
    """Message ids in the outbox for France, in the order in which they would leave."""
    found: list[str] = []
    while True:
        async with gateway.exchange.store.begin() as tx:
            rows = await tx.claim_due(now=gateway.clock.now(), limit=50, lease=dt.timedelta(minutes=1))
            for row in rows:
                await tx.complete(row)
        if not rows:
            return found
        found += [row.message_id for row in rows if row.channel.value == "as4"]
