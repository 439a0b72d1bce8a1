"""What exceeds a quota waits in order, is shown, is not lost, and leaves when there is room."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from gateway.core.errors import Conflict, InvalidParameter
from gateway.core.records import MessageStatus
from gateway.core.treaty.ledger import Side
from gateway.core.treaty.quotas import QuotaKind
from gateway.flows import operator
from gateway.flows.balance import quota_list
from gateway.flows.quotas import release_waiting, set_quota
from gateway.uk_client import UkClient
from tests.fixtures.uk_gateway import Gateway, example_body, parts_for
from tests.integration.balance.steps import (
    READMISSIONS,
    audit_actions,
    open_nomination,
    open_request,
    queued,
    request_body,
    status_of,
)

R, N = QuotaKind.READMISSIONS, QuotaKind.NOMINATIONS
WHO = {"actor": "operator:test", "reason": "ramp up"}
NEXT_WEEK = dt.datetime(2026, 11, 23, tzinfo=dt.UTC)
"""2026-W48 begins in Europe/London."""
ACCEPTED, HELD = ("accepted", None), ("held", "quota.readmissions")


async def fill(client: UkClient, count: int = 3) -> list[str]:
    """Message ids of so many requests."""
    return [(await open_request(client))["message_id"] for _ in range(count)]


async def used(gateway: Gateway, week: str = "2026-W47", side: Side = Side.REQUESTED) -> int:
    async with gateway.exchange.store.begin(read_only=True) as tx:
        return await tx.places(week, side)


async def test_the_receipt_says_that_the_request_waits(gateway: Gateway, client: UkClient) -> None:
    """The fourth of three is accepted and held, with the reason in both languages, and shown as waiting."""
    await fill(client)
    answer = await open_request(client)
    assert (answer["status"], answer["code"]) == HELD
    (hold,) = answer["holds"]
    assert (hold["code"], hold["pointer"]) == ("quota.readmissions", "/persons")
    assert set(hold["message"]) == {"en", "fr"}
    assert len(await queued(gateway)) == 3
    values = (await client.get("/v1/balance")).json()["quotas"]
    assert [(q["kind"], q["used"], q["limit"], q["waiting"]) for q in values] == [
        ("readmission", 3, 3, 1),
        ("nomination", 0, 2, 0),
    ]
    assert await release_waiting(gateway.exchange) == 0


async def test_a_new_week_begins_at_its_first_instant(
    gateway: Gateway, client: UkClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A millisecond before Monday nothing leaves; at midnight of London the waiting do, in their order."""
    await fill(client)
    waiting = await fill(client, 2)
    await queued(gateway)
    for instant, released in ((NEXT_WEEK - dt.timedelta(milliseconds=1), 0), (NEXT_WEEK, 2)):
        monkeypatch.setattr(gateway.clock, "now", lambda at=instant: at)
        assert await release_waiting(gateway.exchange) == released
    assert await queued(gateway) == waiting
    assert [await used(gateway, w) for w in ("2026-W47", "2026-W48")] == [3, 2]


async def test_nobody_overtakes(gateway: Gateway, client: UkClient) -> None:
    """A newcomer that would fit waits behind a family that does not, and leaves after it."""
    await fill(client, 2)
    family = (await open_request(client, persons=3))["message_id"]
    single = (await open_request(client))["message_id"]
    assert [await status_of(client, m) for m in (family, single)] == [HELD, HELD]
    assert await release_waiting(gateway.exchange) == 0
    await queued(gateway)
    await set_quota(gateway.exchange, R, 6, **WHO)
    assert await release_waiting(gateway.exchange) == 2
    assert await queued(gateway) == [family, single]


async def test_larger_than_the_whole_quota_blocks_nobody(gateway: Gateway, client: UkClient) -> None:
    """Four persons can never leave in a quota of three: they wait for a higher one, the others go on."""
    family = (await open_request(client, persons=4))["message_id"]
    single = (await open_request(client))["message_id"]
    assert await status_of(client, family) == HELD
    assert await status_of(client, single) == ACCEPTED
    await set_quota(gateway.exchange, R, 5, **WHO)
    assert await release_waiting(gateway.exchange) == 1
    assert await status_of(client, family) == ACCEPTED
    assert await used(gateway) == 5


