"""Who may do what in the gateway: roles of a person, and the permissions that each role carries.

One table for console, CLI and API. The first five roles are the usual ones of an operations centre; the last
two are duties that an administrator gives in addition (``gateway.core.treaty.holding``). Nobody has a
permission that no role of theirs lists.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Side(StrEnum):
    """Whose operator somebody is; decides the wording shown first and which figures are "ours"."""

    UK = "uk"
    FR = "fr"


class Role(StrEnum):
    VIEWER = "viewer"
    """Sees messages, cases, time limits and balance, identifiers masked."""
    OPERATOR = "operator"
    """Also replays, cancels, decides about what is held, acknowledges alerts, reveals with a reason."""
    SUPERVISOR = "supervisor"
    """Also is the second person, pauses routes, raises quotas, corrects the ledger."""
    AUDITOR = "auditor"
    """Sees everything there is to see, the audit log too; changes nothing."""
    ADMINISTRATOR = "administrator"
    """Manages people and partners. Not messages: nobody both grants roles and sends."""
    EXCLUSION = "exclusion"
    """A duty: compares nominees with returned persons (row 9)."""
    QUOTAS = "quotas"
    """A duty: decides about what waits for a quota."""


class Permission(StrEnum):
    VIEW = "view"
    EXPORT_EVIDENCE = "export_evidence"
    ACT = "act"
    """Replay, cancel, release one or many messages."""
    APPROVE = "approve"
    """Be the second person of an action on many messages."""
    PAUSE = "pause"
    """Pause and resume a route."""
    REVEAL = "reveal"
    """See personal data of one case for a short time, with a reason."""
    SEARCH_PERSON = "search_person"
    """Exact search on a personal identifier."""
    DECIDE_HOLD = "decide_hold"
    DECIDE_EXCLUSION = "decide_exclusion"
    DECIDE_QUOTA = "decide_quota"
    CHANGE_QUOTA = "change_quota"
    CORRECT_LEDGER = "correct_ledger"
    ACKNOWLEDGE_ALERT = "acknowledge_alert"
    TEST_CONNECTION = "test_connection"
    """Try a partner's address, send a test alert."""
    SEE_AUDIT = "see_audit"
    SEE_SETTINGS = "see_settings"
    MANAGE_USERS = "manage_users"


_P = Permission
_SEES = frozenset({_P.VIEW})
_OPERATES = _SEES | {
    _P.EXPORT_EVIDENCE,
    _P.ACT,
    _P.REVEAL,
    _P.SEARCH_PERSON,
    _P.DECIDE_HOLD,
    _P.ACKNOWLEDGE_ALERT,
    _P.TEST_CONNECTION,
    _P.SEE_SETTINGS,
}

PERMISSIONS: Final[Mapping[Role, frozenset[Permission]]] = MappingProxyType(
    {
        Role.VIEWER: _SEES,
        Role.OPERATOR: _OPERATES,
        Role.SUPERVISOR: _OPERATES
        | {_P.APPROVE, _P.PAUSE, _P.CHANGE_QUOTA, _P.CORRECT_LEDGER, _P.DECIDE_QUOTA, _P.SEE_AUDIT},
        Role.AUDITOR: _SEES | {_P.EXPORT_EVIDENCE, _P.SEE_AUDIT, _P.SEE_SETTINGS},
        Role.ADMINISTRATOR: _SEES | {_P.MANAGE_USERS, _P.SEE_SETTINGS, _P.TEST_CONNECTION, _P.SEE_AUDIT},
        Role.EXCLUSION: _SEES | {_P.DECIDE_HOLD, _P.DECIDE_EXCLUSION},
        Role.QUOTAS: _SEES | {_P.DECIDE_HOLD, _P.DECIDE_QUOTA},
    }
)


def permissions(roles: Iterable[Role]) -> frozenset[Permission]:
    """Everything that somebody with these roles may do; nothing without a role."""
    return frozenset().union(*(PERMISSIONS[role] for role in roles))
