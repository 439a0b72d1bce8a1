"""What people are shown after the play: every page of the console, and what commands print."""

from __future__ import annotations

import asyncio
import json
import re
import sys
import urllib.parse
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp

from gateway.core.roles import Role
from gateway.transport.tls import client_context
from gateway.uk_client import Answer, UkClient
from gateway.web.console.session import CSRF_FIELD
from tests.fixtures.cases import Record
from tests.fixtures.people import PASSWORD, add_to_folder
from tests.fixtures.world import World

PEOPLE: Final = {
    "play-supervisor": (Role.OPERATOR, Role.SUPERVISOR, Role.AUDITOR),
    "play-administrator": (Role.ADMINISTRATOR, Role.AUDITOR),
}
"""Together they may open every page."""
_LINK: Final = re.compile(r'href="(/console[^"#]*)"')
_TOKEN: Final = re.compile(rf'name="{CSRF_FIELD}" value="([0-9a-f]+)"')
_LEAVE_OUT: Final = re.compile(r"/static/|/logout|\.zip|/evidence$|/feed|/live")
MOST_OF_A_KIND: Final = 5
"""Pages of one form (a message, a case) that are opened."""


@asynccontextmanager
async def signed_in(world: World, name: str) -> AsyncIterator[aiohttp.ClientSession]:
    """A browser with a session."""
    await asyncio.to_thread(add_to_folder, world.uk, name, *PEOPLE[name])
    tls = client_context(anchors=world.fr / "trust" / "uk" / "anchors")
    base = f"https://127.0.0.1:{world.uk_port}"
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(
        base, connector=aiohttp.TCPConnector(ssl=tls), cookie_jar=jar
    ) as browser:
        async with browser.get("/console/login") as answer:
            token = _TOKEN.search(await answer.text())
        assert token is not None
        form = {CSRF_FIELD: token.group(1), "name": name, "password": PASSWORD}
        async with browser.post("/console/login", data=form) as answer:
            assert answer.status == 200, await answer.text()
            assert "/login" not in answer.url.path
        yield browser


def _form_of(path: str) -> str:
    """Paths of one kind of page: ``/console/cases/*/reveal``, without the query."""
    parts = path.partition("?")[0].split("/")
    return "/".join([*parts[:3], *("*" for _ in parts[3:4]), *parts[4:]])


async def pages(world: World, records: Sequence[Record]) -> list[Answer]:
    """Every page that links lead to from the first one (a few of each form), as each of the people; and
    pages asked for with personal data in their addresses (which only their reader sees again)."""
    found: list[Answer] = []
    name = urllib.parse.quote(records[0]["persons"][0]["family_name"] or "Nobody")
    for who in PEOPLE:
        async with signed_in(world, who) as browser:
            found += await _crawled(browser)
            for path in (f"/console/messages/{name}", f"/console/cases/{name}", f"/console/{name}"):
                found.append(await _page(browser, path))
    return found


async def _crawled(browser: aiohttp.ClientSession) -> list[Answer]:
    found: list[Answer] = []
    seen: dict[str, int] = {}
    queue, known = ["/console"], {"/console"}
    while queue:
        found.append(await _page(browser, queue.pop(0)))
        for link in _LINK.findall(found[-1].body.decode("utf-8", "replace")):
            address = link.replace("&amp;", "&")
            form = _form_of(address)
            if address in known or _LEAVE_OUT.search(address) or seen.get(form, 0) >= MOST_OF_A_KIND:
                continue
            seen[form] = seen.get(form, 0) + 1
            known.add(address)
            queue.append(address)
    return found


async def _page(browser: aiohttp.ClientSession, path: str) -> Answer:
    async with browser.get(path) as answer:
        headers = dict(answer.headers.items())
        return Answer(status=answer.status, headers={**headers, "page": path}, body=await answer.read())


async def commands(
    world: World, client: UkClient, records: Sequence[Record], folder: Path
) -> list[tuple[list[str], int, str]]:
    """(arguments, exit status, output) of commands that read, and of such that fail."""
    words = [*_reading(), *await _about(client, folder), *_failing(records, folder, world)]
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.integration.privacy.commands_child",
        str(world.uk),
        cwd=Path(__file__).parents[3],
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    printed, errors = await asyncio.wait_for(child.communicate(json.dumps(words).encode()), 600)
    assert child.returncode == 0, errors.decode()[-2000:]
    done = [(list(w), int(status), str(text)) for w, status, text in json.loads(printed)]
    return [*done, (["standard error"], 0, errors.decode())]


def _reading() -> list[list[str]]:
    """Lists of everything as JSON, and some as tables."""
    tables = [
        "overview",
        "messages list",
        "cases list",
        "deadlines list",
        "holds list",
        "audit list",
        "check",
    ]
    lists = [
        *tables,
        "messages counts",
        "batches list",
        "returned count",
        "alerts list",
        "endpoints list",
        "audit verify",
        "quotas list",
        "ledger list",
        "balance --verify",
        "keys list",
        "partner list",
        "partner show",
        "partner test",
        "rules list",
        "settings show",
        "agreement show",
        "users list",
    ]
    as_json = [[*words.split(), "--json"] for words in lists]
    return [*as_json, *(words.split() for words in tables), ["audit", "export"], ["report", "weekly"]]


async def _about(client: UkClient, folder: Path) -> list[list[str]]:
    """One message of each status and direction: itself, its case, hold, evidence, entries of the audit."""
    chosen: dict[tuple[str, str], Any] = {}
    cursor = ""
    while True:
        page = (await client.get(f"/v1/messages?limit=200{cursor}")).json()
        for item in page["items"]:
            chosen.setdefault((item["direction"], item["status"]), item)
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    words: list[list[str]] = []
    for item in chosen.values():
        message_id = item["message_id"]
        words += [["messages", "show", message_id, *extra] for extra in ((), ("--json",))]
        words += [["cases", "show", item["reference"], "--json"], ["evidence", "show", message_id]]
        words += [["audit", "list", "--subject", message_id, "--json"]]
        if item["status"] == "held":
            words += [["holds", "show", message_id, *extra] for extra in ((), ("--json",))]
    last, bundle = next(iter(chosen.values())), str(folder / "evidence.zip")
    words += [["cases", "show", last["reference"]]]
    words += [["evidence", "export", last["message_id"], "--to", bundle], ["evidence", "verify", bundle]]
    words.append(["messages", "export", "--output", "-"])
    return words


def _failing(records: Sequence[Record], folder: Path, world: World) -> list[list[str]]:
    """Files with mistakes around personal data: places are named, values are not."""
    person = next(r["persons"][0] for r in records if r["persons"][0]["documents"])
    name, number = person["family_name"], person["documents"][0]["number"]
    returned, body = folder / "returned.csv", folder / "body.json"
    returned.write_text(
        f"family_name,given_names,birth_date,document_number\n{name},{name},1990-13-77,{number}\n"
    )
    body.write_text(
        json.dumps({"type": "ReadmissionRequest", name: number, "persons": [{"name": name, "sex": number}]})
    )
    return [
        ["returned", "import", str(returned), "--reason", "before go-live"],
        ["rules", "try", str(body)],
        ["rules", "try", str(body), "--json"],
        ["send", str(body)],
        ["evidence", "verify", str(returned)],
        ["conformance", "--list"],
    ]
