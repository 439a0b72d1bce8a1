"""People returned before the gateway ran: a file of identifiers is read, hashed and forgotten.

CSV, UTF-8, with a heading; every column may be left out or be empty, but each person needs a name with a
birth date, or a document, or one reference:

`family_name, given_names, other_names` (``family/given`` pairs, separated by ``;``), `birth_date` (as far as
known: ``1990-05-14``, ``1990-05``, ``1990``), `document_number, issuing_country` (alpha-3),
`unique_application_number, home_office_reference, gwf, expression_of_interest, biometrics_reference`
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from contracts import codes, model
from gateway.core import identifiers as ids
from gateway.core.errors import InvalidParameter
from gateway.core.reasons import require_reason
from gateway.core.treaty import exclusion
from gateway.flows.exchange import Exchange
from gateway.flows.exclusion import flag
from gateway.flows.ports_holds import Pair

REFERENCES: Final = {
    "unique_application_number": (ids.UAN, re.compile(r"\d{4}-\d{4}-\d{4}-\d{4}")),
    "home_office_reference": (ids.HOME_OFFICE_REFERENCE, re.compile(r"[A-Z]\d{7}(/\d{3})?")),
    "gwf": (ids.GWF, re.compile(r"GWF\d{9}")),
    "expression_of_interest": (ids.EOI, re.compile(r"EOI-\d{8}")),
    "biometrics_reference": (ids.BIOMETRICS, re.compile(r"[A-Z0-9][A-Z0-9-]{3,31}")),
}
"""Column → (kind, form)."""
COLUMNS: Final = frozenset(
    {
        "family_name",
        "given_names",
        "other_names",
        "birth_date",
        "document_number",
        "issuing_country",
        *REFERENCES,
    }
)
_DATE = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?")
_COUNTRY = re.compile(r"[A-Z]{3}")
MOST_BYTES: Final = 50_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Imported:
    """Figures of one import."""

    persons: int
    """Lines of the file."""
    added: int
    known: int
    """Imported before, with exactly these identifiers."""
    flagged: tuple[str, ...] = ()
    """References of open nominations that meet somebody of the file and were not flagged for that before."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One person of the file: personal data, kept nowhere."""

    pairs: tuple[Pair, ...] = field(repr=False)
    """Under which later nominations find them."""
    query: tuple[Pair, ...] = field(repr=False)
    """With which they find nominations that are open already."""


def read(content: bytes) -> tuple[Line, ...]:
    """The persons in the order of the file. Raises InvalidParameter that names the line and the
    column, never a value."""
    if len(content) > MOST_BYTES:
        raise InvalidParameter(f"the file is larger than {MOST_BYTES} bytes: import it in parts")
    try:
        reader = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
        unknown = sorted(set(reader.fieldnames or ()) - COLUMNS)
        if unknown or not reader.fieldnames:
            raise InvalidParameter(f"a heading is needed, of: {', '.join(sorted(COLUMNS))}")
        return tuple(_line(row, line) for line, row in enumerate(reader, start=2))
    except UnicodeDecodeError:
        raise InvalidParameter("the file is not UTF-8") from None
    except csv.Error:
        raise InvalidParameter("the file is not CSV") from None


def _wrong(line: int, column: str) -> InvalidParameter:
    return InvalidParameter(f"line {line}: {column} is not as it should be; nothing was imported")


def _line(row: dict[str | None, str | None], line: int) -> Line:
    if None in row or None in row.values():
        raise _wrong(line, "the number of columns")
    cells = {str(name): (value or "").strip() for name, value in row.items()}
    pairs: set[Pair] = set()
    for column, (kind, form) in REFERENCES.items():
        if value := cells.get(column, ""):
            if not form.fullmatch(value):
                raise _wrong(line, column)
            pairs.add((kind, ids.normalise(value)))
    person = _person(cells, line)
    if person is not None:
        pairs |= ids.of_person(person) | exclusion.near_index(person)
    dated = person is not None and person.birth_date.precision != "unknown"
    if not any(
        kind in ids.STRONG or kind == ids.DOCUMENT or (kind == exclusion.NEAR and dated) for kind, _ in pairs
    ):
        raise InvalidParameter(
            f"line {line}: a name without a birth date is not enough; nothing was imported"
        )
    query = set(exclusion.strong(pairs)) | (exclusion.near_query(person) if person is not None else set())
    return Line(pairs=tuple(sorted(pairs)), query=tuple(sorted(query)))


