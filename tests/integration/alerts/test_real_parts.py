"""What France's access point does, through the real delivery and reception, becomes alerts and their end."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable

from adapters.fr import FrAdapter
from contracts import codes, model
from gateway.alert_parts import Outlook, certificates
from gateway.core.alert_kinds import AlertKind, Severity
from gateway.core.alerts import Alert, AlertEvent, AlertPlan
from gateway.core.as4.verified import VerifiedUserMessage
from gateway.core.breaker import BreakerPolicy
from gateway.core.errors import PayloadRefused, Side
from gateway.core.retry import RetrySchedule
from gateway.flows import operator
from gateway.flows.accept_fr import accept
from gateway.flows.alert_conditions import certificates as judged
from gateway.flows.alerts import evaluate
from gateway.flows.delivery_record import Outcome
from gateway.flows.exchange import Exchange
from gateway.flows.ports import HttpAnswer
from gateway.instance import Instance
from gateway.keys.pki import make_ca, make_party_certificate
from tests.fixtures.alerting import AROUND, NOW_CALM
from tests.fixtures.ends import Ends, make_ends
from tests.fixtures.world import make_world

PLAN = AlertPlan(policy=NOW_CALM)
SCHEDULE = RetrySchedule(delays=(0, 1, 1), jitter=0)


def busy(_: Ends, __: VerifiedUserMessage) -> HttpAnswer:
    return HttpAnswer(status=503, content_type="text/html", body=b"", retry_after=None)


def refusing(ends: Ends, verified: VerifiedUserMessage) -> HttpAnswer:
    """A genuine, signed EBMS:0004."""
    sealed = ends.french.error(
        PayloadRefused("no"),
        signal_id=ends.clock.new_id(),
        now=ends.clock.now(),
        ref_to=verified.message.message_id,
    )
    return HttpAnswer(status=200, content_type=sealed.content_type, body=sealed.body, retry_after=None)


def exchange_of(ends: Ends) -> Exchange:
    made = ends.instance.exchange(ends.store)
    return dataclasses.replace(made, clock=ends.clock, alerts=PLAN)


async def look(exchange: Exchange) -> list[AlertEvent]:
    changes = await evaluate(exchange, PLAN, AROUND)
    return [change.event for change in changes if change.event is not None]


async def open_ones(exchange: Exchange) -> list[Alert]:
    async with exchange.store.begin(read_only=True) as tx:
        return list(await tx.open_alerts())


async def test_a_message_that_is_never_delivered() -> None:
    """All attempts fail: a dead letter with France's side at fault; replayed and delivered: cleared."""
    async with make_ends(schedule=SCHEDULE) as ends:
        exchange = exchange_of(ends)
        ends.partner.answer = busy
        message = await ends.open_case()
        for _ in range(3):
            assert await look(exchange) == []
            await ends.deliver()
            ends.clock.skip(2)
        assert await look(exchange) == [AlertEvent.OPENED]
        (alert,) = await open_ones(exchange)
        assert (alert.kind, alert.side, alert.messages) == (
            AlertKind.DEAD_LETTER,
            Side.FR,
            (message.message_id,),
        )
        assert alert.facts["subject"] == exchange.agreement.parties.fr.name_en
        ends.partner.answer = None
        await operator.replay(exchange, message.message_id, actor="operator:ada", reason="France is back")
        assert await look(exchange) == [AlertEvent.CLEARED]
        assert await ends.deliver() is Outcome.DELIVERED
        assert await look(exchange) == []


async def test_an_endpoint_that_does_not_answer() -> None:
    """The circuit opens by failures in a row and is closed by the probe that succeeds."""
    policy = BreakerPolicy(threshold=2, first_wait=dt.timedelta(seconds=30))
    long = RetrySchedule(delays=(0,) + (1,) * 9, jitter=0)
    async with make_ends(breaker=policy, schedule=long) as ends:
        exchange = exchange_of(ends)
        ends.partner.answer = busy
        await ends.open_case()
        for _ in range(2):
            assert await look(exchange) == []
            await ends.deliver()
            ends.clock.skip(2)
        assert await look(exchange) == [AlertEvent.OPENED]
        ends.clock.skip(31)
        ends.partner.answer = None
        assert await ends.deliver() is Outcome.DELIVERED
        assert await look(exchange) == [AlertEvent.CLEARED]


