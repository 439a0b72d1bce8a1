"""Whole lives of cases between real processes where messages are pulled, or receipts come by callback."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from gateway.uk_client import UkClient
from tests.fixtures.agreements import CALLBACK, PULLED_FR, PULLED_UK, agreement_text
from tests.fixtures.world import (
    World,
    case_status,
    make_world,
    post,
    readmission_request,
    transfer_notice,
    transfer_outcome,
    until,
    withdrawal,
)

READMISSIONS = "/v1/readmission-requests"
WAYS = {
    "pulled both ways": (PULLED_UK, PULLED_FR),
    "France pulls, and pushes": (PULLED_UK, ""),
    "we pull, and push": ("", PULLED_FR),
    "receipts by callback both ways": (CALLBACK, CALLBACK),
    "pulled one way, callback the other": (PULLED_UK, CALLBACK),
}
FAST = {"pull": {"lease_s": 2, "receipt_timeout_s": 2, "interval_s": 0.05, "longest_wait_s": 0.2}}


@pytest.fixture(scope="module", params=WAYS)
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    uk_to_fr, fr_to_uk = WAYS[request.param]
    with make_world(settings=FAST, agreement=agreement_text(uk_to_fr=uk_to_fr, fr_to_uk=fr_to_uk)) as made:
        yield made
        for name in ("gateway", "ministry"):
            wrong = [x for x in made.log(name).splitlines() if '"level": "error"' in x or "Traceback" in x]
            for line in wrong[:5]:
                print(name, line[:500])


async def _reach(client: UkClient, reference: str, status: str) -> None:
    async def there() -> bool:
        return await case_status(client, reference) == status

    await until(there, seconds=30, what=f"case is {status}")


def _everything_is_proven(world: World, reference: str) -> bool:
    """Every message of the case, either way, has a receipt that its sender verified."""
    with closing(sqlite3.connect(world.uk / "passerelle.db")) as connection:
        ours = connection.execute(
            "SELECT receipt_verified FROM messages WHERE reference = ? AND direction = 'UK_TO_FR'",
            (reference,),
        ).fetchall()
        queued = connection.execute(
            "SELECT count(*) FROM outbox WHERE reference = ?", (reference,)
        ).fetchone()
    theirs = world.sent_by_ministry(reference)
    return (
        all(verified for (verified,) in ours)
        and all(m["receipt_verified"] and m["status"] == "delivered" for m in theirs)
        and queued == (0,)
    )


@pytest.mark.as4(36)
@pytest.mark.as4(28)
async def test_a_case_from_request_to_transfer_receipt(world: World) -> None:
    """The whole story works, in whatever way the agreement moves messages and receipts; all is proven."""
    async with world.client() as client:
        request = await post(client, READMISSIONS, readmission_request())
        path = f"{READMISSIONS}/{request.reference}"
        await _reach(client, request.reference, "accepted")
        await post(client, f"{path}/transfer-notices", transfer_notice())
        await _reach(client, request.reference, "transfer_confirmed")
        await post(client, f"{path}/transfer-outcomes", transfer_outcome())
        await _reach(client, request.reference, "received")
    await until(lambda: _everything_is_proven(world, request.reference), what="all receipts are verified")
    received = world.received_by_ministry(request.reference)
    assert len({m["as4_message_id"] for m in received}) == len(received) == 3


@pytest.mark.as4(32)
async def test_lost_receipts_deliver_once(world: World) -> None:
    """The ministry loses its receipts on the way: the same bytes come again, and are taken in once."""
    async with world.client() as client:
        request = await post(client, READMISSIONS, readmission_request("DGEF-PERDU", number=1))
        await _reach(client, request.reference, "accepted")
    await until(lambda: _everything_is_proven(world, request.reference), seconds=30, what="all is proven")
    opening = [m for m in world.received_by_ministry(request.reference) if m["type"] == "ReadmissionRequest"]
    assert len(opening) == 1
    assert opening[0]["deliveries"] >= 2


async def test_a_withdrawal_ends_the_case(world: World) -> None:
    """A withdrawal reaches France in the same way and ends the case on both sides."""
    async with world.client() as client:
        request = await post(client, READMISSIONS, readmission_request(number=2))
        await _reach(client, request.reference, "accepted")
        await post(client, f"{READMISSIONS}/{request.reference}/withdrawals", withdrawal())
        await _reach(client, request.reference, "withdrawn")
    await until(lambda: _everything_is_proven(world, request.reference), seconds=30, what="all is proven")


async def test_a_killed_gateway_loses_no_receipt(world: World) -> None:
    """kill -9 while messages and receipts are on their way: afterwards every one of them is proven."""
    async with world.client() as client:
        accepted = [await post(client, READMISSIONS, readmission_request(number=10 + n)) for n in range(4)]
    for pause in (0.05, 0.15, 0.3):
        await asyncio.sleep(pause)
        world.kill_gateway()
        world.start_gateway()
    async with world.client() as client:
        for request in accepted:
            await _reach(client, request.reference, "accepted")
    for request in accepted:
        reference = request.reference
        await until(lambda r=reference: _everything_is_proven(world, r), seconds=30, what="all is proven")
