"""No order of replays, receipts, crashes, pauses and second persons sends again what France has receipted, or
acts without the second person. A real SQLite store; France and the worker are played by hypothesis."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Coroutine
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.core.batches import LIVE, BatchState, Result, SetChanged
from gateway.core.errors import Conflict, Forbidden
from gateway.core.records import Channel, MessageStatus
from gateway.core.resend import Action
from gateway.flows import batch_run, batches, operator
from gateway.flows.batch_preview import Selection, preview
from gateway.flows.exchange import Exchange
from gateway.flows.ports import Transaction
from gateway.flows.ports_actions import BatchRecord
from gateway.store import migrate, open_store
from tests.fixtures.actions import (
    FAST,
    NADIA,
    REASON,
    SAM,
    SUE,
    WHY,
    Somebody,
    all_failed,
    exchange_on,
    message_in,
    receipted,
    skip,
    tried,
)
from tests.fixtures.databases import PlainKeys
from tests.fixtures.store_records import new_case

LEASE = dt.timedelta(seconds=10)
people = st.sampled_from([NADIA, SUE, SAM])
places = st.integers(min_value=0, max_value=3)


@cache
def template() -> Path:
    path = Path(tempfile.mkdtemp(prefix="batches-template-")) / "store.db"
    migrate(f"sqlite:///{path}")
    return path


class Crash(Exception):
    """The process dies before the commit."""


class Dying:
    """A store whose next writing transaction never commits."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    @asynccontextmanager
    async def begin(self, *, read_only: bool = False) -> AsyncIterator[Transaction]:
        async with self._store.begin(read_only=read_only) as tx:
            yield tx
            if not read_only:
                raise Crash


