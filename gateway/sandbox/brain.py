"""What the simulated ministry answers to each message: pure, given script, memory and time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from lxml import etree

from adapters.fr import FrAdapter
from contracts import codes, model
from contracts.codes import MessageType
from contracts.xml import parse_xml
from gateway.sandbox.memory import Case, Queued
from gateway.sandbox.script import Scenario, Script

_EXTENSION = dt.timedelta(days=28)
_GAP_S = 0.001
"""Between the answers to one message: keeps their order by time as by sequence."""
_INVENTED_AGDREF = "7501234567"
"""Ten digits, as an AGDREF number has; nobody's."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Brain:
    """``new_id`` gives message ids; the adapter writes what a real ministry would send."""

    script: Script
    adapter: FrAdapter
    new_id: Callable[[], str]

    def case_for(self, message: model.Message, known: Case | None) -> Case:
        """The case as it is once this message is read; an unknown case is opened with its scenario."""
        body = message.body
        if known is None:
            name = self.script.name_for(opening_service(message) or "")
            persons = (
                len(body.persons) if isinstance(body, model.ReadmissionRequest | model.Nomination) else 1
            )
            return Case(
                reference=message.reference,
                conversation_id=message.conversation_id,
                scenario=name,
                asked=self.script.scenario(name).decision is _ASK,
                persons=persons,
                withdrawn=isinstance(body, model.Withdrawal),
                place=None,
                flight=None,
            )
        match body:
            case model.Withdrawal():
                return replace(known, withdrawn=True)
            case model.TransferNotice():
                return replace(known, place=body.arrival_place, flight=body.flight)
            case model.SupplementaryDocument():
                return replace(known, asked=False)
            case _:
                return known

    def scenario(self, case: Case) -> Scenario:
        return self.script.scenario(case.scenario)

    def answers(
        self, message: model.Message, before: Case | None, *, as4_message_id: str, now: dt.datetime
    ) -> tuple[Queued, ...]:
        """Everything that goes back for one message, in order, each with its time. ``before``: the case as
        it was when the message came."""
        case = before or self.case_for(message, None)
        scenario = self.scenario(case)
        if scenario.silent or isinstance(message.body, model.Acknowledgement):
            return ()
        due = now.timestamp() + self.script.reply_delay_s
        queued: list[Queued] = []
        for body, hostile, later in self._bodies(message, case, scenario, now):
            due += _GAP_S
            queued.append(
                self.queue(body, message, due_at=due + later, ref_to=as4_message_id, now=now, hostile=hostile)
            )
        return tuple(queued)

    def queue(
        self,
        body: model.Body,
        answered: model.Message,
        *,
        due_at: float,
        ref_to: str | None,
        now: dt.datetime,
        hostile: str | None = None,
    ) -> Queued:
        """One message to send, already written as XML; ``hostile`` spoils it."""
        message = model.Message(
            message_id=self.new_id(),
            reference=answered.reference,
            conversation_id=answered.conversation_id,
            issued_at=now,
            in_reply_to=answered.message_id,
            body=body,
        )
        content = self.adapter.from_canonical(message).content
        return Queued(
            message_id=message.message_id,
            type=message.type.value,
            reference=message.reference,
            conversation_id=message.conversation_id,
            ref_to=ref_to,
            content=spoil(content, hostile, answered) if hostile else content,
            hostile=hostile,
            due_at=due_at,
        )

    def _bodies(
        self, message: model.Message, case: Case, scenario: Scenario, now: dt.datetime
    ) -> Iterator[tuple[model.Body, str | None, float]]:
        """(body, hostile, seconds later): the acknowledgement, then the business answer."""
        opens = message.type in {MessageType.READMISSION_REQUEST, MessageType.NOMINATION}
        rejected = scenario.reject if opens else None
        yield (
            model.Acknowledgement(
                of_message=message.message_id,
                status=codes.AckStatus.REJECTED if rejected else codes.AckStatus.TAKEN_INTO_ACCOUNT,
                code=rejected,
                at=now,
            ),
            None,
            0,
        )
        if rejected or case.withdrawn or isinstance(message.body, model.Withdrawal):
            return
        decision = decide(message, case, scenario, now)
        if opens and decision is not None:
            for hostile in scenario.hostile:
                yield decision, hostile, 0
        if decision is not None:
            yield decision, None, scenario.late_s


_ASK = codes.ReadmissionDecisionCode.INFORMATION_NEEDED


def opening_service(message: model.Message) -> str | None:
    """``receiving_service.code`` of a message that opens a case."""
    if isinstance(message.body, model.ReadmissionRequest | model.Nomination):
        return message.body.receiving_service.code
    return None


def decide(message: model.Message, case: Case, scenario: Scenario, now: dt.datetime) -> model.Body | None:
    """The business answer, where the message asks for one."""
    match message.body:
        case model.ReadmissionRequest():
            return _decision(scenario, now)
        case model.SupplementaryDocument() if case.asked:
            return _decision(Scenario(), now)
        case model.TransferNotice() as notice:
            return _confirmation(notice, scenario)
        case model.TransferOutcome() as outcome if outcome.outcome is codes.TransferOutcomeCode.CARRIED_OUT:
            return model.TransferReceipt(
                taken_charge_at=now,
                place=case.place or "FRCDG",
                flight=case.flight,
                persons_received=outcome.persons_transferred,
            )
        case model.Nomination():
            objects = scenario.response is codes.NominationResponseCode.OBJECTION
            return model.NominationResponse(
                response=scenario.response,
                ground=scenario.objection if objects else None,
                decided_at=now,
            )
        case _:
            return None


def _decision(scenario: Scenario, now: dt.datetime) -> model.ReadmissionDecision:
    code = scenario.decision
    return model.ReadmissionDecision(
        decision=code,
        ground=scenario.ground if code is codes.ReadmissionDecisionCode.REFUSED else None,
        information_needed=scenario.information if code is _ASK else (),
        extended_until=(now + _EXTENSION).date() if code is codes.ReadmissionDecisionCode.EXTENSION else None,
        decided_at=now,
    )


def _confirmation(notice: model.TransferNotice, scenario: Scenario) -> model.TransferConfirmation:
    confirmed = scenario.confirmation is codes.TransferConfirmationCode.CONFIRMED
    declined = scenario.confirmation is codes.TransferConfirmationCode.DECLINED
    later = notice.arrival_at if confirmed else notice.arrival_at + dt.timedelta(days=1)
    return model.TransferConfirmation(
        result=scenario.confirmation,
        reason=None if confirmed else codes.TransferReason.CAPACITY,
        place=None if declined else notice.arrival_place,
        at=None if declined else later,
        flight=notice.flight if confirmed else None,
    )


def spoil(content: bytes, how: str, answered: model.Message) -> bytes:
    """A document as the gateway must refuse it: with a name of the case, an AGDREF number, or no document."""
    if how == "garbage":
        return b"<garbage>" + content[: len(content) // 2]
    root = parse_xml(content)
    extra = etree.SubElement(root, etree.QName(root, "Nom" if how == "personal_data" else "NumeroAgdref"))
    extra.text = _name_in(answered) if how == "personal_data" else _INVENTED_AGDREF
    return etree.tostring(root, encoding="UTF-8", xml_declaration=True)


def _name_in(message: model.Message) -> str:
    body = message.body
    if isinstance(body, model.ReadmissionRequest | model.Nomination):
        name = body.persons[0].name
        return name.family_name or name.given_names or "MARTIN"
    return "MARTIN"
