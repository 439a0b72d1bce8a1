"""Looking at personal data: the coded reasons, and what is whose to see. Pure.

A reveal is for one case and one person, ends by itself, and is written into the audit log with its reason;
every page that shows something because of it is too.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from contracts.codes import Direction
from gateway.core.records import MessageRecord
from gateway.core.roles import Side
from gateway.core.words import Words

SHORTEST: Final = dt.timedelta(minutes=5)
LONGEST: Final = dt.timedelta(minutes=15)
MAX_REASON: Final = 400


class RevealReason(StrEnum):
    """Why somebody needs to see personal data."""

    ENQUIRY = "enquiry"
    DATA_FAULT = "data_fault"
    SAME_PERSON = "same_person"
    TRANSFER = "transfer"
    DATA_SUBJECT = "data_subject"
    LEGAL = "legal"


REASONS: Final[Mapping[RevealReason, Words]] = {
    RevealReason.ENQUIRY: Words(
        "The other ministry asks about this case", "Le ministère partenaire interroge sur ce dossier"
    ),
    RevealReason.DATA_FAULT: Words(
        "A value was refused or cannot be mapped", "Une valeur a été refusée ou n'a pas d'équivalent"
    ),
    RevealReason.SAME_PERSON: Words(
        "Checking whether two cases concern the same person",
        "Vérifier si deux dossiers concernent la même personne",
    ),
    RevealReason.TRANSFER: Words(
        "A transfer or arrival is under way", "Une remise ou une arrivée est en cours"
    ),
    RevealReason.DATA_SUBJECT: Words(
        "The person asks for their data", "La personne exerce ses droits sur ses données"
    ),
    RevealReason.LEGAL: Words("A court or authority requires it", "Une juridiction ou une autorité l'exige"),
}


def may_see(side: Side, record: MessageRecord) -> bool:
    """Whether the content of a message may be revealed to somebody of that side.

    The UK sees what it sent and what France sent to it. A French user sees what France sent, and what has
    provably arrived in France: a request that is held, cancelled or under way was not given to France yet.
    """
    if side is Side.UK or record.direction is Direction.FR_TO_UK:
        return True
    return record.receipt_verified
