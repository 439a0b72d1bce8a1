"""Finds personal data of the case records in whatever was written: texts, tokens, files, databases."""

from __future__ import annotations

import base64
import binascii
import contextlib
import datetime as dt
import html
import re
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from anyascii import anyascii

from gateway.core.identifiers import normalise_name
from tests.fixtures.cases import Record

SHORTEST_WORD = 4
SHORTEST_RAW = 6
"""Bytes; shorter ones turn up in ciphertext by chance."""
SEALED = {("contents", "sealed"), ("attachments", "sealed"), ("case_keys", "wrapped"), ("outbox", "wire")}
"""Columns that hold ciphertext."""
_TOKEN = re.compile(r"[A-Za-z0-9+/_-]{40,}={0,2}")
_WORD = re.compile(r"[^\W_]+")
_DATE = re.compile(r"\d{4}-\d\d-\d\d|\d\d/\d\d/\d{4}")
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2}))")


@dataclass(frozen=True)
class Search:
    """What is looked for: in texts as whole words in any case, in bytes of any kind as bytes.

    ``words`` are casefolded words of names (as written, transliterated, as machine-readable zones have them),
    document numbers and references; ``dates`` birth dates; ``raw`` all of them as bytes, in lower case.
    """

    words: frozenset[str]
    dates: frozenset[str]
    raw: tuple[bytes, ...]

    @classmethod
    def of(cls, records: Iterable[Record]) -> Search:
        """Every name word of 4 letters or more, document number, full birth date, EOI and GWF number."""
        names: set[str] = set()
        exact: set[str] = set()
        dates: set[str] = set()
        for record in records:
            exact |= {record[key] for key in ("expression_of_interest", "gwf") if record.get(key)}
            for person in record["persons"]:
                exact |= {document["number"] for document in person["documents"]}
                dates |= set(_dates(person["date_of_birth"] or ""))
                for name in (person, *person["aliases"]):
                    names |= {name[key] for key in ("family_name", "given_names") if name[key]}
        forms = {f for n in names for f in (n, n.upper(), n.lower(), anyascii(n), normalise_name(n))}
        words = {w for form in forms | exact for w in _WORD.findall(form.casefold()) if _counts(w, exact)}
        texts = {w for form in forms for w in (form, *form.split())} | exact | dates
        texts |= {text.encode("ascii", "backslashreplace").decode() for text in texts}
        encoded = {form.encode().lower() for text in texts for form in (text, text.upper())}
        raw = tuple(sorted(e for e in encoded if len(e) >= SHORTEST_RAW))
        return cls(frozenset(words), frozenset(dates), raw)

    def in_text(self, text: str) -> set[str]:
        """Hits in a text, escapes resolved, and inside what is base64 in it (tokens, receipts)."""
        plain = _ESCAPE.sub(lambda m: chr(int(m[1] or m[2], 16)), html.unescape(_TOKEN.sub(" ", text)))
        hits = self.words & set(_WORD.findall(plain.casefold()))
        hits |= self.dates & set(_DATE.findall(plain))
        tokens = set(_TOKEN.findall(text))
        inside = b"\0".join(part for token in tokens for part in (token.encode(), *_decoded(token)))
        return hits | self.in_bytes(inside)

    def in_bytes(self, content: bytes) -> set[str]:
        """Hits of six bytes and more anywhere in bytes of any kind."""
        lower = content.lower()
        return {raw.decode("utf-8", "replace") for raw in self.raw if raw in lower}

    def in_folder(self, folder: Path) -> set[tuple[str, str]]:
        """(file, hit) for every file below: bytes, and as text where it is text."""
        found = set()
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            content = path.read_bytes()
            found |= {(path.name, hit) for hit in self.in_bytes(content)}
            with contextlib.suppress(UnicodeDecodeError):
                found |= {(path.name, hit) for hit in self.in_text(content.decode("utf-8"))}
        return found

    def in_database(self, path: Path) -> set[tuple[str, str]]:
        """(table.column, hit) for every value of every table, ciphertext by its bytes only."""
        found = set()
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            for table, column, values in _columns(connection):
                raw = b"\0".join(v if isinstance(v, bytes) else str(v).encode() for v in values)
                if (table, column) in SEALED:
                    hits = self.in_bytes(raw)
                else:
                    hits = self.in_text(raw.decode("utf-8", "replace"))
                found |= {(f"{table}.{column}", hit) for hit in hits}
        return found


def _counts(word: str, exact: set[str]) -> bool:
    """Names by words of letters; numbers only as a whole, not the groups that they are written in."""
    return len(word) >= SHORTEST_WORD and (not word.isdigit() or word in exact)


def _dates(text: str) -> Iterator[str]:
    """A full birth date as ISO and as printed; anything less is no personal datum by itself."""
    if len(text) == 10:
        yield text
        yield dt.date.fromisoformat(text).strftime("%d/%m/%Y")


def _decoded(token: str) -> Iterator[bytes]:
    for segment in token.replace("-", "+").replace("_", "/").split("."):
        with contextlib.suppress(binascii.Error, ValueError):
            yield base64.b64decode(segment + "=" * (-len(segment) % 4))


def _columns(connection: sqlite3.Connection) -> Iterator[tuple[str, str, list[object]]]:
    names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    for (table,) in names:
        cursor = connection.execute(f'SELECT * FROM "{table}"')  # noqa: S608 — names out of the schema
        columns = [description[0] for description in cursor.description]
        rows = cursor.fetchall()
        for index, column in enumerate(columns):
            yield table, column, [row[index] for row in rows if row[index] is not None]
