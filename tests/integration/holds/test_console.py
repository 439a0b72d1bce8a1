"""The holding area in the console: why, who decides, near matches without clear text, two persons."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from gateway.core.people import UserRecord
from gateway.core.records import MessageStatus
from gateway.core.roles import Role, Side
from gateway.core.treaty.quotas import QuotaKind
from gateway.flows.hold_views import explain, waiting
from gateway.flows.quotas import set_quota
from gateway.uk_client import UkClient
from tests.fixtures.actions import FORM, hidden
from tests.fixtures.console import Console, browser, log_in, page, password_hash, post, running_console
from tests.fixtures.nominees import person
from tests.fixtures.uk_gateway import Gateway, simple_request
from tests.integration.cases.steps import READMISSIONS
from tests.integration.holds import steps as s

DAY = "1990-05-14"
KHAN = person("Khan", "Rashid", DAY, number="P57126116")
ALIKE = person("Khaan", "Rashed", DAY, number="X9988776")


@pytest.fixture
async def console(gateway: Gateway, tmp_path: Path) -> AsyncIterator[Console]:
    """The console above the gateway, with two people who compare nominees with the returned."""
    folder = tmp_path / "console"
    folder.mkdir()
    async with running_console(
        folder, change=lambda services: dataclasses.replace(services, exchange=gateway.exchange)
    ) as made:
        now = made.clock.now()
        async with made.store.begin() as tx:
            assert await tx.add_user(
                UserRecord(
                    user_id=made.clock.new_id(),
                    name="second",
                    display_name="second",
                    side=Side.UK,
                    roles=frozenset({Role.EXCLUSION}),
                    language="en",
                    password_hash=password_hash(),
                    created_at=now,
                    changed_at=now,
                )
            )
        yield made


@pytest.fixture
async def people(console: Console) -> AsyncIterator[dict[str, aiohttp.ClientSession]]:
    """Browsers of those who take part."""
    opened = {name: browser() for name in ("exclusion", "second", "viewer", "operator")}
    for name, session in opened.items():
        assert await log_in(session, console, name=name) == 200
    yield opened
    for session in opened.values():
        await session.close()


async def test_two_persons_let_a_near_match_go(
    gateway: Gateway, client: UkClient, console: Console, people: dict[str, aiohttp.ClientSession]
) -> None:
    """Listed with who decides; explained without a name; the first approves, the second lets it go."""
    returned = await s.return_(gateway, client, KHAN)
    await s.queued(gateway)
    near = await s.held(client, ALIKE)
    path = f"/console/held/{near}"
    listed = await page(people["viewer"], console, "/console/held?lang=en")
    assert path in listed
    assert "somebody who compares with the returned" in listed
    assert "0 / 2" in listed
    shown = await page(people["exclusion"], console, f"{path}?lang=en")
    assert "the name sounds alike and the birth date agrees" in shown
    assert returned in shown
    for word in ("Khan", "Khaan", "Rashid", "Rashed", DAY, "P57126116", "X9988776"):
        assert word not in shown
    assert "release" not in await page(people["viewer"], console, path)
    for name, left in (("exclusion", "Another person must agree"), ("second", "")):
        question = await page(people[name], console, f"{path}/release?lang=en")
        form = {**hidden(question), **FORM}
        _, answer = await post(people[name], console, f"{path}/release", form)
        assert left in answer
    assert (await s.record(gateway, near)).status is MessageStatus.ACCEPTED
    said = [(e.action, e.actor) for e in await s.audit(gateway, near) if e.action.startswith("hold.")]
    assert said == [("hold.approved", "operator:exclusion"), ("hold.released", "operator:second")]


async def test_who_may_not_decide(
    gateway: Gateway, client: UkClient, console: Console, people: dict[str, aiohttp.ClientSession]
) -> None:
    """A viewer is refused; an operator without the duty sees that it is not possible; nothing changes."""
    await s.return_(gateway, client, KHAN)
    near = await s.held(client, ALIKE)
    path = f"/console/held/{near}/release"
    await page(people["viewer"], console, path, status=403)
    await post(people["viewer"], console, path, {"once": "x", **FORM}, status=403)
    assert "This is not possible now." in await page(people["operator"], console, f"{path}?lang=en")
    await post(people["operator"], console, path, {"once": "x", **FORM}, status=403)
    assert (await s.record(gateway, near)).status is MessageStatus.HELD


async def test_refused_once_although_sent_twice(
    gateway: Gateway, client: UkClient, console: Console, people: dict[str, aiohttp.ClientSession]
) -> None:
    """The form sent again shows the message and decides nothing more."""
    await s.return_(gateway, client, KHAN)
    near = await s.held(client, ALIKE)
    path = f"/console/held/{near}/refuse"
    form = {**hidden(await page(people["second"], console, path)), **FORM}
    for _ in range(2):
        where, _ = await post(people["second"], console, path, form)
        assert where == f"/console/messages/{near}"
    assert [e.action for e in await s.audit(gateway, near)].count("hold.refused") == 1


async def test_queue_of_a_quota_in_order(
    gateway: Gateway, client: UkClient, console: Console, people: dict[str, aiohttp.ClientSession]
) -> None:
    """What waits for room is listed in the order in which it will go."""
    exchange = gateway.exchange
    await set_quota(exchange, QuotaKind.READMISSIONS, 0, actor="operator:sue", reason="none this week")
    ids = [(await client.send(READMISSIONS, simple_request())).message_id for _ in range(3)]
    rows = await waiting(exchange, QuotaKind.READMISSIONS)
    assert [(row["place"], row["message_id"]) for row in rows] == list(enumerate(ids, start=1))
    shown = await page(people["viewer"], console, "/console/held?lang=en")
    assert [shown.index(message_id) for message_id in ids] == sorted(shown.index(i) for i in ids)
    assert "leaves by itself" in await page(people["operator"], console, f"/console/held/{ids[0]}?lang=en")


async def test_explanation_names_what_is_equal(gateway: Gateway, client: UkClient) -> None:
    """Which nominee, what kind of match, what is equal, and the other case; never a value."""
    reference = await s.return_(gateway, client, KHAN)
    near = await s.held(client, ALIKE)
    (found,) = await explain(gateway.exchange, near)
    assert found == {
        "person": 1,
        "match": "near",
        "exact": False,
        "equal": ["near"],
        "reference": reference,
        "case_status": "transferred",
    }
