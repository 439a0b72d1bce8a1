"""The texts of ``gateway.core.explanations``: what each code means, why, what helps, whose part it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.core.errors import Side
from gateway.core.words import Words

NETWORK = Words(
    "Nothing to do while retries run. If it lasts: test the connection, call the French operations desk.",
    "Rien à faire tant que les nouvelles tentatives se poursuivent. Si cela dure : tester la connexion, puis "
    "appeler l'équipe d'exploitation française.",
)
THEIR_LOG = Words(
    "Ask the French operations desk to look at the log of its access point at this time.",
    "Demander à l'équipe d'exploitation française de consulter le journal de son point d'accès à ce moment.",
)
OUR_SETTINGS = Words(
    "Compare the P-Mode with the partner: passerelle partner pmode. Correct what differs, then replay.",
    "Comparer le P-Mode avec le partenaire : passerelle partner pmode. Corriger, puis rejouer.",
)
CERTIFICATES = Words(
    "Compare certificate fingerprints by telephone: passerelle partner show, and show --ours. Then replay.",
    "Comparer les empreintes des certificats par téléphone : passerelle partner show, et show --ours. "
    "Puis rejouer.",
)
TALK = Words(
    "Ask the French ministry why; the UK system then corrects the case or withdraws it.",
    "Demander le motif au ministère français ; le système britannique rectifie ou retire ensuite le dossier.",
)
FRENCH_FIX = Words(
    "Send the code to the French operations desk: its system must correct the message and send it again.",
    "Transmettre le code à l'équipe d'exploitation française : son système doit corriger le message et le "
    "renvoyer.",
)

Row = tuple[Words, Words, Words, Side]

DELIVERY: Final[Mapping[str, Row]] = {
    "delivered": (
        Words("Delivered, receipt verified", "Remis, accusé de réception vérifié"),
        Words("the signed receipt matches what was sent", "l'accusé de réception signé correspond à l'envoi"),
        Words("Nothing to do.", "Rien à faire."),
        Side.GATEWAY,
    ),
    "delivery.connection_failed": (
        Words("No connection", "Connexion impossible"),
        Words(
            "the access point does not answer, or TLS failed",
            "le point d'accès ne répond pas, ou TLS a échoué",
        ),
        NETWORK,
        Side.FR,
    ),
    "delivery.timed_out": (
        Words("No answer in time", "Pas de réponse dans le délai"),
        Words(
            "the access point took the connection and did not answer: the message may have arrived",
            "le point d'accès a accepté la connexion sans répondre : le message est peut-être arrivé",
        ),
        NETWORK,
        Side.FR,
    ),
    "delivery.unavailable": (
        Words("Access point not available", "Point d'accès indisponible"),
        Words(
            "the access point answered with a server error, or asked us to slow down",
            "le point d'accès a répondu par une erreur de serveur ou a demandé de ralentir",
        ),
        NETWORK,
        Side.FR,
    ),
    "delivery.refused": (
        Words("Refused by the access point", "Refusé par le point d'accès"),
        Words("its signed error says that a retry cannot help", "son erreur signée exclut toute reprise"),
        THEIR_LOG,
        Side.FR,
    ),
    "delivery.receipt_missing": (
        Words("Answered without a valid receipt", "Réponse sans accusé de réception valable"),
        Words(
            "what came back proves nothing: the message may have arrived",
            "la réponse ne prouve rien : le message est peut-être arrivé",
        ),
        THEIR_LOG,
        Side.FR,
    ),
    "delivery.receipt_awaited": (
        Words("Sent, receipt awaited", "Envoyé, accusé de réception attendu"),
        Words(
            "the receipt comes by callback, as agreed", "l'accusé de réception suit séparément, comme convenu"
        ),
        Words(
            "Nothing to do: without a receipt it is sent again.",
            "Rien à faire : sans accusé de réception, le message est renvoyé.",
        ),
        Side.FR,
    ),
    "content_destroyed": (
        Words("Content deleted", "Contenu effacé"),
        Words(
            "retention destroyed the key of the case before the message left",
            "la clé du dossier a été détruite à la fin de la durée de conservation, avant l'envoi",
        ),
        Words(
            "It cannot be sent any more. The UK system sends a new message if one is still needed.",
            "Il ne peut plus être envoyé. Le système britannique adresse un nouveau message si nécessaire.",
        ),
        Side.GATEWAY,
    ),
    "content_changed": (
        Words("Stored content changed", "Contenu stocké modifié"),
        Words(
            "what is read now is not what was accepted", "ce qui est relu n'est pas ce qui avait été accepté"
        ),
        Words(
            "Stop and call the administrators: check the disk, then passerelle audit verify.",
            "S'arrêter et appeler les administrateurs : contrôler le disque, puis passerelle audit verify.",
        ),
        Side.GATEWAY,
    ),
    "unavailable": (
        Words("Gateway not available", "Passerelle indisponible"),
        Words("the database could not be reached", "la base de données était injoignable"),
        Words(
            "Look at the health of the gateway; it goes on by itself.",
            "Vérifier l'état de la passerelle ; elle reprend d'elle-même.",
        ),
        Side.GATEWAY,
    ),
    "internal": (
        Words("Error of the gateway", "Erreur de la passerelle"),
        Words("a fault of our own", "un défaut de notre côté"),
        Words(
            "Report it to the administrators with the message id.",
            "Le signaler aux administrateurs avec l'identifiant du message.",
        ),
        Side.GATEWAY,
    ),
    "withdrawn": (
        Words("Stopped by a withdrawal", "Arrêté par un retrait"),
        Words("the UK system withdrew the case first", "le système britannique a d'abord retiré le dossier"),
        Words("Nothing to do.", "Rien à faire."),
        Side.UK,
    ),
    "cancelled_by_operator": (
        Words("Cancelled by an operator", "Annulé par un opérateur"),
        Words("see the reason in the timeline", "voir le motif dans la chronologie"),
        Words("Nothing to do.", "Rien à faire."),
        Side.GATEWAY,
    ),
    "privacy.personal_data": (
        Words("Refused: personal data from France", "Refusé : données personnelles venant de France"),
        Words(
            "Article 16: France sends none to the United Kingdom",
            "article 16 : la France n'en transmet pas au Royaume-Uni",
        ),
        Words(
            "Call the French operations desk; the content was not stored. The incident is in the audit log.",
            "Appeler l'équipe d'exploitation française ; le contenu n'a pas été conservé. L'incident figure "
            "au journal d'audit.",
        ),
        Side.FR,
    ),
}
