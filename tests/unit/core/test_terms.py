"""Days until the end of a certificate, said so that nobody reads a negative number."""

from __future__ import annotations

import pytest

from gateway.core.terms import days_left


@pytest.mark.parametrize(
    ("days", "english", "french"),
    [
        (59, "59 days left", "59 jours restants"),
        (1, "1 day left", "1 jour restant"),
        (0, "less than 1 day left", "moins d'un jour restant"),
        (-1, "expired less than 1 day ago", "expiré depuis moins d'un jour"),
        (-2, "expired 1 day ago", "expiré depuis 1 jour"),
        (-31, "expired 30 days ago", "expiré depuis 30 jours"),
    ],
)
def test_singular_plural_and_past(days: int, english: str, french: str) -> None:
    """Each number has its own form; whole days are counted before and after the end."""
    said = days_left(days)
    assert (said.en, said.fr) == (english, french)
