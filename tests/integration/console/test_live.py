"""Live updates: who may listen, what is told, and how a stream ends; over real sockets."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.flows.live import AREAS
from gateway.store import open_store
from gateway.web.console import app as console_app
from gateway.web.console.live import SHOWN
from gateway.web.console.pages import events
from tests.fixtures.console import Console, browser, log_in, page, running_console
from tests.fixtures.databases import PlainKeys
from tests.fixtures.store_records import accept, new_case

SOON = 10.0


class Stream:
    """One EventSource, as a browser reads it."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self.answer = answer

    async def event(self) -> dict[str, Any]:
        """The next event: name, id, data. Raises EOFError at the end of the stream."""
        found: dict[str, Any] = {}
        async with asyncio.timeout(SOON):
            while True:
                line = await self.answer.content.readline()
                if not line:
                    raise EOFError
                text = line.decode().rstrip("\r\n")
                if not text and "event" in found:
                    return found
                name, _, value = text.partition(": ")
                if name:
                    found[name] = json.loads(value) if name == "data" else value

    async def change(self) -> dict[str, Any]:
        while True:
            found = await self.event()
            if found["event"] == "change":
                return found


async def to_the_end(stream: Stream) -> None:
    while True:
        await stream.event()


@asynccontextmanager
async def listening(
    session: aiohttp.ClientSession, console: Console, **headers: str
) -> AsyncIterator[Stream]:
    async with session.get(f"{console.base}/console/events", headers=headers) as answer:
        assert answer.status == 200
        assert answer.content_type == "text/event-stream"
        yield Stream(answer)


async def something_happens(console: Console) -> None:
    """A message is stored by another store object: to SQLite that is another process."""
    path = console.store._database._writer.url.database  # type: ignore[attr-defined] # its own file
    other = open_store(f"sqlite:///{str(path).removeprefix('file:').partition('?')[0]}", keyring=PlainKeys())
    async with other.begin() as tx:
        await accept(tx, new_case())
    await other.close()


@pytest.fixture
async def session(console: Console) -> AsyncIterator[aiohttp.ClientSession]:
    async with browser() as made:
        assert await log_in(made, console) == 200
        yield made


async def test_nobody_listens_without_a_session(console: Console) -> None:
    """The stream leads to the log-in like any page."""
    async with (
        browser() as session,
        session.get(f"{console.base}/console/events", allow_redirects=False) as answer,
    ):
        assert answer.status == 303
        assert answer.headers["Location"].startswith("/console/login")


async def test_what_another_process_does_is_told(console: Console, session: aiohttp.ClientSession) -> None:
    """Area names and a number that rises: nothing of what happened."""
    async with listening(session, console) as stream:
        first = await stream.event()
        assert first["event"] == "beat"
        await something_happens(console)
        told = await stream.change()
        assert int(told["id"]) > int(first["id"])
        assert set(told["data"]) == {"areas"}
        assert {"messages", "audit"} <= set(told["data"]["areas"]) <= AREAS
        assert stream.answer.headers["Cache-Control"] == "no-store"
        assert "script-src 'self'" in stream.answer.headers["Content-Security-Policy"]


async def test_a_browser_that_comes_back_hears_what_it_missed(
    console: Console, session: aiohttp.ClientSession
) -> None:
    """By Last-Event-ID, or by the number of the page; with nothing missed it gets a beat."""
    async with listening(session, console) as stream:
        seen = (await stream.event())["id"]
    await something_happens(console)
    async with listening(session, console, **{"Last-Event-ID": seen}) as stream:
        missed = await stream.event()
        assert missed["event"] == "change"
    async with listening(session, console, **{"Last-Event-ID": missed["id"]}) as stream:
        assert (await stream.event())["event"] == "beat"


@pytest.mark.parametrize("number", ["-1", "9" * 40, "x", "999999999999"])
async def test_a_wrong_number_harms_nothing(
    console: Console, session: aiohttp.ClientSession, number: str
) -> None:
    """What is no number is ignored; one from the future means that everything may have changed."""
    async with listening(session, console, **{"Last-Event-ID": number}) as stream:
        found = await stream.event()
    everything = number == "999999999999"
    assert found["event"] == ("change" if everything else "beat")
    if everything:
        assert set(found["data"]["areas"]) == AREAS


async def test_streams_of_one_user_are_bounded(console: Console, session: aiohttp.ClientSession) -> None:
    """The seventh window gets 429; a place is free again when another is closed."""
    open_ones = [await session.get(f"{console.base}/console/events") for _ in range(6)]
    assert {answer.status for answer in open_ones} == {200}
    async with session.get(f"{console.base}/console/events") as refused:
        assert refused.status == 429
        assert refused.headers["Retry-After"]
    open_ones.pop().close()
    for _ in range(100):
        async with session.get(f"{console.base}/console/events") as again:
            if again.status == 200:
                break
        await something_happens(console)  # the server notices a closed connection when it writes
        await asyncio.sleep(0.1)
    assert again.status == 200
    for answer in open_ones:
        answer.close()


async def test_the_stream_ends_with_the_session(console: Console, session: aiohttp.ClientSession) -> None:
    """After the log-out the next event is the last one."""
    async with listening(session, console) as stream:
        await stream.event()
        text = await page(session, console, "/console")
        token = text.split('name="csrf_token" value="')[1].split('"')[0]
        async with session.post(f"{console.base}/console/logout", data={"csrf_token": token}) as answer:
            assert answer.status == 200
        await something_happens(console)
        while (found := await stream.event())["event"] == "change":
            pass
        assert found["event"] == "ended"
        with pytest.raises(EOFError):
            await stream.event()


async def test_a_stream_does_not_keep_a_session_alive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody at the keyboard: the session ends by idleness although stream and page fetch themselves."""
    monkeypatch.setattr(events, "_BEAT_S", 0.2)
    async with running_console(tmp_path) as console, browser() as session:
        await log_in(session, console)
        async with listening(session, console) as stream:
            for _ in range(4):
                console.clock.shift += dt.timedelta(minutes=9)
                live = {"X-Passerelle-Live": "1"}
                async with session.get(
                    f"{console.base}/console", headers=live, allow_redirects=False
                ) as answer:
                    status = answer.status
            assert status == 303
            while (found := await stream.event())["event"] == "beat":
                pass
            assert found["event"] == "ended"


async def test_a_process_that_stops_waits_for_no_stream(tmp_path: Path) -> None:
    """Open streams end when the process drains."""
    loop = asyncio.get_running_loop()
    async with browser() as session:
        async with running_console(tmp_path) as console:
            await log_in(session, console)
            answer = await session.get(f"{console.base}/console/events")
            stream = Stream(answer)
            await stream.event()
            started = loop.time()
        assert loop.time() - started < 3
        with pytest.raises((EOFError, aiohttp.ClientError)):
            await to_the_end(stream)
        answer.close()


async def test_pages_say_what_they_show(console: Console, session: aiohttp.ClientSession) -> None:
    """Overviews are marked with areas that exist; forms are not marked at all."""
    assert {area for areas in SHOWN.values() for area in areas.split()} <= AREAS
    assert f'data-live="{SHOWN[None]}"' in await page(session, console, "/console")
    path = f"/console/messages/{console.failed.message_id}"
    assert f'data-live="{SHOWN["messages"]}"' in await page(session, console, path)
    assert "data-live" not in await page(session, console, "/console/account")
    assert events in console_app.PAGES
