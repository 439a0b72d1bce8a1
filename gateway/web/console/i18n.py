"""Console wording. English texts are the keys; French is in ``locale/fr/*.po`` (read with Babel)."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final, Literal

from babel.messages.pofile import read_po

Language = Literal["en", "fr"]
LANGUAGES: Final[tuple[Language, ...]] = ("en", "fr")
FRENCH: Final = Path(__file__).parent / "locale" / "fr"


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
    """The text in that language; an English text without French is shown as it is."""
    if language == "en":
        return text
    return french().get(text, text).replace(" ?", "\N{NO-BREAK SPACE}?")  # never alone on a line


def plural(one: str, many: str, count: int, language: Language) -> str:
    """The form for ``count`` with ``{n}`` filled in: French counts zero as one."""
    single = count in {0, 1} if language == "fr" else count == 1
    return translate(one if single else many, language).format(n=number(count, language))


def number(value: int, language: Language) -> str:
    """With the thousands apart as each language writes them: 1,305 and 1 305."""
    text = f"{value:,}".replace("-", "\N{MINUS SIGN}")
    return text.replace(",", "\N{NARROW NO-BREAK SPACE}") if language == "fr" else text
