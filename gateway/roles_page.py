"""Writes the table of roles into ``docs/users.md``: ``python -m gateway.roles_page``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from gateway.core.roles import PERMISSIONS, Permission, Role

PAGE: Final = Path("docs/users.md")
BEGIN: Final = "<!-- roles: python -m gateway.roles_page -->"
END: Final = "<!-- end of roles -->"
_P = Permission
WORDS: Final[Mapping[Permission, str]] = {
    _P.VIEW: "see messages, cases, time limits and balance, identifiers masked",
    _P.EXPORT_EVIDENCE: "download evidence",
    _P.ACT: "replay, cancel, release one or many messages",
    _P.APPROVE: "be the second person of an action on many messages",
    _P.PAUSE: "pause and resume a route",
    _P.REVEAL: "see personal data of one case for a short time, with a reason",
    _P.SEARCH_PERSON: "search exactly for a personal identifier",
    _P.DECIDE_HOLD: "decide about what is held, as far as the role goes ([holds](holds.md))",
    _P.DECIDE_EXCLUSION: "compare nominees with returned persons",
    _P.DECIDE_QUOTA: "decide about what waits for a quota",
    _P.CHANGE_QUOTA: "change a quota",
    _P.CORRECT_LEDGER: "correct the ledger of persons",
    _P.ACKNOWLEDGE_ALERT: "acknowledge an alert",
    _P.TEST_CONNECTION: "try a partner's address, send a test alert",
    _P.SEE_AUDIT: "read the audit log",
    _P.SEE_SETTINGS: "read the settings",
    _P.MANAGE_USERS: "manage users",
}


def roles_table() -> str:
    """Markdown: a row for each permission, a column for each role."""
    rows = [
        "| may | " + " | ".join(role.value for role in Role) + " |",
        "|---|" + ":-:|" * len(Role),
    ]
    for permission in Permission:
        marks = ("✓" if permission in PERMISSIONS[role] else "" for role in Role)
        rows.append(f"| {WORDS[permission]} | " + " | ".join(marks) + " |")
    return "\n".join(rows)


def with_table(page: str) -> str:
    """The page with the table between its two marks. Raises ValueError when one is missing."""
    head, rest = page.split(BEGIN, 1)
    _, tail = rest.split(END, 1)
    return f"{head}{BEGIN}\n{roles_table()}\n{END}{tail}"


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text("utf-8")), "utf-8")
