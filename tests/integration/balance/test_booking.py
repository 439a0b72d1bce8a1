"""Outcomes that pass through a running gateway are in the ledger, once, and the ledger proves itself."""

from __future__ import annotations

import datetime as dt

import pytest

from gateway.core.errors import Conflict, InvalidParameter, NotFound
from gateway.core.treaty.ledger import Reason
from gateway.flows.balance import balance, ledger_list, weekly_report
from gateway.flows.ledger import correct_entry, verify_ledger
from gateway.uk_client import UkClient
from tests.fixtures.raw_sql import raw
from tests.fixtures.uk_gateway import Gateway
from tests.integration.balance.steps import (
    arrived,
    audit_actions,
    open_nomination,
    open_request,
    outcome_entries,
    taken_in_charge,
    transferred,
)

A, B = {"actor": "operator:a", "reason": "counted again"}, {"actor": "operator:b", "reason": "I agree"}


async def test_both_reports_of_one_transfer_count_once(gateway: Gateway, client: UkClient) -> None:
    """The UK's outcome and France's receipt of the same person: one person."""
    reference = (await open_request(client))["reference"]
    await transferred(gateway, client, reference)
    assert [e.persons for e in await outcome_entries(gateway)] == [1]
    values = (await client.get("/v1/balance")).json()
    assert (values["returned"], values["admitted"], values["balance"]) == (1, 0, 1)
    assert (await verify_ledger(gateway.exchange)).ok


async def test_different_numbers_book_what_france_received(gateway: Gateway, client: UkClient) -> None:
    """Three reported, two received: two stand, and the difference is shown with its case."""
    reference = (await open_request(client, persons=3))["reference"]
    await transferred(gateway, client, reference, reported=3, received=2)
    rows = await outcome_entries(gateway)
    assert [(e.persons, e.reason) for e in rows] == [(3, None), (-3, Reason.RECEIPT_DIFFERS), (2, None)]
    values = await balance(gateway.exchange)
    assert values["balance"] == 2
    assert [(d["reference"], d["code"]) for d in values["differences"]] == [(reference, "receipt_differs")]
    report = await weekly_report(gateway.exchange, "2026-W47")
    assert (report["returned"], report["corrections"], report["differences"]) == (2, 1, 1)
    assert "ledger.countered" in await audit_actions(gateway, rows[1].message_id)
    assert (await verify_ledger(gateway.exchange)).ok


async def test_admission_counts_on_the_other_side(gateway: Gateway, client: UkClient) -> None:
    """One admitted and nobody returned: the signed balance is minus one."""
    reference = (await open_nomination(client))["reference"]
    await arrived(gateway, client, reference)
    values = (await client.get("/v1/balance")).json()
    assert (values["returned"], values["admitted"], values["balance"]) == (0, 1, -1)
    assert values["weeks"][-1]["week"] == "2026-W47"
    assert (await verify_ledger(gateway.exchange)).ok


async def test_correction_needs_a_second_person_who_says_the_same(gateway: Gateway, client: UkClient) -> None:
    """Proposed, refused to the same person, not confirmed by other terms, booked by a second one."""
    reference = (await open_request(client))["reference"]
    await transferred(gateway, client, reference, received=None)
    (entry,) = await outcome_entries(gateway)
    exchange = gateway.exchange
    assert not (await correct_entry(exchange, entry.entry_id, persons=2, **A)).booked
    with pytest.raises(Conflict):
        await correct_entry(exchange, entry.entry_id, persons=2, **A)
    assert not (await correct_entry(exchange, entry.entry_id, persons=3, **B)).booked
    assert [e.persons for e in await outcome_entries(gateway)] == [1]
    assert (await correct_entry(exchange, entry.entry_id, persons=2, **B)).booked
    rows = await outcome_entries(gateway)
    assert [(e.persons, e.actor) for e in rows] == [(1, "gateway"), (-1, "operator:b"), (2, "operator:b")]
    assert rows[0] == entry
    actions = await audit_actions(gateway, entry.message_id)
    assert actions.count("ledger.correction_proposed") == 2
    assert (await verify_ledger(exchange)).ok
    with pytest.raises(Conflict):
        await correct_entry(exchange, entry.entry_id, persons=1, **A)


async def test_receipt_after_a_correction_still_rules(gateway: Gateway, client: UkClient) -> None:
    """An operator corrects the UK's number; France's receipt then gives another one, which stands."""
    reference = (await open_request(client))["reference"]
    await transferred(gateway, client, reference, received=None)
    (entry,) = await outcome_entries(gateway)
    for who in (A, B):
        await correct_entry(gateway.exchange, entry.entry_id, persons=None, **who)
    assert (await balance(gateway.exchange))["balance"] == 0
    receipt = {
        "type": "TransferReceipt",
        "taken_charge_at": gateway.clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "place": "FRCDG",
        "flight": None,
        "persons_received": 1,
    }
    await gateway.from_france(receipt, reference=reference, in_reply_to=None)
    assert (await balance(gateway.exchange))["balance"] == 1
    assert (await verify_ledger(gateway.exchange)).ok


