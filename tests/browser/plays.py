"""Which play sends which form of the console, in English and in French.

``tests/integration/console/test_pages_listed.py`` compares the table with the routes of the application, and
``conftest.py`` looks after each play whether the browser really sent what stands here: an action without a
play fails, and so does a play that no longer does what it is named for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Final, NamedTuple

from tests.fixtures.browser import Sent


class InBoth(NamedTuple):
    """The play (``module::test``) that sends the form from an English page, and from a French one."""

    en: str
    fr: str


def _each(play: str) -> InBoth:
    """One play that is given in both languages."""
    return InBoth(en=f"{play}[en]", fr=f"{play}[fr]")


_ACCOUNT: Final = _each("test_users::test_ones_own_account")
_COMES_IN: Final = _each("test_users::test_somebody_new_comes_in")
_MANAGES: Final = _each("test_users::test_an_administrator_manages")
_BATCH: Final = _each("test_actions_alone::test_a_running_batch_is_paused")
_SECOND: Final = _each("test_actions_alone::test_a_batch_of_two_persons")
_ALERTS: Final = _each("test_actions_alone::test_alerts_are_tried")
_ROUTE: Final = _each("test_actions::test_a_route_is_paused_and_resumed")
_SHOWN: Final = _each("test_actions::test_personal_data_is_shown_and_hidden")
_FILTER: Final = _each("test_visits::test_a_filter_is_kept_and_removed")
PLAYS: Final[Mapping[str, InBoth]] = {
    "/console/account/language": _ACCOUNT,
    "/console/account/password": _ACCOUNT,
    "/console/account/recovery-codes": _ACCOUNT,
    "/console/account/second-factor": _ACCOUNT,
    "/console/account/second-factor/confirm": _ACCOUNT,
    "/console/account/sessions/end-others": _ACCOUNT,
    "/console/account/sessions/{session_id}/end": _ACCOUNT,
    "/console/alerts/test": _ALERTS,
    "/console/alerts/{alert_id}/acknowledge": _ALERTS,
    "/console/audit/verify": _each("test_visits::test_the_chain_is_verified"),
    "/console/balance/ledger/{entry}/correct": _each("test_actions::test_an_entry_is_corrected_by_two"),
    "/console/balance/quotas/{kind}/change": _each("test_actions::test_a_quota_is_changed"),
    "/console/batches/new": _BATCH,
    "/console/batches/{batch_id}/approve": _SECOND,
    "/console/batches/{batch_id}/pause": _BATCH,
    "/console/batches/{batch_id}/start": _BATCH,
    "/console/batches/{batch_id}/stop": _SECOND,
    "/console/cases/{reference}/hide": _SHOWN,
    "/console/cases/{reference}/reveal": _SHOWN,
    "/console/held/{message_id}/refuse": _each("test_actions::test_a_hold_is_refused"),
    "/console/held/{message_id}/release": _each("test_actions::test_a_hold_is_let_go_by_two"),
    "/console/login": _ALERTS,
    "/console/login/code": _COMES_IN,
    "/console/login/password": _COMES_IN,
    "/console/login/second-factor": _COMES_IN,
    "/console/logout": _ALERTS,
    "/console/messages/filters": _FILTER,
    "/console/messages/filters/{filter_id}/remove": _FILTER,
    "/console/messages/{message_id}/cancel": _each("test_actions_alone::test_one_is_cancelled"),
    "/console/messages/{message_id}/replay": _each("test_actions_alone::test_one_is_sent_again"),
    "/console/partners/test": _each("test_visits::test_the_connection_is_tested"),
    "/console/routes/{endpoint}/pause": _ROUTE,
    "/console/routes/{endpoint}/resume": _ROUTE,
    "/console/rules/try": _each("test_visits::test_a_document_is_tried"),
    "/console/search": _each("test_visits::test_a_person_is_found"),
    "/console/users/new": _MANAGES,
    "/console/users/{name}": _MANAGES,
    "/console/users/{name}/disable": _MANAGES,
    "/console/users/{name}/enable": _MANAGES,
    "/console/users/{name}/password": _MANAGES,
    "/console/users/{name}/second-factor": _MANAGES,
    "/console/users/{name}/sessions": _MANAGES,
    "/console/users/{name}/unlock": _MANAGES,
}
"""By the template of the route: every route that takes a POST."""


def promised(play: str) -> frozenset[tuple[str, str]]:
    """(route, language) of each form that the play is to send."""
    return frozenset(
        (route, language)
        for route, plays in PLAYS.items()
        for language, named in plays._asdict().items()
        if named == play
    )


def taken(sent: Iterable[Sent]) -> frozenset[tuple[str, str]]:
    """(route, language) of each form that the console did not refuse."""
    return frozenset((_route_of(one.path), one.language) for one in sent if one.status < 400)


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """Routes without placeholders first: ``/users/new`` is nobody's name."""
    in_order = sorted(PLAYS, key=lambda route: ("{" in route, route))
    return tuple((route, re.compile(re.sub(r"\{\w+\}", "[^/]+", route))) for route in in_order)


def _route_of(path: str) -> str:
    return next((route for route, pattern in _patterns() if pattern.fullmatch(path)), path)