async def test_a_released_message_is_told_and_audited(gateway: Gateway, client: UkClient) -> None:
    """The client's webhook hears of it, and the audit log has the hold, the change and the release."""
    await fill(client)
    (waiting,) = await fill(client, 1)
    change = await set_quota(gateway.exchange, R, 4, **WHO)
    assert await release_waiting(gateway.exchange) == 1
    assert await status_of(client, waiting) == ACCEPTED
    assert await audit_actions(gateway, waiting) == ["message.held", "message.released"]
    assert await audit_actions(gateway, "uk-fr.readmissions") == ["quota.changed"]
    async with gateway.exchange.store.begin(read_only=True) as tx:
        assert f"{client.client_id}-hook" in await tx.backlog()
    (quota, _) = await quota_list(gateway.exchange)
    assert (quota["limit"], quota["agreed"], quota["changed_by"]) == (4, 3, change.change_id)
    assert [(h["limit"], h["reason"], h["actor"]) for h in quota["history"]] == [
        (4, "ramp up", "operator:test")
    ]


async def test_lowering_stops_what_comes_and_leaves_what_went(gateway: Gateway, client: UkClient) -> None:
    """Two left; a quota of one then holds the next, and from next week on three are allowed again."""
    await fill(client, 2)
    await set_quota(gateway.exchange, R, 1, **WHO)
    await set_quota(gateway.exchange, R, 3, from_week="2026-W48", **WHO)
    (waiting,) = await fill(client, 1)
    assert await status_of(client, waiting) == HELD
    gateway.clock.skip(NEXT_WEEK - gateway.clock.now())
    assert await release_waiting(gateway.exchange) == 1


async def test_what_never_left_gives_its_place_back(gateway: Gateway, client: UkClient) -> None:
    """A withdrawal stops a queued request: its place goes to the first that waits, once."""
    answers = [await open_request(client) for _ in range(3)]
    (waiting,) = await fill(client, 1)
    body = {"type": "Withdrawal", "reason": "litigation", "at": "2026-11-18T09:00:00Z"}
    await client.send(f"{READMISSIONS}/{answers[0]['reference']}/withdrawals", body)
    assert await release_waiting(gateway.exchange) == 1
    assert await status_of(client, waiting) == ACCEPTED
    assert await used(gateway) == 3
    (late,) = await fill(client, 1)
    assert await status_of(client, late) == HELD
    assert await release_waiting(gateway.exchange) == 0


async def test_what_was_delivered_keeps_its_place(gateway: Gateway, client: UkClient) -> None:
    """A request that France has seen is used up, also when it is withdrawn afterwards."""
    answers = [await open_request(client) for _ in range(3)]
    await queued(gateway)
    async with gateway.exchange.store.begin() as tx:
        for answer in answers:
            await tx.update_message(
                answer["message_id"], at=gateway.clock.now(), status=MessageStatus.DELIVERED
            )
    await fill(client, 1)
    body = {"type": "Withdrawal", "reason": "litigation", "at": "2026-11-18T09:00:00Z"}
    await client.send(f"{READMISSIONS}/{answers[0]['reference']}/withdrawals", body)
    assert await release_waiting(gateway.exchange) == 0


async def test_messages_of_a_waiting_case_follow_it(gateway: Gateway, client: UkClient) -> None:
    """France never hears of a case before its request: what is posted meanwhile leaves right after it."""
    await fill(client)
    first = await open_request(client)
    other = (await open_request(client))["message_id"]
    body = example_body("SupplementaryDocument-unprompted")
    path = f"{READMISSIONS}/{first['reference']}/documents"
    receipt = await client.send(path, body, attachments=parts_for(body))
    assert await status_of(client, receipt.message_id) == ("held", "quota.follows")
    await queued(gateway)
    await set_quota(gateway.exchange, R, 5, **WHO)
    assert await release_waiting(gateway.exchange) == 2
    gone = await queued(gateway)
    assert gone.index(first["message_id"]) < gone.index(receipt.message_id)
    assert set(gone) == {first["message_id"], receipt.message_id, other}


