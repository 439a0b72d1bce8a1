"""Console wording. English texts are the keys; French is in ``locale/fr/*.po`` (read with Babel)."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Final, Literal

from babel.messages.pofile import read_po

from gateway.core.words import typeset

Language = Literal["en", "fr"]
LANGUAGES: Final[tuple[Language, ...]] = ("en", "fr")
FRENCH: Final = Path(__file__).parent / "locale" / "fr"
_VALUE: Final = re.compile(r"[a-z]+(_[a-z]+)+")


@cache
def french() -> dict[str, str]:
    """Every English text with its French one; one file for each area of the console."""
    found: dict[str, str] = {}
    for path in sorted(FRENCH.glob("*.po")):
        with path.open("rb") as file:
            found |= {str(m.id): str(m.string) for m in read_po(file, locale="fr") if m.id and m.string}
    return found


def N_(text: str) -> str:  # noqa: N802 — gettext's own name for "translated where it is shown"
    """Marks an English text in Python code; a test sees to its French."""
    return text


def translate(text: str, language: Language) -> str:
    """The text in that language; an English text without French is shown as it is. A value of several words
    (``transfer_notified``) is shown with blanks."""
    if language == "en":
        return text.replace("_", " ") if _VALUE.fullmatch(text) else text
    return typeset(french().get(text, text))


def plural(one: str, many: str, count: int, language: Language) -> str:
    """The form for ``count`` with ``{n}`` filled in: French counts zero as one."""
    single = count in {0, 1} if language == "fr" else count == 1
    return translate(one if single else many, language).format(n=number(count, language))


def number(value: int, language: Language) -> str:
    """With the thousands apart as each language writes them: 1,305 and 1 305."""
    text = f"{value:,}".replace("-", "\N{MINUS SIGN}")
    return text.replace(",", "\N{NARROW NO-BREAK SPACE}") if language == "fr" else text
