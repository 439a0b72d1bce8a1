"""Both sides of a simulation in one process: what is real is the gateway, what moves is its clock.

Real: HTTP API with tokens and signatures, rules, store (a SQLite file), outbox, AS4 of both sides with keys
of their own, sweeps. Simulated: time, the two administrations, and the wire between the access points, which
is a call with the same bytes.
"""

from __future__ import annotations

import datetime as dt
import random
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from adapters.fr import FrAdapter
from contracts import model
from gateway.config import settings_text
from gateway.core.breaker import BreakerPolicy
from gateway.core.errors import ConnectionFailed
from gateway.core.jws import JwsSigner
from gateway.core.retry import RetrySchedule
from gateway.core.treaty.agreement import Agreement
from gateway.flows.access_point import AccessPoint
from gateway.flows.ports import HttpAnswer, StreamedBody
from gateway.flows.webhooks import WebhookEvent, WebhookTarget
from gateway.instance import Instance
from gateway.keys import FR, UK, generate_instance
from gateway.sandbox.received import document_of
from gateway.sandbox.setup import trust_each_other
from gateway.web.app import UkSettings
from gateway.web.rest.clients import Client
from tests.fixtures.clock_life import Life, living
from tests.fixtures.ends import MovableClock, ScriptedPartner, ends_of, french_point
from tests.fixtures.uk_gateway import CLIENT, client_of, es256

_UNLIMITED = UkSettings(
    rate_per_second=1e5, rate_burst=1_000_000, token_rate_per_second=1e5, token_rate_burst=1_000_000
)


@dataclass
class France(ScriptedPartner):
    """The French access point: opens, remembers, answers with a receipt; ``read`` is its administration."""

    point: AccessPoint | None = None
    clock: MovableClock = field(default_factory=MovableClock)
    read: Callable[[model.Message], None] = lambda message: None
    down: Callable[[dt.datetime], bool] = lambda now: False
    opened: Counter[str] = field(default_factory=Counter)
    """Message ids, with how often each was taken in."""
    unreachable: int = 0

    async def post(
        self,
        url: str,
        *,
        content_type: str,
        body: bytes | StreamedBody,
        headers: Mapping[str, str] | None = None,
    ) -> HttpAnswer:
        if self.point is None or not isinstance(body, bytes):
            raise AssertionError("the simulation sends small messages to a ministry that is there")
        now = self.clock.now()
        if self.down(now):
            self.unreachable += 1
            raise ConnectionFailed("an outage of the simulation")
        verified = self.point.open_request(content_type, body, now=now)
        adapter = FrAdapter()
        message = adapter.to_canonical(adapter.validate(document_of(verified)))
        self.opened[message.message_id] += 1
        if self.opened[message.message_id] == 1:
            self.read(message)
        sealed = self.point.receipt(verified, signal_id=self.clock.new_id(), now=now)
        return HttpAnswer(status=200, content_type=sealed.content_type, body=sealed.body, retry_after=None)


def _folders(root: Path, now: dt.datetime) -> tuple[Path, Path]:
    """Keys of both sides, made at the simulated beginning; each trusts the other."""
    uk, fr = root / "uk", root / "fr"
    generate_instance(uk, identity=UK, now=now)
    generate_instance(fr, identity=FR, now=now)
    (uk / "passerelle.toml").write_text(settings_text({}), "utf-8")
    trust_each_other(uk, fr)
    return uk, fr


def _client() -> tuple[Client, JwsSigner]:
    """The UK system; its webhook hears of deadlines only."""
    signer = es256()
    hook = WebhookTarget(
        webhook_id="simulation",
        client_id=CLIENT,
        url="https://hooks.test/in",
        events=frozenset({WebhookEvent.DEADLINE_WARNING, WebhookEvent.DEADLINE_BREACHED}),
    )
    return replace(client_of(signer), webhooks=(hook,)), signer


@dataclass(kw_only=True)
class World:
    life: Life
    france: France
    database: Path


@asynccontextmanager
async def make_world(start: dt.datetime, agreement: Agreement, seed: int) -> AsyncIterator[World]:
    """Both sides until the block ends; the clock stands at ``start``."""
    clock = MovableClock()
    clock.stand_at(start)
    with tempfile.TemporaryDirectory(prefix="passerelle-simulation-") as folder:
        uk, fr = _folders(Path(folder), start)
        instance = replace(Instance.load(uk), agreement=agreement, clock=clock)
        store = await instance.open_store(create=True)
        france = France(clock=clock)
        france.point = french_point(fr, agreement, now=clock.now())
        ends = ends_of(
            instance,
            store,
            clock,
            french=france.point,
            partner=france,
            schedule=RetrySchedule(),
            breaker=BreakerPolicy(),
            random=random.Random(seed).random,
        )
        client, signer = _client()
        try:
            async with living(ends, client, signer, _UNLIMITED) as life:
                yield World(life=life, france=france, database=uk / "passerelle.db")
        finally:
            await store.close()
