"""Row 9 over HTTP and a real store: who is refused, who is held, who is not."""

from __future__ import annotations

import pytest

from contracts import model
from gateway.core.records import MessageStatus
from gateway.flows import exclusion
from gateway.flows.exclusion import FLAGGED
from gateway.flows.holds import release
from gateway.uk_client import UkClient
from tests.fixtures.nominees import person
from tests.fixtures.uk_gateway import Gateway
from tests.integration.holds import steps as s

DAY = "1990-05-14"
KHAN = person("Khan", "Rashid", DAY, number="P57126116")
KHAN_AGAIN = person("Khaan", "Rashed", DAY, number="X9988776")
"""Another passport, another spelling."""
OTHER = person("Tesfay", "Filmon", "1985-02-11", number="E1234567")


async def test_a_document_of_a_returned_person_is_refused(gateway: Gateway, client: UkClient) -> None:
    """Whatever the name says; nothing is stored."""
    await s.return_(gateway, client, KHAN)
    liar = person("Someone", "Else", "1970-01-02", number="p 5712 6116")
    answer = await s.nominate(client, liar)
    assert answer.status == 422
    assert [(e["code"], e["pointer"]) for e in answer.json()["errors"]] == [("row9.returned", "/persons")]


async def test_a_similar_person_is_held_with_the_place(gateway: Gateway, client: UkClient) -> None:
    """The answer names the rule and which of the family it is; both languages are there."""
    await s.return_(gateway, client, KHAN)
    answer = await s.nominate(client, OTHER, KHAN_AGAIN)
    assert (answer.status, answer.json()["status"]) == (202, "held")
    (hold,) = answer.json()["holds"]
    assert (hold["code"], hold["pointer"]) == ("row9.near_match", "/persons/1")
    assert hold["message"]["en"] != hold["message"]["fr"]
    assert [row.reference for row in await s.queued(gateway) if row.reference.startswith("GB02")] == []


async def test_strangers_are_not_held(gateway: Gateway, client: UkClient) -> None:
    """A twin with another name, a namesake of another age, somebody else: they go."""
    await s.return_(gateway, client, KHAN)
    twin = person("Khan", "Sahra", DAY)
    namesake = person("Khan", "Rashid", "1991-05-14", number="A7654321")
    for who in (twin, namesake, OTHER):
        body = s.as_json(who)
        documents = body[0]["documents"] or s.as_json(OTHER)[0]["documents"]
        answer = await s.nominate(client, who, persons=[{**body[0], "documents": documents}])
        assert answer.json()["status"] == "accepted", answer.body


async def test_a_readmission_under_way_holds(gateway: Gateway, client: UkClient) -> None:
    """Requested back but not returned: held, and free again once the request was withdrawn."""
    reference = await s.request_back(client, KHAN)
    answer = await s.nominate(client, KHAN)
    assert [hold["code"] for hold in answer.json()["holds"]] == ["row9.in_readmission"]
    await s.withdraw(gateway, client, reference)
    assert (await s.nominate(client, KHAN)).json()["status"] == "accepted"


async def test_returned_once_is_returned(gateway: Gateway, client: UkClient) -> None:
    """A later readmission that came to nothing does not undo an earlier return."""
    await s.return_(gateway, client, KHAN)
    second = await s.request_back(client, KHAN)
    await s.withdraw(gateway, client, second)
    assert (await s.nominate(client, KHAN)).status == 422


async def test_of_a_family_that_went_in_part_each_is_held(gateway: Gateway, client: UkClient) -> None:
    """One of two was transferred, nobody says which: a document decides nothing, operators do."""
    await s.return_(gateway, client, KHAN, OTHER)
    for who in (KHAN, OTHER):
        answer = await s.nominate(client, who)
        assert [hold["code"] for hold in answer.json()["holds"]] == ["row9.near_match"]


async def test_a_corrected_document_refuses_nobody(gateway: Gateway, client: UkClient) -> None:
    """The number that was a mistake holds, so that a person sees it; the right one refuses."""
    reference = await s.request_back(client, person("Khan", "Rashid", DAY, number="W0000123"))
    await s.correct(client, reference, KHAN)
    await s.carry_to_transfer(gateway, client, reference)
    innocent = person("Diallo", "Aminata", "1999-09-09", number="W0000123")
    answer = await s.nominate(client, innocent)
    assert [hold["code"] for hold in answer.json()["holds"]] == ["row9.near_match"]
    assert (await s.nominate(client, KHAN)).status == 422


async def test_the_hash_alone_counts_after_retention(gateway: Gateway, client: UkClient) -> None:
    """With the content of the readmission deleted, the returned person is still refused."""
    reference = await s.return_(gateway, client, KHAN)
    async with gateway.exchange.store.begin() as tx:
        assert await tx.destroy_case_key(reference, at=gateway.clock.now())
    assert (await s.nominate(client, KHAN)).status == 422


@pytest.mark.parametrize("who", [KHAN, KHAN_AGAIN], ids=["same document", "similar name"])
async def test_a_return_flags_the_open_nomination_once(
    gateway: Gateway, client: UkClient, who: model.Person
) -> None:
    """Nominated first, returned later: an audit entry and a status event, though two messages book it."""
    nominated = await s.nominate(client, who)
    assert nominated.json()["status"] == "accepted"
    message_id = nominated.json()["message_id"]
    closed = await s.nominate(client, OTHER)
    reference = await s.return_(gateway, client, KHAN)
    flags = [e for e in await s.audit(gateway, message_id) if e.action == FLAGGED]
    code = "row9.returned" if who is KHAN else "row9.near_match"
    assert [(e.data["code"], e.data["returned"]) for e in flags] == [(code, reference)]
    assert not [e for e in await s.audit(gateway, closed.json()["message_id"]) if e.action == FLAGGED]
    async with gateway.exchange.store.begin() as tx:
        rows = await tx.claim_due(now=gateway.clock.now(), limit=100, lease=s.dt.timedelta(seconds=5))
        assert [r.message_id for r in rows if r.endpoint.endswith("-hook")].count(message_id) == 1
        history = await tx.history(reference)
        outcome = history[-1][1]
        assert (
            await exclusion.return_booked(tx, gateway.exchange.listeners, outcome, now=gateway.clock.now())
            == ()
        )


async def test_a_nomination_that_was_told_apart_is_not_flagged(gateway: Gateway, client: UkClient) -> None:
    """Two operators let it go in spite of the readmission under way: the return of a namesake is no news."""
    reference = await s.request_back(client, KHAN)
    message_id = await s.held(client, KHAN_AGAIN)
    for by in (s.NADIA, s.OMAR):
        decided = await release(gateway.exchange, message_id, by=by, reason=s.WHY)
    assert decided.record.status is MessageStatus.ACCEPTED
    await s.carry_to_transfer(gateway, client, reference)
    assert not [e for e in await s.audit(gateway, message_id) if e.action == FLAGGED]
