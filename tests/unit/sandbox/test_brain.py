"""The ministry's script and answers, without any network."""

from __future__ import annotations

import datetime as dt
import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from adapters.fr import FrAdapter
from adapters.uk import UkAdapter
from contracts import model
from contracts.codes import MessageType
from contracts.ports import InvalidDocument
from gateway.clock import SystemClock
from gateway.core.errors import ConfigError
from gateway.sandbox.brain import Brain, spoil
from gateway.sandbox.memory import Case, Memory, Queued, Received
from gateway.sandbox.script import BUILT_IN, DEFAULT_SERVICES, Script, load_script, parse_script
from tests.fixtures import world

NOW = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)
REFERENCE, CONVERSATION = "GB01-7QK3M9ZT4XWC", "019a8c52-4e0b-7a61-9d2f-3c5b8e7a1f04"


def canonical(body: dict[str, Any]) -> model.Message:
    adapter = UkAdapter()
    return adapter.body_to_canonical(
        adapter.validate_body(json.dumps(body).encode(), MessageType(body["type"])),
        message_id=SystemClock().new_id(),
        reference=REFERENCE,
        conversation_id=CONVERSATION,
        issued_at=NOW,
        in_reply_to=None,
    )


def brain(**script: Any) -> Brain:
    return Brain(script=parse_script(script), adapter=FrAdapter(), new_id=SystemClock().new_id)


def play(mind: Brain, *bodies: dict[str, Any]) -> list[list[model.Body]]:
    """What comes back for each message of one case, in order; hostile ones are left out."""
    case: Case | None = None
    turns = []
    for body in bodies:
        message = canonical(body)
        answers = mind.answers(message, case, as4_message_id="x@uk", now=NOW)
        case = mind.case_for(message, case)
        adapter = FrAdapter()
        turns.append(
            [adapter.to_canonical(adapter.validate(a.content)).body for a in answers if not a.hostile]
        )
    return turns


def names(turn: list[model.Body]) -> list[str]:
    return [type(body).__name__ for body in turn]


def test_every_built_in_scenario_exists() -> None:
    """Each service code leads to a scenario, and each scenario loads."""
    script = Script()
    assert set(DEFAULT_SERVICES.values()) <= set(BUILT_IN)
    for name in BUILT_IN:
        script.scenario(name)


def test_a_whole_transfer() -> None:
    """Acknowledgement and business answer for each message of a readmission."""
    turns = play(brain(), world.readmission_request(), world.transfer_notice(), world.transfer_outcome())
    assert [names(turn) for turn in turns] == [
        ["Acknowledgement", "ReadmissionDecision"],
        ["Acknowledgement", "TransferConfirmation"],
        ["Acknowledgement", "TransferReceipt"],
    ]
    receipt = turns[2][1]
    assert isinstance(receipt, model.TransferReceipt)
    assert receipt.place == world.transfer_notice()["arrival_place"]


def test_information_is_asked_for_once() -> None:
    """After the document the request is accepted; another document is only acknowledged."""
    document = world.supplementary_document()
    turns = play(brain(), world.readmission_request("DGEF-INFO"), document, document)
    decisions = [str(b.decision) for t in turns for b in t if isinstance(b, model.ReadmissionDecision)]
    assert decisions == ["information_needed", "accepted"]
    assert names(turns[2]) == ["Acknowledgement"]


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        ("DGEF-SILENCE", []),
        ("DGEF-REJET", ["Acknowledgement"]),
        ("DGEF-REFUS", ["Acknowledgement", "ReadmissionDecision"]),
        ("DGEF-PROLONG", ["Acknowledgement", "ReadmissionDecision"]),
    ],
)
def test_what_a_scenario_answers(service: str, expected: list[str]) -> None:
    """The scenario is chosen by the receiving service of the opening message."""
    (turn,) = play(brain(), world.readmission_request(service))
    assert names(turn) == expected


def test_nothing_but_acknowledgements_after_a_withdrawal() -> None:
    """A withdrawn case gets no business answers any more."""
    turns = play(brain(), world.readmission_request(), world.withdrawal(), world.transfer_notice())
    assert [names(t) for t in turns[1:]] == [["Acknowledgement"], ["Acknowledgement"]]


def test_lateness_and_order() -> None:
    """``late_s`` holds the decision back, never the acknowledgement."""
    mind = brain(scenarios={"slow": {"late_s": 5}}, default="slow", services={})
    ack, decision = mind.answers(canonical(world.readmission_request()), None, as4_message_id="x", now=NOW)
    assert ack.due_at < decision.due_at
    assert 5 <= decision.due_at - NOW.timestamp() < 5.1


