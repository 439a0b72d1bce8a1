"""Exact search on a personal identifier, through the keyed blind index: cases that hold it, and no more.

What is looked for is normalised, hashed by the store and forgotten; the audit log learns who searched by
which kind of identifier, never the value and never what was found. Callers check the permission
``search_person`` first and never take the value from a URL.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from contracts import model
from gateway.core import identifiers as ids
from gateway.core.errors import InvalidParameter
from gateway.core.records import CaseRecord
from gateway.flows.exchange import Exchange

SEARCHED: Final = "person.searched"
MOST_CASES: Final = 50
_LONGEST: Final = 200
_DATE: Final = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?")


class PersonKind(StrEnum):
    """By what somebody is looked for."""

    DOCUMENT = ids.DOCUMENT
    """The number of a passport, identity card, residence permit, laissez-passer …"""
    UAN = ids.UAN
    HOME_OFFICE_REFERENCE = ids.HOME_OFFICE_REFERENCE
    GWF = ids.GWF
    EOI = ids.EOI
    BIOMETRICS = ids.BIOMETRICS
    NAME_BIRTH = ids.NAME_BIRTH
    """Whole name and birth date, as far as the case has it: ``1990-05-14``, ``1990-05`` or ``1990``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PersonFound:
    """Cases that hold the identifier, by reference; ``more`` than are given."""

    kind: PersonKind
    cases: tuple[CaseRecord, ...]
    more: bool


def _pair(
    kind: PersonKind, value: str, family_name: str, given_names: str, birth_date: str
) -> tuple[str, str]:
    """Kind and value as the index has them. Raises InvalidParameter, which never repeats the value."""
    if any(len(text) > _LONGEST for text in (value, family_name, given_names, birth_date)):
        raise InvalidParameter(f"an identifier has at most {_LONGEST} characters")
    if kind is not PersonKind.NAME_BIRTH:
        normal = ids.normalise(value)
        if not normal:
            raise InvalidParameter("the identifier is missing")
        return kind.value, normal
    found = _DATE.fullmatch(birth_date.strip())
    if found is None:
        raise InvalidParameter("the birth date is missing, or is not like 1990-05-14, 1990-05 or 1990")
    try:
        year, month, day = (int(part) if part else None for part in found.groups())
        born = model.BirthDate(year=year, month=month, day=day)
        name = model.PersonName(
            family_name=family_name.strip() or None, given_names=given_names.strip() or None
        )
    except ValueError:
        raise InvalidParameter("a name and a day of the calendar are needed") from None
    key = ids.name_key(name)
    if not key:
        raise InvalidParameter("the name is missing")
    partial = born.precision != "day"
    return (ids.NAME_BIRTH_PARTIAL if partial else ids.NAME_BIRTH), f"{key}|{born}"


async def search_person(
    exchange: Exchange,
    kind: PersonKind,
    *,
    actor: str,
    value: str = "",
    family_name: str = "",
    given_names: str = "",
    birth_date: str = "",
) -> PersonFound:
    """``value`` for all kinds but ``NAME_BIRTH``, which takes the others. Every search is in the audit log
    before its answer is given. Raises InvalidParameter (then nothing was searched)."""
    pair = _pair(kind, value, family_name, given_names, birth_date)
    async with exchange.store.begin() as tx:
        await tx.append_audit(
            at=exchange.clock.now(), actor=actor, action=SEARCHED, subject="person", data={"kind": kind.value}
        )
    async with exchange.store.begin(read_only=True) as tx:
        references = await tx.find_by_identifier(*pair)
        cases = [await tx.get_case(reference) for reference in references[:MOST_CASES]]
    known = tuple(case for case in cases if case is not None)
    return PersonFound(kind=kind, cases=known, more=len(references) > MOST_CASES)
