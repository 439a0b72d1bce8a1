"""The task that raises alerts and tells them, in every process of the gateway.

Two loops, neither of which ever ends by itself: one looks at everything every few seconds, the other sends
what is due. They hold no state but one: while the database cannot be used, nothing can be written down, so
this node remembers since when, tells its recipients directly (once each, tried again until it arrives), and
writes incident and end down when the database answers again. Each node tells its own outage: without a
database they cannot agree who does.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from gateway.core.alert_words import Told, told_of
from gateway.core.alerts import AlertEvent, AlertPlan, Change, opened
from gateway.core.errors import PasserelleError, Unavailable
from gateway.flows.alert_conditions import Surroundings
from gateway.flows.alert_notices import AlertSender, WantsNoMore, deliver, heard_of_outages, send_due
from gateway.flows.alerts import CHANNEL, database_trouble, evaluate, outage
from gateway.flows.exchange import Exchange
from gateway.logs import get_logger

_LOOK_MAY_TAKE_S: Final = 60.0
_LONGEST_SLEEP_S: Final = 30.0
_SETTLED_S: Final = 2.0
_AFTER_BUG_S: Final = 30.0


@dataclass(kw_only=True, slots=True)
class _Outage:
    """What this node remembers of a database that it cannot use."""

    alert_id: str
    since: dt.datetime
    told_at: dt.datetime | None = None
    told_to: list[str] = field(default_factory=list)


@dataclass(kw_only=True)
class Alerting:
    """One per process."""

    exchange: Exchange
    sender: AlertSender
    look_around: Callable[[], Awaitable[Surroundings]]
    node: str
    _outage: _Outage | None = None

    @property
    def plan(self) -> AlertPlan:
        return self.exchange.alerts

    async def run(self) -> None:
        """Runs until cancelled; survives an unreachable store and its own bugs."""
        await asyncio.gather(self._look_again_and_again(), self._send_again_and_again())

    async def _look_again_and_again(self) -> None:
        interval = self.plan.interval.total_seconds()
        await asyncio.sleep(min(interval, _SETTLED_S))  # the start of a node is busy enough
        while True:
            await self.look_once()
            await asyncio.sleep(interval)

    async def look_once(self) -> None:
        """One look; never raises."""
        try:
            await self._look()
        except Exception:  # noqa: BLE001 — a bug here must not end all alerts: logged, tried again
            get_logger().exception("alerts.bug")

    async def _look(self) -> None:
        around = await self.look_around()
        try:
            async with asyncio.timeout(_LOOK_MAY_TAKE_S):
                for change in await evaluate(self.exchange, self.plan, around):
                    _log(change)
                await self._answers_again(around)
        except (Unavailable, TimeoutError):
            await self._no_database()
        except Exception:  # noqa: BLE001 — whatever it is, nobody would be told of anything while it lasts
            get_logger().exception("alerts.bug")
            await self._no_database()

    # ---- without a database ---------------------------------------------------------------------

    async def _no_database(self) -> None:
        now = self.exchange.clock.now()
        if self._outage is None:
            self._outage = _Outage(alert_id=self.exchange.clock.new_id(), since=now)
        trouble = self._outage
        if now - trouble.since < self.plan.policy.database_down:
            return
        if trouble.told_at is None:
            trouble.told_at = now
            get_logger().error("alert.database", type="database", status="critical")
        told = self._of(trouble, trouble.told_at)
        for recipient in heard_of_outages(self.sender.recipients):
            if recipient.target_id in trouble.told_to:
                continue
            number = f"{trouble.alert_id}.{recipient.target_id.rpartition(':')[2]}"
            try:
                await deliver(told, number, recipient, self.sender, now)
            except (PasserelleError, WantsNoMore) as exc:
                code = exc.code if isinstance(exc, PasserelleError) else "alert.recipient_gone"
                get_logger().error("alert.not_sent", code=code)
            else:
                trouble.told_to.append(recipient.target_id)

    def _of(self, trouble: _Outage, at: dt.datetime) -> Told:
        first = opened(database_trouble(self.node), alert_id=trouble.alert_id, now=trouble.since)
        return told_of(first.alert, AlertEvent.OPENED, at)

    async def _answers_again(self, around: Surroundings) -> None:
        trouble = self._outage
        if trouble is None:
            return
        if trouble.told_at is not None:
            await outage(
                self.exchange,
                self.plan,
                around,
                alert_id=trouble.alert_id,
                since=trouble.since,
                told_at=trouble.told_at,
                told_to=trouble.told_to,
            )
            get_logger().warning("alert.cleared", type="database", status="critical")
        self._outage = None

    # ---- telling --------------------------------------------------------------------------------

    async def _send_again_and_again(self) -> None:
        while True:
            try:
                await self._send()
                await self.exchange.store.wait(CHANNEL, await self._pause())
            except PasserelleError as exc:
                get_logger().warning("alerts.store_unavailable", code=exc.code)
                await asyncio.sleep(self._patience)
            except Exception:  # noqa: BLE001 — a bug here must not end all telling: logged, tried again
                get_logger().exception("alerts.bug")
                await asyncio.sleep(_AFTER_BUG_S)

    @property
    def _patience(self) -> float:
        return min(self.plan.interval.total_seconds(), _LONGEST_SLEEP_S)

    async def _send(self) -> None:
        while sent := await send_due(self.sender):
            for one in sent:
                get_logger().info(
                    "alert.notice",
                    channel=one.notice.target_id.partition(":")[0],
                    entry_id=one.notice.notice_id,
                    status=one.state.value,
                    code=one.code,
                    attempt=one.notice.attempts + 1,
                )

    async def _pause(self) -> float:
        """Seconds until the next notice is due."""
        async with self.exchange.store.begin(read_only=True) as tx:
            due = await tx.next_notice()
        if due is None:
            return _LONGEST_SLEEP_S
        left = (due - self.exchange.clock.now()).total_seconds()
        return min(max(left, 0.01), _LONGEST_SLEEP_S)

    async def leave(self) -> None:
        """This node stops on purpose: it gives no more signs of life."""
        try:
            async with self.exchange.store.begin() as tx:
                await tx.forget_node(self.node)
        except PasserelleError as exc:
            get_logger().warning("alerts.store_unavailable", code=exc.code)


def _log(change: Change) -> None:
    if change.event is None:
        return
    alert = change.alert
    get_logger().warning(
        f"alert.{change.event.value}",
        type=alert.kind.value,
        status=alert.severity.value,
        side=alert.side.value,
        count=alert.count,
        code=alert.key,
    )


@asynccontextmanager
async def alerting(watcher: Alerting) -> AsyncIterator[None]:
    """Runs it until the block ends; then its node is forgotten."""
    task = asyncio.create_task(watcher.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await watcher.leave()
