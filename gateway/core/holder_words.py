"""Texts that several rows of ``gateway.core.holder`` share."""

from __future__ import annotations

from typing import Final

from gateway.core.words import Words

NOTHING: Final = Words("Nothing to do.", "Rien à faire.")
NEVER_RECEIPTED: Final = Words(
    "It was never receipted: nothing of it has arrived.",
    "Aucun accusé de réception n'existe : rien n'en est parvenu.",
)
RECEIPTED: Final = Words(
    "It is receipted: the other side has it. It is never sent again as new.",
    "L'accusé de réception est là : l'autre partie le détient. Il n'est jamais renvoyé comme neuf.",
)
ANSWER_LOST: Final = Words(
    "An answer was lost. A replay carries the same MessageId, so the other side can tell a copy.",
    "Une réponse s'est perdue. Un renvoi porte le même MessageId : l'autre partie reconnaît une copie.",
)
THEIRS: Final = Words(
    "It came from France: the French system would send it again, not we.",
    "Il vient de France : c'est au système français de le renvoyer, pas à nous.",
)
ENDED: Final = Words(
    "It has ended; a new message would be needed.", "Il est clos ; il faudrait un nouveau message."
)
UNDER_WAY: Final = Words(
    "It is still being sent by itself; it needs no replay.",
    "L'envoi se poursuit de lui-même ; aucun renvoi n'est nécessaire.",
)
HELD: Final = Words(
    "It never left. It is released in the holding area, not replayed.",
    "Il n'est jamais parti. Il se libère dans la zone d'attente et ne se rejoue pas.",
)
