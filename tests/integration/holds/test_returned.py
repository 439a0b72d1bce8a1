"""People returned before go-live: read, hashed, found, and nowhere in clear."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.core.errors import InvalidParameter
from gateway.flows.returned import COLUMNS, import_returned, read
from gateway.uk_client import UkClient
from tests.fixtures.nominees import person
from tests.fixtures.raw_sql import raw
from tests.fixtures.uk_gateway import Gateway
from tests.integration.holds import steps as s

WHY = {"actor": "test", "reason": "returned before go-live"}
FILE = b"""family_name,given_names,other_names,birth_date,document_number,issuing_country,gwf
Warsame,Liibaan,Cali/Liban;Warsame/L.,2005-12-29,P 571-26116,SOM,
Krasniqi,Besa,,1962,,,
,,,,A1234567,ERI,
Hotak,Gul Agha,,,,,GWF123456789
"""


async def test_the_imported_are_refused_or_held(gateway: Gateway, client: UkClient) -> None:
    """By document and reference refused, by name and birth date held; a stranger goes."""
    done = await import_returned(gateway.exchange, FILE, **WHY)
    assert (done.persons, done.added, done.known) == (4, 4, 0)
    for number, country in (("p57126116", "SOM"), ("A1234567", "ERI")):
        answer = await s.nominate(client, person("Some", "One", "1970-02-03", number=number, country=country))
        assert [e["code"] for e in answer.json()["errors"]] == ["row9.returned"]
    stranger = person("Diallo", "Aminata", "1999-09-09", number="B9999123")
    assert (await s.nominate(client, stranger, gwf="GWF123456789")).status == 422
    await s.held(client, person("Warsame", "Liban", "2005-12-29", number="X1231231"))
    await s.held(client, person("Krasniqi", "Besa", "1962-04-05", number="X1231232"))
    assert (await s.nominate(client, stranger)).json()["status"] == "accepted"


async def test_importing_again_changes_nothing(gateway: Gateway) -> None:
    """The same lines are known; a new one is added; a dry run adds none."""
    assert (await import_returned(gateway.exchange, FILE, dry_run=True, **WHY)).added == 0
    await import_returned(gateway.exchange, FILE, **WHY)
    more = FILE + b"Haddad,Omar,,1968-01-24,,,\n"
    done = await import_returned(gateway.exchange, more, **WHY)
    assert (done.added, done.known) == (1, 4)
    async with gateway.exchange.store.begin(read_only=True) as tx:
        assert await tx.count_returned() == 5


async def test_only_hashes_are_kept(gateway: Gateway, store_url: str) -> None:
    """The table has no word of the file, and the audit log has figures."""
    await import_returned(gateway.exchange, FILE, **WHY)
    rows = await raw(store_url, "SELECT kind, digest, person_id FROM returned")
    kinds = {"near", "document", "document_issued", "gwf", "name_birth", "name_birth_partial"}
    assert {kind for kind, *_ in rows} == kinds
    assert all(len(str(text)) == 64 for _, *texts in rows for text in texts)
    entries = await raw(store_url, "SELECT data FROM audit WHERE action = 'returned.imported'")
    assert len(entries) == 1
    assert not any(word in str(entries).lower() for word in ("warsame", "57126116", "2005"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "heading"),
        ("surname\nX\n", "heading"),
        ("family_name\n", None),
        ("family_name,birth_date\nKhan,14/05/1990\n", "line 2: birth_date"),
        ("family_name,birth_date\nKhan,1990-02-30\n", "line 2: birth_date"),
        ("family_name,birth_date\nKhan\n", "line 2: the number of columns"),
        ("family_name,birth_date\nKhan,1990,x\n", "line 2: the number of columns"),
        ("family_name\nKhan\n", "line 2: a name without a birth date"),
        ("family_name,birth_date\n,1990\n", "line 2: a name without a birth date"),
        ("other_names,birth_date\na/b,1990\n", "line 2: other_names"),
        ("document_number,issuing_country\nUNKNOWN,SOM\n", "line 2: document_number"),
        ("document_number,issuing_country\nA1234567,Somalia\n", "line 2: issuing_country"),
        ("gwf\n123\n", "line 2: gwf"),
        ('family_name,birth_date\n"Khan"x,1990\n', "not CSV"),
    ],
)
def test_a_wrong_file_is_refused_without_its_values(text: str, says: str | None) -> None:
    """The line and the column are named, never what stands there."""
    if says is None:
        assert read(text.encode()) == ()
        return
    with pytest.raises(InvalidParameter, match=says) as caught:
        read(text.encode())
    assert not any(value in caught.value.detail for value in ("Khan", "1990", "A1234567", "Somalia"))


def test_not_utf8() -> None:
    """Names would be read wrongly."""
    with pytest.raises(InvalidParameter, match="UTF-8"):
        read("family_name,birth_date\nMüller,1990\n".encode("latin-1"))


def test_the_columns_are_those_of_the_guide() -> None:
    """docs/holds.md names each of them."""
    page = (Path(__file__).parents[3] / "docs" / "holds.md").read_text("utf-8")
    assert all(f"`{column}`" in page for column in COLUMNS)
