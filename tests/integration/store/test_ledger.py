"""The port's contract: attempts, evidence and the audit chain, whose every change is found."""

from __future__ import annotations

import asyncio

import pytest

from gateway.core.audit import verify_chain
from gateway.core.errors import AuditChainBroken
from gateway.core.records import Attempt, Channel, Evidence, EvidenceKind
from gateway.store import SqlStore
from tests.fixtures.raw_sql import raw
from tests.fixtures.store_records import FRANCE, T0, accept, later, new_case


def attempt(message_id: str, number: int, channel: Channel = Channel.AS4) -> Attempt:
    return Attempt(
        message_id=message_id,
        channel=channel,
        endpoint=FRANCE,
        number=number,
        started_at=later(number),
        finished_at=later(number + 1),
        outcome="delivery.timed_out",
        http_status=None if number == 1 else 503,
        detail="no answer",
    )


async def test_attempts_are_kept_and_counted(store: SqlStore) -> None:
    """In their order; only AS4 attempts count in the record."""
    async with store.begin() as tx:
        record = await accept(tx, new_case())
        made = [
            attempt(record.message_id, 1),
            attempt(record.message_id, 2),
            attempt(record.message_id, 1, Channel.WEBHOOK),
        ]
        for one in made:
            await tx.add_attempt(one)
    async with store.begin(read_only=True) as tx:
        assert await tx.attempts(record.message_id) == tuple(made)
        counted = await tx.get_message(record.message_id)
        assert counted is not None
        assert counted.attempts == 2


async def test_evidence_is_kept_byte_for_byte(store: SqlStore) -> None:
    """In the order of adding, with every byte."""
    async with store.begin() as tx:
        record = await accept(tx, new_case())
        added = Evidence(
            message_id=record.message_id,
            kind=EvidenceKind.NRR_RECEIPT,
            media_type="application/soap+xml",
            content=bytes(range(256)),
            created_at=later(3),
        )
        await tx.add_evidence(added)
        found = await tx.evidence(record.message_id)
    assert [e.kind for e in found] == [
        EvidenceKind.UK_REQUEST_JWS,
        EvidenceKind.UK_RECEIPT_JWS,
        EvidenceKind.NRR_RECEIPT,
    ]
    assert found[2] == added


async def test_the_chain_holds_over_transactions(store: SqlStore) -> None:
    """Links of many transactions, several in one, data of every kind: the chain verifies and pages."""
    data = {"text": "é", "number": -3, "yes": True, "nothing": None}
    for i in range(4):
        async with store.begin() as tx:
            for subject in ("one", "two"):
                await tx.append_audit(at=later(i), actor="a", action="b", subject=subject, data=data)
    async with store.begin(read_only=True) as tx:
        entries = await tx.audit_entries()
        assert [e.sequence for e in entries] == list(range(1, 9))
        assert dict(entries[0].data) == data
        verify_chain(entries)
        assert await tx.audit_entries(after=3, limit=2) == entries[3:5]
        assert [e.sequence for e in await tx.audit_entries(subject="two", after=2)] == [4, 6, 8]


async def test_the_chain_is_linear_under_concurrency(store: SqlStore) -> None:
    """Forty transactions at once: no link is lost, doubled or branches off."""

    async def one(i: int) -> None:
        async with store.begin() as tx:
            await tx.append_audit(at=T0, actor="a", action="b", subject=str(i), data={})
            await tx.append_audit(at=T0, actor="a", action="c", subject=str(i), data={})

    await asyncio.gather(*(one(i) for i in range(40)))
    async with store.begin() as tx:
        entries = await tx.audit_entries()
    assert [e.sequence for e in entries] == list(range(1, 81))
    verify_chain(entries)
    assert all(a.subject == b.subject for a, b in zip(entries[::2], entries[1::2], strict=True))


CHANGES = {
    "sequence": "UPDATE audit SET sequence = 99 WHERE sequence = 2",
    "at": "UPDATE audit SET at = at + 1 WHERE sequence = 2",
    "actor": "UPDATE audit SET actor = 'b' WHERE sequence = 2",
    "action": "UPDATE audit SET action = 'x' WHERE sequence = 2",
    "subject": "UPDATE audit SET subject = 'x' WHERE sequence = 2",
    "data": """UPDATE audit SET data = '{"n":2}' WHERE sequence = 2""",
    "data that is no JSON": "UPDATE audit SET data = 'x' WHERE sequence = 2",
    "previous hash": "UPDATE audit SET previous_hash = hash WHERE sequence = 2",
    "hash": "UPDATE audit SET hash = previous_hash WHERE sequence = 2",
    "deleted": "DELETE FROM audit WHERE sequence = 2",
    "first deleted": "DELETE FROM audit WHERE sequence = 1",
}


@pytest.mark.parametrize("change", CHANGES)
async def test_every_change_of_the_log_is_found(store: SqlStore, store_url: str, change: str) -> None:
    """Any column of any row, a row removed: verification fails."""
    async with store.begin() as tx:
        for _ in range(3):
            await tx.append_audit(at=T0, actor="a", action="b", subject="c", data={"n": 1})
    async with store.begin() as tx:
        verify_chain(await tx.audit_entries())
    await raw(store_url, CHANGES[change].replace(":", r"\:"))
    async with store.begin() as tx:
        entries = await tx.audit_entries()
    with pytest.raises(AuditChainBroken):
        verify_chain(entries)
