"""Names, passwords, roles and the steps of a sign-in, as pure decisions."""

from __future__ import annotations

import dataclasses
import datetime as dt

import pytest

from gateway.core import people
from gateway.core.errors import InvalidParameter
from gateway.core.people import Stage, User, UserRecord, next_stage
from gateway.core.roles import Permission, Role, Side

NOW = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
NADIA = UserRecord(
    user_id="1",
    name="nadia",
    display_name="Nadia",
    side=Side.FR,
    roles=frozenset({Role.OPERATOR}),
    language="fr",
    created_at=NOW,
    changed_at=NOW,
)


@pytest.mark.parametrize(
    ("given", "stored"),
    [(" Nadia ", "nadia"), ("n.k@example.gov.uk", "n.k@example.gov.uk"), ("ﬁona", "fiona")],
)
def test_names_are_stored_in_one_form(given: str, stored: str) -> None:
    """Lower case, compatibility characters resolved: two people cannot have names that look alike."""
    assert people.clean_name(given) == stored


@pytest.mark.parametrize("name", ["", "-x", "a b", "é", "a" * 65, "a\nb", "<b>", "a/b"])
def test_names_that_are_refused(name: str) -> None:
    """What could be mistaken in an audit log or in an address is no name."""
    with pytest.raises(InvalidParameter):
        people.clean_name(name)


@pytest.mark.parametrize(
    "password", ["short", "a" * 12, "a" * 300, "Nadia-is-my-name!", "passerelle-2026", "ababababababab"]
)
def test_passwords_that_are_refused(password: str) -> None:
    """Too short, too long, monotonous, or with a word that anybody would try."""
    with pytest.raises(InvalidParameter):
        people.check_new_password(password, name="nadia")


def test_a_password_is_normalised() -> None:
    """However a keyboard composes its letters, it is the same password."""
    assert people.check_new_password("cafe\u0301 au lait noir", name="n") == "caf\u00e9 au lait noir"


@pytest.mark.parametrize(
    "roles",
    [
        (),
        ("king",),
        ("administrator", "operator"),
        ("administrator", "quotas"),
        ("administrator", "supervisor"),
    ],
)
def test_roles_that_are_refused(roles: tuple[str, ...]) -> None:
    """Nobody both grants roles and sends or decides; somebody without a role is nobody."""
    with pytest.raises(InvalidParameter):
        people.clean_roles(roles)


def test_an_administrator_may_also_look() -> None:
    """Viewer and auditor change nothing, so they go with it."""
    assert people.clean_roles(["administrator", "auditor", "viewer"]) >= {Role.ADMINISTRATOR}


@pytest.mark.parametrize(
    ("changes", "proven", "required", "stage"),
    [
        ({}, False, True, Stage.ENROL),
        ({}, False, False, Stage.FULL),
        ({}, True, True, Stage.FULL),
        ({"second_factor": True}, False, False, Stage.CODE),
        ({"second_factor": True}, True, True, Stage.FULL),
        ({"second_factor": True, "renew_password": True}, False, True, Stage.CODE),
        ({"second_factor": True, "renew_password": True}, True, True, Stage.RENEW),
        ({"renew_password": True}, False, True, Stage.RENEW),
    ],
)
def test_what_a_sign_in_still_lacks(
    changes: dict[str, bool], proven: bool, required: bool, stage: Stage
) -> None:
    """Who has a second factor is asked for it even where nobody needs one; a given-out password is renewed
    after it; enrolling comes last."""
    user = dataclasses.replace(NADIA, **changes)
    assert next_stage(user, proven=proven, required=required) is stage


def user(*roles: Role) -> User:
    return dataclasses.replace(NADIA, roles=frozenset(roles)).as_user()


def test_permissions_are_those_of_the_roles() -> None:
    """Several roles add up; without one nothing is allowed."""
    assert user(Role.OPERATOR).may(Permission.ACT)
    assert not user(Role.OPERATOR).may(Permission.APPROVE)
    assert not user(Role.AUDITOR).may(Permission.ACT)
    assert user(Role.AUDITOR, Role.SUPERVISOR).may(Permission.APPROVE)
    assert not user().may(Permission.VIEW)


def test_deciders_of_the_holding_area() -> None:
    """A supervisor decides what an operator may, and about quotas; an auditor decides nothing."""
    assert user(Role.OPERATOR).decider.roles == {"operator"}
    assert user(Role.SUPERVISOR).decider.roles == {"operator", "quotas"}
    assert user(Role.EXCLUSION).decider.roles == {"exclusion"}
    assert user(Role.AUDITOR, Role.ADMINISTRATOR).decider.roles == frozenset()
    assert user(Role.OPERATOR).decider.actor == user(Role.OPERATOR).actor == "operator:nadia"


def test_records_do_not_show_their_secrets() -> None:
    """A record in a log or a traceback has no hash in it."""
    assert "$argon2" not in repr(dataclasses.replace(NADIA, password_hash="$argon2id$x"))
