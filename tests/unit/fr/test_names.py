"""Transliteration: upper-case ASCII of limited length, nothing cut or replaced silently."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.fr.mapping import NAME_MAX
from adapters.fr.names import REPLACEMENT, Transliteration, transliterate


@pytest.mark.parametrize(
    ("original", "expected"),
    [
        ("Warsame", "WARSAME"),
        ("O’Neill-D'Arcy", "O'NEILL-D'ARCY"),
        ("E\u0301lodie", "ELODIE"),
        ("Gjëka", "GJEKA"),
        ("ß", "SS"),
        ("İpek", "IPEK"),
        ("  two\n words ", "TWO WORDS"),
        ("Владимир", "VLADIMIR"),
        ("Al-ʿAmri", "AL-'AMRI"),
        ("Raʾna", "RA'NA"),
    ],
)
def test_usual_names(original: str, expected: str) -> None:
    """Letters with a counterpart need no flag."""
    assert transliterate(original) == Transliteration(value=expected, truncated=False, replaced=False)


def test_what_has_no_counterpart_is_flagged() -> None:
    """A foreign character becomes a space, and the flag says so."""
    assert transliterate("A/B") == Transliteration(value="A B", truncated=False, replaced=True)


@pytest.mark.parametrize("original", [" ", "\n", "\u200d", "///", "\ue000"])
def test_a_name_without_any_counterpart_is_replaced(original: str) -> None:
    """The agreed replacement stands there, flagged."""
    assert transliterate(original) == Transliteration(value=REPLACEMENT, truncated=False, replaced=True)


def test_the_limit_is_exact() -> None:
    """Forty characters fit; the forty-first is cut and flagged."""
    assert transliterate("a" * NAME_MAX) == Transliteration(
        value="A" * NAME_MAX, truncated=False, replaced=False
    )
    assert transliterate("a" * (NAME_MAX + 1)) == Transliteration(
        value="A" * NAME_MAX, truncated=True, replaced=False
    )


def test_a_cut_never_ends_in_a_space() -> None:
    """A cut after a word does not leave its space behind."""
    form = transliterate("a" * (NAME_MAX - 1) + " b")
    assert form.value == "A" * (NAME_MAX - 1)
    assert form.truncated


@given(st.text(min_size=1, max_size=60))
def test_every_text_has_a_form_that_the_contract_accepts(original: str) -> None:
    """Whatever Unicode comes, the form matches the facets of TexteTranslittere."""
    form = transliterate(original)
    assert re.fullmatch(r"[A-Z0-9'-]+( [A-Z0-9'-]+)*", form.value)
    assert len(form.value) <= NAME_MAX
