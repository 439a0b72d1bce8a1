"""Who holds a message now, whose part it is, what helps, and whether it can be sent again safely. Pure.

One table over status, direction, last attempt, circuit and certificate (conventions.md, message page).
Whether it can be sent again is decided by ``gateway.core.resend``, the same judgement that a replay makes;
here it gets its words: **yes** (never receipted), **no** (receipted, or nothing to send), **unknown** (an
answer was lost; the same MessageId goes out again, so that the other side can tell a copy).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from contracts.codes import Direction
from gateway.core.errors import Side
from gateway.core.explanations import Explanation, explain
from gateway.core.explanations_as4 import OWN_RENEWED, PARTNER_RENEWED
from gateway.core.explanations_delivery import NETWORK
from gateway.core.holder_words import (
    NOTHING,
    PERHAPS_ARRIVED,
    RESEND_REASONS,
    RETRIES_OVER,
    SEND_NOW,
    TRIED_AGAIN,
)
from gateway.core.records import MessageStatus
from gateway.core.resend import Arrival, Tried, Verdict, Why
from gateway.core.treaty import quotas
from gateway.core.words import Words


class Holder(StrEnum):
    """Where the message is now."""

    UK_SYSTEM = "uk_system"
    GATEWAY = "gateway"
    OPERATOR = "operator"
    FRENCH_ACCESS_POINT = "french_access_point"
    FRENCH_SYSTEM = "french_system"
    NOT_KNOWN = "not_known"
    """An attempt may have arrived: France may have it, and we keep it."""
    NOBODY = "nobody"
    """It has ended."""


class Circuit(StrEnum):
    """Of the endpoint that the message goes to."""

    CLOSED = "closed"
    OPEN = "open"
    PAUSED = "paused"


class CertificateState(StrEnum):
    """Of what sending needs: ours to sign, theirs to encrypt to."""

    VALID = "valid"
    OURS_EXPIRED = "ours_expired"
    THEIRS_EXPIRED = "theirs_expired"


class Resend(StrEnum):
    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


HOLDER_WORDS: Final[Mapping[Holder, Words]] = {
    Holder.UK_SYSTEM: Words("the UK system", "le système britannique"),
    Holder.GATEWAY: Words("the gateway", "la passerelle"),
    Holder.OPERATOR: Words("an operator", "un opérateur"),
    Holder.FRENCH_ACCESS_POINT: Words("the French access point", "le point d'accès français"),
    Holder.FRENCH_SYSTEM: Words("the French system", "le système français"),
    Holder.NOT_KNOWN: Words("not known; France may have it", "non établi ; la France le détient peut-être"),
    Holder.NOBODY: Words("nobody: it has ended", "personne : il est clos"),
}
RESEND_WORDS: Final[Mapping[Resend, Words]] = {
    Resend.YES: Words("yes", "oui"),
    Resend.NO: Words("no", "non"),
    Resend.UNKNOWN: Words("unknown", "incertain"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """What the table looks at."""

    status: MessageStatus
    direction: Direction
    code: str | None = None
    """Of the hold, refusal or last failure (``MessageRecord.code``)."""
    last: Arrival | None = None
    """What the last attempt proves; None: there is none."""
    tried: Tried = Tried.NEVER
    """What all of them prove together."""
    why: Explanation | None = None
    """What the last failure means, as its attempt tells; None: as the code alone tells."""
    circuit: Circuit = Circuit.CLOSED
    certificate: CertificateState = CertificateState.VALID
    pulled: bool = False
    """France fetches its messages: until then they wait with us."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Holding:
    """``fault`` is None when nothing is wrong."""

    holder: Holder
    fault: Side | None
    reason: Words
    cure: Words


_FAILED: Final = frozenset({Arrival.NOT_SENT, Arrival.LOST, Arrival.REFUSED})


def _held(holder: Holder, fault: Side | None, reason: Words, cure: Words) -> Holding:
    return Holding(holder=holder, fault=fault, reason=reason, cure=cure)


_PERHAPS_THERE: Final = frozenset(
    {
        MessageStatus.ACCEPTED,
        MessageStatus.SENDING,
        MessageStatus.HELD,
        MessageStatus.FAILED,
        MessageStatus.CANCELLED,
    }
)
"""Where no receipt says that France has it, and nothing says that it has not."""


