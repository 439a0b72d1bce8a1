"""Forms that nobody filled in honestly: made-up ids, tokens and addresses, one person for two. Each is
answered with what is true, and changes nothing."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from contracts.codes import Direction
from gateway.core.batches import BatchPolicy, BatchState
from gateway.core.records import MessageStatus
from gateway.core.resend import Action
from gateway.core.roles import Role
from gateway.flows import batches
from gateway.flows.batch_preview import Selection
from gateway.flows.exchange import Exchange
from gateway.flows.message_view import message_view
from tests.fixtures.actions import FORM, REASON, Somebody, dead_letter, hidden, receipted, seen_of, statuses
from tests.fixtures.console import Console, browser, log_in, page, post, running_console
from tests.fixtures.store_records import new_case, new_message, record_for

SUE = Somebody("supervisor", frozenset({Role.SUPERVISOR}))
"""The supervisor of the console, as the command line recognises her: another way in, one person."""


@pytest.fixture
async def console(tmp_path: Path) -> AsyncIterator[Console]:
    policy = BatchPolicy(second_person_above=1, per_second=1000)
    async with running_console(tmp_path, exchange={"batches": policy}) as made:
        yield made


@pytest.fixture
async def operator(console: Console) -> AsyncIterator[aiohttp.ClientSession]:
    async with browser() as session:
        assert await log_in(session, console, name="operator") == 200
        yield session


@pytest.fixture
async def supervisor(console: Console) -> AsyncIterator[aiohttp.ClientSession]:
    async with browser() as session:
        assert await log_in(session, console, name="supervisor") == 200
        yield session


async def from_france(exchange: Exchange) -> str:
    case = new_case()
    message = new_message(case)
    async with exchange.store.begin() as tx:
        await tx.add_case(case)
        theirs = record_for(message, direction=Direction.FR_TO_UK, client_id="fr", as4_message_id="1@fr")
        return (await tx.add_message(theirs, message, ())).message_id


async def actions(exchange: Exchange, subject: str) -> list[str]:
    async with exchange.store.begin(read_only=True) as tx:
        return [e.action for e in await tx.audit_entries(subject=subject)]


async def states(exchange: Exchange) -> list[BatchState]:
    async with exchange.store.begin(read_only=True) as tx:
        return [b.state for b in (await tx.list_batches()).items]


@pytest.mark.parametrize("word", ["replay", "cancel"])
async def test_ids_that_are_not_ours(console: Console, operator: aiohttp.ClientSession, word: str) -> None:
    """Of France's message, of one that is receipted, of none, and of no id at all."""
    exchange = console.exchange
    theirs, proven = await from_france(exchange), await dead_letter(exchange)
    await receipted(exchange, proven)
    for message_id, status in ((theirs, 409), (proven, 409), (exchange.clock.new_id(), 404), ("%00", 404)):
        path = f"/console/messages/{message_id}/{word}"
        form = {"once": "made-up", **FORM}
        await post(operator, console, path, form, status=status)
    assert await statuses(exchange, [proven]) == ["failed"]
    for message_id in (theirs, proven):
        assert not {"message.replayed", "message.cancelled"} & set(await actions(exchange, message_id))


@pytest.mark.parametrize("ids", ["\x00", "x", "{france}", "{proven}", "{none}", "{good},{none}", ","])
async def test_ids_of_a_batch(console: Console, operator: aiohttp.ClientSession, ids: str) -> None:
    """A batch of what is not ours, receipted or not there is not made, whatever digest comes with it."""
    exchange = console.exchange
    good, proven = await dead_letter(exchange), await dead_letter(exchange)
    await receipted(exchange, proven)
    named = {
        "good": good,
        "proven": proven,
        "france": await from_france(exchange),
        "none": exchange.clock.new_id(),
    }
    digest = str((await seen_of(exchange, Selection(ids=(good,)))).seen)
    form = {
        "action": "replay",
        "ids": ids.format(**named),
        "digest": digest,
        "batch_id": exchange.clock.new_id(),
        **FORM,
    }
    async with operator.post(console.base + "/console/batches/new", data=form) as answer:
        assert answer.status == 403  # without the token of the session
    _, text = await post_any(operator, console, form)
    assert "Traceback" not in text
    assert await states(exchange) == []


async def post_any(session: aiohttp.ClientSession, console: Console, form: dict[str, str]) -> tuple[int, str]:
    """The answer to a form for a batch that is refused somehow."""
    token = re.search(r'name="csrf_token" value="([0-9a-f]+)"', await page(session, console, "/console"))
    assert token is not None
    data = {"csrf_token": token.group(1), **form}
    async with session.post(console.base + "/console/batches/new", data=data) as answer:
        assert 400 <= answer.status < 500, await answer.text()
        return answer.status, await answer.text()


