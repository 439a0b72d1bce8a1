"""All 120 records played with a real ministry over real AS4, in the right ways and in wrong ones.

Gateway and ministry run in this process, so that every log record of either (and of every library) lands in
one buffer at level debug. Attachments are made small: their bytes are ciphertext anyway.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import io
import json
import logging
import tempfile
import urllib.parse
import zipfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog
from aiohttp import web
from anyascii import anyascii

from gateway import sandbox
from gateway.bootstrap import Instance, Running, serving
from gateway.clock import SystemClock
from gateway.core.jws import sign_detached
from gateway.core.records import MessageStatus, StoredAttachment
from gateway.flows.ports import MessageFilter
from gateway.flows.webhooks import WebhookEvent
from gateway.logs import configure_logs
from gateway.sandbox.script import DEFAULT_SERVICES
from gateway.sandbox.setup import RunningSandbox
from gateway.uk_client import Answer, UkClient
from tests.fixtures.cases import Record, issued_at, load_cases, to_message, to_supplements
from tests.fixtures.world import CLIENT, World, make_world, transfer_notice, until, withdrawal
from tests.integration.cases.steps import PATHS, posted_body
from tests.integration.privacy import shown

SERVICES = ("DGEF", *sorted(DEFAULT_SERVICES))
HOSTILE = {"DGEF-RGPD", "DGEF-ERREUR"}
SETTINGS: dict[str, dict[str, Any]] = {
    "uk_api": {"rate_per_second": 10_000, "rate_burst": 10_000},
    "webhooks": {"unsafe_private_targets": True, "unsafe_plain_http": True},
    "console": {"unsafe_optional_second_factor": True},
    "pull": {"lease_s": 5, "receipt_timeout_s": 5, "interval_s": 0.05, "longest_wait_s": 0.2},
}


@dataclass(kw_only=True)
class Traces:
    """What was written while everything happened, and where the rest lies."""

    folder: Path
    log: io.StringIO = field(default_factory=io.StringIO)
    answers: list[Answer] = field(default_factory=list)
    """Refusals, receipts, lists, timelines, evidence: every answer that does not show a message itself."""
    metrics: str = ""
    statuses: dict[int, int] = field(default_factory=dict)
    """How often each HTTP status was answered."""
    sent_by_france: list[Mapping[str, Any]] = field(default_factory=list)
    webhooks: list[str] = field(default_factory=list)
    """Path, headers and body of everything that a webhook of the client got."""
    pages: list[Answer] = field(default_factory=list)
    """Of the console."""
    commands: list[tuple[list[str], int, str]] = field(default_factory=list)
    held: int = 0

    def written(self) -> dict[str, str]:
        """Everything but files and database, by where it was written."""
        return {
            "logs": self.log.getvalue(),
            "metrics": self.metrics,
            "answers": _text(self.answers),
            "webhooks": "\n".join(self.webhooks),
            "pages": _text(self.pages),
            "commands": "\n".join(output for _, _, output in self.commands),
        }

    def take(self, answer: Answer) -> Answer:
        self.answers.append(answer)
        self.statuses[answer.status] = self.statuses.get(answer.status, 0) + 1
        return answer


def _text(answers: list[Answer]) -> str:
    """Bodies and headers; pages have their address among the headers."""
    return "\n".join(
        "\n".join((answer.body.decode("utf-8", "replace"), *map(str, answer.headers.items())))
        for answer in answers
    )


@contextmanager
def captured_logs(buffer: io.StringIO) -> Iterator[None]:
    """The gateway's own set-up of logs, at level debug for libraries too; afterwards as before."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    configure_logs(level="debug", stream=buffer)
    root.setLevel(logging.DEBUG)
    logging.getLogger("aiosqlite").setLevel(logging.INFO)  # two lines for every statement
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.reset_defaults()


def _moved(value: Any, by: dt.timedelta) -> Any:
    """The record with its instants moved; dates (birth, expiry) stay."""
    if isinstance(value, dict):
        return {name: _moved(item, by) for name, item in value.items()}
    if isinstance(value, list):
        return [_moved(item, by) for item in value]
    if isinstance(value, str) and "T" in value and value[:2] == "20" and "+" in value:
        return (dt.datetime.fromisoformat(value) + by).isoformat()
    return value


