"""The port's contract: cases, messages, contents, identifiers, listings."""

from __future__ import annotations

import dataclasses

import pytest
from sqlalchemy.exc import IntegrityError

from contracts.codes import CaseKind, Direction
from contracts.model import Message
from gateway.core.errors import BadCursor
from gateway.core.records import MessageStatus, StoredAttachment
from gateway.flows.ports import DuplicateMessage, MessageFilter
from gateway.store import SqlStore
from tests.fixtures import cases as invented
from tests.fixtures.store_records import T0, accept, later, new_case, new_message, record_for

PHOTO = StoredAttachment(
    content_id="photo", media_type="image/jpeg", file_name="Warsame.jpg", content=b"\xff\xd8" + bytes(5000)
)


async def test_a_case_is_read_back_as_it_was(store: SqlStore) -> None:
    """By reference and by conversation, with and without lock; unknown ones give None."""
    case = new_case()
    async with store.begin() as tx:
        await tx.add_case(case)
        assert await tx.get_case(case.reference, lock=True) == case
    async with store.begin(read_only=True) as tx:
        assert await tx.get_case(case.reference) == case
        assert await tx.case_by_conversation(case.conversation_id) == case
        assert await tx.get_case("GB01-000000000000") is None
        assert await tx.case_by_conversation("none") is None


async def test_a_status_changes_with_its_time(store: SqlStore) -> None:
    """Status and time of the change; an unknown case is an error."""
    case = new_case()
    async with store.begin() as tx:
        await tx.add_case(case)
        await tx.set_case_status(case.reference, "requested", later(5))
        changed = await tx.get_case(case.reference)
        assert changed == dataclasses.replace(case, status="requested", updated_at=later(5))
        with pytest.raises(LookupError):
            await tx.set_case_status("GB01-000000000000", "requested", T0)


async def test_an_exception_undoes_everything(store: SqlStore) -> None:
    """Nothing of a transaction that failed is there, queued writes and audit links included."""
    case = new_case()

    async def fail() -> None:
        async with store.begin() as tx:
            await accept(tx, case)
            raise RuntimeError("boom")

    with pytest.raises(RuntimeError, match="boom"):
        await fail()
    async with store.begin() as tx:
        assert await tx.get_case(case.reference) is None
        assert await tx.audit_entries() == ()
        assert await tx.backlog() == {}


async def test_a_message_comes_back_with_content_and_attachments(store: SqlStore) -> None:
    """The record gets a sequence; the content and the attachments are what was given."""
    case = new_case()
    message = new_message(case)
    async with store.begin() as tx:
        record = await accept(tx, case, message, attachments=(PHOTO, PHOTO))
        assert await tx.content(message.message_id) == message
    async with store.begin(read_only=True) as tx:
        assert record.sequence > 0
        assert await tx.get_message(message.message_id) == record
        assert await tx.content(message.message_id) == message
        assert await tx.attachments(message.message_id) == (PHOTO, PHOTO)
        assert await tx.history(case.reference) == ((record, message),)


async def test_every_invented_case_survives_the_store(store: SqlStore) -> None:
    """All 120 messages, with names in every script, are the same after sealing and opening."""
    stored: list[tuple[Message, tuple[StoredAttachment, ...]]] = []
    async with store.begin() as tx:
        for record in invented.load_cases():
            message, files = invented.to_message(record)
            case = dataclasses.replace(
                new_case(), reference=message.reference, conversation_id=message.conversation_id
            )
            await accept(tx, case, message, attachments=files)
            stored.append((message, files))
    async with store.begin(read_only=True) as tx:
        for message, files in stored:
            assert await tx.content(message.message_id) == message
            assert await tx.attachments(message.message_id) == files


async def test_unknown_messages(store: SqlStore) -> None:
    """Reading gives None or nothing, content raises, changing raises."""
    async with store.begin() as tx:
        assert await tx.get_message("x") is None
        assert await tx.message_by_as4_id("x", "y") is None
        assert await tx.attachments("x") == ()
        assert await tx.history("x") == ()
        with pytest.raises(LookupError):
            await tx.content("x")
        with pytest.raises(LookupError):
            await tx.update_message("x", at=T0, status=MessageStatus.SENDING)


async def test_sequences_rise(store: SqlStore) -> None:
    """Each accepted message has a higher sequence than the one before, over transactions."""
    sequences = []
    for _ in range(5):
        async with store.begin() as tx:
            sequences.append((await accept(tx, new_case())).sequence)
            sequences.append((await accept(tx, new_case())).sequence)
    assert sequences == sorted(set(sequences))


