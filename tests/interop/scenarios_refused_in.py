"""What we must not take from phase4: each refused with a signed error that phase4 verifies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gateway.core.as4.pmode import PMode
from tests.interop import agreement as a
from tests.interop.scenario import IN, Ends, binary, scenario, xml

# ---- phase4 → Passerelle: we refuse, and phase4 verifies our signed error --------------------------


def refused_in(ends: Ends, answer: dict[str, Any], code: str, *, refers: bool = True) -> None:
    """We answered with this signed error, phase4 verified it; nothing reached our consumer."""
    assert answer.get("exception") is None, answer["exception"]
    assert answer["status"] == 200
    assert answer["kind"] == "error"
    assert [e["code"] for e in answer["errors"]] == [code], answer["errors"]
    assert answer["signed"] is True
    assert answer.get("ref_to_message_id") == (answer["message_id"] if refers else None)
    assert ends.ours.received == []
    (refusal,) = ends.ours.refused
    assert refusal.ebms is not None
    assert refusal.ebms.code == code


def bent_in(
    id: str,  # noqa: A002
    what: str,
    *numbers: int,
    code: str,
    pmode: PMode = a.NOTICE,
    refers: bool = True,
    options: Callable[[Ends], dict[str, Any]] = lambda _: {},
    **fixed: Any,
) -> None:
    def play(ends: Ends) -> None:
        given = {"payloads": [xml().json(ends.folder)], **fixed, **options(ends)}
        refused_in(ends, ends.peer.send(pmode, ends.ours.url, **given), code, refers=refers)

    scenario.add(f"in.refused.{id}", IN, numbers, f"{what}: we answer {code}", play)


bent_in("unknown-action", "an action that was not agreed", 5, 30, code="EBMS:0010", action="NotAgreed")
bent_in("unknown-agreement", "another AgreementRef", 5, 30, code="EBMS:0010", agreement="urn:test:another")
bent_in(
    "unknown-party",
    "a sender that we do not know",
    5, 30,
    code="EBMS:0010",
    **{"from": {**a.party_json(a.FR_PARTY), "id": "urn:test:party:nobody"}},
)  # fmt: skip
bent_in(
    "untrusted-signer",
    "signed with a certificate from a CA that we do not know",
    30,
    37,
    code="EBMS:0101",
    sign_key="untrusted",
)
bent_in("other-party", "signed with another known party's key", 37, code="EBMS:0003", sign_key="third")
bent_in(
    "wrong-recipient",
    "encrypted to another certificate than ours",
    23,
    30,
    code="EBMS:0102",
    recipient="wrong",
)
bent_in("digest", "a digest changed after signing", 18, 30, code="EBMS:0101", mutate="digest")
bent_in("signature", "a signature value changed", 17, 30, code="EBMS:0101", mutate="signature")
bent_in(
    "header-after-signing",
    "the header changed after signing",
    18,
    37,
    code="EBMS:0101",
    mutate="header-after-signing",
)
bent_in(
    "second-messaging",
    "a second eb:Messaging beside the signed one",
    18,
    37,
    code="EBMS:0009",
    mutate="second-messaging",
    refers=False,
)
bent_in("unsigned", "encrypted, but not signed", 17, 30, code="EBMS:0103", sign=False)
bent_in("bare", "neither signed nor encrypted", 17, 23, code="EBMS:0103", sign=False, encrypt=False)
bent_in("unencrypted", "signed, but not encrypted where it must be", 23, 30, code="EBMS:0103", encrypt=False)
bent_in(
    "older-oaep",
    "RSA-OAEP with SHA-1 inside, without an agreement about it",
    25,
    code="EBMS:0102",
    oaep_sha1=True,
)
bent_in("not-gzip", "a part that says gzip and is none", 14, code="EBMS:0303", mutate="bad-gzip")
bent_in(
    "gzip-bomb",
    "a part of 20 MB that was compressed to a thousandth",
    14,
    code="EBMS:0303",
    options=lambda ends: {
        "payloads": [binary(0).json(ends.folder) | {"text": "0" * 20_000_000, "file": None}]
    },
)
bent_in("no-mime-type", "a compressed part without MimeType", 12, code="EBMS:0303", mutate="no-mime-type")
bent_in("bad-charset", "a CharacterSet that does not exist", 12, code="EBMS:0001", mutate="bad-charset")
bent_in("part-missing", "a PartInfo without its MIME part", 11, code="EBMS:0011", mutate="missing-part")
bent_in(
    "external-href", "a PartInfo that points out of the message", 11, code="EBMS:0011", mutate="external-href"
)
bent_in("body-payload", "a payload in the SOAP Body", 10, code="EBMS:0008", mutate="body-payload")
bent_in("two-senders", "two PartyIds in From", 4, code="EBMS:0009", mutate="two-from")
bent_in("old", "a timestamp of a month ago", 31, code="EBMS:0003", timestamp="2020-01-01T00:00:00Z")
bent_in(
    "other-mpc",
    "a message partition channel that was not agreed",
    36,
    code="EBMS:0003",
    mpc="urn:test:other-mpc",
)
bent_in(
    "corners-missing",
    "no finalRecipient where four corners are agreed",
    35,
    code="EBMS:0003",
    pmode=a.CORNERS_IN,
    properties=[{"name": "originalSender", "value": "x"}],
)
bent_in(
    "corners-twice",
    "a second originalSender",
    35,
    code="EBMS:0003",
    pmode=a.CORNERS_IN,
    properties=[{"name": n, "value": "x"} for n in ("originalSender", "finalRecipient", "originalSender")],
)
bent_in(
    "reply-without-reference", "a reply without RefToMessageId", 2, code="EBMS:0003", pmode=a.TWO_WAY_BACK
)