async def test_a_withdrawal_takes_the_request_out_of_the_queue(gateway: Gateway, client: UkClient) -> None:
    """It is cancelled with what follows it, and the next one moves up."""
    await fill(client)
    first = await open_request(client)
    (second,) = await fill(client, 1)
    body = {"type": "Withdrawal", "reason": "litigation", "at": "2026-11-18T09:00:00Z"}
    await client.send(f"{READMISSIONS}/{first['reference']}/withdrawals", body)
    assert await status_of(client, first["message_id"]) == ("cancelled", "withdrawn")
    await set_quota(gateway.exchange, R, 4, **WHO)
    assert await release_waiting(gateway.exchange) == 1
    assert await status_of(client, second) == ACCEPTED


async def test_what_has_become_impossible_is_refused(gateway: Gateway, client: UkClient) -> None:
    """A request that waited past the 14 days of Art 8 is refused with the rule, and its case ends."""
    await fill(client)
    waiting = await open_request(client)
    body = example_body("SupplementaryDocument-unprompted")
    path = f"{READMISSIONS}/{waiting['reference']}"
    follower = await client.send(f"{path}/documents", body, attachments=parts_for(body))
    gateway.clock.skip(dt.timedelta(days=8))
    assert await release_waiting(gateway.exchange) == 1
    code = "art8.request_in_time"
    assert await status_of(client, waiting["message_id"]) == ("rejected", code)
    assert await status_of(client, follower.message_id) == ("rejected", code)
    assert (await client.get(path)).json()["status"] == "rejected"
    assert "message.rejected" in await audit_actions(gateway, waiting["message_id"])
    assert await used(gateway, "2026-W48") == 0


async def test_nominations_have_a_quota_of_their_own(gateway: Gateway, client: UkClient) -> None:
    """Two nominations leave, the third waits; requests are not touched by it."""
    codes = [(await open_nomination(client))["code"] for _ in range(3)]
    assert codes == [None, None, "quota.nominations"]
    assert (await open_request(client))["code"] is None
    await set_quota(gateway.exchange, N, 3, **WHO)
    assert await release_waiting(gateway.exchange) == 1


async def test_an_operator_does_not_pass_over_the_queue(gateway: Gateway, client: UkClient) -> None:
    """Releasing is refused, cancelling is not; a cancelled request waits no more."""
    await fill(client)
    (waiting,) = await fill(client, 1)
    with pytest.raises(Conflict, match="quota"):
        await operator.release(gateway.exchange, waiting, **WHO)
    await operator.cancel(gateway.exchange, waiting, **WHO)
    await set_quota(gateway.exchange, R, 9, **WHO)
    assert await release_waiting(gateway.exchange) == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"persons": -1},
        {"persons": 100_001},
        {"persons": 5, "from_week": "2026-W46"},
        {"persons": 5, "from_week": "2026-W54"},
        {"persons": 5, "from_week": "next"},
        {"persons": 5, "reason": " "},
        {"persons": 5, "reason": "x" * 501},
    ],
)
async def test_a_quota_is_set_with_sense_and_reason(gateway: Gateway, wrong: dict[str, object]) -> None:
    """Numbers in bounds, weeks that exist and are not over, and always a reason; else nothing is kept."""
    with pytest.raises(InvalidParameter):
        await set_quota(gateway.exchange, R, **{**WHO, **wrong})  # type: ignore[arg-type]  # from a dict
    async with gateway.exchange.store.begin(read_only=True) as tx:
        assert await tx.quota_changes() == ()


async def test_the_body_of_a_waiting_request_is_kept_whole(gateway: Gateway, client: UkClient) -> None:
    """What waits is stored as it was posted; the message page shows it."""
    await fill(client)
    (waiting,) = await fill(client, 1)
    page = await client.message(waiting)
    assert page["message"]["body"]["persons"] == json.loads(json.dumps(request_body()["persons"]))
