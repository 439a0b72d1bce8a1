"""Judging a message against the treaty: every rule has an id, its article, and both texts.

The registries are lists of small checks; more rules are added by adding a registry to ``ALL``. Quotas are
not judged here: what exceeds them is not wrong, it waits. ``rules_catalogue`` lists them too.
"""

from __future__ import annotations

import datetime as dt

from contracts import model
from contracts.codes import Direction
from gateway.core.treaty import rules_bars, rules_general, rules_nomination, rules_readmission
from gateway.core.treaty.agreement import Agreement
from gateway.core.treaty.verdict import CaseView, Facts, Finding, Outcome, Rule, Severity, Verdict

__all__ = ["ALL", "CaseView", "Finding", "Outcome", "Rule", "Severity", "Verdict", "all_rules", "judge"]

ALL = (rules_general.RULES, rules_readmission.RULES, rules_nomination.RULES, rules_bars.RULES)


def all_rules() -> tuple[Rule, ...]:
    """Every rule, in the order in which findings appear. Raises ValueError when two share an id."""
    rules = tuple(rule for registry in ALL for rule in registry)
    if len({rule.id for rule in rules}) != len(rules):
        raise ValueError("two rules share an id")
    return rules


_RULES = all_rules()


def judge(
    message: model.Message,
    *,
    case: CaseView | None,
    agreement: Agreement,
    now: dt.datetime,
    direction: Direction | None = None,
    returned: bool | None = None,
    in_readmission: bool = False,
    near: tuple[int, ...] = (),
) -> Verdict:
    """All findings of all rules on one message.

    ``case``: the case before the message, None when none exists. ``now``: aware, UTC. ``direction``: where
    the message came from (without it the sender is not judged). ``returned``: for a nomination, whether a
    strong identifier of a person was found among the returned; None holds the nomination (row 9).
    ``in_readmission``: it was found in a readmission case that has not ended in a return; an operator looks.
    ``near``: places of the persons whose name and birth date are like those of a returned person; likewise.
    """
    facts = Facts(
        message=message,
        direction=direction,
        case=case,
        agreement=agreement,
        now=now,
        returned=returned,
        in_readmission=in_readmission,
        near=near,
    )
    return Verdict(findings=tuple(finding for rule in _RULES for finding in rule.findings(facts)))
