"""A text in both languages, as the operators of both ministries read it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_NBSP: Final = "\N{NO-BREAK SPACE}"
_BEFORE: Final = re.compile(r" (?=[:;?!»])")
_AFTER: Final = re.compile(r"(?<=«) ")


def typeset(text: str) -> str:
    """French text for a page: no sign of punctuation stands alone at the beginning or end of a line."""
    return _BEFORE.sub(_NBSP, _AFTER.sub(_NBSP, text))


@dataclass(frozen=True, slots=True)
class Words:
    """English in GOV.UK-plain words, French in the ministry's own; never a value of a message."""

    en: str
    fr: str

    def of(self, language: str) -> str:
        """English unless ``language`` is ``fr``."""
        return self.fr if language == "fr" else self.en

    def as_json(self) -> dict[str, str]:
        """``{"en": …, "fr": …}``."""
        return {"en": self.en, "fr": self.fr}
