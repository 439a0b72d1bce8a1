"""Message and case pages over real HTTP: masked until a reasoned reveal, in both languages."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from contracts.codes import CaseKind
from gateway.core.proofs import bundle
from gateway.core.records import Attempt, CaseRecord, Channel, MessageRecord, MessageStatus
from gateway.core.roles import Role
from gateway.flows.evidence import verify
from tests.fixtures.cases import Record, load_cases, to_message
from tests.fixtures.console import NADIA, Console, browser, log_in, page, post, running_console
from tests.fixtures.store_records import record_for
from tests.integration.privacy.search import Search

WHY = {"reason": "enquiry", "words": "Asked by telephone about this case"}


@dataclass
class Filled:
    """A console above real cases: what was stored of each record."""

    console: Console
    stored: list[tuple[Record, MessageRecord]]

    @property
    def search(self) -> Search:
        return Search.of(record for record, _ in self.stored)


async def store_case(console: Console, record: Record, *, at: dt.datetime) -> MessageRecord:
    """The opening message of one record, as if it had been accepted at ``at``."""
    message, attachments = to_message(record)
    kind = CaseKind(record["kind"])
    async with console.store.begin() as tx:
        await tx.add_case(
            CaseRecord(
                reference=message.reference,
                kind=kind,
                conversation_id=message.conversation_id,
                status="requested" if kind is CaseKind.READMISSION else "nominated",
                priority=False,
                created_at=at,
                updated_at=at,
            )
        )
        stored = await tx.add_message(record_for(message, at=at), message, attachments)
        await tx.append_audit(
            at=at, actor="client:ukho", action="message.accepted", subject=message.message_id, data={}
        )
    return stored


@pytest.fixture
async def filled(tmp_path: Path) -> AsyncIterator[Filled]:
    """Every tenth case record."""
    async with running_console(tmp_path) as console:
        records = load_cases()[::10]
        at = console.clock.now()
        yield Filled(console, [(r, await store_case(console, r, at=at)) for r in records])


def paths(record: MessageRecord) -> tuple[str, str]:
    return f"/console/messages/{record.message_id}", f"/console/cases/{record.reference}"


async def test_no_identifier_in_any_page_without_a_reveal(filled: Filled) -> None:
    """The source of message page, case page and lists holds no name, number or birth date of any case."""
    async with browser() as session:
        await log_in(session, filled.console, name=Role.OPERATOR.value)
        texts = [await page(session, filled.console, "/console/cases")]
        for _, record in filled.stored:
            texts += [await page(session, filled.console, path) for path in paths(record)]
    for text in texts:
        assert filled.search.in_text(text) == set()


async def test_a_reveal_shows_one_case_and_is_written_down(filled: Filled) -> None:
    """After a reason the names of that case are there, of no other; reason and views are in the audit log."""
    console, (_, chosen), (_, other) = filled.console, filled.stored[0], filled.stored[1]
    own = Search.of([filled.stored[0][0]])
    async with browser() as session:
        await log_in(session, console, name=Role.OPERATOR.value)
        path, text = await post(
            session,
            console,
            f"/console/cases/{chosen.reference}/reveal",
            {**WHY, "message_id": chosen.message_id},
        )
        assert path == f"/console/messages/{chosen.message_id}?done=revealed"
        assert own.in_text(text)
        assert "You see personal data." in text
        assert own.in_text(await page(session, console, f"/console/cases/{chosen.reference}"))
        assert filled.search.in_text(await page(session, console, paths(other)[0])) == set()
    async with console.store.begin(read_only=True) as tx:
        started = await tx.audit_entries(subject=chosen.reference)
        viewed = await tx.audit_entries(subject=chosen.message_id)
    assert [(e.action, e.actor) for e in started] == [("case.revealed", "operator:operator")]
    assert started[0].data["code"] == "enquiry"
    assert [e.action for e in viewed][1:] == ["content.viewed"] * 2


async def test_a_reveal_ends_by_itself(filled: Filled) -> None:
    """The page says when; it asks the browser to come back then; after that everything is masked again."""
    console, (record, stored) = filled.console, filled.stored[0]
    own = Search.of([record])
    async with browser() as session:
        await log_in(session, console, name=Role.OPERATOR.value)
        await post(session, console, f"/console/cases/{stored.reference}/reveal", WHY)
        async with session.get(console.base + paths(stored)[0]) as answer:
            assert 590 <= int(answer.headers["Refresh"]) <= 601
            assert own.in_text(await answer.text())
        console.clock.shift += console.exchange.reveal
        async with session.get(console.base + paths(stored)[0]) as answer:
            assert "Refresh" not in answer.headers
            assert own.in_text(await answer.text()) == set()


async def test_a_reveal_ends_when_asked(filled: Filled) -> None:
    """One button hides everything at once, and the end is written down."""
    console, (record, stored) = filled.console, filled.stored[0]
    async with browser() as session:
        await log_in(session, console, name=Role.OPERATOR.value)
        await post(session, console, f"/console/cases/{stored.reference}/reveal", WHY)
        path, text = await post(session, console, f"/console/cases/{stored.reference}/hide", {})
        assert path.endswith("?done=hidden")
        assert Search.of([record]).in_text(text) == set()
    async with console.store.begin(read_only=True) as tx:
        assert [e.action for e in await tx.audit_entries(subject=stored.reference)][-1] == "case.reveal_ended"


@pytest.mark.parametrize(
    ("form", "status"),
    [({"reason": "enquiry", "words": " "}, 400), ({"reason": "curiosity", "words": "x"}, 400), ({}, 400)],
)
async def test_no_reveal_without_a_reason(filled: Filled, form: dict[str, str], status: int) -> None:
    """A missing or invented reason shows nothing."""
    console, (record, stored) = filled.console, filled.stored[0]
    async with browser() as session:
        await log_in(session, console, name=Role.OPERATOR.value)
        await post(session, console, f"/console/cases/{stored.reference}/reveal", form, status=status)
        assert Search.of([record]).in_text(await page(session, console, paths(stored)[0])) == set()


async def test_a_reason_names_nobody(filled: Filled) -> None:
    """A reason with the name of a person of the case is refused: the audit log is kept for ever."""
    console, (record, stored) = filled.console, filled.stored[0]
    name = record["persons"][0]["family_name"]
    form = {"reason": "enquiry", "words": f"Looking for {name}"}
    async with browser() as session:
        await log_in(session, console, name=Role.OPERATOR.value)
        await post(session, console, f"/console/cases/{stored.reference}/reveal", form, status=400)


@pytest.mark.parametrize("role", [Role.VIEWER, Role.AUDITOR, Role.ADMINISTRATOR, Role.QUOTAS])
async def test_who_may_not_reveal(filled: Filled, role: Role) -> None:
    """Neither the form nor the action is there for roles without the permission."""
    console, (_, stored) = filled.console, filled.stored[0]
    async with browser() as session:
        await log_in(session, console, name=role.value)
        assert "/reveal" not in await page(session, console, paths(stored)[0])
        await post(session, console, f"/console/cases/{stored.reference}/reveal", WHY, status=403)


async def test_french_users_see_what_france_has(filled: Filled) -> None:
    """A French operator sees the content of a request once France's receipt proves that it arrived."""
    console, (record, stored) = filled.console, filled.stored[0]
    own = Search.of([record])
    async with browser() as session:
        await log_in(session, console, name=NADIA)
        text = await page(session, console, paths(stored)[0])
        assert "La France ne détient pas encore ce contenu" in text
        await post(session, console, f"/console/cases/{stored.reference}/reveal", WHY)
        assert own.in_text(await page(session, console, paths(stored)[0])) == set()
        async with console.store.begin() as tx:
            await tx.update_message(
                stored.message_id,
                at=console.clock.now(),
                status=MessageStatus.DELIVERED,
                receipt_verified=True,
            )
        assert own.in_text(await page(session, console, paths(stored)[0]))