async def test_digest_of_another_action_or_an_older_set(
    console: Console, operator: aiohttp.ClientSession
) -> None:
    """What was seen for sending again is no consent to cancel; nor is what was true before."""
    exchange = console.exchange
    message_id = await dead_letter(exchange)
    chosen = Selection(ids=(message_id,))
    old = str((await seen_of(exchange, chosen)).seen)
    form = {"action": "cancel", "ids": message_id, "digest": old, "batch_id": exchange.clock.new_id(), **FORM}
    assert (await post_any(operator, console, form))[0] == 409
    await receipted(exchange, message_id)
    assert (await post_any(operator, console, {**form, "action": "replay"}))[0] == 409
    assert await states(exchange) == []


async def test_form_of_another_batch(
    console: Console, operator: aiohttp.ClientSession, supervisor: aiohttp.ClientSession
) -> None:
    """An id that is taken makes no second batch: neither one's own with other messages, nor another's."""
    exchange = console.exchange
    first, second = await dead_letter(exchange), await dead_letter(exchange)
    batch_id = exchange.clock.new_id()

    async def form(message_id: str) -> dict[str, str]:
        digest = str((await seen_of(exchange, Selection(ids=(message_id,)))).seen)
        made = {"action": "replay", "ids": message_id, "digest": digest, "batch_id": batch_id}
        return {**made, **FORM}

    await post(operator, console, "/console/batches/new", await form(first))
    for session in (operator, supervisor):
        status, text = await post_any(session, console, await form(second))
        assert (status, "done=created" in text) == (409, False)
    assert len(await states(exchange)) == 1


@pytest.mark.parametrize("first", ["00000000-0000", "ffffffff-ffff"])
async def test_id_of_another_time(console: Console, operator: aiohttp.ClientSession, first: str) -> None:
    """A batch that would stand among those of long ago, or of times to come, is not made."""
    exchange = console.exchange
    message_id = await dead_letter(exchange)
    digest = str((await seen_of(exchange, Selection(ids=(message_id,)))).seen)
    batch_id = f"{first}{exchange.clock.new_id()[13:]}"
    form = {"action": "replay", "ids": message_id, "digest": digest, "batch_id": batch_id, **FORM}
    assert (await post_any(operator, console, form))[0] == 400
    assert await states(exchange) == []


async def test_token_of_another_form_is_none(console: Console, operator: aiohttp.ClientSession) -> None:
    """A token that was used for one message does not make another look as if it had been sent again; nor does
    one that is too long to be ours."""
    exchange = console.exchange
    first, second = await dead_letter(exchange), await dead_letter(exchange)
    shown = await page(operator, console, f"/console/messages/{first}/replay")
    form = {**hidden(shown), **FORM}
    await post(operator, console, f"/console/messages/{first}/replay", form)
    _, text = await post(operator, console, f"/console/messages/{second}/replay", form)
    assert "in the queue again" in text
    assert await statuses(exchange, [second]) == ["accepted"]  # the token was none of this form
    third = await dead_letter(exchange)
    await post(
        operator, console, f"/console/messages/{third}/replay", {"once": "x" * 101, **FORM}, status=400
    )
    assert await statuses(exchange, [third]) == ["failed"]


async def test_address_that_claims_success(console: Console, supervisor: aiohttp.ClientSession) -> None:
    """``?done`` in a link says nothing of what was not done by whoever opens it."""
    exchange = console.exchange
    message_id = await dead_letter(exchange)
    for word, claim in (("replay", "in the queue again"), ("cancel", "The message is cancelled")):
        text = await page(supervisor, console, f"/console/messages/{message_id}/{word}?done=1")
        assert claim not in text
    ids = (message_id, await dead_letter(exchange))
    seen = (await seen_of(exchange, Selection(ids=ids))).seen
    other = Somebody("operator", frozenset({Role.OPERATOR}))
    batch = await batches.create(
        exchange, Selection(ids=ids), Action.REPLAY, by=other, reason=REASON, seen=seen
    )
    for name, claim in (
        ("created", "The grouped action is made."),
        ("approve", "It is approved."),
        ("start", "It has started."),
        ("stop", "It is stopped."),
    ):
        text = await page(supervisor, console, f"/console/batches/{batch.batch_id}?done={name}")
        assert claim not in text
    text = await page(supervisor, console, f"/console/messages/{message_id}?done=revealed")
    assert "Personal data of this case is shown to you now" not in text


@pytest.mark.parametrize(
    ("where", "claim"),
    [
        ("/console/account?done=password", "Your password is changed."),
        ("/console/messages?done=kept", "The filter is kept."),
        ("/console/balance/quotas/readmissions?done=changed", "The quota is changed."),
    ],
)
async def test_result_is_told_to_who_acted_here(
    console: Console, operator: aiohttp.ClientSession, where: str, claim: str
) -> None:
    """A browser says what led it here; a link in a mail or on another site is told no result."""
    for led_by, told in (("same-origin", True), ("cross-site", False), ("none", False), ("same-site", False)):
        async with operator.get(console.base + where, headers={"Sec-Fetch-Site": led_by}) as answer:
            assert answer.status == 200
            assert (claim in await answer.text()) is told, led_by


