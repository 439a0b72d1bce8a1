"""What the timeline of a message says: one line per fact, on which leg, and whether it is good."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from gateway.core.words import Words


class Leg(StrEnum):
    """Where something happened; the value is shown through ``LEG_WORDS``."""

    UK = "uk"
    GATEWAY = "gateway"
    FRANCE = "france"
    OPERATOR = "operator"
    CLOCK = "clock"


class Tone(StrEnum):
    """How an entry is drawn; the words say it too."""

    GOOD = "good"
    BAD = "bad"
    WAIT = "wait"
    PLAIN = "plain"


LEG_WORDS: Final[Mapping[Leg, Words]] = {
    Leg.UK: Words("UK leg", "Branche britannique"),
    Leg.GATEWAY: Words("Gateway", "Passerelle"),
    Leg.FRANCE: Words("French leg", "Branche française"),
    Leg.OPERATOR: Words("Operator", "Opérateur"),
    Leg.CLOCK: Words("Time limit", "Délai"),
}

_U, _G, _F, _O, _C = Leg.UK, Leg.GATEWAY, Leg.FRANCE, Leg.OPERATOR, Leg.CLOCK
Line = tuple[Leg, Tone, Words]
ACTIONS: Final[Mapping[str, Line]] = {
    "message.held": (_G, Tone.WAIT, Words("Held", "Mis en attente")),
    "message.sealed": (
        _F,
        Tone.PLAIN,
        Words("Signed and encrypted for France", "Signé et chiffré pour la France"),
    ),
    "message.sent": (
        _F,
        Tone.WAIT,
        Words("Sent; the receipt is awaited", "Envoyé ; accusé de réception attendu"),
    ),
    "message.handed_out": (_F, Tone.WAIT, Words("Fetched by France", "Relevé par la France")),
    "message.delivered": (
        _F,
        Tone.GOOD,
        Words("Delivered: France's receipt is verified", "Remis : accusé de réception français vérifié"),
    ),
    "message.failed": (_F, Tone.BAD, Words("Given up: dead letter", "Abandonné : message en échec")),
    "message.rejected": (_F, Tone.BAD, Words("Rejected", "Rejeté")),
    "message.acknowledged": (
        _G,
        Tone.GOOD,
        Words("Taken into account by the other side", "Pris en compte par l'autre partie"),
    ),
    "message.cancelled": (_G, Tone.BAD, Words("Cancelled", "Annulé")),
    "message.replayed": (_O, Tone.PLAIN, Words("Replayed", "Rejoué")),
    "message.released": (_O, Tone.PLAIN, Words("Released", "Libéré")),
    "message.refused": (_U, Tone.BAD, Words("Refused", "Refusé")),
    "hold.release": (_O, Tone.PLAIN, Words("Release approved", "Libération approuvée")),
    "hold.refuse": (_O, Tone.BAD, Words("Refused by an operator", "Refusé par un opérateur")),
    "receipt.delivered": (_F, Tone.GOOD, Words("France took our receipt", "La France a reçu notre accusé")),
    "receipt.rejected": (_F, Tone.BAD, Words("France refuses our receipt", "La France refuse notre accusé")),
    "receipt.failed": (
        _F,
        Tone.BAD,
        Words("Our receipt could not be given back", "Notre accusé n'a pas pu être remis"),
    ),
    "deadline.warning": (_C, Tone.WAIT, Words("Warning: due soon", "Alerte : échéance proche")),
    "deadline.breached": (_C, Tone.BAD, Words("Breached", "Dépassé")),
    "deadline.date_set_aside": (
        _C,
        Tone.WAIT,
        Words("A date in the message was set aside", "Une date du message a été écartée"),
    ),
    "ledger.booked": (_G, Tone.PLAIN, Words("Booked in the balance", "Inscrit à la balance")),
    "ledger.countered": (
        _O,
        Tone.PLAIN,
        Words("Counter-entry in the balance", "Contre-écriture à la balance"),
    ),
    "exclusion.flagged": (
        _G,
        Tone.WAIT,
        Words("A return concerns this nomination", "Une réadmission concerne cette proposition"),
    ),
    "content.viewed": (_O, Tone.PLAIN, Words("Personal data was seen", "Données personnelles consultées")),
    "evidence.exported": (_O, Tone.PLAIN, Words("Evidence exported", "Preuves exportées")),
    "batch.done": (_O, Tone.GOOD, Words("Done in a grouped action", "Traité dans une action groupée")),
    "batch.skipped": (_O, Tone.WAIT, Words("Left alone by a grouped action", "Écarté d'une action groupée")),
    "batch.failed": (_O, Tone.BAD, Words("Failed in a grouped action", "Échec dans une action groupée")),
}
SKIPPED: Final = frozenset({"message.attempt_failed", "message.accepted"})
"""Told by the attempts themselves, and by the entry that begins the timeline."""

TAKEN_FROM_UK: Final = Words(
    "Posted by the UK system: signature verified, stored",
    "Déposé par le système britannique : signature vérifiée, enregistré",
)
RECEIPT_TO_UK: Final = Words(
    "Signed receipt given to the UK system", "Accusé signé remis au système britannique"
)
TAKEN_FROM_FRANCE: Final = Words(
    "Received from France over AS4: signature verified, stored",
    "Reçu de France par AS4 : signature vérifiée, enregistré",
)
RECEIPT_TO_FRANCE: Final = Words(
    "Signed receipt made for France", "Accusé de réception signé établi pour la France"
)
ERROR_SIGNAL: Final = Words("Signed error of France stored", "Erreur signée de la France conservée")
INBOX: Final = Words("Waits in the UK inbox", "Attend dans la boîte britannique")
CLOCK_STARTED: Final = Words("Starts", "Débute")
CLOCK_MET: Final = Words("Met", "Tenu")
CLOCK_ENDED: Final = Words("Ended", "Terminé")
CLOCK_DUE: Final = Words("Due", "Échéance")
LATER: Final = Words("Next attempt", "Prochaine tentative")


def line_of(action: str) -> Line | None:
    """The line of an audit action; None for one that the timeline leaves out. An action in no table is
    shown by its name."""
    if action in SKIPPED:
        return None
    return ACTIONS.get(action, (Leg.GATEWAY, Tone.PLAIN, Words(action, action)))
