"""The AS4 texts of ``gateway.core.explanations``: what each code means, why, what helps, whose part it is.

A code ``as4.…`` means one of three things. Of a message from France: what we refused (``AS4_TITLES``). Of
an attempt of ours that was answered: that the answer is not to be trusted (``ANSWER_CURE``). Of an attempt
without an answer: that we could not seal the message, so that nothing left (``UNSEALED``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.core.as4.seal import OWN_CERTIFICATE, PARTNER_CERTIFICATE
from gateway.core.errors import Side
from gateway.core.explanations_delivery import CERTIFICATES, OUR_SETTINGS, TALK, THEIR_LOG, Row
from gateway.core.words import Words

EBMS: Final[Mapping[str, Row]] = {
    "EBMS:0001": (
        Words("Refused: value not recognised", "Refusé : valeur non reconnue"),
        Words(
            "it does not know a party id, service or action",
            "il ne connaît pas un identifiant de partie, un service ou une action",
        ),
        OUR_SETTINGS,
        Side.FR,
    ),
    "EBMS:0002": (
        Words("Warning: feature not supported", "Avertissement : fonction non prise en charge"),
        Words("it does not offer something that we asked for", "il n'offre pas une fonction demandée"),
        OUR_SETTINGS,
        Side.FR,
    ),
    "EBMS:0003": (
        Words("Refused: inconsistent values", "Refusé : valeurs incohérentes"),
        Words(
            "header values contradict each other, our certificate or the clock",
            "des valeurs d'en-tête se contredisent, ou contredisent notre certificat ou l'heure",
        ),
        OUR_SETTINGS,
        Side.FR,
    ),
    "EBMS:0004": (
        Words("Refused by the French system", "Refusé par le système français"),
        Words(
            "the message is genuine; its content is refused, or it is a duplicate",
            "le message est authentique ; son contenu est refusé, ou c'est un doublon",
        ),
        TALK,
        Side.FR,
    ),
    "EBMS:0005": (
        Words("Their connection failed", "Échec de connexion de leur côté"),
        Words(
            "the access point could not reach what is behind it",
            "le point d'accès n'a pas pu joindre le système situé derrière lui",
        ),
        THEIR_LOG,
        Side.FR,
    ),
    "EBMS:0006": (
        Words("Nothing to fetch", "Rien à relever"),
        Words("the channel is empty", "le canal est vide"),
        Words("Nothing to do.", "Rien à faire."),
        Side.FR,
    ),
    "EBMS:0007": (
        Words("Refused: MIME parts", "Refusé : parties MIME"),
        Words("parts and header did not match for it", "les parties et l'en-tête ne correspondaient pas"),
        THEIR_LOG,
        Side.FR,
    ),
    "EBMS:0008": (
        Words("Refused: feature not supported", "Refusé : fonction non prise en charge"),
        Words(
            "it does not offer something that the message uses",
            "il n'offre pas une fonction utilisée par le message",
        ),
        OUR_SETTINGS,
        Side.FR,
    ),
    "EBMS:0009": (
        Words("Refused: header not readable", "Refusé : en-tête illisible"),
        Words("it could not read our header", "il n'a pas pu lire notre en-tête"),
        THEIR_LOG,
        Side.FR,
    ),
    "EBMS:0010": (
        Words("Refused: no matching P-Mode", "Refusé : aucun P-Mode correspondant"),
        Words(
            "parties, roles, service, action or agreement differ from its settings",
            "parties, rôles, service, action ou accord diffèrent de sa configuration",
        ),
        OUR_SETTINGS,
        Side.FR,
    ),
    "EBMS:0011": (
        Words("Refused: external payload", "Refusé : charge utile externe"),
        Words(
            "it found a reference to something outside the message",
            "il a trouvé une référence hors du message",
        ),
        THEIR_LOG,
        Side.FR,
    ),
    "EBMS:0101": (
        Words("Refused: our signature is not accepted", "Refusé : notre signature n'est pas acceptée"),
        Words(
            "it does not trust our signing certificate, which may have expired",
            "il n'accorde pas sa confiance à notre certificat de signature, peut-être expiré",
        ),
        CERTIFICATES,
        Side.GATEWAY,
    ),
    "EBMS:0102": (
        Words("Refused: could not decrypt", "Refusé : déchiffrement impossible"),
        Words(
            "we may encrypt to a certificate that it no longer uses",
            "nous chiffrons peut-être pour un certificat qui n'est plus en service",
        ),
        CERTIFICATES,
        Side.GATEWAY,
    ),
    "EBMS:0103": (
        Words("Refused: other security agreed", "Refusé : autre profil de sécurité convenu"),
        Words(
            "it demands other algorithms than those we used",
            "il exige d'autres algorithmes que ceux employés",
        ),
        OUR_SETTINGS,
        Side.FR,
    ),
    "EBMS:0201": (
        Words("Refused: reliability", "Refusé : fiabilité"),
        Words("its reliable-messaging module failed", "son module de messagerie fiable a échoué"),
        THEIR_LOG,
        Side.FR,
    ),
    "EBMS:0202": (
        Words("They could not deliver", "Remise impossible de leur côté"),
        Words(
            "the access point could not pass it to the French system",
            "le point d'accès n'a pas pu le transmettre au système français",
        ),
        THEIR_LOG,
        Side.FR,
    ),
    "EBMS:0301": (
        Words("They made no receipt", "Aucun accusé de réception établi"),
        Words(
            "its access point did not make a receipt",
            "son point d'accès n'a pas établi d'accusé de réception",
        ),
        THEIR_LOG,
        Side.FR,
    ),
    "EBMS:0302": (
        Words("Receipt not valid", "Accusé de réception non valable"),
        Words("a receipt does not prove what was sent", "un accusé de réception ne prouve pas l'envoi"),
        THEIR_LOG,
        Side.FR,
    ),
    "EBMS:0303": (
        Words("Refused: could not decompress", "Refusé : décompression impossible"),
        Words("a compressed part was damaged for it", "une partie compressée lui est parvenue endommagée"),
        THEIR_LOG,
        Side.FR,
    ),
}

AS4_TITLES: Final[Mapping[str, tuple[Words, Words]]] = {
    "as4.value_not_recognized": (
        Words("Unknown value in its header", "Valeur inconnue dans son en-tête"),
        Words(
            "a party, service or action is not agreed",
            "une partie, un service ou une action n'est pas convenu",
        ),
    ),
    "as4.value_inconsistent": (
        Words("Header contradicts itself", "En-tête incohérent"),
        Words(
            "the signed values contradict each other, the certificate or the clock",
            "les valeurs signées se contredisent, ou contredisent le certificat ou l'heure",
        ),
    ),
    "as4.payload_refused": (
        Words("Content refused", "Contenu refusé"),
        Words(
            "the document breaks the contract or a rule of the agreement",
            "le document enfreint le contrat ou une règle de l'accord",
        ),
    ),
    "as4.empty_channel": (
        Words("Nothing to fetch", "Rien à relever"),
        Words("the channel is empty", "le canal est vide"),
    ),
    "as4.mime_inconsistency": (
        Words("MIME parts do not match", "Parties MIME incohérentes"),
        Words("parts and header differ", "les parties et l'en-tête diffèrent"),
    ),
    "as4.feature_not_supported": (
        Words("Feature not supported", "Fonction non prise en charge"),
        Words(
            "the message uses something that is not agreed", "le message emploie une fonction non convenue"
        ),
    ),
    "as4.invalid_header": (
        Words("Header not readable", "En-tête illisible"),
        Words("it is no valid SOAP or ebMS", "ce n'est ni du SOAP ni de l'ebMS valable"),
    ),
    "as4.processing_mode_mismatch": (
        Words("No matching P-Mode", "Aucun P-Mode correspondant"),
        Words(
            "parties, roles, service, action or agreement are not agreed",
            "parties, rôles, service, action ou accord non convenus",
        ),
    ),
    "as4.external_payload": (
        Words("External payload", "Charge utile externe"),
        Words("a part is not inside the message", "une partie ne se trouve pas dans le message"),
    ),
    "as4.failed_authentication": (
        Words("Signature not accepted", "Signature non acceptée"),
        Words(
            "the signature does not hold, or its certificate is not trusted or has expired",
            "la signature est fausse, ou son certificat n'est pas reconnu ou a expiré",
        ),
    ),
    "as4.failed_decryption": (
        Words("Could not decrypt", "Déchiffrement impossible"),
        Words(
            "it encrypts to a certificate that we do not hold",
            "le chiffrement vise un certificat que nous ne détenons pas",
        ),
    ),
    "as4.policy_noncompliance": (
        Words("Weaker security than agreed", "Sécurité inférieure à celle convenue"),
        Words(
            "unsigned, unencrypted or with other algorithms", "non signé, non chiffré ou autres algorithmes"
        ),
    ),
    "as4.invalid_receipt": (
        Words("Receipt not valid", "Accusé de réception non valable"),
        Words("the receipt does not prove what was sent", "l'accusé de réception ne prouve pas l'envoi"),
    ),
    "as4.decompression_failure": (
        Words("Could not decompress", "Décompression impossible"),
        Words(
            "a compressed part is damaged or far too large",
            "une partie compressée est endommagée ou démesurée",
        ),
    ),
}

ANSWER_OUTCOME: Final = Words("Answer not accepted", "Réponse non acceptée")
ANSWER_CAUSE: Final = Words(
    "what France answered proves nothing ({cause}): the message may have arrived",
    "la réponse de la France ne prouve rien ({cause}) : le message est peut-être arrivé",
)
"""``{cause}``: why, from ``AS4_TITLES``."""
ANSWER_CURE: Final = Words(
    "Compare certificate fingerprints by telephone: passerelle partner show. If they are right, ask the "
    "French operations desk to look at the log of its access point at this time.",
    "Comparer les empreintes des certificats par téléphone : passerelle partner show. Si elles concordent, "
    "demander à l'équipe d'exploitation française de consulter le journal de son point d'accès à ce moment.",
)
OWN_RENEWED: Final = Words(
    "An administrator renews it (passerelle keys rotate) and gives it to France. Then send it again.",
    "Un administrateur le renouvelle (passerelle keys rotate) et le transmet à la France. Puis renvoyer.",
)
PARTNER_RENEWED: Final = Words(
    "Ask France for its new certificate; confirm the fingerprint by telephone, then add it: passerelle "
    "partner add. Then send it again.",
    "Demander à la France son nouveau certificat, vérifier l'empreinte par téléphone, puis l'ajouter : "
    "passerelle partner add. Puis renvoyer.",
)
_NOT_SENT: Final = Words("Not sent: it could not be sealed", "Non envoyé : scellement impossible")
UNSEALED: Final[Mapping[str, Row]] = {
    OWN_CERTIFICATE: (
        _NOT_SENT,
        Words(
            "our signing certificate was not valid at that moment, so nothing left",
            "notre certificat de signature n'était pas valable à ce moment : rien n'est parti",
        ),
        OWN_RENEWED,
        Side.GATEWAY,
    ),
    PARTNER_CERTIFICATE: (
        _NOT_SENT,
        Words(
            "France's encryption certificate was not valid at that moment, so nothing left",
            "le certificat de chiffrement français n'était pas valable à ce moment : rien n'est parti",
        ),
        PARTNER_RENEWED,
        Side.FR,
    ),
}
"""By the detail of the attempt."""
UNSEALED_OTHERWISE: Final[Row] = (
    _NOT_SENT,
    Words(
        "our keys, certificates or P-Modes do not let us make the message, so nothing left",
        "nos clés, certificats ou P-Modes ne permettent pas d'établir le message : rien n'est parti",
    ),
    Words(
        "Run passerelle check and read the detail of the attempt. Correct what it names, then send it again.",
        "Exécuter passerelle check et lire le détail de la tentative. Corriger, puis renvoyer.",
    ),
    Side.GATEWAY,
)