async def test_the_same_as4_id_of_the_same_sender_is_a_duplicate(store: SqlStore) -> None:
    """Refused, and the transaction can still answer what it has; another sender may use the id."""
    case = new_case()
    first, second, third = (new_message(case) for _ in range(3))
    async with store.begin() as tx:
        await tx.add_case(case)
        kept = await tx.add_message(record_for(first, client_id="fr", as4_message_id="m@fr"), first, ())
    async with store.begin() as tx:
        with pytest.raises(DuplicateMessage):
            await tx.add_message(record_for(second, client_id="fr", as4_message_id="m@fr"), second, ())
        assert await tx.message_by_as4_id("m@fr", "fr") == kept
        other = await tx.add_message(record_for(third, client_id="uk", as4_message_id="m@fr"), third, ())
    async with store.begin() as tx:
        assert await tx.get_message(second.message_id) is None
        assert await tx.get_message(third.message_id) == other
        with pytest.raises(DuplicateMessage):
            await tx.add_message(record_for(first, client_id="fr", as4_message_id="n@fr"), first, ())


async def test_a_message_needs_its_case(store: SqlStore) -> None:
    """A message of an unknown case is refused."""
    message = new_message(new_case())
    async with store.begin() as tx:
        with pytest.raises(LookupError):
            await tx.add_message(record_for(message), message, ())


async def test_a_reference_is_given_once(store: SqlStore) -> None:
    """A second case with the same reference is an error of the caller."""
    case = new_case()
    async with store.begin() as tx:
        await tx.add_case(case)
    async with store.begin() as tx:
        with pytest.raises(IntegrityError):
            await tx.add_case(case)


async def test_update_changes_what_is_given(store: SqlStore) -> None:
    """Other fields stay; a status always writes its code, so a new one clears the old."""
    case = new_case()
    async with store.begin() as tx:
        record = await accept(tx, case)
        await tx.update_message(record.message_id, at=later(1), status=MessageStatus.HELD, code="quota")
        held = await tx.get_message(record.message_id)
        assert held == dataclasses.replace(
            record, status=MessageStatus.HELD, code="quota", updated_at=later(1)
        )
        await tx.update_message(record.message_id, at=later(2), as4_message_id="a@b", receipt_verified=True)
        await tx.update_message(
            record.message_id, at=later(3), status=MessageStatus.DELIVERED, delivered_at=later(3)
        )
        assert await tx.get_message(record.message_id) == dataclasses.replace(
            record,
            status=MessageStatus.DELIVERED,
            as4_message_id="a@b",
            receipt_verified=True,
            delivered_at=later(3),
            updated_at=later(3),
        )


async def test_inbox_shows_what_the_uk_has_not_acknowledged(store: SqlStore) -> None:
    """French messages only, oldest first, after a sequence; acknowledged and held ones are not shown."""
    case = new_case()
    incoming = [new_message(case) for _ in range(4)]
    async with store.begin() as tx:
        await accept(tx, case)
        records = [await tx.add_message(record_for(m, direction=Direction.FR_TO_UK), m, ()) for m in incoming]
        await tx.update_message(incoming[1].message_id, at=T0, status=MessageStatus.ACKNOWLEDGED)
        await tx.update_message(incoming[2].message_id, at=T0, status=MessageStatus.HELD, code="review")
    async with store.begin(read_only=True) as tx:
        assert await tx.inbox(after=0, limit=10) == (records[0], records[3])
        assert await tx.inbox(after=records[0].sequence, limit=10) == (records[3],)
        assert await tx.inbox(after=0, limit=1) == (records[0],)
    async with store.begin() as tx:
        await tx.update_message(incoming[2].message_id, at=T0, status=MessageStatus.DELIVERED)
        shown = await tx.inbox(after=0, limit=10)
        assert [r.message_id for r in shown] == [incoming[i].message_id for i in (0, 2, 3)]


@pytest.mark.parametrize("newest_first", [True, False])
async def test_message_pages_cover_everything_once(store: SqlStore, newest_first: bool) -> None:
    """Pages of 3 over 10 messages give each once, in order, also while others are added."""
    case = new_case()
    async with store.begin() as tx:
        await tx.add_case(case)
        made = [await accept(tx, case, new=False) for _ in range(10)]
    seen, cursor = [], None
    while True:
        async with store.begin() as tx:
            page = await tx.list_messages(
                MessageFilter(reference=case.reference), cursor=cursor, limit=3, newest_first=newest_first
            )
            if newest_first:
                await accept(tx, case, new=False)
        seen += page.items
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == (made[::-1] if newest_first else made)