async def test_what_cannot_be_corrected_is_said(gateway: Gateway, client: UkClient) -> None:
    """An unknown entry, a place in a quota, nonsense numbers, an empty reason, a date to come."""
    reference = (await open_request(client))["reference"]
    await transferred(gateway, client, reference, received=None)
    (entry,) = await outcome_entries(gateway)
    exchange, later = gateway.exchange, gateway.clock.now() + dt.timedelta(days=1)
    with pytest.raises(NotFound):
        await correct_entry(exchange, 9999, persons=1, **A)
    with pytest.raises(NotFound):  # entry 1 is the place that the request took
        await correct_entry(exchange, 1, persons=1, **A)
    for wrong in ({"persons": 21}, {"persons": -1}, {"persons": 1, "event_at": later}):
        with pytest.raises(InvalidParameter):
            await correct_entry(exchange, entry.entry_id, **wrong, **A)  # type: ignore[arg-type]  # from a dict
    with pytest.raises(InvalidParameter):
        await correct_entry(exchange, entry.entry_id, persons=1, actor="operator:a", reason=" ")


async def test_verify_finds_a_row_that_no_message_derives(gateway: Gateway, client: UkClient) -> None:
    """A row written past the gateway, or one taken away, is found with its case."""
    reference = (await open_request(client))["reference"]
    await transferred(gateway, client, reference, received=None)
    (entry,) = await outcome_entries(gateway)
    async with gateway.exchange.store.begin() as tx:
        await tx.add_entry(entry, at=gateway.clock.now())
    found = await verify_ledger(gateway.exchange)
    assert (found.ok, found.broken) == (False, (reference,))


async def test_verify_finds_a_row_taken_away_without_a_contradiction(
    gateway: Gateway, client: UkClient, store_url: str
) -> None:
    """The UK reports a transfer, an operator strikes it out, France reports it. Without the last entry, and
    with the sum made to fit, the rest could have come in another order too: the audit log knows better."""
    reference = (await open_request(client))["reference"]
    await transferred(gateway, client, reference, received=None)
    (entry,) = await outcome_entries(gateway)
    for who in (A, B):
        await correct_entry(gateway.exchange, entry.entry_id, persons=None, **who)
    await gateway.from_france(taken_in_charge(gateway), reference=reference, in_reply_to=None)
    rows = await outcome_entries(gateway)
    assert [row.persons for row in rows] == [1, -1, 1]
    assert (await verify_ledger(gateway.exchange)).ok
    await raw(store_url, f"DELETE FROM ledger WHERE entry_id = {rows[-1].entry_id}")  # noqa: S608 — a number
    await raw(store_url, "UPDATE ledger_weeks SET persons = 0 WHERE side = 'readmitted'")
    found = await verify_ledger(gateway.exchange)
    assert (found.broken, found.miscounted) == ((reference,), ())


async def test_verify_finds_a_sum_that_is_not_that_of_the_entries(
    gateway: Gateway, client: UkClient, store_url: str
) -> None:
    """The sums by week are kept beside the entries; one changed past the gateway is named."""
    reference = (await open_request(client))["reference"]
    await transferred(gateway, client, reference)
    assert (await verify_ledger(gateway.exchange)).ok
    await raw(store_url, "UPDATE ledger_weeks SET persons = 7 WHERE side = 'readmitted'")
    found = await verify_ledger(gateway.exchange)
    assert (found.ok, found.broken, found.miscounted) == (False, (), ("2026-W47 readmitted",))


async def test_case_deleted_by_retention_keeps_its_entries(gateway: Gateway, client: UkClient) -> None:
    """The sums outlive the content; verifying says that the case can be derived no more."""
    reference = (await open_request(client))["reference"]
    await transferred(gateway, client, reference)
    async with gateway.exchange.store.begin() as tx:
        await tx.destroy_case_key(reference, at=gateway.clock.now())
    assert (await balance(gateway.exchange))["balance"] == 1
    found = await verify_ledger(gateway.exchange)
    assert (found.ok, found.unreadable, found.cases) == (True, 1, 1)


async def test_projection_shows_the_announced_transfer(gateway: Gateway, client: UkClient) -> None:
    """A noticed transfer is expected in its week until its outcome is known."""
    reference = (await open_request(client))["reference"]
    await transferred(gateway, client, reference, reported=None, received=None)
    values = await balance(gateway.exchange)
    first = values["projection"]["weeks"][0]
    assert (first["week"], first["readmissions"], first["difference"]) == ("2026-W47", 1, 1)
    assert values["projection"]["complete"]


async def test_ledger_list_pages_and_narrows(gateway: Gateway, client: UkClient) -> None:
    """In order of booking, after an entry, of one week; places in quotas are not listed."""
    for _ in range(2):
        await transferred(gateway, client, (await open_request(client))["reference"])
    rows = await ledger_list(gateway.exchange, week=None, after=0, limit=1)
    more = await ledger_list(gateway.exchange, week="2026-W47", after=rows[0]["entry"], limit=10)
    assert [r["side"] for r in (*rows, *more)] == ["readmitted", "readmitted"]
    assert await ledger_list(gateway.exchange, week="2026-W46", after=0, limit=10) == []
