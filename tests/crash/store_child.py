"""A process that accepts, claims and completes in a loop until it is killed.

After every commit it prints what it may now rely on: ``accepted <message id>`` or ``delivered <message id>``.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import sys

from gateway.core.records import Evidence, EvidenceKind, MessageStatus
from gateway.store import SqlStore, open_store
from tests.fixtures.databases import PlainKeys
from tests.fixtures.store_records import CLOCK, accept, attempted, new_case

LEASE = dt.timedelta(milliseconds=50)


async def accepting(store: SqlStore) -> None:
    while True:
        async with store.begin() as tx:
            record = await accept(tx, new_case(), at=CLOCK.now())
        print("accepted", record.message_id, flush=True)


async def delivering(store: SqlStore) -> None:
    while True:
        now = CLOCK.now()
        async with store.begin() as tx:
            entries = await tx.claim_due(now=now, limit=2, lease=LEASE)
        for entry in entries:
            async with store.begin() as tx:
                if not await tx.complete(entry):
                    continue
                await tx.add_attempt(attempted(entry.message_id, at=now))
                await tx.add_evidence(
                    Evidence(
                        message_id=entry.message_id,
                        kind=EvidenceKind.NRR_RECEIPT,
                        media_type="application/soap+xml",
                        content=b"receipt",
                        created_at=now,
                    )
                )
                await tx.update_message(
                    entry.message_id, at=now, status=MessageStatus.DELIVERED, receipt_verified=True
                )
                await tx.append_audit(
                    at=now, actor="worker", action="message.delivered", subject=entry.message_id, data={}
                )
            print("delivered", entry.message_id, flush=True)


async def main(url: str) -> None:
    store = open_store(url, keyring=PlainKeys())
    await asyncio.gather(accepting(store), accepting(store), delivering(store))


asyncio.run(main(sys.argv[1]))
