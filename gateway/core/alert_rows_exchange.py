"""Rows of the table of alerts about messages and cases: delivery, refusals, time limits, the balance."""

from __future__ import annotations

from typing import Final

from gateway.core.alert_spec import AlertKind, Ends, KindSpec, Severity, Words
from gateway.core.errors import Side

_HEALED: Final = Ends.CONDITION
ROWS: Final = (
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
        kind=AlertKind.QUOTA_WAIT,
        severity=Severity.MAJOR,
        side=Side.GATEWAY,
        ends=_HEALED,
        piled=True,
        name=Words(en="Quota: time runs out", fr="Quota : le délai s'épuise"),
        title=Words(
            en="Requests will pass their time limit while they wait for the quota: {count}",
            fr="Demandes dont le délai expirera pendant l'attente du quota : {count}",
        ),
        cause=Words(
            en="They wait for room in the quota of {subject}. The first passes its limit at {value}: from "
            "then on it is refused when its turn comes.",
            fr="Elles attendent une place dans le quota des {subject}. Premier terme : {value} ; ensuite, "
            "la demande est refusée quand vient son tour.",
        ),
        cure=Words(
            en="Talk to the other ministry now. A supervisor raises the quota on the balance page, or with "
            "`passerelle quotas set`; what has room leaves at once, in order.",
            fr="S'entendre dès maintenant avec l'autre ministère. Un superviseur relève le quota sur la page "
            "de l'équilibre, ou avec « passerelle quotas set » ; ce qui a une place part aussitôt, dans "
            "l'ordre.",
        ),
        incident=Words(en="all that wait for one quota", fr="toutes celles qui attendent un même quota"),
        cleared=Words(
            en="none that waits is so near its limit: they left, were withdrawn, or the limit has passed",
            fr="plus aucune n'est aussi près de son terme : parties, retirées, ou délai expiré",
        ),
    ),
)
