"""Actions on many messages, on both databases: what is safe, who must agree, what happens to each message."""

from __future__ import annotations

import asyncio

import pytest

from gateway.core.batches import BatchState, Seen, SetChanged
from gateway.core.errors import Conflict, Forbidden, InvalidParameter, NotFound
from gateway.core.records import Channel, MessageStatus
from gateway.core.resend import Action
from gateway.core.roles import Permission, Role, permissions
from gateway.flows import batch_run, batch_views, batches, operator
from gateway.flows.batch_preview import Selection, preview
from gateway.flows.endpoints import set_paused
from gateway.flows.once import AlreadyDone
from gateway.store import SqlStore
from tests.fixtures.actions import (
    NADIA,
    REASON,
    SAM,
    SUE,
    WHY,
    Somebody,
    StillClock,
    all_failed,
    approved,
    dead_letter,
    exchange_on,
    made,
    message_in,
    queued,
    receipted,
    results,
    running,
    seen_of,
    skip,
    statuses,
    tried,
    with_policy,
    withdrawal,
    work_off,
)
from tests.fixtures.store_records import new_case


async def test_outage_is_made_good_in_order(store: SqlStore) -> None:
    """Three dead letters of one case and one of another go out again, each once, in their order."""
    exchange = exchange_on(store)
    case = new_case()
    ids = [await dead_letter(exchange, case) for _ in range(3)] + [await dead_letter(exchange)]
    batch = await running(exchange)
    assert batch.state is BatchState.RUNNING
    await work_off(exchange)
    assert await statuses(exchange, ids) == ["accepted"] * 4
    assert await results(exchange, batch.batch_id) == [("done", None)] * 4
    rows = await queued(exchange)
    assert sorted(rows) == sorted([ids[0], ids[3]])  # heads of the two cases
    async with store.begin() as tx:
        assert (await batches.get(tx, batch.batch_id)).state is BatchState.DONE
        last = (await tx.audit_entries(subject=ids[0]))[-1]
        actions = [e.action for e in await tx.audit_entries(subject=batch.batch_id)]
    assert (last.action, last.data["batch"], last.actor) == ("message.replayed", batch.batch_id, NADIA.actor)
    assert actions == ["batch.created", "batch.approved", "batch.started", "batch.done"]


async def test_receipted_message_is_never_sent_again(store: SqlStore) -> None:
    """A dead letter whose receipt is stored is unsafe, in a batch and alone."""
    exchange = exchange_on(store)
    message_id = await dead_letter(exchange, outcome="delivery.timed_out", detail="")
    await receipted(exchange, message_id)
    (item,) = (await seen_of(exchange, all_failed())).items
    assert (item.verdict, item.why) == ("unsafe", "receipted")
    with pytest.raises(Conflict, match="none of these"):
        await made(exchange)
    with pytest.raises(Conflict, match="receipt"):
        await operator.replay(exchange, message_id, actor=NADIA.actor, reason=WHY)
    assert await queued(exchange) == []


async def test_receipt_between_confirmation_and_step_is_seen(store: SqlStore) -> None:
    """Each message is judged again when its turn comes."""
    exchange = exchange_on(store)
    first, second = await dead_letter(exchange), await dead_letter(exchange)
    batch = await running(exchange)
    await receipted(exchange, second)
    await work_off(exchange)
    assert await results(exchange, batch.batch_id) == [("done", None), ("skipped", "receipted")]
    assert await queued(exchange) == [first]