def _person(cells: dict[str, str], line: int) -> model.Person | None:
    number, country = cells.get("document_number", ""), cells.get("issuing_country", "")
    if country and not _COUNTRY.fullmatch(country):
        raise _wrong(line, "issuing_country")
    if number and not ids.document_number(number):
        raise _wrong(line, "document_number")
    names = list(_names(cells, line))
    if not names and not number:
        return None
    document = model.IdentityDocument(
        type=codes.DocumentType.OTHER,
        number=number,
        issuing_country=country or None,
        issuing_authority=None,
        issued_on=None,
        expires_on=None,
    )
    # a document without a name: the punctuation gives no key
    name = names[0] if names else model.PersonName(family_name="-", given_names=None)
    return model.Person(
        role=codes.PersonRole.PRINCIPAL,
        name=name,
        other_names=tuple(model.OtherName(kind=codes.NameKind.ALIAS, name=n) for n in names[1:]),
        birth_date=_birth(cells.get("birth_date", ""), line),
        birth_place=None,
        birth_country=None,
        sex=codes.Sex.UNKNOWN,
        nationalities=("XXX",),
        former_nationalities=(),
        languages=(),
        civil_status=None,
        documents=(document,) if number else (),
    )


def _names(cells: dict[str, str], line: int) -> Iterator[model.PersonName]:
    """The usual name first."""
    first = (cells.get("family_name", ""), cells.get("given_names", ""))
    others = [text.strip() for text in cells.get("other_names", "").split(";") if text.strip()]
    if others and not any(first):
        raise _wrong(line, "other_names without a name")
    for family, given in (first, *((o.partition("/")[0], o.partition("/")[2]) for o in others)):
        if family.strip() or given.strip():
            yield model.PersonName(family_name=family.strip() or None, given_names=given.strip() or None)


def _birth(text: str, line: int) -> model.BirthDate:
    if not text:
        return model.BirthDate(year=None, month=None, day=None)
    found = _DATE.fullmatch(text)
    if found is None:
        raise _wrong(line, "birth_date")
    year, month, day = (int(part) if part else None for part in found.groups())
    try:
        return model.BirthDate(year=year, month=month, day=day)
    except ValueError:
        raise _wrong(line, "birth_date") from None


async def import_returned(
    exchange: Exchange, content: bytes, *, actor: str, reason: str, dry_run: bool = False
) -> Imported:
    """Import every person of the file in one transaction, as keyed hashes; the audit log gets figures only.

    Open nominations that meet one of them are flagged (``exclusion.flag``): audit entry, inbox, status event;
    what is held is judged again when somebody releases it. Importing a file again changes nothing. Raises
    InvalidParameter; then nothing was imported.
    """
    require_reason(reason)
    people = read(content)
    if dry_run:
        return Imported(persons=len(people), added=0, known=0)
    now = exchange.clock.now()
    added = 0
    flagged: set[str] = set()
    async with exchange.store.begin() as tx:
        await tx.lock_returned(change=True)
        for one in people:
            owner, new = await tx.add_returned(one.pairs, now)
            added += new
            flagged.update(await flag(tx, exchange.listeners, one.query, owner=owner, by=None, now=now))
        result = Imported(
            persons=len(people), added=added, known=len(people) - added, flagged=tuple(sorted(flagged))
        )
        await tx.append_audit(
            at=now,
            actor=actor,
            action="returned.imported",
            subject=exchange.agreement.agreement.id,
            data={
                "persons": result.persons,
                "added": added,
                "known": result.known,
                "flagged": len(flagged),
                "reason": reason,
            },
        )
    if flagged:
        await exchange.store.notify("outbox")
    return result
