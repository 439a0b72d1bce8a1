"""phase4 in the French ministry's place, the gateway as a process of its own, real messages of the treaty."""

from __future__ import annotations

import asyncio
import hashlib
import json
from dataclasses import dataclass
from typing import Any

from adapters.fr import FrAdapter
from adapters.uk import UkAdapter
from contracts.codes import Direction, MessageType
from gateway.clock import SystemClock
from gateway.core.as4.pmode import PMode
from gateway.sandbox.brain import Brain
from gateway.sandbox.memory import Queued
from gateway.sandbox.script import Script
from gateway.uk_client import UkClient
from tests.fixtures.world import World, content_of, parts_of, readmission_request, until
from tests.interop.line import Line
from tests.interop.phase4 import Phase4
from tests.interop.scenario import IN, OUT, scenario

PATH = "/v1/readmission-requests"
PUSHED, PULLED, NEWER = "pushed", "pulled", "newer"
"""The worlds: messages for France are pushed to it, or wait until it pulls them, or use profile 2.0."""
CLOCK = SystemClock()


@dataclass(frozen=True, kw_only=True)
class Ministry:
    """The gateway's world and the peer; ``client`` is the UK system."""

    world: World
    peer: Phase4
    line: Line
    """From the gateway to the peer."""
    pmodes: dict[tuple[str, Direction], PMode]
    suite: str = "rsa"
    client: UkClient | None = None

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.world.as4_port}/as4"

    @property
    def uk(self) -> UkClient:
        assert self.client is not None
        return self.client

    async def push(self, kind: str, **options: Any) -> dict[str, Any]:
        """phase4 sends one message of this type to the gateway."""
        pmode = self.pmodes[kind, Direction.FR_TO_UK]
        properties = [{"name": p.name, "value": p.value, "type": p.type} for p in pmode.properties]
        given = {"properties": properties, "suite": self.suite, **options}
        return await asyncio.to_thread(self.peer.send, pmode, self.url, **given)

    async def answer(self, queued: Queued, **options: Any) -> dict[str, Any]:
        """phase4 sends what the ministry's business system wrote."""
        return await self.push(
            queued.type,
            message_id=f"{queued.message_id}@ministry.interop.test",
            conversation_id=queued.conversation_id,
            ref_to_message_id=queued.ref_to,
            payloads=[
                {
                    "content_id": "document@ministry.interop.test",
                    "mime_type": "application/xml",
                    "charset": "UTF-8",
                    "text": queued.content.decode(),
                }
            ],
            **options,
        )


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request that phase4 has received: what it saw, and what a ministry would answer."""

    body: dict[str, Any]
    message_id: str
    reference: str
    record: dict[str, Any]
    acknowledgement: Queued
    decision: Queued


async def delivered(ministry: Ministry, message_id: str) -> None:
    """Waits until the gateway has verified the receipt for this message."""

    async def proven() -> Any:
        page = await ministry.uk.message(message_id)
        return page if page["status"] in {"delivered", "acknowledged"} else None

    page = await until(proven, seconds=60, what="delivered")
    assert page["receipt_verified"] is True


async def ask(ministry: Ministry, number: int) -> Asked:
    """The UK POSTs a request with attachments; the gateway delivers it to phase4."""
    body = readmission_request(number=number)
    receipt = await ministry.uk.send(PATH, body, attachments=parts_of(body))

    await delivered(ministry, receipt.message_id)
    (record,) = ministry.peer.received()
    document = UkAdapter().validate_body(json.dumps(body).encode(), MessageType(body["type"]))
    message = UkAdapter().body_to_canonical(
        document,
        message_id=receipt.message_id,
        reference=receipt.reference,
        conversation_id=record["conversation_id"],
        issued_at=CLOCK.now(),
        in_reply_to=None,
    )
    brain = Brain(script=Script(), adapter=FrAdapter(), new_id=CLOCK.new_id)
    answers = brain.answers(message, None, as4_message_id=record["message_id"], now=CLOCK.now())
    return Asked(
        body=body,
        message_id=receipt.message_id,
        reference=receipt.reference,
        record=record,
        acknowledgement=answers[0],
        decision=answers[-1],
    )


def accepted(answer: dict[str, Any]) -> None:
    """The gateway's receipt, verified and matched by phase4."""
    assert answer.get("exception") is None, answer["exception"]
    assert answer.get("errors") == [], answer["errors"]
    assert (answer["kind"], answer["nrr"], answer["signed"]) == ("receipt", "matched", True)


