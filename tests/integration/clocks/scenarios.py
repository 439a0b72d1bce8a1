"""How each clock of the agreement comes to run, is met, and ends when nothing is awaited any more.

One row for every clock: a clock without a row fails the tests.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from gateway.core.records import MessageRecord
from tests.fixtures.clock_life import Life
from tests.fixtures.world import (
    arrived,
    nomination,
    readmission_request,
    supplementary_document,
    transfer_notice,
    transfer_outcome,
    visa_granted,
    withdrawal,
)

R, N = "/v1/readmission-requests", "/v1/nominations"
HOUR = dt.timedelta(hours=1)
PARIS = zoneinfo.ZoneInfo("Europe/Paris")


def _text(instant: dt.datetime) -> str:
    return instant.isoformat(timespec="milliseconds")


async def request_waits(life: Life) -> MessageRecord:
    """Posted during an outage: France does not have it."""
    record = await life.post(R, readmission_request())
    await life.outage()
    return record


async def requested(life: Life) -> MessageRecord:
    return await life.send(R, readmission_request())


async def extended(life: Life) -> MessageRecord:
    opened = await requested(life)
    until = (life.now.astimezone(PARIS) + dt.timedelta(days=28)).date()
    await life.come(life.decision("extension", extended_until=until), opened)
    return opened


async def asked(life: Life) -> MessageRecord:
    opened = await requested(life)
    life.wait_until(life.now + HOUR)
    await life.come(life.decision("information_needed"), opened)
    return opened


async def accepted(life: Life) -> MessageRecord:
    opened = await requested(life)
    await life.come(life.decision("accepted"), opened)
    return opened


async def noticed(life: Life) -> MessageRecord:
    opened = await accepted(life)
    await life.send(f"{R}/{opened.reference}/transfer-notices", transfer_notice())
    return opened


async def nominated(life: Life) -> MessageRecord:
    return await life.send(N, nomination())


async def visa(life: Life) -> MessageRecord:
    opened = await nominated(life)
    await life.come(life.no_objection(), opened)
    body = visa_granted()
    await life.send(f"{N}/{opened.reference}/outcomes", body)
    return opened


async def _deliver(life: Life, _: MessageRecord) -> None:
    await life.deliver()


async def _decide(life: Life, opened: MessageRecord) -> None:
    await life.come(life.decision("refused"), opened)


async def _document(life: Life, opened: MessageRecord) -> None:
    await life.send(f"{R}/{opened.reference}/documents", supplementary_document())


async def _confirm(life: Life, opened: MessageRecord) -> None:
    await life.come(life.confirmation(), opened)


async def _transfer(life: Life, opened: MessageRecord) -> None:
    body = {**transfer_outcome(), "at": _text(life.now)}
    await life.post(f"{R}/{opened.reference}/transfer-outcomes", body)


async def _acknowledge(life: Life, opened: MessageRecord) -> None:
    await life.come(life.taken(opened), opened)


async def _acknowledge_inbox(life: Life, opened: MessageRecord) -> None:
    for item in (await life.client.inbox())["items"]:
        await life.acknowledge(item["message_id"])


async def _respond(life: Life, opened: MessageRecord) -> None:
    await life.come(life.no_objection(), opened)


async def _arrive(life: Life, opened: MessageRecord) -> None:
    await life.post(f"{N}/{opened.reference}/admissions", {**arrived(), "at": _text(life.now)})


async def _withdraw(life: Life, opened: MessageRecord) -> None:
    kind = R if opened.reference.startswith("GB01") else N
    await life.post(f"{kind}/{opened.reference}/withdrawals", {**withdrawal(), "at": _text(life.now)})


@dataclass(frozen=True, kw_only=True)
class Scenario:
    start: Callable[[Life], Awaitable[MessageRecord]]
    """The record of the opening message; the clock runs then."""
    close: Callable[[Life, MessageRecord], Awaitable[None]]
    cancel: Callable[[Life, MessageRecord], Awaitable[None]] | None = _withdraw
    """None: it is owed whatever becomes of the case."""


SCENARIOS = {
    "request": Scenario(start=request_waits, close=_deliver),
    "answer": Scenario(start=requested, close=_decide),
    "answer_extended": Scenario(start=extended, close=_decide),
    "information": Scenario(start=asked, close=_document),
    "procedure": Scenario(start=noticed, close=_transfer),
    "transfer_acknowledgement": Scenario(start=noticed, close=_confirm),
    "acknowledgement_france": Scenario(start=requested, close=_acknowledge),
    "acknowledgement_uk": Scenario(start=accepted, close=_acknowledge_inbox, cancel=None),
    "nomination_response": Scenario(start=nominated, close=_respond),
    "visa": Scenario(start=visa, close=_arrive),
}
