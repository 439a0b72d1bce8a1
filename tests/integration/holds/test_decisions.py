"""Decisions about held messages: roles, second persons, judging again, quotas, concurrency."""

from __future__ import annotations

import asyncio

import pytest

from gateway.core.errors import Conflict, InsufficientScope, InvalidParameter, NotFound, RuleViolation
from gateway.core.records import Channel, MessageStatus
from gateway.core.treaty.quotas import QuotaKind
from gateway.flows import operator
from gateway.flows.hold_views import list_holds, show_hold
from gateway.flows.holds import refuse, release
from gateway.flows.quotas import release_waiting, set_quota
from gateway.uk_client import UkClient
from tests.fixtures.nominees import person
from tests.fixtures.uk_gateway import Gateway
from tests.integration.holds import steps as s
from tests.integration.holds.steps import NADIA, OMAR, TOM, WHY

DAY = "1990-05-14"
KHAN = person("Khan", "Rashid", DAY, number="P57126116")
ALIKE = person("Khaan", "Rashed", DAY, number="X9988776")
UNKNOWN_ID = "019a8c52-4e1f-7c33-a4d8-6b2e9f0c7a15"


@pytest.fixture
async def near(gateway: Gateway, client: UkClient) -> str:
    """A nomination that is held because somebody like the nominee was returned."""
    await s.return_(gateway, client, KHAN)
    await s.queued(gateway)
    return await s.held(client, ALIKE)


async def test_two_persons_release_a_near_match(gateway: Gateway, client: UkClient, near: str) -> None:
    """The first approves, the second lets it go; both stand in the audit log, the UK system hears of it."""
    first = await release(gateway.exchange, near, by=NADIA, reason=WHY)
    assert (first.needed, first.record.status) == (1, MessageStatus.HELD)
    assert await s.queued(gateway) == []
    second = await release(gateway.exchange, near, by=OMAR, reason="photographs differ")
    assert (second.needed, second.record.status, second.record.code) == (0, MessageStatus.ACCEPTED, None)
    assert [row.message_id for row in await s.queued(gateway)] == [near]
    said = [
        (e.action, e.actor, e.data["after"]) for e in await s.audit(gateway, near) if e.action[:5] == "hold."
    ]
    assert said == [
        ("hold.approved", "operator:nadia", "held"),
        ("hold.released", "operator:omar", "accepted"),
    ]
    assert (await client.message(near))["status"] == "accepted"
    async with gateway.exchange.store.begin(read_only=True) as tx:
        assert await tx.waiting(near, Channel.WEBHOOK) is not None


async def test_the_same_person_does_not_count_twice(gateway: Gateway, near: str) -> None:
    """Not at once, not later, not under another reason."""
    await release(gateway.exchange, near, by=NADIA, reason=WHY)
    with pytest.raises(Conflict, match="another one"):
        await release(gateway.exchange, near, by=NADIA, reason="I am quite sure")
    assert (await s.record(gateway, near)).status is MessageStatus.HELD


async def test_the_role_is_needed(gateway: Gateway, near: str) -> None:
    """Neither release nor refusal without it, and nothing is noted."""
    for decision in (release, refuse):
        with pytest.raises(InsufficientScope, match="exclusion"):
            await decision(gateway.exchange, near, by=TOM, reason=WHY)
    async with gateway.exchange.store.begin(read_only=True) as tx:
        assert await tx.decisions(near) == ()


@pytest.mark.parametrize(
    "reason", ["", "  ", "x" * 501, "it is not Rashed", "not KHAAN!", "passport X99-88776 is another"]
)
async def test_a_reason_is_needed_and_names_nobody(gateway: Gateway, near: str, reason: str) -> None:
    """It stays in the audit log for ever."""
    with pytest.raises(InvalidParameter):
        await release(gateway.exchange, near, by=NADIA, reason=reason)


async def test_refused(gateway: Gateway, client: UkClient, near: str) -> None:
    """One person with the role refuses: rejected with its code, the case ends, the UK system is told."""
    await release(gateway.exchange, near, by=NADIA, reason=WHY)
    decided = await refuse(gateway.exchange, near, by=NADIA, reason="on second thoughts the same person")
    assert (decided.record.status, decided.record.code) == (MessageStatus.REJECTED, "row9.near_match")
    assert await s.case_status(gateway, decided.record.reference) == "rejected"
    assert (await client.message(near))["code"] == "row9.near_match"
    assert await s.queued(gateway) == []
    for decision in (release, refuse):
        with pytest.raises(Conflict):
            await decision(gateway.exchange, near, by=OMAR, reason=WHY)