@pytest.mark.parametrize("how", ["personal_data", "agdref", "garbage"])
def test_spoiled_documents_are_against_the_contract(how: str) -> None:
    """What a hostile scenario sends is really invalid, and carries what it says."""
    request = canonical(world.readmission_request())
    mind = brain()
    good = mind.answers(request, None, as4_message_id="x", now=NOW)[1].content
    with pytest.raises(InvalidDocument):
        FrAdapter().validate(spoil(good, how, request))


WRONG: list[dict[str, Any]] = [
    {"default": "nobody"},
    {"services": {"X": "nobody"}},
    {"scenarios": {"x": {"decision": "perhaps"}}},
    {"scenarios": {"x": {"late": 1}}},
    {"unknown": 1},
]


@pytest.mark.parametrize("values", WRONG)
def test_wrong_scripts_are_refused(values: dict[str, Any]) -> None:
    """Unknown scenarios, codes and keys are errors, not silence."""
    with pytest.raises(ConfigError, match="script"):
        parse_script(values)


def test_script_files(tmp_path: Path) -> None:
    """No file means the built-in script; a file that is no TOML is an error."""
    path = tmp_path / "script.toml"
    assert load_script(path) == Script()
    path.write_text('default = "refuse"\n')
    assert load_script(path).default == "refuse"
    path.write_text("=")
    with pytest.raises(ConfigError):
        load_script(path)


def _queued(number: int, reference: str, due_at: float = 0, type_: str = "Acknowledgement") -> Queued:
    return Queued(
        message_id=f"m{number}",
        type=type_,
        reference=reference,
        conversation_id="c",
        ref_to=None,
        content=b"<x/>",
        hostile=None,
        due_at=due_at,
    )


def _case(reference: str, *, withdrawn: bool = False) -> Case:
    return Case(
        reference=reference,
        conversation_id="c",
        scenario="accept",
        asked=False,
        persons=1,
        withdrawn=withdrawn,
        place=None,
        flight=None,
    )


_NUMBERS = itertools.count()


def _received(reference: str, type_: str = "ReadmissionRequest") -> Received:
    number = next(_NUMBERS)
    return Received(
        as4_message_id=f"r{number}@uk",
        party="UK",
        message_id=f"r{number}",
        type=type_,
        reference=reference,
        attachments=0,
        receipt=b"receipt",
        receipt_type="application/soap+xml",
    )


def test_memory_sends_in_order_within_a_case(tmp_path: Path) -> None:
    """Only the oldest queued message of a case is due; busy cases are left out; another case may go."""
    memory = Memory(tmp_path / "m.db")
    memory.take_in(_received("A"), _case("A"), (_queued(1, "A"), _queued(2, "A")))
    memory.take_in(_received("B"), _case("B"), (_queued(3, "B"),))
    due = memory.due(1, 10, frozenset())
    assert [s.queued.message_id for s in due] == ["m1", "m3"]
    assert [s.queued.message_id for s in memory.due(1, 10, frozenset({"A"}))] == ["m3"]
    memory.finish("m1", status="delivered", code=None, receipt_verified=True)
    assert [s.queued.message_id for s in memory.due(1, 10, frozenset({"B"}))] == ["m2"]
    memory.close()


def test_memory_survives_and_knows_duplicates(tmp_path: Path) -> None:
    """After a restart a known message gets its stored receipt, and each delivery is counted."""
    received = _received("A")
    memory = Memory(tmp_path / "m.db")
    memory.take_in(received, _case("A"), ())
    memory.close()
    memory = Memory(tmp_path / "m.db")
    assert memory.stored_receipt(received.as4_message_id, "UK") == ("application/soap+xml", b"receipt")
    assert memory.stored_receipt(received.as4_message_id, "other") is None
    assert memory.status()["received"][0]["deliveries"] == 2
    memory.close()


def test_memory_drops_what_a_withdrawal_stops(tmp_path: Path) -> None:
    """A decision that was never tried goes with the withdrawal; acknowledgements stay, also later ones."""
    memory = Memory(tmp_path / "m.db")
    replies = (_queued(1, "A"), _queued(2, "A", due_at=99, type_="ReadmissionDecision"))
    memory.take_in(_received("A"), _case("A"), replies)
    memory.take_in(_received("A", "Withdrawal"), _case("A", withdrawn=True), (_queued(3, "A"),))
    memory.take_in(_received("A", "Acknowledgement"), _case("A", withdrawn=True), ())
    states = {row["message_id"]: row["status"] for row in memory.status()["sent"]}
    assert states == {"m1": "queued", "m2": "dropped", "m3": "queued"}
    memory.close()