async def test_one_person_is_not_two(
    console: Console, operator: aiohttp.ClientSession, supervisor: aiohttp.ClientSession
) -> None:
    """Who made it on the command line does not approve it in a browser, nor in a second one. The page says so
    and has no form; one that is made up is refused."""
    exchange = console.exchange
    ids = (await dead_letter(exchange), await dead_letter(exchange))
    chosen = Selection(ids=ids)
    seen = (await seen_of(exchange, chosen)).seen
    batch = await batches.create(exchange, chosen, Action.REPLAY, by=SUE, reason=REASON, seen=seen)
    path = f"/console/batches/{batch.batch_id}/approve"
    digest = str((await batches.look_again(exchange, batch.batch_id)).seen)
    async with browser() as second:
        assert await log_in(second, console, name="supervisor") == 200
        for session in (supervisor, second):
            text = await page(session, console, path)
            assert "Another person must approve it." in text
            assert "once" not in hidden(text)
            form = {"once": exchange.clock.new_id(), "digest": digest, **FORM}
            await post(session, console, path, form, status=403)
    assert await states(exchange) == [BatchState.WAITING]
    for word in ("start", "pause"):
        form = {"once": exchange.clock.new_id(), **FORM}
        await post(operator, console, f"/console/batches/{batch.batch_id}/{word}", form, status=409)
    assert await statuses(exchange, list(ids)) == ["failed", "failed"]


async def test_second_person_with_a_digest_that_is_not_of_this_batch(
    console: Console, supervisor: aiohttp.ClientSession
) -> None:
    """Neither made up, nor of one message of it, nor of what it was before a receipt came."""
    exchange = console.exchange
    ids = (await dead_letter(exchange), await dead_letter(exchange))
    other = Somebody("operator", frozenset({Role.OPERATOR}))
    seen = (await seen_of(exchange, Selection(ids=ids))).seen
    made = await batches.create(
        exchange, Selection(ids=ids), Action.REPLAY, by=other, reason=REASON, seen=seen
    )
    path = f"/console/batches/{made.batch_id}/approve"
    one = (await seen_of(exchange, Selection(ids=ids[:1]))).seen
    before = (await batches.look_again(exchange, made.batch_id)).seen
    for digest, status in (("", 400), ("0" * 64 + ".2.1", 409), (str(one), 409)):
        form = {"once": exchange.clock.new_id(), "digest": digest, **FORM}
        await post(supervisor, console, path, form, status=status)
    await receipted(exchange, ids[0])
    form = {"once": exchange.clock.new_id(), "digest": str(before), **FORM}
    await post(supervisor, console, path, form, status=409)
    assert await states(exchange) == [BatchState.WAITING]


async def test_one_message_with_two_persons(tmp_path: Path) -> None:
    """``console.second_person_above = 0``: nobody sends or stops a single message alone, by page or form."""
    policy = BatchPolicy(second_person_above=0, per_second=1000)
    async with running_console(tmp_path, exchange={"batches": policy}) as console, browser() as session:
        assert await log_in(session, console, name="operator") == 200
        message_id = await dead_letter(console.exchange)
        view = await message_view(console.exchange, message_id)
        assert (view["actions"]["replay"], view["actions"]["cancel"]) == (False, False)
        for word in ("replay", "cancel"):
            path = f"/console/messages/{message_id}/{word}"
            text = await page(session, console, path)
            assert "a second person is needed" in text
            assert "once" not in hidden(text)
            await post(session, console, path, {"once": "made-up", **FORM}, status=409)
        assert await statuses(console.exchange, [message_id]) == [MessageStatus.FAILED.value]


PART = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n'
URLENCODED = "application/x-www-form-urlencoded"


@pytest.mark.parametrize("path", ["/console/login", "/console/messages/{id}/replay"])
@pytest.mark.parametrize(
    ("kind", "octets"),
    [
        (URLENCODED, b"words=\xff"),
        (f"{URLENCODED}; charset=nonsense", b"words=a"),
        ("multipart/form-data", b"no boundary"),
        ("multipart/form-data; boundary=x", b"--x\r\nno header\r\n"),
        (
            "multipart/form-data; boundary=x",
            b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\n\xff\r\n--x--",
        ),
    ],
)
async def test_form_that_cannot_be_read(
    console: Console, operator: aiohttp.ClientSession, path: str, kind: str, octets: bytes
) -> None:
    """Octets that are no text, an unknown charset, broken parts: refused as a page, signed in or not."""
    url = console.base + path.format(id=console.failed.message_id)
    async with browser() as nobody:
        for session in (operator, nobody):
            async with session.post(url, data=octets, headers={"Content-Type": kind}) as answer:
                assert answer.status in {400, 403}, await answer.text()
                assert "<!doctype html>" in await answer.text()


@pytest.mark.parametrize("words", ["a\x00b", "\x1b[2Ja", "a\x9bb"])
async def test_reason_with_control_characters(
    console: Console, operator: aiohttp.ClientSession, words: str
) -> None:
    """It would stand in the audit log for ever, and move the cursor of whoever reads it in a terminal."""
    message_id = await dead_letter(console.exchange)
    path = f"/console/messages/{message_id}/replay"
    form = {**hidden(await page(operator, console, path)), "reason": "other", "words": words}
    _, text = await post(operator, console, path, form, status=400)
    assert "control characters" in text
    assert await statuses(console.exchange, [message_id]) == ["failed"]
