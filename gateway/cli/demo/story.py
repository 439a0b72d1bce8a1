"""The story of the demo: seven cases played through the UK API, as a Home Office system would.

Each case is a coroutine that posts, waits for what France answers, and goes on. Nothing here looks into the
gateway: it sees what a UK system sees.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from gateway.cli.demo import people
from gateway.cli.demo.people import Upload
from gateway.core.records import StoredAttachment
from gateway.flows.ports import Clock
from gateway.uk_client import UkClient

STEP_SECONDS = 40.0
_POLL_S = 0.15
READMISSIONS = "/v1/readmission-requests"
NOMINATIONS = "/v1/nominations"


class StoryFailed(Exception):
    """A step did not come to what it should; the text says which."""


@dataclass(kw_only=True)
class Stage:
    """What the players share."""

    client: UkClient
    clock: Clock
    control_url: str
    """Control address of the simulated ministry (loopback)."""
    say: Callable[[str], None]
    expected: dict[str, str] = field(default_factory=dict)
    """Case reference → final status it must reach."""
    names: dict[str, str] = field(default_factory=dict)
    """Case reference → what it shows."""

    async def post(self, path: str, upload: Upload) -> str:
        """Posts with attachments, verifies the signed receipt; returns the message id."""
        attachments = tuple(
            StoredAttachment(content_id=name, media_type=media_type, file_name=name, content=content)
            for name, (media_type, content) in upload.attachments.items()
        )
        receipt = await self.client.send(path, upload.body, attachments=attachments)
        return receipt.message_id

    async def open_case(self, path: str, upload: Upload, *, name: str, ends: str) -> str:
        """Posts the opening message; returns the reference of the new case."""
        message_id = await self.post(path, upload)
        reference: str = (await self.client.message(message_id))["reference"]
        self.expected[reference] = ends
        self.names[reference] = name
        self.say(f"{name}: {upload.body['type']} accepted as {reference}")
        return reference

    async def until(self, path: str, *statuses: str) -> str:
        """Waits for the case to reach one of the statuses. Raises StoryFailed."""
        deadline = asyncio.get_running_loop().time() + STEP_SECONDS
        while True:
            page = (await self.client.get(path)).json()
            if page["status"] in statuses:
                reference = path.rsplit("/", 1)[-1]
                self.say(f"{self.names[reference]}: the case is now {page['status']}")
                return str(page["status"])
            if asyncio.get_running_loop().time() > deadline:
                raise StoryFailed(f"{path} stays {page['status']}; expected {' or '.join(statuses)}")
            await asyncio.sleep(_POLL_S)

    async def france(self, **orders: Any) -> None:
        """Changes what the simulated ministry does from now on."""
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{self.control_url}/control", json=orders) as answer,
        ):
            if answer.status != 204:
                raise StoryFailed(f"the sandbox refused the order: {await answer.text()}")


async def whole_readmission(stage: Stage) -> None:
    """From the request, by a question and its answer, to the transfer receipt."""
    now = stage.clock.now
    upload = people.readmission(now(), people.YONAS, "DGEF-INFO")
    reference = await stage.open_case(READMISSIONS, upload, name="Readmission", ends="received")
    path = f"{READMISSIONS}/{reference}"
    await stage.until(path, "information_needed")
    await stage.post(f"{path}/documents", people.supplementary_document())
    await stage.until(path, "accepted")
    await stage.post(f"{path}/transfer-notices", people.transfer_notice(now()))
    await stage.until(path, "transfer_confirmed")
    await stage.post(f"{path}/transfer-outcomes", people.transfer_outcome(now()))
    await stage.until(path, "received")


async def whole_nomination(stage: Stage) -> None:
    """From the nomination to the arrival in the UK."""
    now = stage.clock.now
    upload = people.nomination(now(), people.MAHTAB, "DGEF", 1042)
    reference = await stage.open_case(NOMINATIONS, upload, name="Nomination", ends="arrived")
    path = f"{NOMINATIONS}/{reference}"
    await stage.until(path, "no_objection")
    await stage.post(f"{path}/outcomes", people.visa_granted(now()))
    await stage.until(path, "visa_granted")
    await stage.post(f"{path}/admissions", people.arrived(now()))
    await stage.until(path, "arrived")


async def refusal(stage: Stage) -> None:
    """France refuses with a coded ground."""
    upload = people.readmission(stage.clock.now(), people.ARBER, "DGEF-REFUS")
    reference = await stage.open_case(READMISSIONS, upload, name="Refusal", ends="refused")
    await stage.until(f"{READMISSIONS}/{reference}", "refused")


async def withdrawal(stage: Stage) -> None:
    """A court stops the removal while France is down: the withdrawal overtakes the queued notice."""
    now = stage.clock.now
    upload = people.readmission(now(), people.HASINA, "DGEF")
    reference = await stage.open_case(READMISSIONS, upload, name="Withdrawal", ends="withdrawn")
    path = f"{READMISSIONS}/{reference}"
    await stage.until(path, "accepted")
    await stage.france(down={"seconds": 3})
    stage.say("Withdrawal: the French access point is down for three seconds")
    await stage.post(f"{path}/transfer-notices", people.transfer_notice(now()))
    await asyncio.sleep(0.5)
    await stage.post(f"{path}/withdrawals", people.withdrawal(now()))
    await stage.until(path, "withdrawn")


async def privacy_breach(stage: Stage) -> None:
    """France first sends a name and an AGDREF number: refused (Art 16); then a proper decision."""
    upload = people.readmission(stage.clock.now(), people.KHALED, "DGEF-RGPD")
    reference = await stage.open_case(READMISSIONS, upload, name="Privacy breach", ends="accepted")
    await stage.until(f"{READMISSIONS}/{reference}", "accepted")


async def outage(stage: Stage) -> None:
    """France answers 503 twice; the third attempt brings the receipt."""
    upload = people.readmission(stage.clock.now(), people.SELAM, "DGEF-PANNE")
    reference = await stage.open_case(READMISSIONS, upload, name="Outage", ends="accepted")
    await stage.until(f"{READMISSIONS}/{reference}", "accepted")


async def lost_receipt(stage: Stage) -> None:
    """The first receipt is lost on the way; the retry gets the stored one, France counts one message."""
    upload = people.nomination(stage.clock.now(), people.LULEZIM_PASSPORT, "DGEF-PERDU", 1043)
    reference = await stage.open_case(NOMINATIONS, upload, name="Lost receipt", ends="no_objection")
    await stage.until(f"{NOMINATIONS}/{reference}", "no_objection")


CASES: tuple[Callable[[Stage], Awaitable[None]], ...] = (
    whole_readmission,
    whole_nomination,
    refusal,
    withdrawal,
    privacy_breach,
    outage,
    lost_receipt,
)


async def acknowledge_inbox(stage: Stage) -> None:
    """The UK business system: takes every message and event from the inbox and acknowledges it, for ever."""
    cursor: str | None = None
    while True:
        page = await stage.client.inbox(wait=5, cursor=cursor)
        for item in page["items"]:
            await stage.client.acknowledge(item["message_id"])
        for event in page["events"]:
            await stage.client.acknowledge(event["id"])
        cursor = page["next_cursor"] or cursor


async def play(stage: Stage) -> None:
    """All cases side by side. Raises the first failure."""
    async with asyncio.TaskGroup() as group:
        for case in CASES:
            group.create_task(_run(case, stage))


async def _run(case: Callable[[Stage], Awaitable[None]], stage: Stage) -> None:
    await case(stage)