def _named(attachment: Record, record: Record) -> str:
    """A file (and so a part) named after the person, as people do; certificates stay what they are."""
    person = record["persons"][0]
    if attachment["name"].startswith("medical"):
        return str(attachment["name"])
    letters = filter(str.isalpha, anyascii(person["family_name"] or person["given_names"]))
    return f"{''.join(letters)[:30]} {attachment['name']}"


def today(record: Record) -> Record:
    """The record as if its message were written a minute ago; small attachments, named after the person."""
    by = SystemClock().now() - dt.timedelta(minutes=1) - issued_at(record)
    moved: Record = _moved(record, by)
    moved["attachments"] = [
        {**a, "bytes": 300, "name": _named(a, record)} for a in record.get("attachments", ())
    ]
    return moved


@dataclass(kw_only=True)
class Player:
    """One UK system that sends well and badly."""

    client: UkClient
    traces: Traces

    async def post(
        self, path: str, body: Any, parts: tuple[StoredAttachment, ...] = (), **options: Any
    ) -> Answer:
        content = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
        return self.traces.take(await self.client.post_raw(path, content, attachments=parts, **options))

    async def get(self, path: str, **options: Any) -> Answer:
        return self.traces.take(await self.client.get(path, **options))

    async def open(self, record: Record, service: str) -> tuple[Any, str | None]:
        """Post the opening message; returns body and reference (None when refused)."""
        message, parts = to_message(record)
        body = posted_body(message)
        body["receiving_service"]["code"] = service
        first = record["persons"][0]
        chosen = f"{anyascii(first['family_name'] or first['given_names'])} {record['case']}"
        answer = await self.post(PATHS[record["kind"]], body, parts, key=chosen)
        return body, answer.json()["reference"] if answer.status == 202 else None

    async def follow(self, record: Record, body: Any, reference: str, number: int) -> None:
        """What may come after: certificate, correction, notice with a passport number, withdrawal."""
        path = f"{PATHS[record['kind']]}/{reference}"
        if record["kind"] == "readmission":
            opening, _ = to_message(record)
            for supplement, parts in to_supplements(record):
                values = {n: getattr(opening, n) for n in opening.__struct_fields__}
                document = posted_body(type(opening)(**{**values, "body": supplement}))
                await self.post(f"{path}/documents", document, parts)
            opened = (await self.client.get(path)).json()["messages"][0]["message_id"]
            correction = {
                "type": "Correction",
                "corrects": opened,
                "persons": body["persons"],
                "arrival": None,
            }
            await self.post(f"{path}/corrections", correction)
            notice = transfer_notice()
            documents = record["persons"][0]["documents"]
            if documents:
                notice["travel_document"]["number"] = documents[0]["number"]
            await self.post(f"{path}/transfer-notices", notice)
        if number % 5 == 0:
            await self.post(f"{path}/withdrawals", withdrawal())

    # ---- wrong ways

    async def badly(self, record: Record, body: Any) -> None:
        """One of each mistake, each with personal data where it does not belong."""
        path, person = PATHS[record["kind"]], record["persons"][0]
        name = person["family_name"] or person["given_names"]
        number = person["documents"][0]["number"] if person["documents"] else name
        content = json.dumps(body, ensure_ascii=False).encode()
        other = sign_detached(b"{}", self.client.signer)
        await self.post(path, content, signature=other)
        await self.post(path, content, signature=name.encode("ascii", "ignore").decode() or "x")
        await self.post(path, content[:-30])
        await self.post(path, content.replace(b'"type"', f'"{name}": 1, "type"'.encode(), 1))
        for wrong in (
            {name: name},
            {"priority": name},
            {"type": name},
            {"persons": name},
            {"persons": [{**body["persons"][0], "sex": name}]},
            {"persons": [{**body["persons"][0], "nationalities": [name, number]}]},
            {"persons": [{**body["persons"][0], "birth_date": {"precision": name, "value": number}}]},
            {"persons": [{**body["persons"][0], name: {number: name}}]},
            {"attachments": [{"content_id": name, "file_name": number}]},
            {"family": {"family_reference": name, "main_applicant": number}},
        ):
            await self.post(path, {**body, **wrong})
        await self._dry_runs(path, body, name, number)
        await self._bad_addresses(name, number)
        await self._bad_headers(path, content, name, number)
        await self._bad_parts(path, content, name, number)

    async def _dry_runs(self, path: str, body: Any, name: str, number: str) -> None:
        """Tried as it is and with each mistake; a query that names somebody."""
        for tried in (body, {**body, name: name}, {**body, "priority": name}, {**body, "persons": []}):
            await self.post(f"{path}?dry_run=true", tried)
        await self.post(f"{path}?dry_run={urllib.parse.quote(name)}", body)
        await self.post(f"{path}?{urllib.parse.quote(name)}={urllib.parse.quote(number)}", body)
        await self.get("/v1/rules")

    async def _bad_addresses(self, name: str, number: str) -> None:
        quoted = urllib.parse.quote(name)
        for address in (
            f"/v1/messages/{quoted}",
            f"/v1/messages/{number.replace(' ', '')}/evidence",
            f"/v1/readmission-requests/{quoted}",
            f"/v1/messages?status={quoted}",
            f"/v1/messages?{quoted}=1",
            f"/v1/messages?cursor={quoted}",
            f"/v1/inbox?wait={quoted}",
            f"/{quoted}",
        ):
            token = await self.client.token()
            headers = {"Authorization": f"Bearer {token}"}
            self.traces.take(await self.client.request("GET", address, headers=headers))
        await self.post(f"/v1/nominations/{quoted}/withdrawals", withdrawal())
        await self.post(f"/v1/inbox/{quoted}/acknowledgements", {"status": name, "code": number})

    async def _bad_headers(self, path: str, content: bytes, name: str, number: str) -> None:
        ascii_name = name.encode("ascii", "ignore").decode() or "x"
        for header in (
            "Content-Type",
            "Accept",
            "X-Correlation-Id",
            "User-Agent",
            "Authorization",
            "Traceparent",
        ):
            await self.post(path, content[:-1], headers={header: f"{ascii_name}/{number}"})
        await self.post(path, content[:-1], key=f"{name}")
        form = {"grant_type": name, "client_assertion_type": number, "client_assertion": name, name: number}
        self.traces.take(await self.client.request("POST", "/oauth/token", data=form))
        form["grant_type"] = "client_credentials"
        self.traces.take(await self.client.request("POST", "/oauth/token", data=form))

    async def _bad_parts(self, path: str, content: bytes, name: str, number: str) -> None:
        part = StoredAttachment(
            content_id="surplus", media_type="application/pdf", file_name=name, content=number.encode()
        )
        await self.post(path, content, (part,))


