"""The plays of honest messages: send, then compare all that arrived and all that was answered."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

from gateway.core.as4.message import Property
from gateway.core.as4.pmode import PMode
from tests.interop.agreement import party_json
from tests.interop.ours import Sent
from tests.interop.scenario import Doc, Ends, seen_by_phase4, seen_by_us, signed_form


def properties_of(record: dict[str, Any]) -> tuple[Property, ...]:
    return tuple(
        Property(name=p["name"], value=p["value"], type=p.get("type")) for p in record.get("properties", [])
    )


def send_out(ends: Ends, pmode: PMode, docs: Sequence[Doc], **options: Any) -> Sent:
    """We send; phase4 takes it as it was; its receipt is verified and matched by us."""
    suite = options.pop("suite", "rsa")
    sent = ends.ours.send(ends.peer.url(suite), pmode, [d.payload() for d in docs], **options)
    assert sent.refused is None, sent.refused
    assert sent.codes == [], sent.errors
    assert sent.status == 200
    assert sent.proven
    assert sent.receipt is not None
    assert len(sent.receipt.acknowledged) == len(docs) + 2
    if not pmode.is_ping:
        (record,) = ends.peer.received()
        compare_out(sent, record, docs, pmode)
    assert ends.peer.errors() == []
    return sent


def compare_out(sent: Sent, record: dict[str, Any], docs: Sequence[Doc], pmode: PMode) -> None:
    """The record of phase4's application against the message that we sent."""
    message = sent.message
    assert record["message_id"] == message.message_id
    assert record.get("ref_to_message_id") == message.ref_to_message_id
    assert record["conversation_id"] == message.conversation_id
    for side, party in (("from", message.from_party), ("to", message.to_party)):
        assert {"type": None, **record[side]} == party_json(party)
    assert (record["service"], record.get("service_type")) == (message.service, message.service_type)
    assert record["action"] == message.action
    assert (record.get("agreement"), record.get("agreement_type")) == (
        message.agreement_ref,
        message.agreement_type,
    )
    assert properties_of(record) == message.properties
    assert [seen_by_phase4(p) for p in record["parts"]] == [seen_by_us(d.payload()) for d in docs]
    assert record["signed"] is True
    assert record["decrypted"] is (pmode.encrypt and bool(docs))


def send_in(ends: Ends, agreed: PMode, docs: Sequence[Doc], **options: Any) -> dict[str, Any]:
    """phase4 sends; we take it as it was; phase4 verifies and matches our receipt."""
    given = dict(options)
    given["payloads"] = [d.json(ends.folder) for d in docs]
    answer = ends.peer.send(agreed, ends.ours.url, **given)
    assert answer.get("exception") is None, answer["exception"]
    assert answer.get("errors", []) == []
    assert answer["status"] == 200
    assert answer["kind"] == "receipt"
    assert answer["signed"] is True
    assert answer["nrr"] == "matched", answer["complaints"]
    assert answer["ref_to_message_id"] == answer["message_id"]
    assert ends.ours.refused == []
    if not agreed.is_ping:
        compare_in(ends, answer, docs, agreed, options)
    return answer


def compare_in(
    ends: Ends, answer: dict[str, Any], docs: Sequence[Doc], pmode: PMode, options: dict[str, Any]
) -> None:
    """What our consumer got against what phase4 was asked to send."""
    (verified,) = ends.ours.received
    message = verified.message
    assert message.message_id == answer["message_id"]
    assert (message.from_party, message.to_party) == (pmode.initiator, pmode.responder)
    assert (message.service, message.service_type, message.action) == (
        pmode.service,
        pmode.service_type,
        pmode.action,
    )
    assert message.agreement_ref == pmode.agreement_ref
    for name in ("message_id", "conversation_id", "ref_to_message_id"):
        if name in options:
            assert getattr(message, name) == options[name]
    assert message.conversation_id
    wanted = tuple(
        Property(name=p["name"], value=p["value"], type=p.get("type")) for p in options.get("properties", [])
    )
    assert message.properties == wanted
    assert [seen_by_us(p) for p in verified.payloads] == [seen_by_us(signed_form(d)) for d in docs]
    assert verified.encrypted is (pmode.encrypt and bool(docs))
    assert verified.party_id == pmode.initiator.id


def bodies(answer: dict[str, Any]) -> list[bytes]:
    """The answers that phase4 got, one for each time it sent."""
    return [base64.b64decode(body) for body in answer["bodies"]]
