"""Console wording. English texts are the keys; French is in ``locale/fr.po`` (read with Babel)."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal

from babel.messages.pofile import read_po

Language = Literal["en", "fr"]
LANGUAGES: tuple[Language, ...] = ("en", "fr")
_PO = Path(__file__).parent / "locale" / "fr.po"


@cache
def french() -> dict[str, str]:
    """Every English text with its French one."""
    with _PO.open("rb") as file:
        return {str(m.id): str(m.string) for m in read_po(file, locale="fr") if m.id and m.string}


def translate(text: str, language: Language) -> str:
    """The text in that language; an English text without French is shown as it is."""
    return french().get(text, text) if language == "fr" else text
