"""``docs/incidents.md`` and its French twin quote the software as it is."""

from __future__ import annotations

import re

import pytest

from gateway.web.console.i18n import LANGUAGES, Language
from tests.fixtures.guides import GUIDES, quoted, sections, shown

_HEADS = {
    "en": (
        "What happens.",
        "You see first.",
        "Whose fault.",
        "Safe.",
        "It is over when",
        "What proof remains.",
    ),
    "fr": (
        "Ce qui se passe.",
        "Ce que l'on voit d'abord.",
        "À qui la faute.",
        "Sans risque.",
        "C'est fini lorsque",
        "Preuves conservées.",
    ),
}
"""Bold words of the guide itself: each section answers these."""
_EMPHASIS = {
    "en": {
        "no personal data there",
        "Before the end nothing stops.",
        "Leave the gateway running",
        "at a number that you already had",
        "new messages",
        "EN",
        "FR",
    },
    "fr": {
        "aucune donnée à caractère personnel",
        "Avant l'échéance, rien ne s'arrête.",
        "Laisser la passerelle en marche",
        "à un numéro déjà connu",
        "de nouveaux messages",
        "EN",
        "FR",
    },
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_everything_in_bold_is_shown_by_the_software(language: Language) -> None:
    """A label that was renamed must be renamed here too."""
    text = GUIDES[language].read_text("utf-8")
    own = {*_HEADS[language], *_EMPHASIS[language]}
    assert {words for words in quoted(text) - own if not shown(words, language)} == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_section_answers_the_same_questions(language: Language) -> None:
    """Five incidents, each with what happens, whose fault, what is safe, what to say in both languages."""
    parts = sections(language)
    assert sorted(parts) == [1, 2, 3, 4, 5]
    for number, part in parts.items():
        heads = [h for h in _HEADS[language] if not (number == 2 and h in {"Safe.", "Sans risque."})]
        assert [h for h in heads if h not in quoted(part)] == [], number
        assert "> **EN**" in part, number
        assert "> **FR**" in part, number
        assert "passerelle " in part, number


def test_both_languages_show_the_same_commands() -> None:
    """Nobody has more to go by than the other."""
    blocks = {
        language: [re.sub(r'"[^"]*"', '""', b) for b in re.findall(r"```sh\n(.*?)```", text, re.DOTALL)]
        for language, text in ((each, GUIDES[each].read_text("utf-8")) for each in LANGUAGES)
    }
    assert blocks["en"] == blocks["fr"]
