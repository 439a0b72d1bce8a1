"""Writes the tables of ``docs/users.md`` (roles, failed sign-ins): ``python -m gateway.roles_page``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from gateway.core.oidc_causes import CAUSES
from gateway.core.roles import PERMISSIONS, Permission, Role

PAGE: Final = Path("docs/users.md")
BEGIN: Final = "<!-- roles: python -m gateway.roles_page -->"
END: Final = "<!-- end of roles -->"
BEGIN_CAUSES: Final = "<!-- causes: python -m gateway.roles_page -->"
END_CAUSES: Final = "<!-- end of causes -->"
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


def causes_table() -> str:
    """Markdown: why a sign-in at the provider did not end well, and what helps."""
    rows = [f"| `{cause}` | {words.en} |" for cause, words in CAUSES.items()]
    return "\n".join(["| cause | what was seen, what helps |", "|---|---|", *rows])


def _between(page: str, begin: str, table: str, end: str) -> str:
    head, rest = page.split(begin, 1)
    _, tail = rest.split(end, 1)
    return f"{head}{begin}\n{table}\n{end}{tail}"


def with_tables(page: str) -> str:
    """The page with each table between its two marks. Raises ValueError when one is missing."""
    page = _between(page, BEGIN, roles_table(), END)
    return _between(page, BEGIN_CAUSES, causes_table(), END_CAUSES)


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text("utf-8")), "utf-8")
