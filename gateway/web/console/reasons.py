"""Coded reasons that people choose from, and how a reason that was kept is shown again.

A reason is kept as ``code`` or ``code: words``; commands may keep words alone. The words stay as they were
written; the code is shown in the reader's language.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from gateway.core.batches import ReasonCode
from gateway.web.console.i18n import N_, Language, translate

OTHER: Final = "other"
ACTION: Final[Mapping[str, str]] = MappingProxyType(
    {
        ReasonCode.PARTNER_OUTAGE: N_("France could not be reached, and can be again"),
        ReasonCode.PARTNER_CORRECTED: N_("France has corrected something on its side"),
        ReasonCode.GATEWAY_CORRECTED: N_("Something was corrected here"),
        ReasonCode.AGREED: N_("Agreed with the other side's operators"),
        ReasonCode.NOT_NEEDED: N_("No longer needed, or sent in another way"),
        ReasonCode.OTHER: N_("Another reason, in words"),
    }
)
QUOTA: Final = (
    ("agreed", N_("Agreed by both sides")),
    ("capacity", N_("More or fewer places are available")),
    ("mistake", N_("The number was wrong")),
    (OTHER, N_("Another reason (say which in words)")),
)
LEDGER: Final = (
    ("report_wrong", N_("The report gave a wrong number")),
    ("did_not_happen", N_("The transfer or arrival did not happen")),
    ("wrong_day", N_("The day was wrong")),
    ("agreed", N_("Agreed by both sides")),
    (OTHER, N_("Another reason (say which in words)")),
)
ALERT: Final = (
    ("investigating", N_("Being looked into")),
    ("told_other_side", N_("The other side is informed")),
    ("planned_work", N_("Planned work")),
    ("known_fault", N_("Known fault, being repaired")),
    ("settled", N_("Settled")),
)
_ALL: Final[Mapping[str, str]] = MappingProxyType({**ACTION, **dict(ALERT), **dict(LEDGER), **dict(QUOTA)})
"""``agreed`` is one of several lists: shown as that of both sides."""


def shown(reason: str, language: Language) -> str:
    """As a page shows it."""
    code, _, words = reason.partition(": ")
    if code not in _ALL:
        return reason
    if code == OTHER and words:
        return words
    text = translate(_ALL[code], language)
    colon = "\N{NO-BREAK SPACE}:" if language == "fr" else ":"
    return f"{text}{colon} {words}" if words else text
