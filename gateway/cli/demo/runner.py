"""Runs the demo from an empty folder to its report."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from gateway.bootstrap import Instance, Running, serving
from gateway.cli.demo.stage import CLIENT, Folders, choose_ports, make_people, ministry_process, prepare
from gateway.cli.demo.story import Stage, StoryFailed, acknowledge_inbox, play
from gateway.cli.setup import CLIENT_KEYS, client_signer
from gateway.core import audit
from gateway.core.errors import AuditChainBroken
from gateway.core.records import AuditEntry, MessageRecord, MessageStatus
from gateway.flows.ports import MessageFilter
from gateway.uk_client import UkClient

SETTLE_SECONDS = 30.0
FINAL = {
    MessageStatus.ACKNOWLEDGED,
    MessageStatus.REJECTED,
    MessageStatus.FAILED,
    MessageStatus.CANCELLED,
}
HOSTILE_MESSAGES = 2
"""What the privacy scenario sends: a name, and an AGDREF number."""

Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """What the caller shows while the demo stays up."""

    folders: Folders
    console_url: str
    report: Json


def is_final(record: MessageRecord) -> bool:
    """An Acknowledgement is final when delivered: nobody acknowledges an acknowledgement."""
    if record.type == "Acknowledgement" and record.status is MessageStatus.DELIVERED:
        return True
    return record.status in FINAL


async def _all_messages(running: Running) -> tuple[MessageRecord, ...]:
    async with running.store.begin(read_only=True) as tx:
        return (await tx.list_messages(MessageFilter(), limit=500, newest_first=False)).items


async def _settled(running: Running) -> tuple[MessageRecord, ...]:
    """All messages, once every one is final (or when the time for that is over)."""
    end = asyncio.get_running_loop().time() + SETTLE_SECONDS
    while True:
        records = await _all_messages(running)
        if all(map(is_final, records)) or asyncio.get_running_loop().time() > end:
            return records
        await asyncio.sleep(0.1)


async def _ministry_status(control_url: str) -> Json:
    async with aiohttp.ClientSession() as session, session.get(f"{control_url}/status") as answer:
        status: Json = await answer.json()
        return status


async def _audit_holds(running: Running) -> bool:
    entries: list[AuditEntry] = []
    async with running.store.begin(read_only=True) as tx:
        while batch := await tx.audit_entries(after=entries[-1].sequence if entries else 0):
            entries += batch
    try:
        audit.verify_chain(entries)
    except AuditChainBroken:
        return False
    return bool(entries)


def _message_row(record: MessageRecord, sent_by_france: dict[str, Json]) -> Json:
    theirs = sent_by_france.get(record.message_id)
    return {
        "id": record.message_id,
        "type": record.type.value,
        "direction": record.direction.value,
        "reference": record.reference,
        "status": record.status.value,
        "attempts": theirs["attempts"] if theirs else record.attempts,
        "receipt_verified": theirs["receipt_verified"] if theirs else record.receipt_verified,
    }


async def report(running: Running, stage: Stage) -> Json:
    """What was proven. ``ok`` only when every message is final, every message that left has a verified
    receipt, every case ended as it should, France counts every message once, every hostile message was
    refused, and the audit chain holds."""
    records = await _settled(running)
    ministry = await _ministry_status(stage.control_url)
    sent_by_france = {row["message_id"]: row for row in ministry["sent"]}
    hostile = [row for row in ministry["sent"] if row["hostile"]]
    messages = [_message_row(r, sent_by_france) for r in records]
    async with running.store.begin(read_only=True) as tx:
        cases = [
            {
                "reference": c.reference,
                "kind": c.kind.value,
                "status": c.status,
                "story": stage.names[c.reference],
            }
            for c in (await tx.list_cases(limit=200)).items
        ]
    received = [row["message_id"] for row in ministry["received"]]
    checks = {
        "every_message_final": all(map(is_final, records)) and bool(records),
        "no_message_failed": not any(r.status is MessageStatus.FAILED for r in records),
        "every_receipt_verified": all(
            m["receipt_verified"] for m in messages if m["status"] != MessageStatus.CANCELLED.value
        ),
        "every_case_as_expected": {c["reference"]: c["status"] for c in cases} == stage.expected,
        "delivered_once": len(received) == len(set(received))
        and set(received) == {r.message_id for r in records if r.direction == "UK_TO_FR" and r.delivered_at},
        "hostile_refused": len(hostile) == HOSTILE_MESSAGES
        and all(h["status"] == "refused" for h in hostile),
        "overtaken_notice_cancelled": any(r.status is MessageStatus.CANCELLED for r in records),
        "audit_chain_holds": await _audit_holds(running),
    }
    return {
        "ok": all(checks.values()),
        "checks": checks,
        "messages": messages,
        "cases": cases,
        "refused": [{"type": h["type"], "code": h["code"]} for h in hostile],
    }


async def run_demo(
    folder: Path,
    *,
    first_port: int | None,
    say: Callable[[str], None],
    then: Callable[[Shown], Any] | None,
) -> Json:
    """Plays the story in ``folder``; returns the report. ``then`` is awaited with everything still up.

    Raises ConfigError, Unavailable, StoryFailed.
    """
    loop = asyncio.get_running_loop()
    start = loop.time()
    folders = await asyncio.to_thread(prepare, folder, choose_ports(first_port))
    await make_people(folders)
    say("keys made: two sides, each with a certificate authority of its own")
    instance = Instance.load(folders.gateway)
    async with ministry_process(folders) as control_url, serving(instance) as running:
        say(f"gateway listens: JSON API {running.uk_url}, AS4 {running.as4_url}")
        signer = client_signer(folders.gateway / CLIENT_KEYS / f"{CLIENT}.key.pem")
        async with UkClient(running.uk_url, client_id=CLIENT, signer=signer, clock=instance.clock) as client:
            stage = Stage(client=client, clock=instance.clock, control_url=control_url, say=say)
            inbox = asyncio.create_task(acknowledge_inbox(stage))
            try:
                await play(stage)
                result = await report(running, stage)
            except* StoryFailed as group:
                raise StoryFailed("; ".join(str(e) for e in group.exceptions)) from None
            finally:
                inbox.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await inbox
            result["elapsed_s"] = round(loop.time() - start, 2)
            if then is not None:
                await then(Shown(folders=folders, console_url=f"{running.uk_url}/console", report=result))
    return result
