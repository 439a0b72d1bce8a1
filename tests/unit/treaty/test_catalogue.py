"""The list of rules is complete, says what each reads, and the docs are what it says."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import msgspec
import pytest

from contracts.codes import MessageType
from gateway.core.treaty import rules_catalogue
from gateway.core.treaty.agreement import uk_fr
from gateway.core.treaty.rules import all_rules
from gateway.core.treaty.verdict import Rule

AGREEMENT = uk_fr()
RULES = rules_catalogue.catalogue()
DOCS = Path(__file__).parents[3] / "docs" / "rules.md"
MUST = {
    "Art 1": {"art1.three_months"},
    "Art 3": {"art3.criterion", "art3.reentry_return_unknown"},
    "Art 4": {
        "art4.confirmations",
        "art4.suspensive_appeal",
        "art4.accompanied_minor",
        "art8.request_in_time",
        "art8.ground",
        "row6.claim",
        "balance.readmissions",
    },
    "Art 7": {"art7.evidence_needed", "art7.evidence_list"},
    "Art 8": {"art8.request_in_time", "art8.extension"},
    "Art 12": {"art12.third_country", "art12.restriction", "art12.priority", "art12.visa_three_months"},
    "Art 16": {"general.sender", "privacy.name", "privacy.agdref_number", "privacy.attachment"},
    "Art 17": {"transfer.persons", "admission.persons"},
    "row 1": {"art3.criterion"},
    "row 2": {"balance.readmissions", "balance.nominations"},
    "row 3": {"art12.third_country"},
    "row 4": {"row4.identity_document", "row4.photo"},
    "row 5": {"row5.security_checks"},
    "row 6": {"row6.claim", "row6.decision_date"},
    "row 7": {"row7.expression_of_interest", "row7.located_in_france"},
    "row 8": {"row8.biometrics"},
    "row 9": {"row9.returned", "row9.not_checked"},
    "row 10": {"quota.readmissions", "quota.nominations"},
}
"""What each article and row cannot do without."""


def test_every_article_and_row_has_its_rules() -> None:
    """No row of the announcement and no article that binds messages is without a rule."""
    found = rules_catalogue.coverage()
    assert set(found) == set(MUST)
    for place, ids in found.items():
        assert set(ids) >= MUST[place], place


def test_what_a_rule_cites_is_known() -> None:
    """No rule cites an article or row that the coverage does not list."""
    assert {place for rule in RULES for place in rule.places} == set(rules_catalogue.coverage())


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_rule_describes_itself(rule: Rule) -> None:
    """Id, article, both texts, types and settings are plain JSON; a [U] setting has both notes."""
    shown = rules_catalogue.describe(rule, AGREEMENT)
    assert msgspec.json.decode(msgspec.json.encode(shown)) == shown
    assert re.fullmatch(r"[a-z0-9]+\.[a-z0-9_]+", shown["id"])
    assert shown["article"]
    assert shown["text"]["en"] != shown["text"]["fr"]
    assert set(shown["types"]) <= {t.value for t in MessageType}
    assert shown["types"]
    assert shown["unverified"] is any(s["unverified"] for s in shown["settings"])
    for item in shown["settings"]:
        assert (item["note"] is not None) is item["unverified"]
        assert item["note"] is None or (item["note"]["en"] and item["note"]["fr"])


@pytest.mark.parametrize("rule", all_rules(), ids=lambda rule: rule.id)
def test_a_rule_names_the_settings_that_it_reads(rule: Rule) -> None:
    """Every table of the agreement that the check's own text reads is among its settings."""
    text = inspect.getsource(rule.check)
    read = set(re.findall(r"agreement\.(clocks|limits|evidence|grounds|nomination|priorities)\b", text))
    read |= {"clocks"} if "local_day(" in text or "_answer_day(" in text else set()
    read |= {"criteria"} if "enabled_criteria" in text else set()
    assert read <= {name.split(".")[0] for name in rule.settings}


def test_unverified_rules_are_labelled() -> None:
    """[U] reaches the rule: evidence, nomination documents, fourth basis, quotas."""
    labelled = {r.id for r in RULES if rules_catalogue.describe(r, AGREEMENT)["unverified"]}
    assert {
        "art7.evidence_list",
        "row4.identity_document",
        "art3.criterion",
        "quota.readmissions",
        "art12.restriction",
    } <= labelled
    assert not {"art8.request_in_time", "art4.confirmations", "row9.returned"} & labelled


def test_an_unknown_setting_is_an_error() -> None:
    """A setting that the agreement does not have cannot be shown."""
    with pytest.raises(AttributeError):
        rules_catalogue.setting(AGREEMENT, "clocks.nonsense")


def test_docs_are_current() -> None:
    """docs/rules.md is what the code says (python -m gateway.core.treaty.rules_catalogue > docs/rules.md)."""
    assert DOCS.read_text(encoding="utf-8") == rules_catalogue.document()
