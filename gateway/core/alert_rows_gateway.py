"""Rows of the table of alerts about the gateway itself: certificates, audit log, disk, database, worker."""

from __future__ import annotations

from typing import Final

from gateway.core.alert_spec import AlertKind, Ends, KindSpec, Severity, Words
from gateway.core.errors import Side

_HEALED: Final = Ends.CONDITION
ROWS: Final = (
    KindSpec(
        kind=AlertKind.CERTIFICATE,
        severity=Severity.MINOR,
        side=Side.GATEWAY,
        ends=_HEALED,
        piled=False,
        name=Words(en="Certificate ends", fr="Fin de validité d'un certificat"),
        title=Words(
            en="Certificate {subject}: {term}",
            fr="Certificat {subject} : {term}",
        ),
        cause=Words(
            en="The certificate is about to end or has ended. After its end messages are refused.",
            fr="Le certificat arrive ou est arrivé en fin de validité. Au-delà, les messages sont refusés.",
        ),
        cure=Words(
            en="Ours: run `passerelle keys rotate`, send the new certificate to the other side, restart. "
            "Theirs: ask for the new one and add it with `passerelle partner`.",
            fr="Le nôtre : exécuter « passerelle keys rotate », transmettre le nouveau certificat, "
            "redémarrer. Le leur : demander le nouveau et l'ajouter avec « passerelle partner ».",
        ),
        incident=Words(
            en="one certificate; told again at each step (60, 30, 7, 1 days)",
            fr="un certificat ; rappel à chaque palier (60, 30, 7, 1 jours)",
        ),
        cleared=Words(en="a valid one has replaced it", fr="un certificat valable l'a remplacé"),
    ),
    KindSpec(
        kind=AlertKind.AUDIT_CHAIN,
        severity=Severity.CRITICAL,
        side=Side.GATEWAY,
        ends=_HEALED,
        piled=False,
        name=Words(en="Audit chain broken", fr="Chaîne d'audit rompue"),
        title=Words(
            en="The audit log was changed at entry {value}",
            fr="Le journal d'audit a été modifié à l'entrée {value}",
        ),
        cause=Words(
            en="The hash chain does not hold ({subject}): an entry was changed, removed or put in.",
            fr="La chaîne d'empreintes est rompue ({subject}) : une entrée a été modifiée, ôtée ou insérée.",
        ),
        cure=Words(
            en="Treat it as a security incident: keep the database as it is, run `passerelle audit verify`, "
            "compare with the last backup.",
            fr="Le traiter comme un incident de sécurité : conserver la base en l'état, exécuter "
            "« passerelle audit verify », comparer avec la dernière sauvegarde.",
        ),
        incident=Words(en="the one chain", fr="la chaîne elle-même"),
        cleared=Words(
            en="a verification of the whole chain finds nothing (an end cut off: an operator acknowledges)",
            fr="une vérification complète ne trouve rien (fin tronquée : un opérateur en prend acte)",
        ),
    ),
    KindSpec(
        kind=AlertKind.DISK_SPACE,
        severity=Severity.MAJOR,
        side=Side.GATEWAY,
        ends=_HEALED,
        piled=False,
        name=Words(en="Disk nearly full", fr="Disque presque plein"),
        title=Words(
            en="Little disk space left on {subject}: {value} MB",
            fr="Espace disque insuffisant sur {subject} : {value} Mo",
        ),
        cause=Words(
            en="The disk of the instance folder has less free space than the threshold.",
            fr="Le disque du dossier de l'instance a moins d'espace libre que le seuil.",
        ),
        cure=Words(
            en="Free space or enlarge the disk. Before it is full, nothing is lost; when it is full, the "
            "gateway takes in no more messages.",
            fr="Libérer de l'espace ou agrandir le disque. Tant qu'il n'est pas plein, rien n'est perdu ; "
            "plein, la passerelle ne prend plus de messages.",
        ),
        incident=Words(en="one node", fr="un nœud"),
        cleared=Words(
            en="enough space is free again, or the node is gone",
            fr="l'espace est de nouveau suffisant, ou le nœud n'existe plus",
        ),
    ),
    KindSpec(
        kind=AlertKind.DATABASE,
        severity=Severity.CRITICAL,
        side=Side.GATEWAY,
        ends=_HEALED,
        piled=False,
        name=Words(en="Database trouble", fr="Base de données indisponible"),
        title=Words(
            en="The node {subject} cannot use its database",
            fr="Le nœud {subject} ne peut plus utiliser sa base de données",
        ),
        cause=Words(
            en="The database cannot be reached, is overloaded or cannot write. Messages are refused until "
            "then; what was accepted is kept.",
            fr="La base est injoignable, surchargée ou ne peut plus écrire. Les messages sont refusés "
            "entre-temps ; ce qui a été accepté est conservé.",
        ),
        cure=Words(
            en="Look at the database server, the network to it and its disk. The gateway goes on by itself.",
            fr="Vérifier le serveur de base de données, le réseau et le disque. La passerelle reprend "
            "d'elle-même.",
        ),
        incident=Words(en="one node, one outage", fr="un nœud, une panne"),
        cleared=Words(en="the database answers again", fr="la base répond de nouveau"),
    ),
    KindSpec(
        kind=AlertKind.WORKER_STOPPED,
        severity=Severity.CRITICAL,
        side=Side.GATEWAY,
        ends=_HEALED,
        piled=False,
        name=Words(en="Worker stopped", fr="Traitement arrêté"),
        title=Words(en="Not running: {subject}", fr="À l'arrêt : {subject}"),
        cause=Words(
            en="A part of the gateway has ended, or no process that delivers has been seen while messages "
            "are due.",
            fr="Une partie de la passerelle s'est arrêtée, ou aucun processus de remise ne s'est manifesté "
            "alors que des messages sont dus.",
        ),
        cure=Words(
            en="Start `passerelle worker`, or restart the gateway, and look at the log of the process.",
            fr="Lancer « passerelle worker », ou redémarrer la passerelle, et consulter son journal.",
        ),
        incident=Words(en="one part", fr="une partie"),
        cleared=Words(en="it runs again", fr="elle fonctionne de nouveau"),
    ),
)
