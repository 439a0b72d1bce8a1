"""The two lives as tables: (status, event) → status. An unknown pair raises OutOfSequence.

An event is the message type with the variant that matters, for example ``ReadmissionDecision:refused``.
Three kinds of row deserve a word:

- an Acknowledgement speaks of one message; only that of the *opening* message moves the case, and only
  while nothing later has happened. Arriving after the decision it changes nothing.
- messages that cross on the wire: France may answer before it has read a withdrawal. Such an answer is
  taken in and leaves the case withdrawn.
- the UK's TransferOutcome and France's TransferReceipt may arrive in either order.

``docs/states.md`` is written by ``python -m gateway.core.treaty.states``; a test proves that it is current.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from enum import StrEnum

from contracts import model
from contracts.codes import AckStatus, CaseKind, MessageType
from gateway.core.errors import OutOfSequence


class Readmission(StrEnum):
    """Statuses of a readmission."""

    REQUESTED = "requested"
    ACKNOWLEDGED = "acknowledged"
    INFORMATION_NEEDED = "information_needed"
    EXTENDED = "extended"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    TRANSFER_NOTIFIED = "transfer_notified"
    TRANSFER_CONFIRMED = "transfer_confirmed"
    TRANSFER_ALTERNATIVE = "transfer_alternative"
    TRANSFER_DECLINED = "transfer_declined"
    TRANSFERRED = "transferred"
    TRANSFER_FAILED = "transfer_failed"
    RECEIVED = "received"
    WITHDRAWN = "withdrawn"
    REJECTED = "rejected"


class NominationStatus(StrEnum):
    """Statuses of a nomination."""

    NOMINATED = "nominated"
    ACKNOWLEDGED = "acknowledged"
    NO_OBJECTION = "no_objection"
    OBJECTED = "objected"
    VISA_GRANTED = "visa_granted"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    ARRIVED = "arrived"
    LAPSED = "lapsed"
    REJECTED = "rejected"


OPENING: Mapping[MessageType, str] = {
    MessageType.READMISSION_REQUEST: Readmission.REQUESTED,
    MessageType.NOMINATION: NominationStatus.NOMINATED,
}
"""Message types that open a case, with its first status."""

KIND: Mapping[MessageType, CaseKind] = {
    MessageType.READMISSION_REQUEST: CaseKind.READMISSION,
    MessageType.NOMINATION: CaseKind.NOMINATION,
}
"""Kind of the case that an opening message opens."""

ACK_OPENING_TAKEN = "Acknowledgement:opening_taken_into_account"
ACK_OPENING_REJECTED = "Acknowledgement:opening_rejected"
ACK_OTHER = "Acknowledgement:other"
_ACKS = (ACK_OPENING_TAKEN, ACK_OPENING_REJECTED, ACK_OTHER)

Table = dict[tuple[str, str], str]


def _keep(statuses: Iterable[str], events: Iterable[str]) -> Table:
    events = tuple(events)
    return {(status, event): status for status in statuses for event in events}


def _move(statuses: Iterable[str], event: str, to: str) -> Table:
    return {(status, event): to for status in statuses}


def _readmission() -> Table:
    s = Readmission
    undecided = (s.REQUESTED, s.ACKNOWLEDGED, s.INFORMATION_NEEDED, s.EXTENDED)
    # a new notice may replace an earlier one, follow an alternative, or follow a failed attempt
    noticed = (s.TRANSFER_NOTIFIED, s.TRANSFER_CONFIRMED, s.TRANSFER_ALTERNATIVE, s.TRANSFER_DECLINED)
    before_transfer = (*undecided, s.ACCEPTED, *noticed, s.TRANSFER_FAILED)
    # a carrier may leave on a notice that was acknowledged but not (yet) expressly confirmed
    under_way = (s.TRANSFER_NOTIFIED, s.TRANSFER_CONFIRMED)
    decisions = [
        f"ReadmissionDecision:{d}" for d in ("accepted", "refused", "extension", "information_needed")
    ]
    confirmations = [f"TransferConfirmation:{c}" for c in ("confirmed", "alternative_proposed", "declined")]
    table: Table = {}
    table |= _keep(s, _ACKS)
    table |= _keep(before_transfer, ("SupplementaryDocument", "Correction", "StatusUpdate"))
    table |= _keep((s.TRANSFERRED,), ("StatusUpdate",))
    table |= _move((s.REQUESTED,), ACK_OPENING_TAKEN, s.ACKNOWLEDGED)
    table |= _move((s.REQUESTED, s.ACKNOWLEDGED), ACK_OPENING_REJECTED, s.REJECTED)
    table |= _move(undecided, "ReadmissionDecision:accepted", s.ACCEPTED)
    table |= _move(undecided, "ReadmissionDecision:refused", s.REFUSED)
    table |= _move(undecided, "ReadmissionDecision:information_needed", s.INFORMATION_NEEDED)
    # Art 8 knows one extension, to 28 days
    table |= _move(
        (s.REQUESTED, s.ACKNOWLEDGED, s.INFORMATION_NEEDED), "ReadmissionDecision:extension", s.EXTENDED
    )
    for answer in ("SupplementaryDocument", "Correction"):
        table |= _move((s.INFORMATION_NEEDED,), answer, s.ACKNOWLEDGED)
    table |= _move((s.ACCEPTED, *noticed, s.TRANSFER_FAILED), "TransferNotice", s.TRANSFER_NOTIFIED)
    for event, to in zip(
        confirmations, (s.TRANSFER_CONFIRMED, s.TRANSFER_ALTERNATIVE, s.TRANSFER_DECLINED), strict=True
    ):
        table |= _move(noticed, event, to)
    table |= _move(under_way, "TransferOutcome:carried_out", s.TRANSFERRED)
    table |= _move(under_way, "TransferOutcome:failed", s.TRANSFER_FAILED)
    # that a person was taken in charge is a fact, also when an answer to an earlier notice came in between
    table |= _move((*noticed, s.TRANSFERRED), "TransferReceipt", s.RECEIVED)
    table |= _move(before_transfer, "Withdrawal", s.WITHDRAWN)
    # crossings
    table |= _keep((s.RECEIVED,), ("TransferOutcome:carried_out",))
    table |= _keep((s.TRANSFERRED, s.RECEIVED, s.TRANSFER_FAILED), confirmations)
    table |= _keep((s.WITHDRAWN,), (*decisions, *confirmations, "StatusUpdate"))
    # said again: the first one may have been refused, or stopped, while here the case counts as withdrawn
    table |= _keep((s.WITHDRAWN,), ("Withdrawal",))
    return table


def _nomination() -> Table:
    s = NominationStatus
    unanswered = (s.NOMINATED, s.ACKNOWLEDGED)
    open_ = (*unanswered, s.NO_OBJECTION, s.VISA_GRANTED)
    responses = ("NominationResponse:no_objection", "NominationResponse:objection")
    table: Table = {}
    table |= _keep(s, _ACKS)
    table |= _keep(open_, ("SupplementaryDocument", "Correction", "StatusUpdate"))
    table |= _move((s.NOMINATED,), ACK_OPENING_TAKEN, s.ACKNOWLEDGED)
    table |= _move(unanswered, ACK_OPENING_REJECTED, s.REJECTED)
    table |= _move(unanswered, responses[0], s.NO_OBJECTION)
    table |= _move(unanswered, responses[1], s.OBJECTED)
    table |= _move((s.NO_OBJECTION,), "NominationOutcome:visa_granted", s.VISA_GRANTED)
    # after an objection the UK may still close formally
    closable = (*unanswered, s.NO_OBJECTION, s.OBJECTED)
    table |= _move(closable, "NominationOutcome:refused", s.REFUSED)
    table |= _move(closable, "NominationOutcome:withdrawn", s.WITHDRAWN)
    table |= _move((*open_, s.OBJECTED), "Withdrawal", s.WITHDRAWN)
    table |= _move((s.VISA_GRANTED,), "AdmissionOutcome:arrived", s.ARRIVED)
    table |= _move((s.VISA_GRANTED,), "AdmissionOutcome:lapsed", s.LAPSED)
    # crossings
    table |= _keep((s.WITHDRAWN, s.REFUSED), (*responses, "StatusUpdate"))
    table |= _keep((s.WITHDRAWN,), ("Withdrawal",))
    table |= _keep((s.ARRIVED, s.LAPSED), ("StatusUpdate",))
    return table


TABLES: Mapping[CaseKind, Mapping[tuple[str, str], str]] = {
    CaseKind.READMISSION: _readmission(),
    CaseKind.NOMINATION: _nomination(),
}
STATUSES: Mapping[CaseKind, tuple[str, ...]] = {
    CaseKind.READMISSION: tuple(Readmission),
    CaseKind.NOMINATION: tuple(NominationStatus),
}
FINAL: Mapping[CaseKind, frozenset[str]] = {
    CaseKind.READMISSION: frozenset(
        {Readmission.REFUSED, Readmission.RECEIVED, Readmission.WITHDRAWN, Readmission.REJECTED}
    ),
    CaseKind.NOMINATION: frozenset(
        {
            NominationStatus.OBJECTED,
            NominationStatus.REFUSED,
            NominationStatus.WITHDRAWN,
            NominationStatus.ARRIVED,
            NominationStatus.LAPSED,
            NominationStatus.REJECTED,
        }
    ),
}


def _variant(body: model.Body) -> str | None:
    match body:
        case model.ReadmissionDecision():
            return str(body.decision)
        case model.TransferConfirmation():
            return str(body.result)
        case model.TransferOutcome() | model.NominationOutcome() | model.AdmissionOutcome():
            return str(body.outcome)
        case model.NominationResponse():
            return str(body.response)
        case _:
            return None


def event_of(message: model.Message, *, opening_id: str | None = None) -> str:
    """The event of the tables. ``opening_id`` is the message id that opened the case; without it an
    acknowledgement is taken to speak of the opening message."""
    body = message.body
    if isinstance(body, model.Acknowledgement):
        if opening_id is not None and body.of_message != opening_id:
            return ACK_OTHER
        return ACK_OPENING_REJECTED if body.status is AckStatus.REJECTED else ACK_OPENING_TAKEN
    variant = _variant(body)
    return message.type.value if variant is None else f"{message.type.value}:{variant}"


def next_status(
    kind: CaseKind, status: str | None, message: model.Message, *, opening_id: str | None = None
) -> str:
    """Status of the case after the message; ``status`` None means that no case exists yet.

    Raises OutOfSequence when the table has no such row.
    """
    if status is None:
        if KIND.get(message.type) is not kind:
            raise OutOfSequence(f"{message.type.value} does not open a {kind.value}")
        return str(OPENING[message.type])
    event = event_of(message, opening_id=opening_id)
    try:
        return str(TABLES[kind][status, event])
    except KeyError as exc:
        raise OutOfSequence(f"{event} is not possible while the {kind.value} is {status}") from exc


def is_final(kind: CaseKind, status: str) -> bool:
    """Whether nothing is awaited any more. Raises KeyError for an unknown status."""
    if status not in STATUSES[kind]:
        raise KeyError(status)
    return status in FINAL[kind]


def diagram(kind: CaseKind) -> str:
    """A mermaid state diagram of the rows that change the status."""
    opening = next(t for t, k in KIND.items() if k is kind)
    lines = ["stateDiagram-v2", f"    [*] --> {OPENING[opening]}: {opening.value}"]
    labels: dict[tuple[str, str], list[str]] = {}
    for (status, event), to in TABLES[kind].items():
        if status != to:
            labels.setdefault((status, to), []).append(event.replace(":", " "))
    order = STATUSES[kind]
    for source, target in sorted(labels, key=lambda pair: (order.index(pair[0]), order.index(pair[1]))):
        text = " / ".join(sorted(labels[source, target]))
        lines.append(f"    {source} --> {target}: {text}")
    lines.extend(f"    {status} --> [*]" for status in order if status in FINAL[kind])
    return "\n".join(lines)


def document() -> str:
    """The text of ``docs/states.md``: both diagrams and the rows that keep the status."""
    parts = [
        "# The two lives\n",
        "Written by `python -m gateway.core.treaty.states`; the table in that module is the source.\n",
    ]
    for kind in CaseKind:
        parts.append(f"## {kind.value.capitalize()}\n\n```mermaid\n{diagram(kind)}\n```\n")
        parts.append("Taken in without changing the status:\n")
        parts.append("| status | messages |\n|---|---|")
        for status in STATUSES[kind]:
            kept = sorted(e for (s, e), to in TABLES[kind].items() if s == status == to)
            parts.append(f"| {status} | {', '.join(e.replace(':', ' ') for e in kept)} |")
        parts.append("")
    return "\n".join(parts)


if __name__ == "__main__":
    sys.stdout.write(document())