async def _play_records(player: Player, running: Running, *, badly: bool) -> None:
    for number, record in enumerate(load_cases()):
        service = SERVICES[number % len(SERVICES)]
        body, reference = await player.open(today(record), service)
        if badly and number % 3 == 0:
            await player.badly(today(record), body)
        if reference is not None and service not in HOSTILE:
            await player.follow(today(record), body, reference, number)
        if number % 10 == 0:
            await _hold(player, record)
    async with running.store.begin(read_only=True) as tx:
        found = await tx.list_messages(MessageFilter(status=MessageStatus.HELD), limit=200)
    player.traces.held = len(found.items)


async def _hold(player: Player, record: Record) -> None:
    """A minor who is an adult by his birth date is held for an operator."""
    message, parts = to_message(today(record))
    body = posted_body(message)
    adult = {**body["persons"][0], "role": "minor", "birth_date": {"precision": "day", "value": "1990-01-01"}}
    body["persons"] = [*body["persons"], adult]
    body["family"] = {"family_reference": f"FAM-{record['case']}", "main_applicant": True}
    await player.post(PATHS[record["kind"]], body, parts)


async def _settled(running: Running, ministry: RunningSandbox) -> bool:
    async with running.store.begin(read_only=True) as tx:
        if any((await tx.backlog()).values()):
            return False
    sent = ministry.ministry.memory.status()["sent"]
    return all(m["status"] in {"delivered", "refused", "dropped"} for m in sent)


