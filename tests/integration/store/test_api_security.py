"""The port's contract: token ids, Idempotency-Keys, breakers, retention of these."""

from __future__ import annotations

import asyncio

import pytest

from gateway.core.errors import IdempotencyKeyRunning
from gateway.core.records import Breaker, StoredAnswer
from gateway.flows.ports import KeyReused, Running
from gateway.store import SqlStore
from tests.fixtures.store_records import T0, accept, later, new_case

ANSWER = StoredAnswer(status=202, headers={"content-type": "application/json"}, body=b'{"a":1}\x00')


async def test_a_token_id_is_used_once(store: SqlStore) -> None:
    """Per client; a second use is refused, also in another transaction."""
    async with store.begin() as tx:
        assert await tx.use_jti("a", "1", later(300))
        assert not await tx.use_jti("a", "1", later(300))
        assert await tx.use_jti("b", "1", later(300))
    async with store.begin() as tx:
        assert not await tx.use_jti("a", "1", later(300))


async def test_of_many_at_once_one_token_id_passes(store: SqlStore) -> None:
    """Ten transactions with the same id: exactly one may go on."""

    async def use() -> bool:
        async with store.begin() as tx:
            return await tx.use_jti("a", "1", later(300))

    assert sum(await asyncio.gather(*(use() for _ in range(10)))) == 1


async def test_the_first_answer_is_given_again(store: SqlStore) -> None:
    """First, running, answered; another body under the same key is refused at every stage."""
    async with store.begin() as tx:
        assert await tx.begin_idempotent("a", "k", "digest", T0) is None
    async with store.begin() as tx:
        assert isinstance(await tx.begin_idempotent("a", "k", "digest", later(1)), Running)
        with pytest.raises(KeyReused):
            await tx.begin_idempotent("a", "k", "other", later(1))
        assert await tx.begin_idempotent("b", "k", "other", later(1)) is None
        await tx.finish_idempotent("a", "k", ANSWER)
    async with store.begin() as tx:
        assert await tx.begin_idempotent("a", "k", "digest", later(2)) == ANSWER
        with pytest.raises(KeyReused):
            await tx.begin_idempotent("a", "k", "other", later(2))


async def test_a_key_cut_off_by_a_crash_is_taken_over(store: SqlStore) -> None:
    """After five minutes, by one; if the first is alive after all, only one of both can commit."""
    async with store.begin() as tx:
        await tx.begin_idempotent("a", "k", "digest", T0)
        assert isinstance(await tx.begin_idempotent("a", "k", "digest", later(299)), Running)
        assert await tx.begin_idempotent("a", "k", "digest", later(300)) is None
        assert isinstance(await tx.begin_idempotent("a", "k", "digest", later(301)), Running)
        await tx.finish_idempotent("a", "k", ANSWER)
    case = new_case()

    async def late() -> None:
        async with store.begin() as tx:
            await accept(tx, case)
            await tx.finish_idempotent("a", "k", ANSWER)

    with pytest.raises(IdempotencyKeyRunning):
        await late()
    async with store.begin() as tx:
        assert await tx.get_case(case.reference) is None


async def test_purge_removes_what_has_expired(store: SqlStore) -> None:
    """Expired token ids and answers older than a day; nothing else."""
    async with store.begin() as tx:
        await tx.use_jti("a", "old", later(10))
        await tx.use_jti("a", "new", later(86_500))
        await tx.begin_idempotent("a", "old", "d", T0)
        await tx.begin_idempotent("a", "new", "d", later(100))
        assert await tx.purge(later(86_401)) == 2
        assert not await tx.use_jti("a", "new", later(86_500))
        assert isinstance(await tx.begin_idempotent("a", "new", "d", later(101)), Running)
        assert await tx.use_jti("a", "old", later(86_500))
        assert await tx.purge(later(86_401)) == 0


async def test_breakers_are_remembered(store: SqlStore) -> None:
    """Closed when unknown; the last state saved is the one read."""
    closed = Breaker(endpoint="e", consecutive_failures=0, opened_at=None, probe_at=None, paused=False)
    opened = Breaker(endpoint="e", consecutive_failures=5, opened_at=T0, probe_at=later(30), paused=True)
    async with store.begin() as tx:
        assert await tx.breaker("e") == closed
        await tx.save_breaker(opened)
        assert await tx.breaker("e") == opened
        await tx.save_breaker(closed)
        assert await tx.breaker("e") == closed
