"""Encryption at rest: the database's own files hold no personal data, and sealed values are bound."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from gateway.core.records import StoredAttachment
from gateway.store import SealBroken, SqlStore
from tests.fixtures import cases as invented
from tests.fixtures.databases import PostgresServer
from tests.fixtures.raw_sql import raw
from tests.fixtures.store_records import accept, later, new_case


def database_bytes(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


async def test_no_name_is_in_the_files(
    store: SqlStore, store_url: str, backend: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Names, document numbers and file names of all invented cases, searched in every file and log of the
    database: not there; ids, which are meant to be readable, are (so the search can find)."""
    secrets, ids = set[str](), set[str]()
    async with store.begin() as tx:
        for record in invented.load_cases():
            message, _ = invented.to_message(record)
            files = (
                StoredAttachment(
                    content_id="scan",
                    media_type="image/jpeg",
                    file_name=f"{record['persons'][0]['family_name']} passport.jpg",
                    content=b"scan of " + str(record["persons"][0]["given_names"]).encode(),
                ),
            )
            case = dataclasses.replace(
                new_case(), reference=message.reference, conversation_id=message.conversation_id
            )
            await accept(tx, case, message, attachments=files)
            ids.add(message.message_id)
            for person in record["persons"]:
                documents = [document["number"] for document in person["documents"]]
                await tx.index_identifiers(case.reference, [("document", number) for number in documents])
                secrets |= {person["family_name"], person["given_names"], *documents, "passport.jpg"}
    folder = tmp_path
    if backend == "postgresql":
        await raw(store_url, "CHECKPOINT")
        server: PostgresServer = request.getfixturevalue("postgres_server")
        folder = server.data
    content = database_bytes(folder)
    assert all(one.encode() in content for one in ids)
    long_enough = {one for one in secrets if one and len(one.encode()) >= 5}
    assert len(long_enough) > 120
    assert [one for one in long_enough if one.encode() in content] == []


async def test_a_sealed_value_opens_in_its_own_place_only(store: SqlStore, store_url: str) -> None:
    """Content moved to another message of the same case, or changed, does not open."""
    case = new_case()
    async with store.begin() as tx:
        one = await accept(tx, case)
        two = await accept(tx, case, new=False)
    await raw(
        store_url,
        "UPDATE contents SET sealed = (SELECT sealed FROM contents WHERE message_id = :one) "
        "WHERE message_id = :two",
        one=one.message_id,
        two=two.message_id,
    )
    async with store.begin() as tx:
        assert (await tx.content(one.message_id)).message_id == one.message_id
        with pytest.raises(SealBroken):
            await tx.content(two.message_id)
        with pytest.raises(SealBroken):
            await tx.history(case.reference)


async def test_a_destroyed_key_is_gone_from_the_files(
    store: SqlStore, store_url: str, backend: str, tmp_path: Path
) -> None:
    """SQLite: the wrapped key is overwritten in file and log. PostgreSQL: gone from the live row (old
    versions go with the next vacuum)."""
    case = new_case()
    async with store.begin() as tx:
        await accept(tx, case)
    ((wrapped,),) = await raw(store_url, "SELECT wrapped FROM case_keys")
    assert isinstance(wrapped, bytes)
    if backend == "sqlite":
        assert wrapped in database_bytes(tmp_path)
    async with store.begin() as tx:
        await tx.destroy_case_key(case.reference, at=later(1))
    assert await raw(store_url, "SELECT wrapped FROM case_keys") == [(None,)]
    if backend == "sqlite":
        assert wrapped not in database_bytes(tmp_path)
