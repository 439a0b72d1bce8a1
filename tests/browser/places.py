"""Every page of the console, with an address that shows something and somebody who may open it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from gateway.cli.demo.stage import OPERATOR
from tests.fixtures.shown import Shown

ADMINISTRATOR: Final = "administrator"
SECOND_PERSON: Final = "second-person"


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """``address`` in the world of ``tests.fixtures.shown``; ``who`` of its people opens it."""

    address: Callable[[Shown], str]
    who: str = OPERATOR


def _at(path: str, who: str = OPERATOR) -> Place:
    """``{…}`` are names of ``Shown.ids``, ``references`` and ``others``."""
    return Place(address=lambda w: path.format(ids=w.ids, cases=w.references, others=w.others), who=who)


_MESSAGE: Final = "/console/messages/{ids[dead]}"
_HELD: Final = "/console/held/{ids[held]}"
_WAITING: Final = "/console/batches/{others[waiting batch]}"
_PAUSED: Final = "/console/batches/{others[paused batch]}"
PLACES: Final[Mapping[str, Place]] = {
    "/console": _at("/console"),
    "/console/account": _at("/console/account"),
    "/console/account/second-factor": _at("/console/account/second-factor"),
    "/console/alerts": _at("/console/alerts"),
    "/console/alerts/{alert_id}": _at("/console/alerts/{others[alert]}"),
    "/console/audit": _at("/console/audit"),
    "/console/balance": _at("/console/balance"),
    "/console/balance/ledger": _at("/console/balance/ledger"),
    "/console/balance/ledger/{entry}": _at("/console/balance/ledger/{others[entry]}"),
    "/console/balance/ledger/{entry}/correct": _at(
        "/console/balance/ledger/{others[entry]}/correct?persons=1"
    ),
    "/console/balance/quotas/{kind}": _at("/console/balance/quotas/readmissions"),
    "/console/balance/quotas/{kind}/change": _at("/console/balance/quotas/readmissions/change?persons=40"),
    "/console/balance/weekly": _at("/console/balance/weekly"),
    "/console/batches": _at("/console/batches"),
    "/console/batches/new": _at("/console/batches/new?action=replay&status=failed"),
    "/console/batches/{batch_id}": _at(_WAITING),
    "/console/batches/{batch_id}/approve": _at(f"{_WAITING}/approve", SECOND_PERSON),
    "/console/batches/{batch_id}/start": _at(f"{_PAUSED}/start"),
    "/console/batches/{batch_id}/stop": _at(f"{_PAUSED}/stop"),
    "/console/cases": _at("/console/cases"),
    "/console/cases/{reference}": _at("/console/cases/{cases[asked]}"),
    "/console/deadlines": _at("/console/deadlines"),
    "/console/held": _at("/console/held"),
    "/console/held/{message_id}": _at(_HELD),
    "/console/held/{message_id}/refuse": _at(f"{_HELD}/refuse"),
    "/console/held/{message_id}/release": _at(f"{_HELD}/release"),
    "/console/messages": _at("/console/messages"),
    "/console/messages/{message_id}": _at(_MESSAGE),
    "/console/messages/{message_id}/cancel": _at("/console/messages/{ids[queued]}/cancel"),
    "/console/messages/{message_id}/replay": _at("/console/messages/{ids[dead]}/replay"),
    "/console/partners": _at("/console/partners"),
    "/console/routes/{endpoint}/pause": _at("/console/routes/{others[endpoint]}/pause"),
    "/console/routes/{endpoint}/resume": _at("/console/routes/{others[endpoint]}/resume"),
    "/console/rules": _at("/console/rules"),
    "/console/rules/try": _at("/console/rules/try"),
    "/console/rules/{rule}": _at("/console/rules/{others[rule]}"),
    "/console/search": _at("/console/search"),
    "/console/settings": _at("/console/settings"),
    "/console/settings/agreement": _at("/console/settings/agreement"),
    "/console/users": _at("/console/users", ADMINISTRATOR),
    "/console/users/new": _at("/console/users/new", ADMINISTRATOR),
    "/console/users/{name}": _at(f"/console/users/{OPERATOR}", ADMINISTRATOR),
}
"""By the template of the route."""
OPEN: Final = frozenset(
    {
        "/console/login",
        "/console/login/code",
        "/console/login/password",
        "/console/login/second-factor",
    }
)
"""Pages of the sign-in; they have tests of their own."""
NO_PAGES: Final = frozenset(
    {
        "/console/alerts/tests/{test_id}",  # an answer to the test button: with the actions
        "/console/audit/export",
        "/console/balance/weekly/{week}.{language}.{form}",
        "/console/batches/{batch_id}/pause",  # of a running batch: with the actions
        "/console/events",
        "/console/login/provider",
        "/console/login/provider/callback",
        "/console/messages/export",
        "/console/messages/{message_id}/evidence",
        "/console/static",
    }
)
"""GET routes that answer with something else than a page of their own."""