@pytest.mark.parametrize(
    ("attempt", "verdict", "why"),
    [
        ({}, "safe", "refused_before"),
        ({"detail": "the connection to the partner broke"}, "uncertain", "outcome_unknown"),
        ({"outcome": "delivery.timed_out", "detail": ""}, "uncertain", "outcome_unknown"),
        ({"outcome": "EBMS:0101", "http_status": 200, "detail": ""}, "safe", "refused_before"),
        ({"outcome": "EBMS:0004", "http_status": 200, "detail": ""}, "unsafe", "perhaps_taken"),
        ({"outcome": "EBMS:0301", "http_status": 200, "detail": ""}, "uncertain", "outcome_unknown"),
        (
            {"outcome": "as4.invalid_receipt", "http_status": 200, "detail": ""},
            "uncertain",
            "outcome_unknown",
        ),
        ({"outcome": "as4.policy_noncompliance", "detail": ""}, "safe", "refused_before"),
    ],
)
async def test_verdict_follows_the_attempts(
    store: SqlStore, attempt: dict[str, object], verdict: str, why: str
) -> None:
    """What the attempts prove decides whether France may have the message."""
    exchange = exchange_on(store)
    await dead_letter(exchange, **attempt)
    (item,) = (await seen_of(exchange, all_failed())).items
    assert (item.verdict, item.why) == (verdict, why)


@pytest.mark.parametrize("attempt", [{}, {"outcome": "delivery.timed_out", "detail": ""}])
async def test_withdrawal_is_never_stopped_with_others(store: SqlStore, attempt: dict[str, object]) -> None:
    """It would put somebody on a plane: left alone and named in a batch, also one that waits in the outbox.
    Sent again it is like any other."""
    exchange = exchange_on(store)
    other = await dead_letter(exchange)
    failed = await dead_letter(exchange, body=withdrawal(exchange), **attempt)
    async with store.begin() as tx:
        case = new_case()
        waits = (await message_in(tx, exchange, case, body=withdrawal(exchange))).message_id
    ids = Selection(ids=(other, failed, waits))
    planned = (await seen_of(exchange, ids, Action.CANCEL)).items
    assert {item.message_id: (item.verdict, item.why) for item in planned} == {
        other: ("safe", "refused_before"),
        failed: ("unsafe", "withdraws"),
        waits: ("unsafe", "withdraws"),
    }
    batch = await running(exchange, selection=ids, action=Action.CANCEL)
    await work_off(exchange)
    assert sorted(await results(exchange, batch.batch_id)) == [
        ("done", None),
        ("skipped", "withdraws"),
        ("skipped", "withdraws"),
    ]
    assert await statuses(exchange, [other, failed, waits]) == ["cancelled", "failed", "accepted"]
    again = (await seen_of(exchange, Selection(ids=(failed,)))).items
    assert [item.verdict for item in again] == ["uncertain" if attempt else "safe"]


async def test_what_is_not_a_dead_letter_is_left_alone(store: SqlStore) -> None:
    """Waiting, held, delivered, cancelled, rejected, withdrawn, deleted: each is unsafe and says why."""
    exchange = exchange_on(store)
    wanted = {}
    for status, why in [
        (MessageStatus.ACCEPTED, "under_way"),
        (MessageStatus.HELD, "held"),
        (MessageStatus.DELIVERED, "receipted"),
        (MessageStatus.ACKNOWLEDGED, "receipted"),
        (MessageStatus.CANCELLED, "cancelled"),
        (MessageStatus.REJECTED, "rejected"),
    ]:
        async with store.begin() as tx:
            record = await message_in(tx, exchange, new_case())
            await tx.update_message(record.message_id, at=exchange.clock.now(), status=status)
        wanted[record.message_id] = why
    case = new_case()
    withdrawn = await dead_letter(exchange, case)
    gone = new_case()
    deleted = await dead_letter(exchange, gone)
    async with store.begin() as tx:
        await tx.set_case_status(case.reference, "withdrawn", exchange.clock.now())
        assert await tx.destroy_case_key(gone.reference, at=exchange.clock.now())
    wanted |= {withdrawn: "withdrawn", deleted: "deleted"}
    shown = await seen_of(exchange, Selection(ids=tuple(wanted)))
    assert {i.message_id: i.why for i in shown.items} == wanted
    assert shown.to_do == 0


async def test_changed_set_is_refused_with_what_changed(store: SqlStore) -> None:
    """A new dead letter between preview and confirmation is named, and nothing is made."""
    exchange = exchange_on(store)
    await dead_letter(exchange)
    shown = await seen_of(exchange, all_failed())
    skip(exchange, 1)
    late = await dead_letter(exchange)
    with pytest.raises(SetChanged) as caught:
        await made(exchange, seen=Seen.parse(str(shown.seen)))
    assert caught.value.changed == (late,)
    assert (caught.value.before, caught.value.now) == (1, 2)
    assert (await batch_views.list_batches(exchange))[0] == []