def look(facts: Facts) -> Holding:
    """The row of the table. Total: every combination has an answer."""
    if facts.direction is not Direction.UK_TO_FR:
        return _from_france(facts)
    found = _to_france(facts)
    owed = found.holder is Holder.FRENCH_ACCESS_POINT
    if facts.tried is Tried.UNKNOWN and facts.status in _PERHAPS_THERE and not owed:
        return replace(found, holder=Holder.NOT_KNOWN)
    return found


def resend_of(verdict: Verdict, why: Why) -> tuple[Resend, Words]:
    """The judgement of ``gateway.core.resend.judge`` about a replay, in words."""
    answer = {Verdict.SAFE: Resend.YES, Verdict.UNCERTAIN: Resend.UNKNOWN, Verdict.UNSAFE: Resend.NO}[verdict]
    if why is Why.PERHAPS_TAKEN:
        answer = Resend.UNKNOWN
    return answer, RESEND_REASONS[why]


# ---- UK → FR ------------------------------------------------------------------------------------


def _to_france(f: Facts) -> Holding:
    match f.status:
        case MessageStatus.ACCEPTED | MessageStatus.SENDING:
            return _on_its_way(f)
        case MessageStatus.DELIVERED:
            return Holding(
                holder=Holder.FRENCH_SYSTEM,
                fault=None,
                reason=Words(
                    "France has it: its receipt is verified. The French system has not acknowledged it yet.",
                    "La France le détient : son accusé de réception est vérifié. Le système français "
                    "n'en a pas encore accusé la prise en compte.",
                ),
                cure=Words(
                    "Wait; look at the time limit of the acknowledgement.",
                    "Attendre ; surveiller le délai de la prise en compte.",
                ),
            )
        case MessageStatus.ACKNOWLEDGED:
            return Holding(
                holder=Holder.FRENCH_SYSTEM,
                fault=None,
                reason=Words(
                    "The French system has taken it into account.", "Le système français l'a pris en compte."
                ),
                cure=NOTHING,
            )
        case MessageStatus.HELD:
            why = explain(f.code or "")
            return Holding(
                holder=Holder.OPERATOR if not _waits_for_room(f.code) else Holder.GATEWAY,
                fault=why.side,
                reason=why.cause,
                cure=why.cure,
            )
        case MessageStatus.FAILED:
            return _dead_letter(f)
        case MessageStatus.REJECTED:
            return _rejected(f)
        case MessageStatus.CANCELLED:
            why = explain(f.code or "cancelled_by_operator")
            return Holding(
                holder=Holder.NOBODY,
                fault=None,
                reason=why.outcome,
                cure=NOTHING,
            )


def _waits_for_room(code: str | None) -> bool:
    return code in quotas.WAITING


def _certificate(f: Facts) -> tuple[Side, Words, Words] | None:
    if f.certificate is CertificateState.OURS_EXPIRED:
        return (
            Side.GATEWAY,
            Words("Our own certificate has expired.", "Notre propre certificat a expiré."),
            Words(
                "An administrator renews it (passerelle keys rotate) and gives it to France.",
                "Un administrateur le renouvelle (passerelle keys rotate) et le transmet à la France.",
            ),
        )
    if f.certificate is CertificateState.THEIRS_EXPIRED:
        return (
            Side.FR,
            Words("The French certificate has expired.", "Le certificat français a expiré."),
            Words(
                "Ask France for its new certificate; confirm the fingerprint by telephone, then add it.",
                "Demander à la France son nouveau certificat ; vérifier l'empreinte par téléphone.",
            ),
        )
    return None