async def test_after_retention(filled: Filled) -> None:
    """The pages still open; they say that the content was deleted, and offer no reveal."""
    console, (_, stored) = filled.console, filled.stored[0]
    async with console.store.begin() as tx:
        await tx.destroy_case_key(stored.reference, at=console.clock.now())
    async with browser() as session:
        await log_in(session, console, name=Role.OPERATOR.value)
        for path in paths(stored):
            text = await page(session, console, path)
            assert "The content was deleted when its retention ended" in text
            assert "/reveal" not in text


async def test_the_page_in_both_languages(filled: Filled) -> None:
    """Headings, holder, timeline and line of the case in each language; no key of a text shows through."""
    console, (_, stored) = filled.console, filled.stored[0]
    message, case = paths(stored)
    async with browser() as session:
        await log_in(session, console, name=Role.OPERATOR.value)
        english = await page(session, console, message) + await page(session, console, case)
        french = await page(session, console, f"{message}?lang=fr") + await page(session, console, case)
    for text in ("Who holds it now", "Can it be sent again safely?", "Timeline", "The same in words"):
        assert text in english
    for text in ("Qui le détient", "Peut-il être renvoyé sans risque", "Chronologie", "en toutes lettres"):
        assert text in french
    assert "Who holds it now" not in french
    assert '<svg class="drawing lifeline"' in english
    assert "style=" not in english + french
    assert "<script>" not in english + french


