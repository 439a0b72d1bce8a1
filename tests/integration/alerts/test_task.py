"""The task in every process: it tells an outage of the database from memory, and nothing ends it."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
from collections.abc import AsyncIterator

import pytest

from gateway.alerting import Alerting, alerting
from gateway.core.alert_kinds import AlertKind, Severity
from gateway.core.alert_records import NoticeState
from gateway.core.alerts import AlertEvent
from gateway.flows import alerts as flow
from gateway.flows.alert_conditions import Surroundings
from gateway.flows.alert_notices import send_due
from gateway.flows.ports_alerts import AlertFilter
from gateway.store import SqlStore, open_store
from tests.fixtures.alerting import (
    AROUND,
    Desk,
    Hook,
    MailServer,
    fr,
    hook,
    mailer,
    make_desk,
    uk,
)
from tests.fixtures.databases import PlainKeys, PostgresServer
from tests.fixtures.raw_sql import raw
from tests.fixtures.world import until


class Look:
    """What the node sees of itself; it may fail."""

    def __init__(self, around: Surroundings = AROUND) -> None:
        self.around: Surroundings | Exception = around
        self.looks = 0

    async def __call__(self) -> Surroundings:
        self.looks += 1
        if isinstance(self.around, Exception):
            raise self.around
        return self.around


def watcher(desk: Desk, look: Look | None = None) -> Alerting:
    return Alerting(
        exchange=desk.exchange, sender=desk.sender(), look_around=look or Look(), node=AROUND.node
    )


@dataclasses.dataclass
class Switch:
    """A real PostgreSQL database that can be made unreachable."""

    server: PostgresServer
    name: str

    async def off(self) -> None:
        admin = self.server.url("postgres")
        await raw(admin, f"ALTER DATABASE {self.name} WITH ALLOW_CONNECTIONS false")
        await raw(
            admin,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name",
            name=self.name,
        )

    async def on(self) -> None:
        await raw(self.server.url("postgres"), f"ALTER DATABASE {self.name} WITH ALLOW_CONNECTIONS true")


@pytest.fixture
async def outage(postgres_server: PostgresServer) -> AsyncIterator[tuple[Switch, SqlStore]]:
    url = postgres_server.new_database()
    switch = Switch(postgres_server, url.split("@/")[-1].split("?")[0])
    store = open_store(url, keyring=PlainKeys())
    yield switch, store
    await switch.on()
    await store.close()
    postgres_server.drop(url)


async def test_an_outage_of_the_database_is_told_from_memory(
    outage: tuple[Switch, SqlStore], post_office: MailServer, target: Hook
) -> None:
    """Once to each, however long it lasts; tried again where it did not arrive; written down afterwards, and
    the end told to those who heard of it."""
    switch, store = outage
    boss = uk("boss@uk.test", escalation=True)
    async with make_desk(store, uk(), fr(), boss, hook(target.url)) as desk:
        desk.change_policy(database_down=dt.timedelta(seconds=30))
        desk.mailer = mailer(post_office)
        task = watcher(desk)
        await task.look_once()
        await switch.off()
        await task.look_once()
        assert post_office.got == []  # half a minute first
        desk.skip(seconds=31)
        post_office.refused = {"exploitation@fr.test": "451 4.3.0 busy"}
        for _ in range(3):
            await task.look_once()
        assert [m.to for m in post_office.got] == [["ops@uk.test"]]
        assert target.types == ["passerelle.alert.opened.v1"]
        assert "critical: The node node-1 cannot use its database" in post_office.subjects[0]
        post_office.refused = {}
        await task.look_once()
        assert [m.to for m in post_office.got[1:]] == [["exploitation@fr.test"]]
        await switch.on()
        await task.look_once()
        while await _send(desk):
            pass
        assert sorted(m.to[0] for m in post_office.got[2:]) == ["exploitation@fr.test", "ops@uk.test"]
        assert target.types[1:] == ["passerelle.alert.cleared.v1"]
        async with store.begin(read_only=True) as tx:
            (alert,) = (await tx.list_alerts(AlertFilter(kind=AlertKind.DATABASE))).items
            notices = await tx.alert_notices(alert.alert_id)
        assert (alert.severity, alert.is_open) == (Severity.CRITICAL, False)
        assert alert.cleared_at is not None
        assert alert.cleared_at - alert.opened_at >= dt.timedelta(seconds=31)
        events = [(n.event, n.state) for n in notices]
        assert events == [
            *[(AlertEvent.OPENED, NoticeState.SENT)] * 3,
            *[(AlertEvent.CLEARED, NoticeState.SENT)] * 3,
        ]
        await task.look_once()
        assert len(post_office.got) == 4


async def _send(desk: Desk) -> bool:
    return bool(await send_due(desk.sender()))


async def test_a_short_outage_is_not_told(outage: tuple[Switch, SqlStore], post_office: MailServer) -> None:
    """Back before the time: no mail, no alert, and the next outage has its own time."""
    switch, store = outage
    async with make_desk(store, uk()) as desk:
        desk.mailer = mailer(post_office)
        task = watcher(desk)
        await switch.off()
        await task.look_once()
        await switch.on()
        desk.skip(seconds=50)
        await task.look_once()
        await switch.off()
        desk.skip(seconds=50)
        await task.look_once()
        await switch.on()
        await task.look_once()
        assert post_office.got == []
        async with store.begin(read_only=True) as tx:
            assert (await tx.list_alerts(AlertFilter())).items == ()


async def test_it_runs_on_after_bugs_and_outages(
    outage: tuple[Switch, SqlStore], post_office: MailServer
) -> None:
    """Looking fails, the database goes and comes: afterwards it looks and sends as before."""
    switch, store = outage
    async with make_desk(store, uk()) as desk:
        desk.change_plan(interval=dt.timedelta(seconds=0.05))
        desk.change_policy(
            database_down=dt.timedelta(hours=1)
        )  # this outage is not told, however slow we are
        desk.mailer = mailer(post_office)
        look = Look()
        look.around = ZeroDivisionError()
        task = watcher(desk, look)
        async with alerting(task):
            await until(lambda: look.looks > 3, seconds=60)
            look.around = dataclasses.replace(AROUND, disk_free=0)
            # not only arrived: written down too, or it is rightly sent once more after the outage
            await until(lambda: _states(store, NoticeState.SENT), seconds=60)
            assert len(post_office.got) == 1
            await switch.off()
            seen = look.looks
            await until(lambda: look.looks > seen + 2, seconds=60)
            await switch.on()
            look.around = AROUND
            await until(lambda: len(post_office.got) == 2, seconds=60)
        assert [s.split(",")[0] for s in post_office.subjects] == [
            "[Passerelle] Opened",
            "[Passerelle] Cleared",
        ]


async def _states(store: SqlStore, *states: NoticeState) -> bool:
    """Whether the notices of the one alert are these."""
    async with store.begin(read_only=True) as tx:
        for alert in (await tx.list_alerts(AlertFilter())).items:
            return tuple(n.state for n in await tx.alert_notices(alert.alert_id)) == states
    return False


async def test_a_node_gives_signs_of_life_and_says_goodbye(desk: Desk) -> None:
    """Known while it runs; forgotten when it stops on purpose."""
    desk.change_plan(interval=dt.timedelta(seconds=0.05))

    async def names() -> list[str]:
        async with desk.store.begin(read_only=True) as tx:
            return [node.node for node in await tx.nodes()]

    async with alerting(watcher(desk)):
        await until(names)
        assert await names() == ["node-1"]
    assert await names() == []


async def test_a_notice_is_sent_as_soon_as_it_is_there(desk: Desk, post_office: MailServer) -> None:
    """The sender is woken: nobody waits for the next half minute."""
    desk.change_plan(recipients=(uk(),))
    desk.mailer = mailer(post_office)
    look = Look()
    async with alerting(watcher(desk, look)):
        await until(lambda: look.looks, seconds=60)
        await asyncio.sleep(0.5)  # it has looked and sent, and sleeps
        await flow.test(desk.exchange, actor="operator:ada")
        await until(lambda: post_office.got, seconds=20)
    assert post_office.subjects == ["[Passerelle] Test"]
