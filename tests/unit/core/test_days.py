"""Days and places in the words of both sides."""

from __future__ import annotations

import datetime as dt

from gateway.core.days import day_words, place_words


def test_a_day_in_both_languages() -> None:
    """Day, short month, year, kept on one line."""
    said = day_words(dt.date(2026, 2, 3))
    assert (said.en, said.fr) == (
        "3\N{NO-BREAK SPACE}Feb\N{NO-BREAK SPACE}2026",
        "3\N{NO-BREAK SPACE}févr.\N{NO-BREAK SPACE}2026",
    )


def test_the_capital_whose_clock_counts() -> None:
    """Another zone than that of the two sides is named as it is."""
    assert place_words("Europe/London").fr == "Londres"
    assert place_words("UTC").en == "UTC"
