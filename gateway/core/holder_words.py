"""Texts that several rows of ``gateway.core.holder`` share, and why a message may be sent again or not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.core.resend import Why
from gateway.core.words import Words

NOTHING: Final = Words("Nothing to do.", "Rien à faire.")
RETRIES_OVER: Final = Words(
    "It is not tried again by itself. Test the connection to France; once it works, send the message again. "
    "If it does not work, call the French operations desk.",
    "Plus aucune tentative automatique. Tester la connexion avec la France ; dès qu'elle est rétablie, "
    "renvoyer le message. Sinon, appeler l'équipe d'exploitation française.",
)
SEND_NOW: Final = Words(
    "The certificates are valid now: send the message again.",
    "Les certificats sont valables désormais : renvoyer le message.",
)
TRIED_AGAIN: Final = Words(
    "The last attempt failed; the gateway tries again by its schedule.",
    "La dernière tentative a échoué ; la passerelle réessaie selon son calendrier.",
)
PERHAPS_ARRIVED: Final = Words(
    "An attempt may have arrived although no receipt came back; the gateway sends the same message again by "
    "its schedule.",
    "Une tentative a pu aboutir sans qu'un accusé de réception revienne ; la passerelle renvoie le même "
    "message selon son calendrier.",
)
RESEND_REASONS: Final[Mapping[Why, Words]] = {
    Why.NOT_SENT: Words(
        "It was never receipted: no attempt was made yet.",
        "Aucun accusé de réception n'existe : aucune tentative n'a encore eu lieu.",
    ),
    Why.REFUSED_BEFORE: Words(
        "No attempt reached France, or its access point refused each one: it does not have it.",
        "Aucune tentative n'a atteint la France, ou son point d'accès a refusé chacune : elle ne le détient "
        "pas.",
    ),
    Why.OUTCOME_UNKNOWN: Words(
        "An answer was lost. A replay carries the same MessageId, so the other side can tell a copy.",
        "Une réponse s'est perdue. Un renvoi porte le même MessageId : l'autre partie reconnaît une copie.",
    ),
    Why.PERHAPS_TAKEN: Words(
        "Refused after an attempt whose answer was lost: France may have it already. Ask first.",
        "Refusé après une tentative dont la réponse s'est perdue : la France le détient peut-être. "
        "Se renseigner d'abord.",
    ),
    Why.FROM_FRANCE: Words(
        "It came from France: the French system would send it again, not we.",
        "Il vient de France : c'est au système français de le renvoyer, pas à nous.",
    ),
    Why.RECEIPTED: Words(
        "It is receipted: the other side has it. It is never sent again as new.",
        "L'accusé de réception est là : l'autre partie le détient. Il n'est jamais renvoyé comme neuf.",
    ),
    Why.UNDER_WAY: Words(
        "It is still being sent by itself; it needs no replay.",
        "L'envoi se poursuit de lui-même ; aucun renvoi n'est nécessaire.",
    ),
    Why.HELD: Words(
        "It is held: it is released in the holding area, not replayed.",
        "Il est en attente : il se libère dans la zone d'attente et ne se rejoue pas.",
    ),
    Why.REJECTED: Words(
        "Its content was refused: a corrected message is needed.",
        "Son contenu a été refusé : il faut un message rectifié.",
    ),
    Why.CANCELLED: Words(
        "It was cancelled; a new message would be needed.",
        "Il a été annulé ; il faudrait un nouveau message.",
    ),
    Why.WITHDRAWN: Words(
        "The case was withdrawn: nothing of it may follow.",
        "Le dossier a été retiré : plus rien ne doit suivre.",
    ),
    Why.WITHDRAWS: Words(
        "It withdraws its case: the other side must learn that.",
        "Il retire son dossier : l'autre partie doit l'apprendre.",
    ),
    Why.DELETED: Words(
        "Its content was deleted when retention ended.",
        "Son contenu a été effacé au terme de la durée de conservation.",
    ),
    Why.IN_BATCH: Words(
        "A grouped action that has not ended holds it.",
        "Une action groupée en cours le retient.",
    ),
    Why.CHANGED: Words(
        "What was decided about has changed: look again.",
        "La situation a changé depuis la décision : vérifier de nouveau.",
    ),
}
