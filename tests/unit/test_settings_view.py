"""Settings and agreement as people see them: complete, marked, and giving nothing away."""

from __future__ import annotations

import json

import pytest

from gateway.config import Settings, make_settings
from gateway.core.treaty.agreement import uk_fr
from gateway.settings_view import HIDDEN, agreement_view, settings_view


def rows(settings: Settings) -> dict[str, dict[str, object]]:
    return {row["setting"]: row for part in settings_view(settings) for row in part["settings"]}


def test_every_setting_is_there_with_its_meaning() -> None:
    """No section and no setting is left out; unchanged ones are not marked."""
    shown = rows(make_settings({}))
    expected = {
        f"{name}.{key}"
        for name in Settings.model_fields
        for key in type(getattr(Settings(), name)).model_fields
    }
    assert set(shown) == expected
    assert not [name for name, row in shown.items() if row["changed"] or row["on"]]
    assert all(row["description"] for row in shown.values())
    json.dumps(list(shown.values()))


def test_a_change_is_marked_beside_the_default() -> None:
    """What the file or the environment sets differently."""
    row = rows(make_settings({"uk_api": {"rate_burst": 7}}))["uk_api.rate_burst"]
    assert (row["value"], row["default"], row["changed"]) == (7, 200, True)


def test_what_weakens_is_marked_only_when_it_is_on() -> None:
    """``unsafe_…`` that is off is no warning."""
    on = rows(make_settings({"uk_api": {"unsafe_plain_http": True}}))
    assert (on["uk_api.unsafe_plain_http"]["on"], on["as4.unsafe_plain_http"]["on"]) == (True, False)
    assert on["as4.unsafe_plain_http"]["unsafe"]


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://gateway:hunter2@db.example/passerelle",
        "postgresql://hunter2@db.example/passerelle",
        "postgresql+psycopg://gateway:hunter2@[::1]:5432/passerelle?sslmode=require",
    ],
)
def test_a_password_inside_an_address_is_not_shown(url: str) -> None:
    """A database address keeps its host and name, and loses whoever logs in."""
    row = rows(make_settings({"database": {"url": url}}))["database.url"]
    assert "hunter2" not in json.dumps(row)
    assert HIDDEN in str(row["value"])
    assert "passerelle" in str(row["value"])


def test_the_agreement_is_shown_whole() -> None:
    """Every table, and every unverified item with both notes."""
    agreement = uk_fr()
    view = agreement_view(agreement)
    assert [item["place"] for item in view["unverified"]] == [i.place for i in agreement.unverified]
    assert all(item["note"]["en"] and item["note"]["fr"] for item in view["unverified"])
    tables = {part["name"]: part for part in view["tables"]}
    assert tables["quotas"]["unverified"]
    assert {"key": "zone", "value": agreement.quotas.zone} in tables["quotas"]["values"]
    assert {"key": "fr.id", "value": agreement.parties.fr.id} in tables["parties"]["values"]
    assert len(view["pmodes"]) == len(agreement.pmode_rows)
    json.dumps(view, default=str)