async def test_message_that_left_the_set_changes_it(store: SqlStore) -> None:
    """One that was sent again meanwhile is no part of the set any more."""
    exchange = exchange_on(store)
    first = await dead_letter(exchange)
    await dead_letter(exchange)
    shown = await seen_of(exchange, all_failed())
    await operator.replay(exchange, first, actor=NADIA.actor, reason=WHY)
    with pytest.raises(SetChanged) as caught:
        await made(exchange, seen=shown.seen)
    assert (caught.value.before, caught.value.now) == (2, 1)


async def test_preview_changes_nothing(store: SqlStore) -> None:
    """A dry run leaves messages, outbox and audit as they were."""
    exchange = exchange_on(store)
    ids = [await dead_letter(exchange) for _ in range(2)]
    async with store.begin() as tx:
        before = len(await tx.audit_entries())
    shown = await seen_of(exchange, all_failed())
    assert shown.counts["verdict"] == {"safe": 2, "uncertain": 0, "unsafe": 0}
    assert shown.counts["status"] == {"failed": 2}
    assert shown.second_person
    async with store.begin() as tx:
        assert len(await tx.audit_entries()) == before
    assert await statuses(exchange, ids) == ["failed"] * 2


async def test_second_person_is_another_one_with_the_permission(store: SqlStore) -> None:
    """Nobody approves their own batch, nor without the permission; before that it cannot start."""
    exchange = exchange_on(store)
    ids = [await dead_letter(exchange) for _ in range(2)]
    batch = await made(exchange, by=SUE)
    assert batch.state is BatchState.WAITING
    with pytest.raises(Conflict):
        await batches.start(exchange, batch.batch_id, by=NADIA, reason=WHY)
    for person, error in [(SUE, "another person"), (NADIA, "permission")]:
        with pytest.raises(Forbidden, match=error):
            await approved(exchange, batch, by=person)
    assert (await approved(exchange, batch, by=SAM)).approved_by == SAM.actor
    await batches.start(exchange, batch.batch_id, by=NADIA, reason=WHY)
    await work_off(exchange)
    assert await statuses(exchange, ids) == ["accepted"] * 2


async def test_second_person_approves_what_is_true_now(store: SqlStore) -> None:
    """When a message has changed since the approver looked, the approval does not count."""
    exchange = exchange_on(store)
    ids = [await dead_letter(exchange) for _ in range(2)]
    batch = await made(exchange)
    seen = (await batches.look_again(exchange, batch.batch_id)).seen
    await receipted(exchange, ids[0])
    with pytest.raises(SetChanged):
        await batches.approve(exchange, batch.batch_id, by=SUE, reason=WHY, seen=seen)
    await approved(exchange, batch)


async def test_threshold_is_configured(store: SqlStore) -> None:
    """Up to the count one person is enough; above it, two."""
    exchange = with_policy(exchange_on(store), second_person_above=2)
    await dead_letter(exchange)
    await dead_letter(exchange)
    assert not (await seen_of(exchange, all_failed())).second_person
    await dead_letter(exchange)
    assert (await seen_of(exchange, all_failed())).second_person


async def test_new_batch_starts_paused(store: SqlStore) -> None:
    """Until somebody starts it, nothing is done."""
    exchange = exchange_on(store)
    message_id = await dead_letter(exchange)
    batch = await made(exchange)
    assert batch.state is BatchState.PAUSED
    assert await batch_run.step(exchange) is None
    assert await statuses(exchange, [message_id]) == ["failed"]