async def test_what_waited_behind_a_refused_opening_ends_too(gateway: Gateway, client: UkClient) -> None:
    """A nomination and its withdrawal of the same case, both held for the quota's sake, end together."""
    await set_quota(gateway.exchange, QuotaKind.NOMINATIONS, 0, actor="test", reason="closed")
    message_id = await s.held(client, ALIKE)
    reference = (await s.record(gateway, message_id)).reference
    update = {"type": "StatusUpdate", "code": "medical", "since": s.written(gateway.clock.now())}
    follower = (await client.send(f"/v1/nominations/{reference}/status-updates", update)).message_id
    assert (await s.record(gateway, follower)).status is MessageStatus.HELD
    with pytest.raises(Conflict):
        await release(gateway.exchange, message_id, by=TOM, reason=WHY)
    await refuse(gateway.exchange, message_id, by=TOM, reason="the scheme is closed")
    assert [(await s.record(gateway, m)).status for m in (message_id, follower)] == [
        MessageStatus.REJECTED
    ] * 2
    assert (await s.record(gateway, follower)).code == "opening_refused"


async def test_it_is_judged_again(gateway: Gateway, client: UkClient) -> None:
    """Approved while the readmission was under way; then the person was returned: nobody can release it."""
    reference = await s.request_back(client, KHAN)
    message_id = await s.held(client, KHAN)
    await release(gateway.exchange, message_id, by=NADIA, reason=WHY)
    await s.carry_to_transfer(gateway, client, reference)
    with pytest.raises(RuleViolation) as caught:
        await release(gateway.exchange, message_id, by=OMAR, reason=WHY)
    assert [p.code for p in caught.value.problems] == ["row9.returned"]
    shown = await show_hold(gateway.exchange, message_id)
    assert {r["code"] for r in shown["reasons"]} == {"row9.returned"}
    await refuse(gateway.exchange, message_id, by=OMAR, reason="returned meanwhile")


async def test_an_approval_of_other_reasons_does_not_count(
    gateway: Gateway, client: UkClient, near: str
) -> None:
    """After the first approval a second similar person was returned: both must look at that one too."""
    await release(gateway.exchange, near, by=NADIA, reason=WHY)
    await s.return_(gateway, client, person("Khan", "Rasheed", DAY, number="T5551234"))
    assert (await release(gateway.exchange, near, by=OMAR, reason=WHY)).needed == 1
    assert (await release(gateway.exchange, near, by=NADIA, reason=WHY)).needed == 0


async def test_released_into_a_full_quota_it_waits_there(
    gateway: Gateway, client: UkClient, near: str
) -> None:
    """With its new code; when there is room it leaves by itself, and is not held for the same pair again."""
    await set_quota(gateway.exchange, QuotaKind.NOMINATIONS, 0, actor="test", reason="closed")
    for by in (NADIA, OMAR):
        decided = await release(gateway.exchange, near, by=by, reason=WHY)
    assert (decided.record.status, decided.record.code) == (MessageStatus.HELD, "quota.nominations")
    (row,), _ = await list_holds(gateway.exchange)
    assert (row["code"], row["roles"], [d["decision"] for d in row["decisions"]]) == (
        "quota.nominations",
        ["quotas"],
        ["approved", "released"],
    )
    await set_quota(gateway.exchange, QuotaKind.NOMINATIONS, 5, actor="test", reason="open")
    assert await release_waiting(gateway.exchange) == 1
    assert (await s.record(gateway, near)).status is MessageStatus.ACCEPTED


async def test_a_false_positive_is_remembered_for_the_pair(
    gateway: Gateway, client: UkClient, near: str
) -> None:
    """The same passport is nominated again: not held. Another passport is, and another pair."""
    for by in (NADIA, OMAR):
        await release(gateway.exchange, near, by=by, reason=WHY)
    assert (await s.nominate(client, ALIKE)).json()["status"] == "accepted"
    await s.held(client, person("Khaan", "Rashed", DAY, number="Y1111222"))
    await s.return_(gateway, client, person("Khan", "Rashid", DAY, number="Z7777888"))
    await s.held(client, ALIKE)
    told = [e for e in await s.audit(gateway, near) if e.action == "hold.released"]
    assert [e.data["told_apart"] for e in told] == [1]


