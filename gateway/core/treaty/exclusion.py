"""Row 9: is a nominee one of the returned? Compared on keyed hashes only, so on keys that are equal or not.

**Strong** identifiers point to one person: number and issuing country of a document, the UK's own references,
the biometric reference. One that is equal is an exact match. **Near** keys are equal when the names sound
alike and the birth dates agree as far as both are known; a near match decides nothing, an operator does.
Nothing is compared by similarity: that would need the names in clear text.

A near key is (1) a name reduced to the consonants that survive the usual transliterations, and (2) a birth
date with its precision. Reduction (``skeleton``): ASCII; articles and ``bin`` dropped; digraphs (kh, sh, th,
dj …) to one letter; letters that change places between spellings (d/t, g/q/k, b/p, f/v) to one; vowels, y, w
and a last h dropped; doubled letters once. So umlauts may be written either way, and Arabic script, which
has no short vowels, gives the same letters as Latin. Up to four readings of a name each give keys: as ASCII,
with the diacritics spelled out (ç → ch), in Somali spelling (x → h, c → silent), and without a first j or a
glued article.

Keys of a name:

- ``w``: the letters of all its words, sorted, so that words may change places, be joined or be split;
- ``p``: one family word with one given word, where both sides know the day of birth: words may be missing;
- ``1``/``a``: a name of one word, and any word of a longer one, where both sides know the day of birth.

Birth dates: a day matches that day; what is known to the month or year matches every date in it; an unknown
one matches all. The first of January is often written for an unknown day, so it counts as the year as well.
The keys of an index and those that look into it differ for that reason (``near_index``, ``near_query``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import product
from typing import Final

from contracts import model
from gateway.core import identifiers as ids

Pair = tuple[str, str]

NEAR: Final = "near"
"""Kind of all near keys in the index."""
CLEARED: Final = "exclusion_cleared"
"""Kind of the remembered decision that a nominee is not that returned person."""

_MOST_WORDS = 8
_LEAST_LETTERS = 3
"""A name with fewer consonants is compared as it is written."""
_ARTICLES = frozenset({"AL", "EL", "UL", "OL", "AS", "ASH", "AD", "AR", "BIN", "BEN", "IBN", "BINT"})
_SPELLED: Final = str.maketrans({"ç": "ch", "Ç": "Ch", "č": "ch", "Č": "Ch", "ž": "zh", "Ž": "Zh"})
_ARABIC_ARTICLE = re.compile("(?<!\\S)\u0627\u0644(?=\\S{2})")
_SOMALI = re.compile(r"X|\bC(?=[AEIOU])")
_LOOSE = re.compile(r"\bJ(?=[AEIOU])|\b[AE]L(?=[B-DF-HJ-NP-TV-Z][A-Z]{3})")
"""A first j that is a y elsewhere (Jonas, Yonas), and an article written as a part of the word."""
_SERVANT = re.compile(r"^ABD[AEOU]{1,2}L$")
"""Abdul, Abdel, Abdoul … as a word of its own: what follows belongs to it."""
_FOLDS: Final = tuple(
    (re.compile(pattern), to)
    for pattern, to in (
        (r"TCH|SCH|SH|CH", "S"),
        (r"DJ|TJ|ZH|DZ", "J"),
        (r"KH", "H"),
        (r"GH|CK|[QG]", "K"),
        (r"PH|V", "F"),
        (r"DH|TH|D", "T"),
        (r"C(?=[EIY])", "S"),
        (r"C", "K"),
        (r"X", "KS"),
        (r"P", "B"),
    )
)
_DOUBLED = re.compile(r"(.)\1+")


def skeleton(word: str) -> str:
    """Consonants of one word in ASCII capitals; may be empty (``Aya``)."""
    for pattern, to in _FOLDS:
        word = pattern.sub(to, word)
    head = re.sub("[AEIOUY]", "", word[:1])
    letters = _DOUBLED.sub(r"\1", head + re.sub("[AEIOUYW]", "", word[1:]))
    letters = letters.removesuffix("H") if len(letters) > 1 else letters
    return re.sub("^BTL(?=..)", "BT", letters)  # Abdelrahman as Abdirahman


def _readings(text: str) -> Iterator[str]:
    """The ways in which a written name may be put into ASCII capitals."""
    text = _ARABIC_ARTICLE.sub("", text)
    plain = ids.normalise_name(text)
    yield plain
    yield ids.normalise_name(text.translate(_SPELLED))
    if _SOMALI.search(plain):
        yield re.sub(r"\bC(?=[AEIOU])", "", plain).replace("X", "H")
    if _LOOSE.search(plain):
        yield _LOOSE.sub("", plain)


def _words(reading: str) -> tuple[str, ...]:
    """Skeletons of the words of one reading."""
    words = [w for w in reading.split() if w not in _ARTICLES] or reading.split()
    evened = ["ABD" if _SERVANT.match(w) and place + 1 < len(words) else w for place, w in enumerate(words)]
    return tuple(s for s in map(skeleton, evened) if s)[:_MOST_WORDS]


def _name_keys(name: model.PersonName, *, query: bool) -> Iterator[tuple[str, bool]]:
    """(key, whether it needs the day of birth) of one name."""
    family = dict.fromkeys(_readings(name.family_name or ""))
    given = dict.fromkeys(_readings(name.given_names or ""))
    for f, g in product(family, given):
        families, givens = _words(f), _words(g)
        words = (*families, *givens)
        letters = "".join(sorted("".join(words)))
        if len(letters) < _LEAST_LETTERS:
            letters = "=" + "".join(sorted(f"{f} {g}".split()))
        if letters != "=":
            yield f"w|{letters}", False
        for one in families:
            for other in givens:
                yield "p|" + " ".join(sorted((one, other))), True
        if len(words) == 1:
            yield f"{'a' if query else '1'}|{words[0]}", True
        elif len(words) > 1:
            for word in words:
                yield f"{'1' if query else 'a'}|{word}", True


def _new_year(birth: model.BirthDate) -> bool:
    return (birth.month, birth.day) == (1, 1)


def _indexed_dates(birth: model.BirthDate) -> Iterator[str]:
    """``=``: known so far and no further; ``>``: known further."""
    year, month, day = birth.year, birth.month, birth.day
    if day is not None:
        yield f"d{birth}"
    if month is not None:
        yield f"m{'=' if day is None else '>'}{year}-{month:02d}"
    if year is not None and (month is None or _new_year(birth)):
        yield f"y={year}"
    if month is not None:
        yield f"y>{year}"
    yield "n=" if year is None else "n>"


def _queried_dates(birth: model.BirthDate) -> Iterator[str]:
    """What an index may hold that agrees with this date; day and month may have changed places."""
    year, month, day = birth.year, birth.month, birth.day
    if day is not None:
        yield f"d{birth}"
        if day <= 12 and day != month:
            yield f"d{year:04d}-{day:02d}-{month:02d}"
    if month is not None:
        yield f"m={year}-{month:02d}"
        if day is None:
            yield f"m>{year}-{month:02d}"
    if year is not None:
        yield f"y={year}"
        if month is None or _new_year(birth):
            yield f"y>{year}"
    yield "n="
    if year is None:
        yield "n>"


def _near(person: model.Person, *, query: bool) -> frozenset[Pair]:
    birth = person.birth_date
    dates = tuple(_queried_dates(birth) if query else _indexed_dates(birth))
    found = set()
    for name in (person.name, *(other.name for other in person.other_names)):
        for key, needs_day in _name_keys(name, query=query):
            for date in dates:
                if not needs_day or date == f"d{birth}":
                    found.add((NEAR, f"{date}|{key}"))
    return frozenset(found)


def near_index(person: model.Person) -> frozenset[Pair]:
    """The near keys under which a person is found."""
    return _near(person, query=False)


def near_query(person: model.Person) -> frozenset[Pair]:
    """The near keys that others who may be this person are found under; with them, numbers of documents
    whose country is not known, or is another."""
    numbers = {(ids.DOCUMENT, number) for d in person.documents if (number := ids.document_number(d.number))}
    return _near(person, query=True) | frozenset(numbers)


def is_near(one: model.Person, other: model.Person) -> bool:
    """Whether two persons meet in a near key; the check itself asks the index of hashes."""
    return not near_query(one).isdisjoint(near_index(other) | frozenset(ids.of_person(other)))


def to_index(message: model.Message) -> tuple[Pair, ...]:
    """Everything that a message is found by: identifiers and near keys, each once."""
    near = {pair for person in ids.persons_of(message) for pair in near_index(person)}
    return tuple(sorted({*ids.identifiers(message), *near}))


def cleared(label: str, owner: str, place: int, person: model.Person) -> tuple[Pair, ...]:
    """What remembers that ``person`` (the ``place``-th of their nomination) is not ``owner``:
    for this nomination, and for whoever is nominated with the same document."""
    documents = (value for kind, value in ids.of_person(person) if kind == ids.DOCUMENT_ISSUED)
    return (
        (CLEARED, f"{label}|{owner}|#{place}"),
        *((CLEARED, f"{label}|{owner}|{value}") for value in documents),
    )


def strong(pairs: Iterable[Pair]) -> tuple[Pair, ...]:
    """Those that point to one person."""
    return tuple(pair for pair in pairs if pair[0] in ids.STRONG)