async def test_pause_and_stop_keep_what_was_done(store: SqlStore) -> None:
    """After a pause it goes on where it was; after a stop the rest is left alone for good."""
    exchange = exchange_on(store)
    ids = [await dead_letter(exchange) for _ in range(3)]
    batch = await running(exchange)
    await batch_run.step(exchange)
    await batches.pause(exchange, batch.batch_id, by=NADIA, reason=WHY)
    skip(exchange, 1)
    assert await batch_run.step(exchange) is None
    assert await statuses(exchange, ids) == ["accepted", "failed", "failed"]
    await batches.start(exchange, batch.batch_id, by=NADIA, reason=WHY)
    await batch_run.step(exchange)
    await batches.stop(exchange, batch.batch_id, by=NADIA, reason=WHY)
    skip(exchange, 1)
    assert await batch_run.step(exchange) is None
    assert await statuses(exchange, ids) == ["accepted", "accepted", "failed"]
    with pytest.raises(Conflict):
        await batches.start(exchange, batch.batch_id, by=NADIA, reason=WHY)
    (free,) = (await seen_of(exchange, all_failed())).items  # a stopped batch holds nothing
    assert free.verdict == "safe"


async def test_two_batches_do_not_hold_one_message(store: SqlStore) -> None:
    """What waits in one batch is unsafe for another."""
    exchange = exchange_on(store)
    await dead_letter(exchange)
    await made(exchange)
    (item,) = (await seen_of(exchange, all_failed())).items
    assert (item.verdict, item.why) == ("unsafe", "in_batch")


async def test_rate_is_bounded(store: SqlStore) -> None:
    """At two a second the next message waits half a second, whoever looks."""
    exchange = with_policy(exchange_on(store, clock=StillClock()), per_second=2.0)
    ids = [await dead_letter(exchange) for _ in range(2)]
    await running(exchange)
    assert await batch_run.step(exchange) == pytest.approx(0.5)
    for left, passes in ((0.5, 0.2), (0.3, 0.2), (0.1, 0.09)):
        assert await batch_run.step(exchange) == pytest.approx(left)
        skip(exchange, passes)
    assert await statuses(exchange, ids) == ["accepted", "failed"]
    skip(exchange, 0.01)
    await batch_run.step(exchange)
    assert await statuses(exchange, ids) == ["accepted", "accepted"]


async def test_open_circuit_holds_a_replay_back(store: SqlStore) -> None:
    """Nothing is sent again into an endpoint that is down or paused; cancelling goes on."""
    exchange = exchange_on(store)
    message_id = await dead_letter(exchange)
    await running(exchange)
    paused = {"actor": SUE.actor, "reason": WHY}
    await set_paused(exchange, exchange.french_party, paused=True, **paused)
    assert await batch_run.step(exchange) == batch_run.CIRCUIT_S
    assert await statuses(exchange, [message_id]) == ["failed"]
    await set_paused(exchange, exchange.french_party, paused=False, **paused)
    await work_off(exchange)
    assert await statuses(exchange, [message_id]) == ["accepted"]


async def test_many_are_cancelled(store: SqlStore) -> None:
    """Waiting messages and dead letters are stopped; one whose outcome became uncertain is left alone."""
    exchange = exchange_on(store)
    async with store.begin() as tx:
        waiting = (await message_in(tx, exchange, new_case())).message_id
    dead, changing = await dead_letter(exchange), await dead_letter(exchange)
    batch = await running(exchange, selection=Selection(ids=(waiting, dead, changing)), action=Action.CANCEL)
    async with store.begin() as tx:
        await tried(tx, exchange, changing, outcome="delivery.timed_out", detail="")
    await work_off(exchange)
    assert await statuses(exchange, [waiting, dead, changing]) == ["cancelled", "cancelled", "failed"]
    assert await results(exchange, batch.batch_id) == [("done", None), ("done", None), ("skipped", "changed")]
    assert await queued(exchange) == []


async def test_message_on_the_wire_is_not_cancelled(store: SqlStore) -> None:
    """A row under a live lease may be arriving at this moment."""
    exchange = exchange_on(store)
    async with store.begin() as tx:
        message_id = (await message_in(tx, exchange, new_case())).message_id
    async with store.begin() as tx:
        now = exchange.clock.now()
        assert await tx.seize(message_id, Channel.AS4, until=now.replace(year=now.year + 1))
    (item,) = (await seen_of(exchange, Selection(ids=(message_id,)), Action.CANCEL)).items
    assert (item.verdict, item.why) == ("unsafe", "under_way")


