"""Promise 1 at the level of the store: kill -9 at any instant loses nothing that was committed."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from gateway.core.audit import verify_chain
from gateway.core.records import EvidenceKind, MessageStatus
from gateway.flows.ports import MessageFilter
from gateway.store import SqlStore
from tests.fixtures.raw_sql import raw

ROOT = Path(__file__).parents[2]
KILLS = 15
SECONDS = 10
"""Per database; the fewer kills on a slow machine, but never under five."""


def _run_and_kill(url: str, delay: float) -> list[str]:
    """Starts the child, kills it ``delay`` seconds after its first commit; the lines it printed."""
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.crash.store_child", url],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    with child.stdout:
        first = child.stdout.readline()
        time.sleep(delay)
        child.kill()
        rest = child.stdout.read()
    assert child.wait() == -9
    lines = (first + rest).split("\n")
    return lines[:-1]  # the last one may be cut off


async def test_nothing_is_lost_when_the_process_is_killed(store: SqlStore, store_url: str) -> None:
    """After many kills at random points: every printed commit is there; message, outbox, evidence, attempt
    and audit rows agree for every message; the chain verifies; no message was delivered twice."""
    printed: Counter[str] = Counter()
    started, kills = time.monotonic(), 0
    while kills < 5 or (kills < KILLS and time.monotonic() - started < SECONDS):
        printed.update(_run_and_kill(store_url, random.uniform(0, 0.15)))
        kills += 1
    accepted = {line.split()[1] for line in printed if line.startswith("accepted")}
    delivered = {line.split()[1] for line in printed if line.startswith("delivered")}
    assert accepted
    assert delivered
    assert max(printed.values()) == 1

    queued = [str(row[0]) for row in await raw(store_url, "SELECT message_id FROM outbox")]
    assert len(queued) == len(set(queued))
    done: set[str] = set()
    waiting: set[str] = set()
    async with store.begin(read_only=True) as tx:
        messages = (await tx.list_messages(MessageFilter(), limit=100_000)).items
        entries = await tx.audit_entries(limit=200_000)
        for record in messages:
            assert (await tx.content(record.message_id)).reference == record.reference
            kinds = Counter(e.kind for e in await tx.evidence(record.message_id))
            tries = len(await tx.attempts(record.message_id))
            assert kinds[EvidenceKind.UK_REQUEST_JWS] == kinds[EvidenceKind.UK_RECEIPT_JWS] == 1
            if record.status is MessageStatus.DELIVERED:
                done.add(record.message_id)
                assert (kinds[EvidenceKind.NRR_RECEIPT], tries, record.attempts) == (1, 1, 1)
            else:
                waiting.add(record.message_id)
                assert (kinds[EvidenceKind.NRR_RECEIPT], tries, record.attempts) == (0, 0, 0)
    assert accepted <= done | waiting
    assert delivered <= done
    assert set(queued) == waiting
    verify_chain(entries)
    logged = Counter((e.action, e.subject) for e in entries)
    assert set(logged.values()) == {1}
    assert {s for a, s in logged if a == "message.accepted"} == done | waiting
    assert {s for a, s in logged if a == "message.delivered"} == done
