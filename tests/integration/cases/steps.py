"""What a UK system does with a record: writes its body, posts it, carries a case on."""

from __future__ import annotations

import csv
import datetime as dt
import json
from pathlib import Path
from typing import Any

from adapters.uk import UkAdapter
from contracts import model
from gateway.core.records import StoredAttachment
from gateway.uk_client import Answer, UkClient
from tests.fixtures.cases import Record, to_message
from tests.fixtures.uk_gateway import Gateway, example_body

READMISSIONS, NOMINATIONS = "/v1/readmission-requests", "/v1/nominations"
PATHS = {"readmission": READMISSIONS, "nomination": NOMINATIONS}
OUTCOMES = Path(__file__).parents[2] / "unit" / "treaty" / "outcomes.csv"
UK = UkAdapter()


def outcomes() -> dict[str, tuple[str, frozenset[str]]]:
    """Case → (``allowed`` or ``refused``, ids of the rules that refuse it)."""
    with OUTCOMES.open(encoding="utf-8", newline="") as file:
        return {
            row["case"]: (row["outcome"], frozenset(filter(None, row["rules"].split(";"))))
            for row in csv.DictReader(file)
        }


def set_clock(gateway: Gateway, to: dt.datetime) -> None:
    """The gateway's clock shows ``to`` and runs on."""
    gateway.clock.skip(to - gateway.clock.now())


def posted_body(message: model.Message) -> Any:
    """The body as a UK system would write it."""
    return json.loads(UK.from_canonical(message).content)["body"]


async def post(client: UkClient, path: str, body: Any, parts: tuple[StoredAttachment, ...] = ()) -> Answer:
    """One signed POST, multipart when the message announces attachments."""
    content = json.dumps(body, ensure_ascii=False).encode()
    return await client.post_raw(path, content, attachments=parts)


async def post_record(client: UkClient, record: Record) -> tuple[Any, Answer]:
    """The opening message of a record; returns what was posted and the answer."""
    message, parts = to_message(record)
    body = posted_body(message)
    return body, await post(client, PATHS[record["kind"]], body, parts)


def written(at: dt.datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


async def carry_to_transfer(gateway: Gateway, client: UkClient, reference: str) -> None:
    """An open readmission is accepted, its transfer announced, confirmed and carried out."""
    path = f"{READMISSIONS}/{reference}"
    decision = {
        "type": "ReadmissionDecision",
        "decision": "accepted",
        "ground": None,
        "information_needed": [],
        "extended_until": None,
        "decided_at": written(gateway.clock.now()),
    }
    await gateway.from_france(decision, reference=reference, in_reply_to=None)
    departure = gateway.clock.now() + dt.timedelta(days=1)
    notice = example_body("TransferNotice")
    notice |= {
        "departure_at": written(departure),
        "arrival_at": written(departure + dt.timedelta(hours=2)),
        "confirmations": dict.fromkeys(notice["confirmations"], True),
    }
    assert (await post(client, f"{path}/transfer-notices", notice)).status == 202
    confirmation = {
        "type": "TransferConfirmation",
        "result": "confirmed",
        "reason": None,
        "place": notice["arrival_place"],
        "at": notice["arrival_at"],
        "flight": notice["flight"],
    }
    await gateway.from_france(confirmation, reference=reference, in_reply_to=None)
    gateway.clock.skip(dt.timedelta(days=1, hours=3))
    outcome = {
        "type": "TransferOutcome",
        "outcome": "carried_out",
        "reason": None,
        "at": written(departure + dt.timedelta(hours=2)),
        "persons_transferred": 1,
    }
    assert (await post(client, f"{path}/transfer-outcomes", outcome)).status == 202