async def test_form_sent_twice_makes_one_batch(store: SqlStore) -> None:
    """The id chosen with the form is the batch's: the second time it is the same; it is nobody else's."""
    exchange = exchange_on(store)
    await dead_letter(exchange)
    shown = await seen_of(exchange, all_failed())
    batch_id = exchange.clock.new_id()
    first = await made(exchange, batch_id=batch_id, seen=shown.seen)
    second = await made(exchange, batch_id=batch_id, seen=shown.seen)
    assert first.batch_id == second.batch_id == batch_id
    with pytest.raises(Conflict):
        await made(exchange, batch_id=batch_id, seen=shown.seen, by=SAM)
    assert len((await batch_views.list_batches(exchange))[0]) == 1


async def test_form_sent_twice_acts_once(store: SqlStore) -> None:
    """Start, pause, replay and cancel with one token take effect once."""
    exchange = exchange_on(store)
    message_id = await dead_letter(exchange)
    await operator.replay(exchange, message_id, actor=NADIA.actor, reason=WHY, once="token-1")
    with pytest.raises(AlreadyDone):
        await operator.replay(exchange, message_id, actor=NADIA.actor, reason=WHY, once="token-1")
    await operator.cancel(exchange, message_id, actor=NADIA.actor, reason=WHY, once="token-2")
    await dead_letter(exchange)
    batch = await made(exchange)
    await batches.start(exchange, batch.batch_id, by=NADIA, reason=WHY, once="token-3")
    with pytest.raises(AlreadyDone):
        await batches.start(exchange, batch.batch_id, by=NADIA, reason=WHY, once="token-3")


async def test_failed_action_leaves_its_token(store: SqlStore) -> None:
    """What was refused can be sent again after the cause is gone."""
    exchange = exchange_on(store)
    async with store.begin() as tx:
        message_id = (await message_in(tx, exchange, new_case())).message_id
    with pytest.raises(Conflict):
        await operator.replay(exchange, message_id, actor=NADIA.actor, reason=WHY, once="t")
    await operator.cancel(exchange, message_id, actor=NADIA.actor, reason=WHY, once="t")


@pytest.mark.parametrize("role", list(Role))
async def test_permissions(store: SqlStore, role: Role) -> None:
    """Each role may do what its permissions say, and nothing else."""
    exchange = exchange_on(store)
    ids = [await dead_letter(exchange) for _ in range(2)]
    person = Somebody("who", frozenset({role}))
    batch = await made(exchange, Selection(ids=tuple(ids)))
    allowed = permissions({role})

    async def may(action: str) -> bool:
        try:
            if action == "create":
                await made(exchange, Selection(ids=(await dead_letter(exchange),)), by=person)
            elif action == "approve":
                await approved(exchange, batch, by=person)
            else:
                await getattr(batches, action)(exchange, batch.batch_id, by=person, reason=WHY)
        except Forbidden:
            return False
        return True

    assert await may("approve") is (Permission.APPROVE in allowed)
    if Permission.APPROVE not in allowed:
        await approved(exchange, batch)
    assert [await may(a) for a in ("create", "start", "pause", "stop")] == [Permission.ACT in allowed] * 4


async def test_every_step_needs_a_reason(store: SqlStore) -> None:
    """Approval, start, pause and stop say why; so does a batch."""
    exchange = exchange_on(store)
    await dead_letter(exchange)
    batch = await made(exchange)
    for change in (batches.start, batches.pause, batches.stop):
        with pytest.raises(InvalidParameter):
            await change(exchange, batch.batch_id, by=NADIA, reason=" ")
    with pytest.raises(InvalidParameter):
        type(REASON)(code=REASON.code, text="")