class Life:
    """``receipts``: messages whose receipt we have stored. ``france``: what arrived there, how often."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="batches-"))
        shutil.copyfile(template(), self.folder / "store.db")
        self.runner = asyncio.Runner()
        self.ids: list[str] = []
        self.receipts: set[str] = set()
        self.france: dict[str, int] = {}
        self.batch: BatchRecord | None = None
        self.approvals: set[str] = set()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work)

    def open(self) -> None:
        async def opened() -> Exchange:
            return exchange_on(open_store(f"sqlite:///{self.folder}/store.db", keyring=PlainKeys()), FAST)

        self.exchange: Exchange = self.run(opened())
        self.case = new_case()
        for outcome in ("lost", "no connection", "lost"):
            self.play_post()
            self.play_send(outcome)

    def teardown(self) -> None:
        if hasattr(self, "exchange"):
            self.run(self.exchange.store.close())
        self.runner.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    # ---- messages, worker, France

    def play_post(self) -> None:
        async def work() -> None:
            async with self.exchange.store.begin() as tx:
                if len(self.ids) < 6:
                    known = bool(self.ids)
                    record = await message_in(tx, self.exchange, self.case, new=not known)
                    self.ids.append(record.message_id)

        self.run(work())

    def play_send(self, outcome: str) -> None:
        """The worker takes one row: what it sends must not have been receipted."""

        async def work() -> None:
            exchange = self.exchange
            async with exchange.store.begin() as tx:
                rows = await tx.claim_due(now=exchange.clock.now(), limit=1, lease=LEASE)
            for row in rows:
                assert row.message_id not in self.receipts, "sent although its receipt is stored"
                if outcome in {"delivered", "lost", "dies after"}:
                    self.france[row.message_id] = self.france.get(row.message_id, 0) + 1
                if outcome.startswith("dies"):
                    continue
                now = exchange.clock.now()
                if outcome == "delivered":
                    await receipted(exchange, row.message_id)
                    self.receipts.add(row.message_id)
                async with exchange.store.begin() as tx:
                    if outcome == "lost":
                        await tried(tx, exchange, row.message_id, outcome="delivery.timed_out", detail="")
                    elif outcome == "no connection":
                        await tried(tx, exchange, row.message_id)
                    status = MessageStatus.DELIVERED if outcome == "delivered" else MessageStatus.FAILED
                    await tx.update_message(row.message_id, at=now, status=status)
                    assert await tx.complete(row)

        self.run(work())

    def time_passes(self) -> None:
        skip(self.exchange, LEASE.total_seconds() + 1)

    def play_receipt(self, place: int) -> None:
        """France's receipt for a dead letter that had arrived is found and stored."""
        if place < len(self.ids) and self.france.get(self.ids[place]):
            message_id = self.ids[place]

            async def work() -> None:
                async with self.exchange.store.begin(read_only=True) as tx:
                    row = await tx.waiting(message_id, Channel.AS4)
                if row is None:
                    await receipted(self.exchange, message_id)
                    self.receipts.add(message_id)

            self.run(work())

    # ---- operators

    def play_one(self, action: Any, place: int, once: str | None) -> None:
        if place < len(self.ids):
            self.allow(action(self.exchange, self.ids[place], actor=NADIA.actor, reason=WHY, once=once))

    def allow(self, work: Awaitable[Any]) -> Any:
        """None when it is refused, as it may be."""

        async def tried_out() -> Any:
            try:
                return await work
            except (Conflict, Forbidden):
                return None

        return self.run(tried_out())

    def selection(self, action: Action) -> Selection:
        return all_failed() if action is Action.REPLAY else Selection(ids=tuple(self.ids))

    def plan(
        self, by: Somebody, action: Action, meanwhile: str, place: int, second: Somebody | None, times: int
    ) -> None:
        """Look, and confirm after something may have happened; perhaps approve; start; some steps."""
        if self.batch is None or self._state() not in LIVE:
            self.play_plan(by, action, meanwhile, place)
        if second is not None:
            self.play_approval(second)
        self.play_change(batches.start, by)
        self.play_steps(times, False)

    def play_plan(self, by: Somebody, action: Action, meanwhile: str, place: int) -> None:
        """Possible exactly when the set is still the one that was looked at and something is to do."""
        seen = self.run(preview(self.exchange, self.selection(action), action)).seen
        if meanwhile == "receipt":
            self.play_receipt(place)
        elif meanwhile == "replay":
            self.play_one(operator.replay, place, None)
        elif meanwhile == "post":
            self.play_post()

        async def work() -> BatchRecord | None:
            now = await preview(self.exchange, self.selection(action), action)
            try:
                made = await batches.create(
                    self.exchange, self.selection(action), action, by=by, reason=REASON, seen=seen
                )
            except SetChanged:
                assert now.seen.digest != seen.digest
                return None
            except Conflict:
                assert now.to_do == 0
                return None
            assert now.seen.digest == seen.digest
            assert made.second_person is (made.to_do > FAST.second_person_above)
            return made

        made = self.run(work())
        if made is not None:
            self.batch, self.approvals = made, set()

    def play_approval(self, by: Somebody) -> None:
        if self.batch is None:
            return
        batch = self.batch

        async def work() -> BatchRecord:
            seen = (await batches.look_again(self.exchange, batch.batch_id)).seen
            return await batches.approve(self.exchange, batch.batch_id, by=by, reason=WHY, seen=seen)

        if self.allow(work()) is not None:
            assert by.actor != batch.created_by
            assert by is not NADIA
            self.approvals.add(by.actor)

    def play_change(self, event: Any, by: Somebody) -> None:
        if self.batch is not None:
            self.allow(event(self.exchange, self.batch.batch_id, by=by, reason=WHY))

    def play_steps(self, times: int, dies: bool) -> None:
        for _ in range(times):
            skip(self.exchange, 0.01)
            self.run(self._step(dies=dies))

    async def _step(self, *, dies: bool) -> None:
        if not dies:
            await batch_run.step(self.exchange)
            return
        before = await self._pending()
        dying = dataclasses.replace(self.exchange, store=Dying(self.exchange.store))
        try:
            await batch_run.step(dying)
        except Crash:
            assert await self._pending() == before  # nothing was half done

    async def _pending(self) -> list[tuple[str, str]]:
        if self.batch is None:
            return []
        async with self.exchange.store.begin(read_only=True) as tx:
            items = await tx.batch_items(self.batch.batch_id, limit=100)
            records = [await tx.get_message(i.planned.message_id) for i in items]
        return [
            (i.result.value, r.status.value) for i, r in zip(items, records, strict=True) if r is not None
        ]

    def _state(self) -> BatchState:
        async def work() -> BatchState:
            assert self.batch is not None
            async with self.exchange.store.begin(read_only=True) as tx:
                return (await batches.get(tx, self.batch.batch_id)).state

        state: BatchState = self.run(work())
        return state

    # ---- what always holds

    def one_row_for_each_message(self) -> None:
        """A message is never in the outbox twice, and never with its receipt stored."""
        if not hasattr(self, "exchange"):
            return

        async def work() -> None:
            async with self.exchange.store.begin(read_only=True) as tx:
                rows = [i for i in self.ids if await tx.waiting(i, Channel.AS4) is not None]
                backlog = await tx.backlog()
            assert backlog.get(self.exchange.french_party, 0) == len(rows)
            assert not self.receipts & set(rows)

        self.run(work())

    def nothing_is_done_without_the_second_person(self) -> None:
        """As long as nobody approved, a batch that needs it has done nothing."""
        if self.batch is None or not self.batch.second_person or self.approvals:
            return

        async def work() -> None:
            assert self.batch is not None
            async with self.exchange.store.begin(read_only=True) as tx:
                counts = await tx.batch_counts(self.batch.batch_id)
            assert counts[Result.DONE] == 0

        self.run(work())


OUTCOMES = ("delivered", "lost", "no connection", "dies", "dies after")
ONE = st.sampled_from([operator.replay, operator.replay, operator.cancel])
STEPS = st.one_of(
    st.tuples(
        st.just("plan"),
        people,
        st.sampled_from([Action.REPLAY, Action.REPLAY, Action.CANCEL]),
        st.sampled_from(["nothing", "nothing", "receipt", "replay", "post"]),
        places,
        st.sampled_from([None, SUE, SAM]),
        st.integers(0, 3),
    ),
    st.tuples(st.just("play_steps"), st.integers(1, 3), st.booleans()),
    st.tuples(st.just("play_send"), st.sampled_from(OUTCOMES)),
    st.tuples(st.just("play_receipt"), places),
    st.tuples(st.just("play_one"), ONE, places, st.sampled_from(["a", None, None])),
    st.tuples(st.just("play_change"), st.sampled_from([batches.pause, batches.stop]), people),
    st.tuples(st.just("play_approval"), people),
    st.tuples(st.just("play_post")),
    st.tuples(st.just("time_passes")),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(STEPS, min_size=8, max_size=20))
def test_no_order_sends_twice(steps: list[tuple[Any, ...]]) -> None:
    """After every step: no message is in the outbox twice or with its receipt stored, a batch that needs a
    second person has done nothing without one, and what dies before its commit has done nothing."""
    life = Life()
    try:
        life.open()
        for name, *arguments in steps:
            getattr(life, name)(*arguments)
            life.one_row_for_each_message()
            life.nothing_is_done_without_the_second_person()
    finally:
        life.teardown()