def _on_its_way(f: Facts) -> Holding:
    """(1) a pause, (2) a certificate, (3) an open circuit, (4) the last attempt, (5) the queue."""
    if f.circuit is Circuit.PAUSED:  # (1)
        return _held(
            Holder.OPERATOR,
            Side.GATEWAY,
            Words(
                "The route to France is paused by an operator.",
                "La route vers la France est suspendue.",
            ),
            Words("A supervisor resumes the route.", "Un superviseur rétablit la route."),
        )
    expired = _certificate(f)
    if expired is not None:  # (2)
        return _held(Holder.GATEWAY, *expired)
    tried = _after_attempts(f)  # (3), (4)
    if tried is not None:
        return tried
    if f.pulled and f.status is MessageStatus.SENDING:  # (5)
        return _held(
            Holder.FRENCH_ACCESS_POINT,
            None,
            Words(
                "France fetches its messages; it was handed out or waits to be.",
                "La France relève ses messages ; il a été remis ou attend de l'être.",
            ),
            Words(
                "Wait for the French access point to fetch it.",
                "Attendre que le point d'accès français le relève.",
            ),
        )
    return _held(
        Holder.GATEWAY,
        None,
        Words("It waits in the queue, or is being sent.", "Il attend dans la file ou est en cours d'envoi."),
        NOTHING,
    )


def _after_attempts(f: Facts) -> Holding | None:
    """What the attempts and the circuit say; None when they say nothing."""
    if f.last is Arrival.AWAITED:
        return _held(
            Holder.FRENCH_ACCESS_POINT,
            None,
            Words(
                "The French access point took it and owes its receipt.",
                "Le point d'accès français l'a reçu et doit son accusé de réception.",
            ),
            explain("delivery.receipt_awaited").cure,
        )
    if f.circuit is Circuit.OPEN:  # (3)
        return _held(
            Holder.GATEWAY,
            Side.FR,
            Words(
                "The French access point fails; the circuit is open and one message at a time probes it.",
                "Le point d'accès français est en défaut : le disjoncteur est ouvert, un seul message sonde.",
            ),
            explain("delivery.connection_failed").cure,
        )
    if f.last in _FAILED:  # (4)
        ours = f.last is Arrival.NOT_SENT and f.why is not None and f.why.side is Side.GATEWAY
        return _held(
            Holder.GATEWAY,
            Side.GATEWAY if ours else Side.FR,
            PERHAPS_ARRIVED if f.tried is Tried.UNKNOWN else TRIED_AGAIN,
            explain("delivery.connection_failed").cure,
        )
    return None


def _dead_letter(f: Facts) -> Holding:
    why = f.why or explain(f.code or "internal")
    expired = _certificate(f)
    cure = why.cure
    if cure is NETWORK:
        cure = RETRIES_OVER
    elif cure in {OWN_RENEWED, PARTNER_RENEWED}:  # and now every certificate is valid
        cure = SEND_NOW
    return _held(Holder.OPERATOR, *(expired or (why.side, why.cause, cure)))


def _rejected(f: Facts) -> Holding:
    why: Explanation = explain(f.code or "EBMS:0004")
    side = Side.UK if why.side is not Side.FR else Side.FR
    return _held(Holder.UK_SYSTEM, side, why.cause, why.cure)


# ---- FR → UK ------------------------------------------------------------------------------------


def _from_france(f: Facts) -> Holding:
    match f.status:
        case MessageStatus.ACKNOWLEDGED:
            return _held(
                Holder.UK_SYSTEM,
                None,
                Words(
                    "The UK system has taken it into account.", "Le système britannique l'a pris en compte."
                ),
                NOTHING,
            )
        case MessageStatus.REJECTED:
            why = explain(f.code or "")
            return _held(Holder.FRENCH_SYSTEM, Side.FR, why.cause, why.cure)
        case MessageStatus.CANCELLED:
            return _held(Holder.NOBODY, None, explain(f.code or "withdrawn").outcome, NOTHING)
        case MessageStatus.FAILED | MessageStatus.HELD:
            why = explain(f.code or "internal")
            return _held(Holder.OPERATOR, why.side, why.cause, why.cure)
        case MessageStatus.ACCEPTED | MessageStatus.SENDING | MessageStatus.DELIVERED:
            late = f.last in _FAILED
            return _held(
                Holder.UK_SYSTEM,
                Side.UK if late else None,
                Words(
                    "It waits in the inbox until the UK system takes and acknowledges it.",
                    "Il attend dans la boîte que le système britannique le relève et en accuse réception.",
                ),
                Words(
                    "If it grows old: call the operators of the UK system; its webhook may be failing.",
                    "S'il vieillit : appeler les exploitants britanniques ; la notification échoue ?",
                ),
            )