async def test_size_of_a_batch_is_bounded(store: SqlStore) -> None:
    """More than the greatest number is refused, by filter and by ids; so is a message that is not there."""
    exchange = with_policy(exchange_on(store), most=2)
    ids = [await dead_letter(exchange) for _ in range(3)]
    for selection in (all_failed(), Selection(ids=tuple(ids))):
        with pytest.raises(InvalidParameter):
            await preview(exchange, selection, Action.REPLAY)
    with pytest.raises(NotFound):
        await preview(exchange, Selection(ids=(exchange.clock.new_id(),)), Action.REPLAY)


async def test_old_batch_is_not_started(store: SqlStore) -> None:
    """What was decided more than a week ago has passed."""
    exchange = exchange_on(store)
    await dead_letter(exchange)
    batch = await made(exchange)
    skip(exchange, 8 * 86_400)
    with pytest.raises(Conflict, match="older"):
        await batches.start(exchange, batch.batch_id, by=NADIA, reason=WHY)


async def test_bug_pauses_the_batch_and_is_its_result(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unknown exception rolls back, is noted at the message, and nobody goes on without looking."""
    exchange = exchange_on(store)
    ids = [await dead_letter(exchange) for _ in range(2)]
    batch = await running(exchange)

    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a bug")

    with monkeypatch.context() as patched:
        patched.setattr(batch_run, "act_on", broken)
        with pytest.raises(RuntimeError):
            await batch_run.step(exchange)
    assert await results(exchange, batch.batch_id) == [("failed", "internal"), ("pending", None)]
    assert (await batch_views.show_batch(exchange, batch.batch_id))["state"] == "paused"
    await batches.start(exchange, batch.batch_id, by=NADIA, reason=WHY)
    skip(exchange, 1)
    await work_off(exchange)
    assert await statuses(exchange, ids) == ["failed", "accepted"]


async def test_content_deleted_between_judging_and_acting(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A content that is gone is the result of its message; the batch goes on."""
    exchange = exchange_on(store)
    await dead_letter(exchange)
    await dead_letter(exchange)
    batch = await running(exchange)

    async def gone(*_: object, **__: object) -> None:
        raise LookupError("retention was faster")

    with monkeypatch.context() as patched:
        patched.setattr(batch_run, "act_on", gone)
        await batch_run.step(exchange)
    skip(exchange, 1)
    await work_off(exchange)
    assert await results(exchange, batch.batch_id) == [("failed", "deleted"), ("done", None)]


async def test_two_nodes_take_each_message_once(store: SqlStore) -> None:
    """Many steps at the same time: every message is taken once, in order."""
    exchange = exchange_on(store)
    case = new_case()
    ids = [await dead_letter(exchange, case) for _ in range(12)]
    batch = await running(exchange)

    async def node() -> None:
        for _ in range(1000):
            wait = await batch_run.step(exchange)
            if wait is None:
                return
            await asyncio.sleep(wait)

    await asyncio.gather(*(node() for _ in range(4)))
    assert await results(exchange, batch.batch_id) == [("done", None)] * 12
    async with store.begin() as tx:
        replays = [e.subject for e in await tx.audit_entries(limit=500) if e.action == "message.replayed"]
    assert replays == ids


async def test_views_say_what_is_possible(store: SqlStore) -> None:
    """The shown batch has its results, what may be done next, and, waiting, the digest to approve."""
    exchange = exchange_on(store)
    ids = [await dead_letter(exchange) for _ in range(3)]
    batch = await made(exchange)
    shown = await batch_views.show_batch(exchange, batch.batch_id, limit=2)
    assert shown["possible"] == ["approve", "stop"]
    assert [i["message_id"] for i in shown["items"]] == ids[:2]
    assert shown["next_after"] == 1
    rest = await batch_views.show_batch(exchange, batch.batch_id, after=1)
    assert [i["message_id"] for i in rest["items"]] == ids[2:]
    seen = Seen.parse(shown["now"]["digest"])
    await batches.approve(exchange, batch.batch_id, by=SUE, reason=WHY, seen=seen)
    (row,), after = await batch_views.list_batches(exchange, limit=1)
    assert (row["state"], row["approved_by"], after) == ("paused", SUE.actor, None)
