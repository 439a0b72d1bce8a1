"""docs/alerts.md says what the code does."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from gateway.alert_page import renewed, table
from gateway.config import make_settings
from gateway.core.alert_kinds import AlertKind
from gateway.core.alert_words import CLOUD_TYPES

PAGE = (Path(__file__).parents[3] / "docs" / "alerts.md").read_text("utf-8")


def test_the_table_of_kinds_is_current() -> None:
    """Renew it with ``python -m gateway.alert_page``."""
    assert renewed(PAGE) == PAGE
    assert all(f"| `{kind.value}` |" in table() for kind in AlertKind)


def test_a_page_without_marks_is_refused() -> None:
    """Nobody overwrites what they cannot find."""
    with pytest.raises(ValueError, match="marks"):
        renewed("# Alerts")


def test_the_example_of_settings_is_accepted() -> None:
    """What operators copy works."""
    example = PAGE.split("```toml\n")[1].split("```")[0]
    settings = make_settings(tomllib.loads(example))
    assert len(settings.alerts.plan().recipients) == 5
    assert settings.smtp.host == "mail.example"


def test_the_events_are_named() -> None:
    """Every CloudEvent that a receiver may get."""
    for name in CLOUD_TYPES.values():
        assert name in PAGE or name.removeprefix("passerelle.alert") in PAGE
