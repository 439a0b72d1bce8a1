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

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ed25519

from adapters.fr import FrAdapter
from contracts import model
from contracts.codes import Direction
from gateway.config import settings_text
from gateway.core.as4.policy import SecurityPolicy
from gateway.core.breaker import BreakerPolicy
from gateway.core.errors import ConnectionFailed
from gateway.core.jws import Alg, JwsSigner, signer_of
from gateway.core.retry import RetrySchedule
from gateway.core.treaty.agreement import Agreement
from gateway.flows.accept_fr import FrenchInbox
from gateway.flows.access_point import AccessPoint, make_access_point
from gateway.flows.delivery_record import Delivery
from gateway.flows.ports import HttpAnswer, Store, StreamedBody
from gateway.flows.webhooks import WebhookEvent, WebhookTarget
from gateway.instance import Instance
from gateway.keys import FR, UK, generate_instance, load_keyring
from gateway.keys.partner import load_partner
from gateway.keys.profiles import profile_keys
from gateway.sandbox.brain import Brain
from gateway.sandbox.received import document_of
from gateway.sandbox.script import Script
from gateway.sandbox.setup import trust_each_other
from gateway.uk_client import UkClient
from gateway.web.app import UkServices, UkSettings, make_app
from gateway.web.rest.clients import Client, make_registry
from tests.fixtures.clock_life import Life
from tests.fixtures.ends import Ends, MovableClock, ScriptedPartner
from tests.fixtures.uk_gateway import CLIENT, ISSUER, client_of, es256


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
        ends = _ends(instance, store, clock, france, fr, seed)
        try:
            async with _serving(ends) as life:
                yield World(life=life, france=france, database=uk / "passerelle.db")
        finally:
            await store.close()


def _ends(instance: Instance, store: Store, clock: MovableClock, france: France, fr: Path, seed: int) -> Ends:
    agreement = instance.agreement
    keys = load_keyring(fr / "keys")
    partner = load_partner(fr / "trust" / "uk", agreement.parties.uk.id, now=clock.now())
    france.point = make_access_point(
        agreement,
        Direction.FR_TO_UK,
        domain="passerelle.fr",
        signer=keys.as4_sign,
        decryption_keys=keys.decryption_keys,
        recipient=partner.recipient,
        trust=partner.trust,
        policy=SecurityPolicy(),
        keys=profile_keys(keys, partner),
    )
    british, adapter = instance.make_access_point(), FrAdapter()
    delivery = Delivery(
        store=store,
        transport=france,
        clock=clock,
        french=adapter,
        access_point=british,
        agreement=agreement,
        url="https://127.0.0.1:9/as4",
        schedule=RetrySchedule(),
        breaker=BreakerPolicy(),
        random=random.Random(seed).random,
    )
    return Ends(
        store=store,
        clock=clock,
        instance=instance,
        british=british,
        french=france.point,
        partner=france,
        delivery=delivery,
        inbox=FrenchInbox(
            store=store,
            clock=clock,
            french=adapter,
            access_point=british,
            agreement=agreement,
            delivery=delivery,
        ),
        brain=Brain(script=Script(), adapter=adapter, new_id=clock.new_id),
    )


@asynccontextmanager
async def _serving(ends: Ends) -> AsyncIterator[Life]:
    """The UK API on a loopback port, without its rate limit."""
    client, signer = _client()
    clients = make_registry([client])
    exchange = replace(
        ends.instance.exchange(ends.store, clients, issuer=ISSUER),
        clock=ends.clock,
        webhooks=clients.webhooks,
    )
    services = UkServices(
        exchange=exchange,
        clients=clients,
        token_signer=es256(),
        webhook_signer=signer_of(ed25519.Ed25519PrivateKey.generate(), Alg.EDDSA),
        settings=UkSettings(
            rate_per_second=1e5, rate_burst=1_000_000, token_rate_per_second=1e5, token_rate_burst=1_000_000
        ),
    )
    runner = web.AppRunner(make_app(services), access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        async with UkClient(base, client_id=CLIENT, signer=signer, clock=ends.clock, audience=ISSUER) as made:
            yield Life(ends=ends, exchange=exchange, client=made)
    finally:
        await runner.cleanup()
