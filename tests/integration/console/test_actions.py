"""The pages that act: each shows what would happen, asks why, acts once, and shows what happened."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from gateway.core.batches import BatchPolicy
from gateway.core.records import MessageStatus
from gateway.core.roles import Permission, Role, permissions
from gateway.flows import batch_run
from gateway.flows.exchange import Exchange
from tests.fixtures.actions import FORM, dead_letter, hidden, queued, receipted, statuses, withdrawal
from tests.fixtures.console import NADIA, Console, MovingClock, browser, log_in, page, post, running_console


@pytest.fixture
async def console(tmp_path: Path) -> AsyncIterator[Console]:
    policy = BatchPolicy(second_person_above=1, per_second=1000)
    async with running_console(tmp_path, exchange={"batches": policy}) as made:
        yield made


@pytest.fixture
async def sessions() -> AsyncIterator[list[aiohttp.ClientSession]]:
    opened: list[aiohttp.ClientSession] = []
    yield opened
    for session in opened:
        await session.close()


class Visitors:
    """Browsers of people who have logged in."""

    def __init__(self, console: Console, opened: list[aiohttp.ClientSession]) -> None:
        self.console, self.opened = console, opened

    async def __call__(self, name: str = NADIA) -> aiohttp.ClientSession:
        session = browser()
        self.opened.append(session)
        assert await log_in(session, self.console, name=name) == 200
        return session


@pytest.fixture
def visitor(console: Console, sessions: list[aiohttp.ClientSession]) -> Visitors:
    return Visitors(console, sessions)


async def work_off(exchange: Exchange) -> None:
    for _ in range(100):
        if await batch_run.step(exchange) is None:
            return
        assert isinstance(exchange.clock, MovingClock)
        exchange.clock.shift += dt.timedelta(seconds=1)


async def dead(console: Console, count: int) -> list[str]:
    """The one dead letter of the console, and ``count`` more."""
    return [console.failed.message_id, *[await dead_letter(console.exchange) for _ in range(count)]]


async def settle(console: Console) -> None:
    """The console's own message failed before its row was removed: remove it, as the worker does."""
    async with console.store.begin() as tx:
        await tx.cancel_message(console.failed.message_id, at=console.clock.now(), code="x")
        await tx.update_message(
            console.failed.message_id,
            at=console.clock.now(),
            status=MessageStatus.FAILED,
            code="delivery.timed_out",
        )


async def test_a_withdrawal_is_stopped_alone_and_the_page_says_what_that_means(
    console: Console, visitor: Visitors
) -> None:
    """The button is there, after what happens when France does not know."""
    message_id = await dead_letter(console.exchange, body=withdrawal(console.exchange))
    session, path = await visitor(), f"/console/messages/{message_id}/cancel"
    shown = await page(session, console, f"{path}?lang=en")
    assert "Tell France, then stop it alone" in shown
    assert "Informez la France" in await page(session, console, f"{path}?lang=fr")
    await post(session, console, path, {**hidden(shown), **FORM})
    assert await statuses(console.exchange, [message_id]) == ["cancelled"]


async def test_replay_asks_and_acts_once(console: Console, visitor: Visitors) -> None:
    """Preview, reason, action, result; the same form sent again shows the result and does nothing."""
    (message_id,) = [await dead_letter(console.exchange)]
    session, path = await visitor(), f"/console/messages/{message_id}/replay"
    shown = await page(session, console, f"{path}?lang=en")
    assert "does not have it" in shown
    assert await statuses(console.exchange, [message_id]) == ["failed"]
    form = {**hidden(shown), **FORM}
    for _ in range(2):
        where, text = await post(session, console, path, form)
        assert where == f"{path}?done=1"
        assert "in the queue again" in text
    async with console.store.begin() as tx:
        replays = [e for e in await tx.audit_entries(subject=message_id) if e.action == "message.replayed"]
    (entry,) = replays
    assert (entry.actor, entry.data["reason"]) == (f"operator:{NADIA}", "partner_outage: ticket 4711")
    assert (await queued(console.exchange)).count(message_id) == 1


async def test_receipted_message_offers_no_replay(console: Console, visitor: Visitors) -> None:
    """The page says why, and has no form; a form that was made up is refused."""
    message_id = await dead_letter(console.exchange)
    await receipted(console.exchange, message_id)
    session, path = await visitor(), f"/console/messages/{message_id}/replay"
    shown = await page(session, console, f"{path}?lang=en")
    assert "never sent again" in shown
    assert "once" not in hidden(shown)
    await post(session, console, path, {"once": "made-up", **FORM}, status=409)


async def test_cancel_in_french(console: Console, visitor: Visitors) -> None:
    """A French operator cancels in French; what may have arrived is said."""
    message_id = await dead_letter(console.exchange, outcome="delivery.timed_out", detail="")
    session, path = await visitor(), f"/console/messages/{message_id}/cancel"
    shown = await page(session, console, path)
    assert "Annuler ce message" in shown
    assert "la France l’a peut-être reçu" in shown
    _, text = await post(session, console, path, {**hidden(shown), **FORM})
    assert "Le message est annulé." in text
    assert await statuses(console.exchange, [message_id]) == ["cancelled"]