async def test_a_dead_letter_says_what_to_do(console: Console) -> None:
    """Holder, whose part, cure, and that an answer was lost; the preview of a replay is one click away for
    those who may."""
    path = f"/console/messages/{console.failed.message_id}"
    now = console.clock.now()
    async with console.store.begin() as tx:
        for entry in await tx.claim_due(now=now, limit=5, lease=dt.timedelta(minutes=1)):
            await tx.complete(entry)  # given up: nothing waits any more
        await tx.add_attempt(
            Attempt(
                message_id=console.failed.message_id,
                channel=Channel.AS4,
                endpoint="passerelle-fr",
                number=1,
                started_at=now,
                finished_at=now,
                outcome="delivery.timed_out",
                http_status=None,
                detail="no answer in time",
            )
        )
    async with browser() as session:
        await log_in(session, console, name=Role.OPERATOR.value)
        text = await page(session, console, path)
    for shown in (
        "Who holds it now: not known; France may have it",
        "<strong>unknown</strong>",
        "No answer in time",
        f"{path}/replay",
    ):
        assert shown in text
    async with browser() as session:
        await log_in(session, console, name=Role.VIEWER.value)
        assert f"{path}/replay" not in await page(session, console, path)


async def test_the_evidence_can_be_downloaded(console: Console) -> None:
    """With the permission, as a bundle that the verifier reads; the download is written down."""
    path = f"/console/messages/{console.failed.message_id}/evidence"
    async with browser() as session:
        await log_in(session, console, name=Role.AUDITOR.value)
        async with session.get(console.base + path) as answer:
            assert answer.status == 200
            assert answer.headers["Content-Type"] == "application/zip"
            content = await answer.read()
    assert bundle.MANIFEST in bundle.unpack(content)
    assert not verify(content, known=console.exchange.known).ok  # its proofs are invented
    async with console.store.begin(read_only=True) as tx:
        entry = (await tx.audit_entries(subject=console.failed.message_id))[-1]
    assert (entry.action, entry.actor) == ("evidence.exported", "operator:auditor")
    async with browser() as session:
        await log_in(session, console, name=Role.VIEWER.value)
        await page(session, console, path, status=403)


async def test_the_list_of_cases_is_filtered(filled: Filled) -> None:
    """By kind and state; an unknown one is told."""
    console = filled.console
    nominations = {s.reference for _, s in filled.stored if s.reference.startswith("GB02")}
    readmissions = {s.reference for _, s in filled.stored} - nominations
    assert nominations
    assert readmissions
    async with browser() as session:
        await log_in(session, console, name=Role.VIEWER.value)
        text = await page(session, console, "/console/cases?kind=nomination")
        assert all(reference in text for reference in nominations)
        assert not any(reference in text for reference in readmissions)
        none = await page(session, console, "/console/cases?status=received")
        assert "No case matches." in none
        await page(session, console, "/console/cases?status=nowhere", status=400)