@scenario(
    "out.gateway.request",
    OUT,
    1, 6, 24, 29, 35,
    what="a readmission request with attachments reaches phase4; receipt verified, message delivered",
    gateway=PUSHED,
)  # fmt: skip
async def _(ministry: Ministry) -> None:
    asked = await ask(ministry, 1)
    first, *rest = asked.record["parts"]
    assert first["mime_type"] == "application/xml"
    wanted = [hashlib.sha256(content_of(a["content_id"])).hexdigest() for a in asked.body["attachments"]]
    assert [part["sha256"] for part in rest] == wanted
    assert {p["name"] for p in asked.record["properties"]} >= {"originalSender", "finalRecipient"}
    assert asked.record["signed"]
    assert asked.record["decrypted"]
    assert ministry.peer.errors() == []


@scenario(
    "in.gateway.answers",
    IN,
    1, 2, 28, 35,
    what="phase4 pushes an acknowledgement and a decision: the gateway's receipts match, the case moves on",
    gateway=PUSHED,
)  # fmt: skip
async def _(ministry: Ministry) -> None:
    asked = await ask(ministry, 2)
    accepted(await ministry.answer(asked.acknowledgement))
    page = await ministry.uk.message(asked.message_id)
    assert page["status"] == "acknowledged"
    accepted(await ministry.answer(asked.decision))
    case = (await ministry.uk.get(f"{PATH}/{asked.reference}")).json()
    assert case["status"] != "requested"


@scenario(
    "in.gateway.duplicate",
    IN,
    31, 32,
    what="the same decision three times: the stored receipt each time, one message in the inbox",
    gateway=PUSHED,
)  # fmt: skip
async def _(ministry: Ministry) -> None:
    asked = await ask(ministry, 3)
    accepted(await ministry.answer(asked.acknowledgement))
    answer = await ministry.answer(asked.decision, repeat=3)
    accepted(answer)
    assert len(answer["bodies"]) == 3
    assert len(set(answer["bodies"])) == 1
    messages = (await ministry.uk.get(f"/v1/messages?reference={asked.reference}")).json()
    items = messages.get("messages") or messages.get("items") or messages
    assert [m["type"] for m in items].count(asked.decision.type) == 1


@scenario(
    "in.gateway.invalid-xml",
    IN,
    30,
    what="phase4 pushes a document that the contract does not allow: refused with a signed EBMS:0004",
    gateway=PUSHED,
)
async def _(ministry: Ministry) -> None:
    answer = await ministry.push(
        "Acknowledgement",
        payloads=[
            {"content_id": "d@x", "mime_type": "application/xml", "charset": "UTF-8", "text": "<unknown/>"}
        ],
    )
    assert [e["code"] for e in answer["errors"]] == ["EBMS:0004"]
    assert answer["signed"] is True
    assert answer["ref_to_message_id"] == answer["message_id"]


@scenario(
    "in.gateway.tampered",
    IN,
    18, 30,
    what="phase4's message is changed after signing: the gateway refuses with a signed EBMS:0101",
    gateway=PUSHED,
)  # fmt: skip
async def _(ministry: Ministry) -> None:
    answer = await ministry.push(
        "Acknowledgement",
        mutate="digest",
        payloads=[{"content_id": "d@x", "mime_type": "application/xml", "charset": "UTF-8", "text": "<a/>"}],
    )
    assert [e["code"] for e in answer["errors"]] == ["EBMS:0101"]
    assert answer["signed"] is True


