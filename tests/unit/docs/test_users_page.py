"""``docs/users.md`` shows the roles as the code has them."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.core.roles import PERMISSIONS, Permission, Role, permissions
from gateway.roles_page import BEGIN, END, WORDS, causes_table, roles_table, with_tables

PAGE = Path(__file__).parents[3] / "docs" / "users.md"


def test_the_tables_are_those_of_the_code() -> None:
    """Written by ``python -m gateway.roles_page``; every permission has words."""
    text = PAGE.read_text("utf-8")
    assert with_tables(text) == text
    assert causes_table() in text
    assert set(WORDS) == set(Permission)
    assert roles_table().count("✓") == sum(len(given) for given in PERMISSIONS.values())


def test_a_page_without_marks_is_not_written() -> None:
    """The generator never guesses where its table belongs."""
    with pytest.raises(ValueError, match="unpack"):
        with_tables("# Users")
    with pytest.raises(ValueError, match="unpack"):
        with_tables(f"# Users\n{BEGIN}\n{END}\n")


def test_roles_keep_apart_what_must_be_apart() -> None:
    """An administrator sends nothing, an auditor changes nothing, nobody without a role sees anything."""
    changes = {
        Permission.ACT,
        Permission.APPROVE,
        Permission.PAUSE,
        Permission.DECIDE_HOLD,
        Permission.CHANGE_QUOTA,
        Permission.CORRECT_LEDGER,
    }
    assert not permissions([Role.ADMINISTRATOR]) & changes
    assert not permissions([Role.AUDITOR]) & (changes | {Permission.MANAGE_USERS})
    assert permissions([]) == frozenset()
    assert [r for r in Role if Permission.MANAGE_USERS in PERMISSIONS[r]] == [Role.ADMINISTRATOR]
