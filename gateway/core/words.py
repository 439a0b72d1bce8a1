"""A text in both languages, as the operators of both ministries read it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Words:
    """English in GOV.UK-plain words, French in the ministry's own; never a value of a message."""

    en: str
    fr: str

    def as_json(self) -> dict[str, str]:
        """``{"en": …, "fr": …}``."""
        return {"en": self.en, "fr": self.fr}