@scenario(
    "in.gateway.ping", IN, 33, what="phase4 pings the gateway: receipt, nothing delivered", gateway=PUSHED
)
async def _(ministry: Ministry) -> None:
    answer = await ministry.push("ping", properties=[])
    accepted(answer)


@scenario(
    "out.gateway.refused",
    OUT,
    30,
    what="phase4's application refuses with EBMS:0004: the message is rejected and not sent again",
    gateway=PUSHED,
)
async def _(ministry: Ministry) -> None:
    ministry.peer.configure(refuse="EBMS:0004")
    body = readmission_request(number=4)
    receipt = await ministry.uk.send(PATH, body, attachments=parts_of(body))

    async def ended() -> Any:
        page = await ministry.uk.message(receipt.message_id)
        return page if page["status"] not in {"accepted", "sending", "queued"} else None

    page = await until(ended, seconds=30, what="an end")
    assert page["status"] == "rejected", page
    assert len(ministry.peer.errors()) == 1


@scenario(
    "out.gateway.lost-receipt",
    OUT,
    31, 32,
    what="the receipt is lost: sent again with the same id, delivered once; EBMS:0004 is no receipt",
    gateway=PUSHED,
)  # fmt: skip
async def _(ministry: Ministry) -> None:
    ministry.line.lose_answers()
    body = readmission_request(number=5)
    receipt = await ministry.uk.send(PATH, body, attachments=parts_of(body))
    (record,) = await until(ministry.peer.received, seconds=30, what="arrived")
    ministry.line.cut()
    (refusal,) = await until(ministry.peer.errors, seconds=30, what="the second time")
    assert refusal["code"] == "EBMS:0004"
    assert refusal["message_id"] == record["message_id"]

    async def ended() -> Any:
        page = await ministry.uk.message(receipt.message_id)
        return page if page["status"] in {"failed", "rejected"} else None

    page = await until(ended, seconds=30, what="an end")
    assert page["receipt_verified"] is not True
    assert page["code"] == "EBMS:0004"
    assert len(ministry.peer.received()) == 1


@scenario(
    "out.gateway.unknown-pmode",
    OUT,
    5, 30, 31,
    what="phase4 lacks a P-Mode: its unsigned EBMS:0010 is not believed; sent again, delivered in the end",
    gateway=PUSHED,
)  # fmt: skip
async def _(ministry: Ministry) -> None:
    ministry.peer.configure(forget="ReadmissionRequest")
    body = readmission_request(number=6)
    receipt = await ministry.uk.send(PATH, body, attachments=parts_of(body))
    await until(lambda: len(ministry.peer.errors()) > 2, seconds=30, what="three attempts")
    assert {e["code"] for e in ministry.peer.errors()} == {"EBMS:0010"}
    page = await ministry.uk.message(receipt.message_id)
    assert page["status"] not in {"rejected", "failed", "delivered"}
    ministry.peer.configure()
    await delivered(ministry, receipt.message_id)
    assert len(ministry.peer.received()) == 1


@scenario(
    "out.gateway.reply",
    OUT,
    2, 6,
    what="the UK acknowledges phase4's decision: the message refers to it and is of the same conversation",
    gateway=PUSHED,
)  # fmt: skip
async def _(ministry: Ministry) -> None:
    asked = await ask(ministry, 7)
    accepted(await ministry.answer(asked.acknowledgement))
    decision = await ministry.answer(asked.decision)
    accepted(decision)
    await ministry.uk.acknowledge(asked.decision.message_id, status="taken_into_account")
    records = await until(
        lambda: [r for r in ministry.peer.received() if r["action"] == "Acknowledgement"],
        seconds=30,
        what="acknowledged",
    )
    assert [r["ref_to_message_id"] for r in records] == [decision["message_id"]]
    assert records[0]["conversation_id"] == asked.record["conversation_id"]
    assert ministry.peer.errors() == []
