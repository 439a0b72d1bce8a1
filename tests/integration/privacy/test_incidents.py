"""A breach of Art 16 is told to our operators: an audit entry and a webhook, once, without the content."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import AsyncIterator

import pytest

from adapters.fr import FrAdapter
from contracts import codes, model
from gateway.core.records import AuditEntry, Channel, MessageRecord, OutboxEntry
from gateway.flows.accept_fr import accept
from gateway.flows.webhooks import WebhookEvent, WebhookTarget
from tests.fixtures.ends import Ends, make_ends

ISSUER = "https://passerelle.example.gov.uk"
NUMBER = "7501234567"


def _target(name: str, *events: WebhookEvent) -> WebhookTarget:
    url = f"https://hooks.example.org/{name}"
    return WebhookTarget(webhook_id=name, client_id="c", url=url, events=frozenset(events))


@pytest.fixture
async def ends() -> AsyncIterator[Ends]:
    """Two registered targets, of which one wants to hear of incidents."""
    async with make_ends() as made:
        hooks = (_target("told", WebhookEvent.PRIVACY_INCIDENT), _target("other", WebhookEvent.INBOX_MESSAGE))
        made.inbox = dataclasses.replace(made.inbox, webhooks=hooks, issuer=ISSUER)
        yield made


async def _send(ends: Ends, case: MessageRecord, *, conversation: str | None = None) -> str | None:
    """A decision with an AGDREF number in an element of its own; returns the code of the refusal."""
    now = ends.clock.now()
    body = model.ReadmissionDecision(
        decision=codes.ReadmissionDecisionCode.ACCEPTED,
        ground=None,
        information_needed=(),
        extended_until=None,
        decided_at=now,
    )
    message = model.Message(
        message_id=ends.clock.new_id(),
        reference=case.reference,
        conversation_id=conversation or case.conversation_id,
        issued_at=now,
        in_reply_to=None,
        body=body,
    )
    content = FrAdapter().from_canonical(message).content
    sealed = ends.french.unsafe_seal_bytes(
        content=content.replace(b"<acceptee/>", f"<acceptee/><n>{NUMBER}</n>".encode()),
        now=now,
        ref_to=None,
        type_=message.type,
        message_id=message.message_id,
        conversation_id=message.conversation_id,
    )
    return (await accept(ends.inbox, sealed.content_type, sealed.body)).code


async def _told(ends: Ends) -> tuple[OutboxEntry, ...]:
    async with ends.store.begin() as tx:
        found = await tx.claim_due(now=ends.clock.now(), limit=10, lease=ends.inbox.pull_lease)
    return tuple(entry for entry in found if entry.channel is Channel.WEBHOOK)


async def _incidents(ends: Ends) -> list[AuditEntry]:
    async with ends.store.begin(read_only=True) as tx:
        return [e for e in await tx.audit_entries(limit=500) if e.action == "privacy.incident"]


async def test_a_breach_is_told_once_to_who_asked(ends: Ends) -> None:
    """One row for the registered target: type, codes and a link to the case, no number, no document."""
    case = await ends.open_case()
    await ends.deliver()
    assert await _send(ends, case) == "privacy.personal_data"
    (entry,) = await _told(ends)
    assert entry.endpoint == "told"
    assert isinstance(entry.wire, bytes)
    event = json.loads(entry.wire)
    assert event["type"] == "passerelle.privacy.incident.v1"
    assert event["data"]["codes"] == ["privacy.agdref_number"]
    assert event["data"]["link"] == f"{ISSUER}/v1/readmission-requests/{case.reference}"
    assert event["subject"] == case.message_id
    assert NUMBER.encode() not in entry.wire
    (audited,) = await _incidents(ends)
    assert audited.data["codes"] == "privacy.agdref_number"
    assert NUMBER not in json.dumps(dict(audited.data))


async def test_a_breach_without_a_case_is_audited(ends: Ends) -> None:
    """A conversation that we do not know has no case to link to: the audit entry tells it."""
    case = await ends.open_case()
    await ends.deliver()
    assert await _send(ends, case, conversation=ends.clock.new_id()) == "privacy.personal_data"
    assert await _told(ends) == ()
    assert len(await _incidents(ends)) == 1
