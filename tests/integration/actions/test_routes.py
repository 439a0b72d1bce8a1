"""Pausing a route: what waits is shown first, each direction by itself, one form acts once."""

from __future__ import annotations

import dataclasses

import pytest

from gateway.core.errors import NotFound
from gateway.flows import endpoints, routes
from gateway.flows.once import AlreadyDone
from gateway.flows.pull_fetch import Fetched, fetch
from gateway.flows.webhooks import WebhookTarget
from gateway.store import SqlStore
from tests.fixtures.actions import SUE, WHY, exchange_on, message_in
from tests.fixtures.agreements import FR_CHANNEL, PULLED_FR, agreement
from tests.fixtures.ends import make_ends
from tests.fixtures.store_records import new_case

WHO = {"actor": SUE.actor, "reason": WHY}


async def test_preview_says_what_waits(store: SqlStore) -> None:
    """Messages to France wait, events of a webhook are dropped; a name that is no route is not found."""
    hook = WebhookTarget(webhook_id="hook", client_id="uk", url="https://uk.test/in", events=frozenset())
    exchange = dataclasses.replace(exchange_on(store), webhooks=(hook,))
    async with store.begin() as tx:
        first = await message_in(tx, exchange, new_case())
        await message_in(tx, exchange, new_case())
    row = await routes.look(exchange, exchange.french_party)
    assert (row["effect"], row["waiting"], row["oldest_at"]) == ("waits", 2, first.received_at)
    assert (await routes.look(exchange, "hook"))["effect"] == "dropped"
    with pytest.raises(NotFound):
        await routes.look(exchange, "nowhere")


async def test_form_sent_twice_pauses_once(store: SqlStore) -> None:
    """The second time is told so; the audit log has one entry."""
    exchange = exchange_on(store)
    name = exchange.french_party
    await endpoints.set_paused(exchange, name, paused=True, once="t", **WHO)
    with pytest.raises(AlreadyDone):
        await endpoints.set_paused(exchange, name, paused=True, once="t", **WHO)
    async with store.begin() as tx:
        assert [e.action for e in await tx.audit_entries(subject=name)] == ["endpoint.paused"]


async def test_fetching_is_paused_by_itself() -> None:
    """While the pull is paused nothing is asked for, and sending to France goes on."""
    async with make_ends(agreement=agreement(fr_to_uk=PULLED_FR)) as ends:
        exchange = dataclasses.replace(
            exchange_on(ends.store), agreement=ends.delivery.agreement, french_party=ends.british.partner
        )
        (name,) = endpoints.pulls(exchange)
        assert (await routes.look(exchange, name))["effect"] == "stays"
        assert name in routes.names(exchange)
        await endpoints.set_paused(exchange, name, paused=True, **WHO)
        asked = len(ends.partner.posted)
        result = await fetch(ends.inbox, ends.delivery, transport=ends.partner, mpc=FR_CHANNEL)
        assert result.fetched is Fetched.WAITING
        assert len(ends.partner.posted) == asked
        await ends.open_case()
        await ends.deliver()
        assert len(ends.partner.posted) == asked + 1
        await endpoints.set_paused(exchange, name, paused=False, **WHO)
        await fetch(ends.inbox, ends.delivery, transport=ends.partner, mpc=FR_CHANNEL)
        assert len(ends.partner.posted) == asked + 2


async def test_nothing_to_fetch_without_a_pull(store: SqlStore) -> None:
    """The shipped agreement has France push: there is no such route."""
    exchange = exchange_on(store)
    assert endpoints.pulls(exchange) == ()
    assert routes.names(exchange) == (exchange.french_party,)
