"""What the gateway raises alerts about, as one table: severity, whose side, words in both languages, and what
ends it. ``docs/alerts.md`` is made from this table (``gateway.alert_page``), and so are mails and pages.

The words hold places in braces that are filled from the facts of an alert: ``{count}``, ``{subject}`` (an
endpoint, a time limit, a certificate, a node), ``{value}`` (days, minutes, persons, bytes). Facts never hold
personal data: names of endpoints, machine codes, numbers, references of cases.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from gateway.core.alert_spec import AlertKind as AlertKind
from gateway.core.alert_spec import Ends as Ends
from gateway.core.alert_spec import KindSpec as KindSpec
from gateway.core.alert_spec import Severity as Severity
from gateway.core.alert_spec import Words as Words
from gateway.core.errors import Side

_HEALED: Final = Ends.CONDITION
_ROWS: Final = (
    KindSpec(
        kind=AlertKind.DEAD_LETTER,
        severity=Severity.MAJOR,
        side=Side.FR,
        ends=_HEALED,
        piled=True,
        name=Words(en="Dead letters", fr="Messages non remis"),
        title=Words(
            en="Messages that could not be delivered to {subject}: {count}",
            fr="Messages qui n'ont pas pu être remis ({subject}) : {count}",
        ),
        cause=Words(
            en="All attempts are used up, or the answer was such that another attempt cannot help. "
            "Most frequent code: {value}.",
            fr="Toutes les tentatives sont épuisées, ou la réponse rend inutile une nouvelle tentative. "
            "Code le plus fréquent : {value}.",
        ),
        cure=Words(
            en="Open one of the messages and read its last attempt. Put the cause right with the other side, "
            "then replay the messages: those with a receipt are never sent twice.",
            fr="Ouvrir l'un des messages et lire la dernière tentative. Lever la cause avec l'autre partie, "
            "puis rejouer les messages : ceux dont l'accusé de réception est enregistré ne sont jamais "
            "renvoyés.",
        ),
        incident=Words(en="all of one endpoint", fr="tous ceux d'un même point d'accès"),
        cleared=Words(
            en="no failed message is left: all are replayed or cancelled",
            fr="plus aucun message en échec : tous ont été rejoués ou annulés",
        ),
    ),
    KindSpec(
        kind=AlertKind.BREAKER_OPEN,
        severity=Severity.MAJOR,
        side=Side.FR,
        ends=_HEALED,
        piled=False,
        name=Words(en="Circuit open", fr="Disjoncteur ouvert"),
        title=Words(
            en="Delivery to {subject} is interrupted",
            fr="La remise est interrompue ({subject})",
        ),
        cause=Words(
            en="{count} attempts in a row failed. The gateway now tries one message at a time.",
            fr="{count} tentatives consécutives ont échoué. La passerelle n'essaie plus qu'un message à la "
            "fois.",
        ),
        cure=Words(
            en="Run the connection test of the endpoint; if it fails, call the operators of the other side. "
            "Nothing is lost: messages wait and leave in their order.",
            fr="Lancer l'essai de connexion du point d'accès ; en cas d'échec, appeler l'exploitant de "
            "l'autre partie. Rien n'est perdu : les messages attendent et partiront dans l'ordre.",
        ),
        incident=Words(en="one endpoint", fr="un point d'accès"),
        cleared=Words(en="an attempt succeeds", fr="une tentative aboutit"),
    ),
    KindSpec(
        kind=AlertKind.BACKLOG_AGE,
        severity=Severity.MAJOR,
        side=Side.GATEWAY,
        ends=_HEALED,
        piled=False,
        name=Words(en="Old backlog", fr="File d'attente ancienne"),
        title=Words(
            en="Messages wait too long for {subject}: {count}",
            fr="Messages en attente depuis trop longtemps pour {subject} : {count}",
        ),
        cause=Words(
            en="The oldest has waited for {value} minutes: the endpoint is paused, slow or unreachable, or "
            "the worker does not keep up.",
            fr="Le plus ancien attend depuis {value} minutes : le point d'accès est suspendu, lent ou "
            "injoignable, ou le traitement ne suit pas.",
        ),
        cure=Words(
            en="See whether the endpoint is paused or its circuit open. If neither, look at the worker's log "
            "and at the load of the machine.",
            fr="Vérifier si le point d'accès est suspendu ou son disjoncteur ouvert. Sinon, consulter le "
            "journal du traitement et la charge de la machine.",
        ),
        incident=Words(en="one endpoint", fr="un point d'accès"),
        cleared=Words(
            en="nothing waits longer than the threshold", fr="plus aucune attente au-delà du seuil"
        ),
    ),
    KindSpec(
        kind=AlertKind.CLOCK_WARNING,
        severity=Severity.MINOR,
        side=Side.GATEWAY,
        ends=_HEALED,
        piled=True,
        name=Words(en="Time limit near", fr="Échéance proche"),
        title=Words(en="Time limit near: {subject} ({count})", fr="Échéance proche : {subject} ({count})"),
        cause=Words(
            en="The agreement's time limit ends soon and what it waits for has not come. Earliest end: "
            "{value}.",
            fr="Le délai prévu par l'accord arrive à échéance et l'acte attendu n'est pas parvenu. Première "
            "échéance : {value}.",
        ),
        cure=Words(
            en="Open the list of time limits and remind the side that owes the next step.",
            fr="Ouvrir la liste des échéances et relancer la partie qui doit l'étape suivante.",
        ),
        incident=Words(en="all cases of one time limit", fr="tous les dossiers d'un même délai"),
        cleared=Words(
            en="every such limit is met, has passed or is no longer awaited",
            fr="chaque délai est respecté, dépassé ou n'est plus attendu",
        ),
    ),
    KindSpec(
        kind=AlertKind.CLOCK_BREACH,
        severity=Severity.MAJOR,
        side=Side.GATEWAY,
        ends=_HEALED,
        piled=True,
        name=Words(en="Time limit passed", fr="Échéance dépassée"),
        title=Words(
            en="Time limit passed: {subject} ({count})", fr="Échéance dépassée : {subject} ({count})"
        ),
        cause=Words(
            en="What the agreement asks for did not come in time. Earliest end: {value}.",
            fr="L'acte prévu par l'accord n'est pas parvenu dans le délai. Première échéance : {value}.",
        ),
        cure=Words(
            en="Open the list of time limits. Agree with the other side how each case goes on; the gateway "
            "stops nothing by itself.",
            fr="Ouvrir la liste des échéances. Convenir avec l'autre partie de la suite de chaque dossier ; "
            "la passerelle n'arrête rien d'elle-même.",
        ),
        incident=Words(en="all cases of one time limit", fr="tous les dossiers d'un même délai"),
        cleared=Words(
            en="every such case is settled, late or withdrawn",
            fr="chaque dossier concerné est réglé, même tardivement, ou retiré",
        ),
    ),
    KindSpec(
        kind=AlertKind.CERTIFICATE,
        severity=Severity.MINOR,
        side=Side.GATEWAY,
        ends=_HEALED,
        piled=False,
        name=Words(en="Certificate ends", fr="Fin de validité d'un certificat"),
        title=Words(
            en="Certificate {subject}: days left {value}",
            fr="Certificat {subject} : jours restants {value}",
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
        kind=AlertKind.NEGATIVE_ACKNOWLEDGEMENT,
        severity=Severity.MAJOR,
        side=Side.UK,
        ends=Ends.ACKNOWLEDGEMENT,
        piled=True,
        name=Words(en="Refused by France", fr="Refusé par la France"),
        title=Words(
            en="Messages refused by France with {subject}: {count}",
            fr="Messages refusés par la France, code {subject} : {count}",
        ),
        cause=Words(
            en="France received the messages and refuses their content.",
            fr="La France a reçu les messages et en refuse le contenu.",
        ),
        cure=Words(
            en="Read the refusal on the message page. Correct the data in the sending system and send a new "
            "message; a replay of the same one would be refused again.",
            fr="Lire le motif sur la page du message. Corriger les données dans le système émetteur et "
            "envoyer un nouveau message ; rejouer le même serait de nouveau refusé.",
        ),
        incident=Words(
            en="all with one code until an operator acknowledges",
            fr="tous ceux d'un même code jusqu'à la prise en compte",
        ),
        cleared=Words(en="an operator acknowledges", fr="un opérateur en prend acte"),
    ),
    KindSpec(
        kind=AlertKind.REFUSED_HERE,
        severity=Severity.MAJOR,
        side=Side.FR,
        ends=Ends.ACKNOWLEDGEMENT,
        piled=True,
        name=Words(en="Message from France refused", fr="Message français refusé"),
        title=Words(
            en="Messages from France refused with {subject}: {count}",
            fr="Messages de la France refusés, code {subject} : {count}",
        ),
        cause=Words(
            en="Signed messages came that break the contract or the case. Nothing of them was stored; France "
            "was answered with a signed error ({value}).",
            fr="Des messages signés enfreignent le contrat ou l'état du dossier. Rien n'en a été conservé ; "
            "la France a reçu une erreur signée ({value}).",
        ),
        cure=Words(
            en="Tell the French operators time, code and type from the audit log. They correct their system "
            "and send new messages; nothing is to be sent again here.",
            fr="Indiquer à l'exploitant français l'heure, le code et le type inscrits au journal d'audit. Il "
            "corrige et envoie de nouveaux messages ; rien n'est à renvoyer ici.",
        ),
        incident=Words(
            en="all with one code until an operator acknowledges",
            fr="tous ceux d'un même code jusqu'à la prise en compte",
        ),
        cleared=Words(en="an operator acknowledges", fr="un opérateur en prend acte"),
    ),
    KindSpec(
        kind=AlertKind.PRIVACY_BREACH,
        severity=Severity.CRITICAL,
        side=Side.FR,
        ends=Ends.ACKNOWLEDGEMENT,
        piled=True,
        name=Words(en="Privacy breach", fr="Violation de données à caractère personnel"),
        title=Words(
            en="Personal data came from {subject} and was refused: {count}",
            fr="Données à caractère personnel reçues de {subject} et refusées : {count}",
        ),
        cause=Words(
            en="A message from France held personal data, which Article 16 forbids. It was refused and "
            "nothing of it was stored.",
            fr="Un message de la France contenait des données à caractère personnel, ce que l'article 16 "
            "interdit. Il a été refusé et rien n'en a été conservé.",
        ),
        cure=Words(
            en="Tell the data protection officers of both sides. The audit log names the findings without "
            "their values.",
            fr="Prévenir les délégués à la protection des données des deux parties. Le journal d'audit nomme "
            "les constats sans leurs valeurs.",
        ),
        incident=Words(
            en="all of one sender until an operator acknowledges",
            fr="toutes celles d'un même émetteur jusqu'à la prise en compte",
        ),
        cleared=Words(en="an operator acknowledges", fr="un opérateur en prend acte"),
    ),
    KindSpec(
        kind=AlertKind.BALANCE_THRESHOLD,
        severity=Severity.MINOR,
        side=Side.GATEWAY,
        ends=_HEALED,
        piled=False,
        name=Words(en="Balance", fr="Équilibre des flux"),
        title=Words(
            en="The balance of returns and admissions is out of its bounds: {value}",
            fr="L'équilibre entre réadmissions et admissions sort de ses bornes : {value}",
        ),
        cause=Words(
            en="Persons returned minus persons admitted has crossed the agreed threshold.",
            fr="Les personnes réadmises moins les personnes admises dépassent le seuil convenu.",
        ),
        cure=Words(
            en="Look at the balance page with its projection and agree how the difference is made up "
            "(Articles 1 and 17).",
            fr="Consulter la page de l'équilibre et sa projection, et convenir du rattrapage (articles 1 "
            "et 17).",
        ),
        incident=Words(en="the one balance", fr="l'équilibre lui-même"),
        cleared=Words(
            en="the balance is within its bounds again", fr="l'équilibre est revenu dans ses bornes"
        ),
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
KINDS: Final[Mapping[AlertKind, KindSpec]] = MappingProxyType({row.kind: row for row in _ROWS})
SEVERITY_WORDS: Final[Mapping[Severity, Words]] = MappingProxyType(
    {
        Severity.MINOR: Words(en="minor", fr="mineure"),
        Severity.MAJOR: Words(en="major", fr="majeure"),
        Severity.CRITICAL: Words(en="critical", fr="critique"),
    }
)
SIDE_WORDS: Final[Mapping[Side, Words]] = MappingProxyType(
    {
        Side.UK: Words(en="United Kingdom", fr="Royaume-Uni"),
        Side.FR: Words(en="France", fr="France"),
        Side.GATEWAY: Words(en="gateway, or both", fr="passerelle, ou les deux"),
    }
)
