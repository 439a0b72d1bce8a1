"""Row 9 with several nodes: a nomination and a return of the same person that meet never miss each other.

Two nodes, each with a store of its own on one database; on PostgreSQL their transactions really overlap, on
SQLite the second one waits for the first.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from contracts import model
from gateway.flows.exclusion import FLAGGED
from gateway.flows.returned import Imported, import_returned
from gateway.store import SqlStore
from gateway.uk_client import Answer
from gateway.web.rest.clients import make_registry
from tests.fixtures.nominees import person
from tests.fixtures.uk_gateway import Gateway, client_of, es256, running_gateway
from tests.integration.holds import steps as s

SIGNER = es256()
WHY: dict[str, Any] = {"actor": "test", "reason": "returned before go-live"}
DAY = "1990-05-14"
KHAN = person("Khan", "Rashid", DAY, number="P57126116", country="AFG")
HEADING = b"family_name,given_names,birth_date,document_number,issuing_country\n"
FILE = HEADING + b"Khan,Rashid,1990-05-14,P57126116,AFG\n"


@pytest.fixture
async def nodes(
    store_url: str, tmp_path: Path, sqlite_template: Path
) -> AsyncIterator[tuple[Gateway, Gateway]]:
    registry, keys = make_registry([client_of(SIGNER)]), (es256(), es256())
    async with (
        running_gateway(tmp_path, sqlite_template, registry=registry, url=store_url, keys=keys) as one,
        running_gateway(tmp_path, sqlite_template, registry=registry, url=store_url, keys=keys) as two,
    ):
        two.clock.shift = one.clock.shift
        yield one, two


class Slow:
    """Holds back the commit of the next transaction of a store that compares with the returned or adds to
    them, until ``go``."""

    def __init__(self, store: SqlStore) -> None:
        self.reached, self.go = asyncio.Event(), asyncio.Event()
        self._begin = store.begin
        store.begin = self.begin  # type: ignore[method-assign]  # the same, but slower

    @contextlib.asynccontextmanager
    async def begin(self, *, read_only: bool = False) -> AsyncIterator[Any]:
        async with self._begin(read_only=read_only) as tx:
            locked, lock = False, tx.lock_returned

            async def noted(*, change: bool) -> None:
                nonlocal locked
                await lock(change=change)
                locked = True

            tx.lock_returned = noted  # type: ignore[method-assign]  # of this transaction alone
            yield tx
            if locked and not read_only:
                self.reached.set()
                await self.go.wait()


def slow(gateway: Gateway) -> Slow:
    store = gateway.exchange.store
    assert isinstance(store, SqlStore)
    return Slow(store)


async def flags(gateway: Gateway, answer: Answer) -> int:
    entries = await s.audit(gateway, answer.json()["message_id"])
    return sum(entry.action == FLAGGED for entry in entries)


async def still_waits(task: asyncio.Task[Any]) -> bool:
    await asyncio.wait([task], timeout=0.5)
    return not task.done()


async def test_a_nomination_that_came_first_is_flagged(nodes: tuple[Gateway, Gateway]) -> None:
    """It has compared and found nobody, and is not committed yet: the import waits for it, and finds it."""
    one, two = nodes
    async with one.client(signer=SIGNER) as client:
        await client.token()
        held_back = slow(one)
        nominated = asyncio.create_task(s.nominate(client, KHAN))
        await held_back.reached.wait()
        imported = asyncio.create_task(import_returned(two.exchange, FILE, **WHY))
        assert await still_waits(imported)
        held_back.go.set()
        answer = await nominated
    assert answer.json()["status"] == "accepted"
    assert (await imported).flagged == (answer.json()["reference"],)
    assert await flags(two, answer) == 1


async def test_a_return_that_came_first_refuses(nodes: tuple[Gateway, Gateway]) -> None:
    """The import is not committed yet: the nomination waits for it, and is refused."""
    one, two = nodes
    async with one.client(signer=SIGNER) as client:
        await client.token()
        held_back = slow(two)
        imported = asyncio.create_task(import_returned(two.exchange, FILE, **WHY))
        await held_back.reached.wait()
        nominated = asyncio.create_task(s.nominate(client, KHAN))
        assert await still_waits(nominated)
        held_back.go.set()
        answer = await nominated
    assert [e["code"] for e in answer.json()["errors"]] == ["row9.returned"]
    assert (await imported).flagged == ()


def some_one(number: int) -> model.Person:
    return person("Khan", "Rashid", f"1990-05-{number:02d}", number=f"P571261{number:02d}", country="AFG")


def line_of(number: int) -> bytes:
    heading, line = FILE.split(b"\n")[:2]
    line = line.replace(b"1990-05-14", b"1990-05-%02d" % number).replace(
        b"P57126116", b"P571261%02d" % number
    )
    return heading + b"\n" + line + b"\n"


async def test_at_the_same_instant_one_of_them_sees_the_other(nodes: tuple[Gateway, Gateway]) -> None:
    """Many persons, both started at once in either order: refused, or flagged; never neither, never both."""
    one, two = nodes
    chance = random.Random(7)
    seen = {"refused": 0, "flagged": 0}
    async with one.client(signer=SIGNER) as client:
        await client.token()

        async def nominate(number: int) -> Answer:
            await asyncio.sleep(chance.uniform(0, 0.02))
            return await s.nominate(client, some_one(number))

        async def give(number: int) -> Imported:
            await asyncio.sleep(chance.uniform(0, 0.03))
            return await import_returned(two.exchange, line_of(number), **WHY)

        for number in range(1, 25):
            answer, imported = await asyncio.gather(nominate(number), give(number))
            if answer.status == 422:
                assert imported.flagged == ()
                seen["refused"] += 1
            else:
                assert imported.flagged == (answer.json()["reference"],)
                assert await flags(two, answer) == 1
                seen["flagged"] += 1
    assert sum(seen.values()) == 24


async def test_a_booked_return_and_a_nomination_meet(nodes: tuple[Gateway, Gateway]) -> None:
    """The transfer is reported on one node while the person is nominated on the other: refused, or
    stored (held: the readmission was under way) and flagged."""
    one, two = nodes
    chance = random.Random(11)
    async with one.client(signer=SIGNER) as client, two.client(signer=SIGNER) as other:
        await asyncio.gather(client.token(), other.token())

        async def nominate(number: int) -> Answer:
            await asyncio.sleep(chance.uniform(0, 0.3))
            return await s.nominate(other, some_one(number))

        for number in range(1, 4):
            reference = await s.request_back(client, some_one(number))
            two.clock.shift = one.clock.shift
            answer, _ = await asyncio.gather(nominate(number), s.carry_to_transfer(one, client, reference))
            if answer.status == 202:
                assert await flags(two, answer) == 1
            else:
                assert answer.json()["errors"][0]["code"] == "row9.returned"
            assert (await s.nominate(other, some_one(number))).status == 422
