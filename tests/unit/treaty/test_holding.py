"""Who may decide about what is held."""

from __future__ import annotations

import pytest

from gateway.core.treaty.holding import EXCLUSION, OPERATOR, QUOTAS, Decider, HoldPolicy, Requirement


@pytest.mark.parametrize(
    ("code", "role", "persons"),
    [
        ("row9.near_match", EXCLUSION, 2),
        ("row9.in_readmission", EXCLUSION, 2),
        ("row9.not_checked", EXCLUSION, 2),
        ("quota.nominations", QUOTAS, 1),
        ("unmappable.sex", OPERATOR, 1),
        ("art12.restriction", OPERATOR, 1),
        ("", OPERATOR, 1),
    ],
)
def test_default(code: str, role: str, persons: int) -> None:
    """The exclusion check needs two persons; whatever nobody thought of needs an operator."""
    assert HoldPolicy().of(code) == Requirement(role=role, persons=persons)


def test_several_reasons_need_all_roles_and_the_most_persons() -> None:
    """A release answers for every reason at once."""
    assert HoldPolicy().of_all(["art12.restriction", "row9.near_match"]) == ({OPERATOR, EXCLUSION}, 2)
    assert HoldPolicy().of_all([]) == (frozenset(), 1)


def test_more_second_persons_by_setting() -> None:
    """A setting adds second persons, keeps the role, and takes none away."""
    policy = HoldPolicy().with_two_persons(["art12.", "quota.nominations"])
    assert policy.of("art12.restriction") == Requirement(role=OPERATOR, persons=2)
    assert policy.of("quota.nominations") == Requirement(role=QUOTAS, persons=2)
    assert policy.of("quota.readmissions").persons == 1
    assert policy.of("row9.near_match").persons == 2
    assert HoldPolicy().with_two_persons([]).rows == HoldPolicy().rows


@pytest.mark.parametrize(
    "rows",
    [
        {"row9.": Requirement(role=EXCLUSION, persons=2)},
        {"": Requirement(role=OPERATOR, persons=0)},
        {"": Requirement(role="", persons=1)},
    ],
)
def test_a_policy_that_cannot_be_met_is_refused(rows: dict[str, Requirement]) -> None:
    """No row for the rest, nobody needed, or no role."""
    with pytest.raises(ValueError, match="policy"):
        HoldPolicy(rows=rows)


def test_actor() -> None:
    """The audit log says that it was an operator."""
    assert Decider(name="nadia", roles=frozenset()).actor == "operator:nadia"
