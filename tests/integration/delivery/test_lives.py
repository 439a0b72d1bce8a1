"""Whole lives of cases between two real processes: real AS4 over HTTPS, real stores."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from gateway.uk_client import Refused, UkClient
from tests.fixtures.world import (
    World,
    arrived,
    case_status,
    nomination,
    post,
    readmission_request,
    supplementary_document,
    transfer_notice,
    transfer_outcome,
    until,
    visa_granted,
    withdrawal,
)

READMISSIONS = "/v1/readmission-requests"
NOMINATIONS = "/v1/nominations"


async def _reach(
    client: UkClient, reference: str, status: str, *, kind: str = "readmission-requests"
) -> None:
    async def there() -> bool:
        return await case_status(client, reference, kind=kind) == status

    await until(there, what=f"case is {status}")


async def _message_status(client: UkClient, message_id: str, status: str) -> None:
    async def there() -> bool:
        return bool((await client.message(message_id))["status"] == status)

    await until(there, what=f"message is {status}")


def audit_actions(world: World, subject: str | None = None) -> list[str]:
    """Actions of the audit chain, read past the gateway."""
    with closing(sqlite3.connect(world.uk / "passerelle.db")) as connection:
        rows = connection.execute("SELECT action, subject FROM audit ORDER BY sequence").fetchall()
    return [action for action, about in rows if subject in (None, about)]


async def test_readmission_from_request_to_transfer_receipt(world: World) -> None:
    """A readmission runs to "received", and each side holds a verified receipt for every message."""
    async with world.client() as client:
        request = await post(client, READMISSIONS, readmission_request())
        path = f"{READMISSIONS}/{request.reference}"
        await _reach(client, request.reference, "accepted")
        notice = await post(client, f"{path}/transfer-notices", transfer_notice())
        await _reach(client, request.reference, "transfer_confirmed")
        outcome = await post(client, f"{path}/transfer-outcomes", transfer_outcome())
        await _reach(client, request.reference, "received")
        for receipt in (request, notice, outcome):
            await _message_status(client, receipt.message_id, "acknowledged")
            page = await client.message(receipt.message_id)
            assert page["receipt_verified"]
            assert page["attempts"] == 1
    sent = world.sent_by_ministry(request.reference)
    assert [m["type"] for m in sent] == [
        "Acknowledgement",
        "ReadmissionDecision",
        "Acknowledgement",
        "TransferConfirmation",
        "Acknowledgement",
        "TransferReceipt",
    ]
    await until(
        lambda: all(m["receipt_verified"] for m in world.sent_by_ministry(request.reference)),
        what="the ministry verified our receipts",
    )
    received = world.received_by_ministry(request.reference)
    assert [(m["type"], m["deliveries"], m["attachments"]) for m in received] == [
        ("ReadmissionRequest", 1, 3),
        ("TransferNotice", 1, 0),
        ("TransferOutcome", 1, 0),
    ]


async def test_nomination_to_arrival(world: World) -> None:
    """A nomination without objection runs to "arrived"."""
    async with world.client() as client:
        opened = await post(client, NOMINATIONS, nomination())
        path = f"{NOMINATIONS}/{opened.reference}"
        await _reach(client, opened.reference, "no_objection", kind="nominations")
        await post(client, f"{path}/outcomes", visa_granted())
        last = await post(client, f"{path}/admissions", arrived())
        await _reach(client, opened.reference, "arrived", kind="nominations")
        await _message_status(client, last.message_id, "acknowledged")
    assert [m["type"] for m in world.received_by_ministry(opened.reference)] == [
        "Nomination",
        "NominationOutcome",
        "AdmissionOutcome",
    ]


async def test_objection_ends_a_nomination(world: World) -> None:
    """An objection of the ministry closes the nomination."""
    async with world.client() as client:
        opened = await post(client, NOMINATIONS, nomination("DGEF-OBJECTION", number=1))
        await _reach(client, opened.reference, "objected", kind="nominations")


async def test_refusal(world: World) -> None:
    """A refused readmission ends as "refused"; a transfer notice is then out of sequence."""
    async with world.client() as client:
        opened = await post(client, READMISSIONS, readmission_request("DGEF-REFUS"))
        await _reach(client, opened.reference, "refused")
        with pytest.raises(Refused) as refused:
            await post(client, f"{READMISSIONS}/{opened.reference}/transfer-notices", transfer_notice())
        assert refused.value.status in {409, 422}


async def test_information_needed_then_accepted(world: World) -> None:
    """The ministry asks for a certificate, gets it as an attachment of its own message, and accepts."""
    async with world.client() as client:
        opened = await post(client, READMISSIONS, readmission_request("DGEF-INFO"))
        await _reach(client, opened.reference, "information_needed")
        await post(client, f"{READMISSIONS}/{opened.reference}/documents", supplementary_document())
        await _reach(client, opened.reference, "accepted")
    assert world.received_by_ministry(opened.reference)[-1]["attachments"] == 1


async def test_business_rejection_marks_message_and_case(world: World) -> None:
    """An Acknowledgement that rejects the request sets the message to "rejected" with its code."""
    async with world.client() as client:
        opened = await post(client, READMISSIONS, readmission_request("DGEF-REJET"))
        await _reach(client, opened.reference, "rejected")
        page = await client.message(opened.message_id)
    assert (page["status"], page["code"]) == ("rejected", "not_readable")


async def test_silence_is_no_decision(world: World) -> None:
    """Without acknowledgement and decision the message stays "delivered" and the case "requested"."""
    async with world.client() as client:
        opened = await post(client, READMISSIONS, readmission_request("DGEF-SILENCE"))
        await _message_status(client, opened.message_id, "delivered")
        assert await case_status(client, opened.reference) == "requested"


@pytest.mark.parametrize("service", ["DGEF-RGPD", "DGEF-ERREUR"])
async def test_hostile_messages_are_refused_and_the_right_one_is_taken(world: World, service: str) -> None:
    """Personal data and garbage are refused with EBMS:0004, are not stored, and the case goes on after."""
    async with world.client() as client:
        opened = await post(client, READMISSIONS, readmission_request(service))
        await _reach(client, opened.reference, "accepted")
        items = (await client.get(f"/v1/messages?reference={opened.reference}")).json()["items"]
    hostile = [m for m in world.sent_by_ministry(opened.reference) if m["hostile"]]
    assert hostile
    assert {(m["status"], m["code"]) for m in hostile} == {("refused", "EBMS:0004")}
    assert not {m["message_id"] for m in hostile} & {m["message_id"] for m in items}
    action = "privacy.incident" if service == "DGEF-RGPD" else "message.refused"
    for message in hostile:
        assert audit_actions(world, f"{message['message_id']}@passerelle.fr") == [action]


async def test_no_trace_of_refused_personal_data(world: World) -> None:
    """Neither log nor database holds the number or the name that the ministry should not have sent."""
    async with world.client() as client:
        opened = await post(client, READMISSIONS, readmission_request("DGEF-RGPD", number=2))
        await _reach(client, opened.reference, "accepted")
    family_name = readmission_request()["persons"][0]["name"]["family_name"]
    database = b"".join(path.read_bytes() for path in world.uk.glob("passerelle.db*"))
    for secret in ("7501234567", family_name):
        assert secret not in world.log("gateway")
        assert secret.encode() not in database


async def test_withdrawal_overtakes_what_is_queued(world: World) -> None:
    """While France is down, a withdrawal stops the queued notice and is itself delivered first."""
    async with world.client() as client:
        opened = await post(client, READMISSIONS, readmission_request(number=3))
        await _reach(client, opened.reference, "accepted")
        world.control(down={"seconds": 1.2})
        path = f"{READMISSIONS}/{opened.reference}"
        notice = await post(client, f"{path}/transfer-notices", transfer_notice())
        stop = await post(client, f"{path}/withdrawals", withdrawal())
        await _message_status(client, stop.message_id, "acknowledged")
        await _message_status(client, notice.message_id, "cancelled")
        assert await case_status(client, opened.reference) == "withdrawn"
        again = await post(client, f"{path}/withdrawals", withdrawal())  # said twice, France takes both
        await _message_status(client, again.message_id, "acknowledged")
        assert await case_status(client, opened.reference) == "withdrawn"
    types = [m["type"] for m in world.received_by_ministry(opened.reference)]
    assert types == ["ReadmissionRequest", "Withdrawal", "Withdrawal"]


async def test_outage_then_delivered_once(world: World) -> None:
    """503 answers are retried with the same MessageId until delivered; history keeps every attempt."""
    async with world.client() as client:
        opened = await post(client, READMISSIONS, readmission_request("DGEF-PANNE"))
        await _reach(client, opened.reference, "accepted")
        page = await client.message(opened.message_id)
    assert page["attempts"] == 3
    received = world.received_by_ministry(opened.reference)
    assert [(m["message_id"], m["deliveries"]) for m in received] == [(opened.message_id, 1)]


async def test_lost_receipt_is_answered_with_the_stored_one(world: World) -> None:
    """When a receipt is lost the same bytes go again, and the ministry does not take them in twice."""
    async with world.client() as client:
        opened = await post(client, READMISSIONS, readmission_request("DGEF-PERDU"))
        await _reach(client, opened.reference, "accepted")
        await _message_status(client, opened.message_id, "acknowledged")

        async def proven() -> bool:
            return bool((await client.message(opened.message_id))["receipt_verified"])

        await until(proven, what="the second answer proves delivery")
    received = world.received_by_ministry(opened.reference)
    assert [m["deliveries"] for m in received] == [2]
    decisions = [m for m in world.sent_by_ministry(opened.reference) if m["type"] == "ReadmissionDecision"]
    assert len(decisions) == 1


async def test_restart_goes_on_where_it_was(world: World) -> None:
    """A SIGTERM ends the gateway cleanly; after a restart what was accepted is delivered."""
    world.control(down={"seconds": 30})
    async with world.client() as client:
        opened = await post(client, READMISSIONS, readmission_request(number=4))
    assert world.stop_gateway() == 0
    world.control(down={"seconds": 0})
    world.start_gateway()
    async with world.client() as client:
        await _reach(client, opened.reference, "accepted")
    assert [m["deliveries"] for m in world.received_by_ministry(opened.reference)] == [1]