async def _read_everything(player: Player, running: Running) -> None:
    """Lists, timelines, evidence, cases, balance; and every inbox item is acknowledged or rejected."""
    while True:
        inbox = await player.get("/v1/inbox")
        player.traces.answers.pop()  # messages of France are shown as they are; the events are kept
        items, events = inbox.json()["items"], inbox.json()["events"]
        player.traces.take(Answer(status=200, headers={}, body=json.dumps(events).encode()))
        if not items and not events:
            break
        for event in events:
            await player.post(f"/v1/inbox/{event['id']}/acknowledgements", {"status": "taken_into_account"})
        for number, item in enumerate(items):
            answer = {"status": "taken_into_account", "code": None}
            if number % 7 == 0:
                answer = {"status": "rejected", "code": "content_inconsistent"}
            await player.post(f"/v1/inbox/{item['message_id']}/acknowledgements", answer)
    cursor = ""
    while True:
        page = (await player.get(f"/v1/messages?limit=200{cursor}")).json()
        for item in page["items"][::9]:
            await player.get(f"/v1/messages/{item['message_id']}/events")
            await player.get(f"/v1/messages/{item['message_id']}/evidence")
            kind = "nominations" if item["reference"][2:4] == "02" else "readmission-requests"
            await player.get(f"/v1/{kind}/{item['reference']}")
            path = f"/v1/messages/{item['message_id']}/evidence"
            bundle = await player.client.get(path, accept="application/zip")
            with zipfile.ZipFile(io.BytesIO(bundle.body)) as archive:
                for member in archive.namelist():
                    shown = Answer(status=200, headers={"file": member}, body=archive.read(member))
                    player.traces.take(shown)
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    await player.get("/v1/balance")
    player.traces.metrics = (await player.client.request("GET", "/metrics")).body.decode()
    await running.store.ping()


@asynccontextmanager
async def _webhook_of(world: World, traces: Traces) -> AsyncIterator[None]:
    """A target that the client registers for every event; it writes down what it gets."""

    async def take(request: web.Request) -> web.Response:
        body = (await request.read()).decode()
        traces.webhooks.append("\n".join((request.path_qs, *map(str, request.headers.items()), body)))
        return web.Response(status=204)

    app = web.Application()
    app.router.add_post("/hook", take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    file = world.uk / "clients" / f"{CLIENT}.toml"
    target = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    names = json.dumps([event.value for event in WebhookEvent])
    hook = f'[[webhooks]]\nid = "told"\nurl = "{target}"\nevents = {names}\n'
    file.write_text(f"{file.read_text('utf-8')}{hook}", "utf-8")
    try:
        yield
    finally:
        await runner.cleanup()


@asynccontextmanager
async def play(agreement: str | None = None, *, badly: bool = True) -> AsyncIterator[Traces]:
    """Plays everything; yields while the gateway still runs, so that its WAL is there to be searched.

    ``agreement``: the text of the file, for messages that are pulled and receipts by callback. ``badly``:
    with all the mistakes of a UK system, and then what pages and commands show."""
    with contextlib.ExitStack() as stack:
        world: World = stack.enter_context(make_world(start=False, settings=SETTINGS, agreement=agreement))
        shown_in = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        traces = Traces(folder=world.uk)
        stack.enter_context(captured_logs(traces.log))
        async with (
            _webhook_of(world, traces),
            sandbox.serving(world.fr) as ministry,
            serving(Instance.load(world.uk)) as running,
            world.client() as client,
        ):
            player = Player(client=client, traces=traces)
            await _play_records(player, running, badly=badly)
            await until(lambda: _settled(running, ministry), seconds=90, what="all is delivered")
            await _read_everything(player, running)
            await until(
                lambda: _settled(running, ministry), seconds=60, what="acknowledgements are delivered"
            )
            traces.sent_by_france = ministry.ministry.memory.status()["sent"]
            if badly:
                traces.pages = await shown.pages(world, load_cases())
                traces.commands = await shown.commands(world, client, load_cases(), shown_in)
            yield traces