async def test_two_deciders_at_once(gateway: Gateway, client: UkClient, near: str) -> None:
    """One of them is first; the message goes once."""
    decided = await asyncio.gather(
        *(release(gateway.exchange, near, by=by, reason=WHY) for by in (NADIA, OMAR))
    )
    assert sorted(d.needed for d in decided) == [0, 1]
    assert [row.message_id for row in await s.queued(gateway)] == [near]


async def test_one_decider_twice_at_once(gateway: Gateway, near: str) -> None:
    """A double click is one approval."""
    results = await asyncio.gather(
        *(release(gateway.exchange, near, by=NADIA, reason=WHY) for _ in range(2)), return_exceptions=True
    )
    assert sorted(type(r).__name__ for r in results) == ["Conflict", "Decided"]


async def test_release_against_refusal_at_once(gateway: Gateway, near: str) -> None:
    """Whoever is first decides; the message never both leaves and is refused."""
    await release(gateway.exchange, near, by=NADIA, reason=WHY)
    results = await asyncio.gather(
        release(gateway.exchange, near, by=OMAR, reason=WHY),
        refuse(gateway.exchange, near, by=NADIA, reason="the same person"),
        return_exceptions=True,
    )
    assert sum(isinstance(r, Conflict) for r in results) == 1
    left = (await s.record(gateway, near)).status is MessageStatus.ACCEPTED
    assert [row.message_id for row in await s.queued(gateway)] == ([near] if left else [])


async def test_a_dry_run_changes_nothing(gateway: Gateway, near: str) -> None:
    """It tells what would be."""
    await release(gateway.exchange, near, by=NADIA, reason=WHY)
    entries = len(await s.audit(gateway, near))
    tried = await release(gateway.exchange, near, by=OMAR, reason=WHY, dry_run=True)
    assert (tried.needed, tried.record.status) == (0, MessageStatus.ACCEPTED)
    assert (await s.record(gateway, near)).status is MessageStatus.HELD
    assert len(await s.audit(gateway, near)) == entries
    assert await s.queued(gateway) == []


async def test_one_operator_alone_does_not_get_round_the_second(gateway: Gateway, near: str) -> None:
    """The plain release, replay and cancel of messages refuse what needs two persons."""
    for action in (operator.release, operator.replay, operator.cancel):
        with pytest.raises(Conflict, match="passerelle holds"):
            await action(gateway.exchange, near, actor="cli", reason=WHY)


async def test_only_what_is_held_is_decided(gateway: Gateway, client: UkClient) -> None:
    """Neither an unknown message nor one that left."""
    accepted = (await s.nominate(client, ALIKE)).json()["message_id"]
    with pytest.raises(Conflict):
        await release(gateway.exchange, accepted, by=NADIA, reason=WHY)
    with pytest.raises(NotFound):
        await release(gateway.exchange, UNKNOWN_ID, by=NADIA, reason=WHY)
    with pytest.raises(NotFound):
        await show_hold(gateway.exchange, accepted)


async def test_a_family_is_let_go_for_all_its_matches(gateway: Gateway, client: UkClient) -> None:
    """Two persons alike two returned ones: one release tells both pairs apart."""
    await s.return_(gateway, client, KHAN)
    await s.return_(gateway, client, person("Hoxha", "Besa", "1988-12-02", number="K5551112"))
    family = (ALIKE, person("Hoxha", "Bessa", "1988-12-02", number="K9991113"))
    message_id = await s.held(client, *family)
    shown = await show_hold(gateway.exchange, message_id)
    assert [r["pointer"] for r in shown["reasons"]] == ["/persons/0", "/persons/1"]
    for by in (NADIA, OMAR):
        decided = await release(gateway.exchange, message_id, by=by, reason=WHY)
    assert decided.record.status is MessageStatus.ACCEPTED
    assert (await s.nominate(client, *family)).json()["status"] == "accepted"
    assert (await s.nominate(client, *family[::-1])).json()["status"] == "accepted"
