"""The value of the message page over real AS4: both legs on one timeline, holder, proofs, answers, clocks."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from gateway.core.errors import ConnectionFailed, NotFound, PeerTimedOut
from gateway.core.records import MessageStatus
from gateway.flows.case_page import case_page
from gateway.flows.exchange import Exchange
from gateway.flows.message_view import message_view
from tests.fixtures.ends import Ends, make_ends
from tests.fixtures.proofs import exchange_of, inbound, outbound
from tests.fixtures.uk_gateway import es256


@pytest.fixture
async def ends() -> AsyncIterator[Ends]:
    async with make_ends() as made:
        yield made


async def started(ends: Ends, *, deliver: bool = True) -> tuple[Exchange, str, str]:
    """(exchange, message id, reference) of a readmission request."""
    signer = es256()
    exchange = exchange_of(ends, signer)
    record, _ = await outbound(ends, exchange, signer, deliver=deliver)
    return exchange, record.message_id, record.reference


def titles(view: dict[str, object]) -> list[str]:
    lines = view["timeline"]
    assert isinstance(lines, list)
    return [line["title"]["en"] for line in lines]


async def test_one_timeline_joins_both_legs(ends: Ends) -> None:
    """From the POST over signing, attempt and receipt to France's answer and the clocks, newest first."""
    exchange, message_id, _ = await started(ends)
    answer = await inbound(ends, await ends.record(message_id))
    view = await message_view(exchange, message_id)
    found = titles(view)
    expected = [
        "France sent: Readmission decision",
        "Delivered: France's receipt is verified",
        "Attempt 1: Delivered, receipt verified",
        "Signed and encrypted for France",
        "Signed receipt given to the UK system",
        "Posted by the UK system: signature verified, stored",
    ]
    kept = [title for title in found if title in expected]
    assert kept == expected
    assert any(title.endswith(": starts") for title in found)
    instants = [line["at"] for line in view["timeline"]]
    assert instants == sorted(instants, reverse=True)
    assert [(r["message_id"], r["relation"]) for r in view["related"]] == [(answer.message_id, "answered_by")]
    assert view["clocks"]
    assert {line["leg"] for line in view["timeline"]} >= {"uk", "france", "clock"}


async def test_a_message_from_france_has_its_own_legs(ends: Ends) -> None:
    """AS4 first, our receipt, then the inbox; the UK system holds it, and it is not ours to send again."""
    exchange, message_id, _ = await started(ends)
    answer = await inbound(ends, await ends.record(message_id))
    view = await message_view(exchange, answer.message_id)
    found = titles(view)
    assert found.index("Waits in the UK inbox") < found.index("Signed receipt made for France")
    assert found.index("Signed receipt made for France") < found.index(
        "Received from France over AS4: signature verified, stored"
    )
    assert found[-1] == "The UK sent: Readmission request"
    assert (view["holding"]["holder"], view["holding"]["resend"]) == ("uk_system", "no")
    assert view["evidence"]["ok"]
    assert view["related"][0]["relation"] == "answers"
    assert not any(row["masked"] for row in view["content"]["rows"])  # Art 16: nothing personal comes


async def test_a_delivered_message_is_never_sent_again(ends: Ends) -> None:
    """France holds it, nothing is wrong, every proof holds."""
    exchange, message_id, _ = await started(ends)
    view = await message_view(exchange, message_id)
    holding = view["holding"]
    assert (holding["holder"], holding["fault"], holding["resend"]) == ("french_system", None, "no")
    assert view["evidence"]["ok"]
    assert {p["mark"] for p in view["evidence"]["proofs"]} == {"holds"}
    assert view["actions"] == {"replay": False, "cancel": False, "decide": False, "evidence": True}


async def _fail(ends: Ends, error: Exception) -> tuple[Exchange, str]:
    """A message whose attempts all fail with that error until it is a dead letter."""
    exchange, message_id, _ = await started(ends, deliver=False)
    ends.partner.error = error
    for _ in range(10):
        await ends.deliver()
        if (await ends.record(message_id)).status is MessageStatus.FAILED:
            break
        ends.clock.skip(10)
    return exchange, message_id


async def test_what_never_connected_may_go_again(ends: Ends) -> None:
    """No connection ever came to be: yes, it was never receipted; each attempt is a row with its cure."""
    exchange, message_id = await _fail(ends, ConnectionFailed("no connection to the partner"))
    view = await message_view(exchange, message_id)
    holding = view["holding"]
    assert (holding["holder"], holding["fault"], holding["resend"]) == ("operator", "fr", "yes")
    assert [a["number"] for a in view["attempts"]] == [4, 3, 2, 1]
    assert {a["words"]["outcome"]["fr"] for a in view["attempts"]} == {"Connexion impossible"}
    assert view["actions"]["replay"]


async def test_a_lost_answer_leaves_it_open(ends: Ends) -> None:
    """The partner may have it: unknown, with the reason that the MessageId stays the same."""
    exchange, message_id = await _fail(ends, PeerTimedOut("no answer in time"))
    holding = (await message_view(exchange, message_id))["holding"]
    assert holding["resend"] == "unknown"
    assert "MessageId" in holding["resend_reason"]["fr"]
    assert (await message_view(exchange, message_id))["actions"]["replay"]


async def test_while_it_is_tried_again_nobody_needs_to_act(ends: Ends) -> None:
    """After a first failure the gateway holds it, France is the cause, a replay is not needed."""
    exchange, message_id, _ = await started(ends, deliver=False)
    ends.partner.error = ConnectionFailed("no connection to the partner")
    await ends.deliver()
    view = await message_view(exchange, message_id)
    assert (view["holding"]["holder"], view["holding"]["fault"]) == ("gateway", "fr")
    assert view["holding"]["resend"] == "no"
    assert view["next_attempt"]["attempts"] == 1


async def test_the_case_page_draws_what_happened(ends: Ends) -> None:
    """States with the message that brought each, the way ahead, both directions, masked persons."""
    exchange, message_id, reference = await started(ends)
    answer = await inbound(ends, await ends.record(message_id))
    view = await case_page(exchange, reference)
    walked = [(s["status"], s["mark"], s["message_id"]) for s in view["line"] if s["mark"] != "todo"]
    assert walked == [("requested", "done", message_id), ("accepted", "now", answer.message_id)]
    assert [s["status"] for s in view["line"]][-1] == "received"
    assert "withdrawn" in view["exits"]
    assert {m["direction"] for m in view["messages"]} == {"UK_TO_FR", "FR_TO_UK"}
    assert view["content"]["rows"]
    assert not view["content"]["revealed"]
    assert all(row["path"].startswith("/persons") for row in view["content"]["rows"])


async def test_after_retention_records_and_proofs_stay(ends: Ends) -> None:
    """Page and case still open, proofs hold, content is gone for good."""
    exchange, message_id, reference = await started(ends)
    async with ends.store.begin() as tx:
        await tx.destroy_case_key(reference, at=ends.clock.now())
    view = await message_view(exchange, message_id)
    assert view["content"] == {
        "available": False,
        "revealed": False,
        "may_reveal": False,
        "withheld": False,
        "reveal": None,
        "rows": [],
    }
    assert view["evidence"]["ok"]
    assert (await case_page(exchange, reference))["line"][0]["status"] == "requested"


async def test_unknown_ids(ends: Ends) -> None:
    """Neither page invents anything."""
    exchange = exchange_of(ends)
    with pytest.raises(NotFound):
        await message_view(exchange, "00000000-0000-7000-8000-000000000000")
    with pytest.raises(NotFound):
        await case_page(exchange, "GB01-000000000000")