async def test_message_filters(store: SqlStore) -> None:
    """Reference, type, direction and status narrow the listing, alone and together."""
    one, two = new_case(), new_case()
    async with store.begin() as tx:
        a, b = await accept(tx, one), await accept(tx, two)
        message = new_message(one)
        c = await tx.add_message(record_for(message, direction=Direction.FR_TO_UK), message, ())
        await tx.update_message(b.message_id, at=T0, status=MessageStatus.FAILED)

        async def ids(where: MessageFilter) -> list[str]:
            return [r.message_id for r in (await tx.list_messages(where)).items]

        assert await ids(MessageFilter()) == [c.message_id, b.message_id, a.message_id]
        assert await ids(MessageFilter(reference=one.reference)) == [c.message_id, a.message_id]
        assert await ids(MessageFilter(direction=Direction.FR_TO_UK)) == [c.message_id]
        assert await ids(MessageFilter(status=MessageStatus.FAILED, type=b.type)) == [b.message_id]
        assert await ids(MessageFilter(status=MessageStatus.FAILED, reference=one.reference)) == []


async def test_case_pages_and_filters(store: SqlStore) -> None:
    """Newest first, over cases of the same instant too; kind and status narrow."""
    made = [new_case(at=later(i // 3)) for i in range(8)]
    made.append(new_case(kind=CaseKind.NOMINATION, status="nominated", at=later(9)))
    async with store.begin() as tx:
        for case in made:
            await tx.add_case(case)
        seen, cursor = [], None
        while True:
            page = await tx.list_cases(cursor=cursor, limit=2)
            seen += page.items
            cursor = page.next_cursor
            if cursor is None:
                break
        assert seen == sorted(made, key=lambda c: (c.created_at, c.reference), reverse=True)
        assert (await tx.list_cases(kind=CaseKind.NOMINATION)).items == (made[-1],)
        assert (await tx.list_cases(status="nominated", kind=CaseKind.READMISSION)).items == ()


@pytest.mark.parametrize("cursor", ["", "nonsense", "é", "W10", "WyJjYXNlcyIsMV0", "A" * 600])
async def test_a_cursor_we_did_not_give_is_refused(store: SqlStore, cursor: str) -> None:
    """Garbage, truncated or of another listing: BadCursor, never a database error."""
    async with store.begin(read_only=True) as tx:
        with pytest.raises(BadCursor):
            await tx.list_messages(MessageFilter(), cursor=cursor)
        with pytest.raises(BadCursor):
            await tx.list_cases(cursor=cursor)


async def test_identifiers_are_found_exactly(store: SqlStore) -> None:
    """Kind and value together; storing a pair twice is harmless."""
    one, two = sorted((new_case(), new_case()), key=lambda c: c.reference)
    async with store.begin() as tx:
        await tx.add_case(one)
        await tx.add_case(two)
        await tx.index_identifiers(one.reference, [("document", "P57126116"), ("document", "P57126116")])
        await tx.index_identifiers(one.reference, [("document", "P57126116")])
        await tx.index_identifiers(two.reference, [("document", "P57126116"), ("uan", "1")])
        assert await tx.find_by_identifier("document", "P57126116") == (one.reference, two.reference)
        assert await tx.find_by_identifier("uan", "1") == (two.reference,)
        assert await tx.find_by_identifier("uan", "P57126116") == ()


async def test_a_destroyed_key_leaves_the_records(store: SqlStore) -> None:
    """Content cannot be read or added any more; record, evidence and audit stay; other cases too."""
    case, other = new_case(), new_case()
    async with store.begin() as tx:
        record = await accept(tx, case, attachments=(PHOTO,))
        kept = await accept(tx, other)
        with pytest.raises(LookupError):
            await tx.destroy_case_key("GB01-000000000000", at=T0)
    async with store.begin() as tx:
        assert await tx.destroy_case_key(case.reference, at=later(1)) is True
    async with store.begin() as tx:
        assert await tx.destroy_case_key(case.reference, at=later(2)) is False
        for read in (tx.content, tx.attachments):
            with pytest.raises(LookupError):
                await read(record.message_id)
        with pytest.raises(LookupError):
            await tx.history(case.reference)
        with pytest.raises(LookupError):
            await accept(tx, case, new=False)
        assert await tx.get_message(record.message_id) == record
        assert len(await tx.evidence(record.message_id)) == 2
        assert len(await tx.audit_entries()) == 2
        assert (await tx.content(kept.message_id)).reference == other.reference
