"""No order of deliveries breaks a case: what France may say when it says it is taken in when it comes.

Two sides with views of their own and a queue each way. The gateway's view moves when the UK sends and when
France's message arrives; France's view moves when France sends and when the UK's message arrives. Each side
sends only what its own view allows; France rejects an opening message at once or never. Whether a person flew
is a fact of the world: nobody withdraws or fails a flight that has left, and France takes charge of nobody
else.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.codes import SENDERS, CaseKind, Direction, MessageType
from gateway.core.treaty import rules, states
from tests.unit.treaty import builders as b

UNDER_WAY = {"transfer_notified", "transfer_confirmed"}
NOT_AFTER_DEPARTURE = {"Withdrawal", "TransferOutcome:failed", "TransferNotice"}


def events(kind: CaseKind, way: Direction) -> list[str]:
    """Events of the table whose type travels that way; an acknowledgement from the UK moves nothing."""
    found = {event for _, event in states.TABLES[kind]}
    return sorted(
        event
        for event in found
        if way in SENDERS[MessageType(event.partition(":")[0])]
        and (way is Direction.FR_TO_UK or not event.startswith("Acknowledgement"))
    )


@dataclass
class Play:
    """Both views, both queues, and whether the person flew."""

    kind: CaseKind
    gateway: str
    france: str
    to_france: deque[str] = field(default_factory=deque)
    to_gateway: deque[str] = field(default_factory=deque)
    flown: bool = False
    answered: bool = False
    """France has acknowledged or decided the opening message: it does not reject it any more."""
    refused: list[tuple[str, str]] = field(default_factory=list)

    @classmethod
    def start(cls, kind: CaseKind) -> Play:
        opening = next(str(states.OPENING[t]) for t, k in states.KIND.items() if k is kind)
        return cls(kind=kind, gateway=opening, france=opening)

    def allowed(self, status: str, event: str) -> bool:
        return (status, event) in states.TABLES[self.kind]

    def choices(self) -> list[tuple[str, str]]:
        """(who acts, event): what may happen next."""
        found = [("uk", e) for e in events(self.kind, Direction.UK_TO_FR) if self._uk_may(e)]
        found += [("fr", e) for e in events(self.kind, Direction.FR_TO_UK) if self._fr_may(e)]
        found += [("to_france", "")] if self.to_france else []
        found += [("to_gateway", "")] if self.to_gateway else []
        if not self.flown and self.gateway in UNDER_WAY and self.france in UNDER_WAY:
            found.append(("flies", ""))
        return found

    def _uk_may(self, event: str) -> bool:
        if event == "TransferOutcome:carried_out" and not self.flown:
            return False
        return self.allowed(self.gateway, event) and not (self.flown and event in NOT_AFTER_DEPARTURE)

    def _fr_may(self, event: str) -> bool:
        if event == "TransferReceipt" and not self.flown:
            return False
        if event == states.ACK_OPENING_REJECTED and self.answered:
            return False
        return self.allowed(self.france, event)

    def act(self, who: str, event: str) -> None:
        table = states.TABLES[self.kind]
        match who:
            case "uk":
                self.gateway = table[self.gateway, event]
                self.to_france.append(event)
            case "fr":
                self.france = table[self.france, event]
                self.answered |= event not in {states.ACK_OTHER, "StatusUpdate"}
                self.to_gateway.append(event)
            case "to_france":  # what France cannot use any more it rejects; that is its own affair
                self.france = table.get((self.france, self.to_france.popleft()), self.france)
            case "to_gateway":
                came = self.to_gateway.popleft()
                if not self.allowed(self.gateway, came):
                    self.refused.append((self.gateway, came))
                self.gateway = table.get((self.gateway, came), self.gateway)
            case _:
                self.flown = True


@pytest.mark.parametrize("kind", list(CaseKind))
@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_no_order_of_deliveries_breaks_a_case(kind: CaseKind, data: st.DataObject) -> None:
    """Nothing that France rightly sent is out of sequence when it arrives, and a final status stays final."""
    play, was_final = Play.start(kind), False
    for _ in range(data.draw(st.integers(1, 30))):
        choices = play.choices()
        if not choices:
            break
        play.act(*data.draw(st.sampled_from(choices)))
        assert play.gateway in states.STATUSES[kind]
        final = states.is_final(kind, play.gateway)
        assert final or not was_final or play.gateway == "received"
        was_final = final
    while play.to_gateway:
        play.act("to_gateway", "")
    assert play.refused == []


def test_the_play_reaches_the_crossings() -> None:
    """The play is not blind: a decision that meets a withdrawal, a receipt after a late alternative."""
    play = Play.start(CaseKind.READMISSION)
    play.act("fr", "ReadmissionDecision:accepted")
    play.act("uk", "Withdrawal")
    play.act("to_gateway", "")
    assert (play.gateway, play.refused) == ("withdrawn", [])
    play = Play(kind=CaseKind.READMISSION, gateway="transfer_notified", france="transfer_notified")
    play.act("fr", "TransferConfirmation:alternative_proposed")
    play.act("uk", "TransferNotice")
    play.act("to_france", "")
    play.act("flies", "")
    play.act("fr", "TransferReceipt")
    play.act("to_gateway", "")
    play.act("to_gateway", "")
    assert (play.gateway, play.refused) == ("received", [])


def test_a_second_extension_is_no_matter_of_order() -> None:
    """After information was asked for the table would let France extend again; a rule says no."""
    status = "extended"
    for event in ("ReadmissionDecision:information_needed", "Correction", "ReadmissionDecision:extension"):
        status = states.TABLES[CaseKind.READMISSION][status, event]
    assert status == "extended"
    first, second = (b.message(b.decision("extension"), at=b.LATER) for _ in range(2))
    case = b.case("acknowledged", first)
    verdict = rules.judge(second, case=case, agreement=b.AGREEMENT, now=b.LATER)
    assert [f.rule for f in verdict.refuse] == ["art8.extension"]