async def test_france_refuses_what_it_got() -> None:
    """A signed EBMS:0004 in answer to our message, three times: one alert."""
    async with make_ends() as ends:
        exchange = exchange_of(ends)
        ends.partner.answer = refusing
        for _ in range(3):
            await ends.open_case()
            assert await ends.deliver() is Outcome.REJECTED
        assert await look(exchange) == [AlertEvent.OPENED]
        (alert,) = await open_ones(exchange)
        assert (alert.kind, alert.key, alert.count) == (AlertKind.NEGATIVE_ACKNOWLEDGEMENT, "EBMS:0004", 3)


async def test_france_sends_personal_data() -> None:
    """A number in a French message, refused at the gate: critical, and nothing of it in the alert."""
    number = "7501234567"
    async with make_ends() as ends:
        exchange = exchange_of(ends)
        case = await ends.open_case()
        await ends.deliver()
        reply = decision(ends, case.reference, case.conversation_id)
        content = FrAdapter().from_canonical(reply).content
        sealed = ends.french.unsafe_seal_bytes(
            content=content.replace(b"<acceptee/>", f"<acceptee/><n>{number}</n>".encode()),
            now=ends.clock.now(),
            ref_to=None,
            type_=reply.type,
            message_id=reply.message_id,
            conversation_id=reply.conversation_id,
        )
        answer = await accept(ends.inbox, sealed.content_type, sealed.body)
        assert answer.code == "privacy.personal_data"
        assert await look(exchange) == [AlertEvent.OPENED]
        (alert,) = await open_ones(exchange)
        assert (alert.kind, alert.severity, alert.key) == (
            AlertKind.PRIVACY_BREACH,
            Severity.CRITICAL,
            exchange.agreement.parties.fr.id,
        )
        assert number not in f"{alert}"


def decision(ends: Ends, reference: str, conversation: str) -> model.Message:
    body = model.ReadmissionDecision(
        decision=codes.ReadmissionDecisionCode.ACCEPTED,
        ground=None,
        information_needed=(),
        extended_until=None,
        decided_at=ends.clock.now(),
    )
    return model.Message(
        message_id=ends.clock.new_id(),
        reference=reference,
        conversation_id=conversation,
        issued_at=ends.clock.now(),
        in_reply_to=None,
        body=body,
    )


async def test_the_certificates_of_an_instance() -> None:
    """Ours and the partner's are looked at; a newer one of the partner beside the old one takes its place."""
    with make_world(start=False) as world:
        instance = Instance.load(world.uk)
        names = {c.name for c in certificates(instance)}
        party = instance.agreement.parties.fr.id
        assert {"as4-sign", "as4-decrypt", "tls", f"{party} signature", f"{party} encryption"} <= names
        now = instance.clock.now()
        far = now + dt.timedelta(days=810)
        ending = judged(certificates(instance), PLAN.policy, far)
        assert {f.side for f in ending} == {Side.UK, Side.FR}
        assert any(f.facts["subject"] == f"{party} signature" for f in ending)
        ca = make_ca("New CA", now=now + dt.timedelta(days=700), country="FR")
        newer = make_party_certificate(
            ca, party, purpose="sign", now=now + dt.timedelta(days=700), country="FR"
        )
        (world.uk / "trust" / "fr" / "party" / "new.pem").write_bytes(newer.chain_pem)
        later = judged(certificates(instance), PLAN.policy, far)
        assert not any(f.facts["subject"] == f"{party} signature" for f in later)


async def test_what_a_node_sees_of_itself() -> None:
    """Its disk, its certificates, and which of its parts have ended."""
    with make_world(start=False) as world:
        ended: dict[str, bool] = {"worker": False, "puller": True}
        parts: dict[str, Callable[[], bool]] = {name: lambda name=name: ended[name] for name in ended}
        outlook = Outlook(Instance.load(world.uk), parts, works=True)
        around = await outlook.look()
        assert around.stopped == ("puller",)
        assert around.works
        assert around.disk_free is not None
        assert around.disk_free > 0
        assert len(around.certificates) >= 5
        ended["worker"] = True
        assert (await outlook.look()).stopped == ("worker", "puller")