@pytest.mark.parametrize("fields", [{"words": "x"}, {"reason": "nonsense"}, {"reason": "other"}])
async def test_reason_is_needed(console: Console, visitor: Visitors, fields: dict[str, str]) -> None:
    """Without a coded reason, or words for the other one, nothing happens."""
    message_id = await dead_letter(console.exchange)
    session, path = await visitor(), f"/console/messages/{message_id}/replay"
    form = hidden(await page(session, console, path))
    await post(session, console, path, {**form, **fields}, status=400)
    assert await statuses(console.exchange, [message_id]) == ["failed"]


async def test_many_by_two_persons(console: Console, visitor: Visitors) -> None:
    """All that failed: preview, make, approve by another, start, results."""
    await settle(console)
    ids = await dead(console, 3)
    operator, supervisor = await visitor("operator"), await visitor("supervisor")
    shown = await page(operator, console, "/console/batches/new?action=replay&status=failed&lang=en")
    assert "A second person must approve it." in shown
    where, text = await post(operator, console, "/console/batches/new", {**hidden(shown), **FORM})
    made = re.fullmatch(r"(/console/batches/[0-9a-f-]{36})\?done=created", where)
    assert made is not None
    path = made.group(1)
    assert "Nothing has been done to any message yet." in text
    await page(operator, console, f"{path}/approve", status=403)
    shown = await page(supervisor, console, f"{path}/approve?lang=en")
    _, text = await post(supervisor, console, f"{path}/approve", {**hidden(shown), **FORM})
    assert "It is approved." in text
    shown = await page(operator, console, f"{path}/start")
    await post(operator, console, f"{path}/start", {**hidden(shown), **FORM})
    await work_off(console.exchange)
    assert await statuses(console.exchange, ids) == ["accepted"] * 4
    text = await page(operator, console, path)
    assert "finished" in text
    assert "<dt>Second person</dt><dd>supervisor, " in text
    assert path in await page(operator, console, "/console/batches?state=done")


async def test_set_that_changed_is_shown_again(console: Console, visitor: Visitors) -> None:
    """A message that fails between preview and confirmation: nothing is made, and it is named."""
    await settle(console)
    session = await visitor("operator")
    shown = await page(session, console, "/console/batches/new?action=replay&status=failed&lang=en")
    late = await dead_letter(console.exchange)
    _, text = await post(session, console, "/console/batches/new", {**hidden(shown), **FORM}, status=409)
    assert "The set has changed since you looked at it." in text
    assert f"/console/messages/{late}" in text
    assert "There is no grouped action." in await page(session, console, "/console/batches")
    where, _ = await post(session, console, "/console/batches/new", {**hidden(text), **FORM})
    assert "done=created" in where


async def test_form_for_a_batch_sent_twice(console: Console, visitor: Visitors) -> None:
    """Both answers show the one batch that was made."""
    await settle(console)
    session = await visitor("operator")
    shown = await page(session, console, f"/console/batches/new?id={console.failed.message_id}&lang=en")
    form = {**hidden(shown), **FORM}
    first, _ = await post(session, console, "/console/batches/new", form)
    second, _ = await post(session, console, "/console/batches/new", form)
    assert first == second
    async with console.store.begin(read_only=True) as tx:
        assert len((await tx.list_batches()).items) == 1


async def test_route_is_paused_and_resumed(console: Console, visitor: Visitors) -> None:
    """The supervisor sees what waits, pauses with a reason, resumes; an operator may not."""
    session, name = await visitor("supervisor"), console.exchange.french_party
    for word, paused in (("pause", True), ("resume", False)):
        path = f"/console/routes/{name}/{word}"
        shown = await page(session, console, f"{path}?lang=en")
        await post(session, console, path, {**hidden(shown), **FORM})
        async with console.store.begin(read_only=True) as tx:
            assert (await tx.breaker(name)).paused is paused
    operator = await visitor("operator")
    await page(operator, console, f"/console/routes/{name}/pause", status=403)
    await page(session, console, "/console/routes/nowhere/pause", status=404)


_GUARDED = [
    ("/console/messages/{id}/replay", Permission.ACT),
    ("/console/messages/{id}/cancel", Permission.ACT),
    ("/console/batches/new?action=replay&status=failed", Permission.ACT),
    ("/console/routes/{endpoint}/pause", Permission.PAUSE),
    ("/console/routes/{endpoint}/resume", Permission.PAUSE),
    ("/console/held", Permission.VIEW),
    ("/console/batches", Permission.VIEW),
]


@pytest.mark.parametrize("role", list(Role))
async def test_pages_by_role(console: Console, visitor: Visitors, role: Role) -> None:
    """Each role opens what its permissions allow; a POST without the permission is refused too."""
    session = await visitor(role.value)
    for pattern, needed in _GUARDED:
        path = pattern.format(id=console.failed.message_id, endpoint=console.exchange.french_party)
        allowed = needed in permissions({role})
        await page(session, console, path, status=200 if allowed else 403)
        if not allowed:
            await post(session, console, path.partition("?")[0], {"once": "x", **FORM}, status=403)


async def test_post_without_token_is_refused(console: Console, visitor: Visitors) -> None:
    """Another site cannot act in somebody's name."""
    session = await visitor("supervisor")
    for path in (
        f"/console/messages/{console.failed.message_id}/replay",
        "/console/batches/new",
        f"/console/routes/{console.exchange.french_party}/pause",
        f"/console/held/{console.failed.message_id}/release",
    ):
        async with session.post(console.base + path, data={"once": "x", **FORM}) as answer:
            assert answer.status == 403
