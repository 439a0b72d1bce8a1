"""Verdicts on answers that are hard to provoke on the wire: the habits of other products, edge by edge."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gateway.conformance import texts
from gateway.conformance.cases import case_of
from gateway.conformance.facets import look
from gateway.conformance.judge import judge
from gateway.conformance.model import (
    Exchange,
    Kind,
    Outcome,
    Seen,
    Target,
    Verdict,
    Wire,
    reason,
)
from gateway.core.errors import ConfigError
from tests.fixtures.conformance import PING_TARGET, TARGET

WIRE = Wire(content_type="application/soap+xml", body=b"", message_id="m-1@test", references=())
RECEIPT = Seen(
    kind=Kind.RECEIPT,
    status=200,
    has_signature=True,
    verified=True,
    proves=True,
    signal_id="r-1",
    ref_to="m-1@test",
)
AGAIN = replace(RECEIPT, signal_id="r-2")
OLD = replace(RECEIPT, proves=False, mismatch="the receipt acknowledges other content than was sent")


def error(*codes: str, **changes: Any) -> Seen:
    """A signed error signal."""
    given: dict[str, Any] = {"status": 200, "has_signature": True, "verified": True}
    return Seen(kind=Kind.ERROR, codes=codes, **(given | changes))


def verdict(case_id: str, *seen: Seen, target: Target = TARGET) -> Outcome:
    """The outcome of a case with these answers."""
    return judge(case_of(case_id), [Exchange(wire=WIRE, seen=s) for s in seen], target)


def keys(outcome: Outcome) -> tuple[Verdict, list[str]]:
    return outcome.verdict, [r.key for r in outcome.reasons]


@pytest.mark.as4(32)
@pytest.mark.parametrize(
    ("second", "target", "expected"),
    [
        (RECEIPT, TARGET, (Verdict.PASS, ["receipt-proves"])),
        (AGAIN, TARGET, (Verdict.NOTE, ["new-receipt"])),
        (AGAIN, PING_TARGET, (Verdict.PASS, ["new-receipt-ping"])),
        (error("EBMS:4001"), TARGET, (Verdict.NOTE, ["duplicate-error"])),
        (error("EBMS:0004"), TARGET, (Verdict.NOTE, ["duplicate-other-error"])),
        (OLD, TARGET, (Verdict.FAIL, ["receipt-mismatch"])),
        (Seen(kind=Kind.EMPTY, status=202), TARGET, (Verdict.FAIL, ["empty"])),
    ],
    ids=["stored", "new", "new-ping", "phase4", "other-error", "wrong", "empty"],
)
def test_duplicates(second: Seen, target: Target, expected: tuple[Verdict, list[str]]) -> None:
    """The stored receipt passes; what phase4 does is a note; a lost answer fails."""
    assert keys(verdict("retry", RECEIPT, second, target=target)) == expected


@pytest.mark.as4(32)
@pytest.mark.parametrize(
    ("second", "target", "expected"),
    [
        (OLD, TARGET, (Verdict.PASS, ["old-receipt"])),
        (error("EBMS:4001"), TARGET, (Verdict.PASS, ["refused"])),
        (AGAIN, TARGET, (Verdict.FAIL, ["reused-id-accepted"])),
        (AGAIN, PING_TARGET, (Verdict.PASS, ["reused-id-ping"])),
        (Seen(kind=Kind.OTHER, status=500), TARGET, (Verdict.FAIL, ["http-server"])),
    ],
    ids=["old", "phase4", "new", "new-ping", "broken"],
)
def test_reused_ids(second: Seen, target: Target, expected: tuple[Verdict, list[str]]) -> None:
    """New content under a used id is never proven, unless nothing is delivered anyway (ping)."""
    assert keys(verdict("reused-id", RECEIPT, second, target=target)) == expected


@pytest.mark.parametrize("case_id", ["retry", "reused-id"])
def test_nothing_to_repeat(case_id: str) -> None:
    """Without a first receipt these cases say nothing."""
    assert keys(verdict(case_id, error("EBMS:0010"), error("EBMS:0010")))[0] is Verdict.NOT_RUN


@pytest.mark.as4(32)
def test_accepting_the_altered_message_first_is_serious() -> None:
    """retry-after-refusal begins with a bad message."""
    outcome = verdict("retry-after-refusal", OLD, RECEIPT)
    assert keys(outcome) == (Verdict.FAIL, ["first-accepted"])
    assert outcome.serious


@pytest.mark.as4(36)
@pytest.mark.parametrize("codes", [("EBMS:0006",), ("EBMS:0008",), ("EBMS:0010",)])
def test_any_error_refuses_a_pull(codes: tuple[str, ...]) -> None:
    """Empty, not supported, not agreed: all are right."""
    assert verdict("pull-default-mpc", error(*codes)).verdict is Verdict.PASS


def test_many_codes_count_together() -> None:
    """One recommended code among several is enough; severity and text are not even looked at."""
    assert verdict("corrupt-gzip", error("EBMS:0004", "EBMS:0303")).verdict is Verdict.PASS


def test_unverifiable_error_is_a_note() -> None:
    """It refuses, but anybody could have written it."""
    outcome = verdict("unsigned", error("EBMS:0103", verified=False, defect="a digest does not match"))
    assert keys(outcome) == (Verdict.NOTE, ["error-unverified"])
    assert "a digest does not match" in texts.say(outcome.reasons[0], "en")


def test_lenient_cases_are_never_more_than_notes_for_refusals() -> None:
    """A better-refused message that dies with HTTP 500 is noted."""
    assert keys(verdict("huge-header", Seen(kind=Kind.OTHER, status=500)))[0] is Verdict.NOTE
    assert keys(verdict("huge-header", RECEIPT)) == (Verdict.NOTE, ["accepted-noted"])
    silent = Seen(kind=Kind.NO_ANSWER, trouble=reason("no-answer-in-time"))
    assert keys(verdict("huge-header", silent))[0] is Verdict.FAIL


@pytest.mark.as4(14)
def test_a_ping_need_not_be_unpacked() -> None:
    """Corrupt gzip acknowledged by the ping service is noted, by a P-Mode that delivers it is serious."""
    assert keys(verdict("corrupt-gzip", RECEIPT, target=PING_TARGET)) == (Verdict.NOTE, ["accepted-ping"])
    assert verdict("corrupt-gzip", RECEIPT).serious
    assert verdict("tampered-payload", RECEIPT, target=PING_TARGET).serious


@pytest.mark.as4(30)
def test_unknown_codes_are_noted() -> None:
    """EBMS:4001 and its like are no codes of the specifications."""
    exchange = Exchange(wire=WIRE, seen=error("EBMS:4001"))
    assert keys(look(case_of("error-code-known"), exchange, TARGET)) == (Verdict.NOTE, ["codes-unknown"])


@pytest.mark.as4(28)
def test_receipt_facets_of_a_bare_receipt() -> None:
    """An eb:Receipt without child, timestamp, signature or RefToMessageId fails each of its own cases."""
    bare = Exchange(wire=WIRE, seen=Seen(kind=Kind.RECEIPT, status=500))
    found = {
        name: keys(look(case_of(f"receipt-{name}"), bare, TARGET))
        for name in ("one-child", "timestamp", "algorithms", "ref-to", "http", "signed")
    }
    assert found == {
        "one-child": (Verdict.FAIL, ["no-child"]),
        "timestamp": (Verdict.FAIL, ["timestamp-missing"]),
        "algorithms": (Verdict.FAIL, ["receipt-unsigned"]),
        "ref-to": (Verdict.FAIL, ["ref-to-missing"]),
        "http": (Verdict.FAIL, ["http-not-2xx"]),
        "signed": (Verdict.FAIL, ["receipt-unsigned"]),
    }


@pytest.mark.as4(17)
def test_other_algorithms_are_named() -> None:
    """A receipt signed with SHA-1 says so."""
    sha1 = "http://www.w3.org/2000/09/xmldsig#sha1"
    seen = replace(RECEIPT, algorithms=(sha1, "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"))
    outcome = look(case_of("receipt-algorithms"), Exchange(wire=WIRE, seen=seen), TARGET)
    assert keys(outcome) == (Verdict.FAIL, ["algorithms-other"])
    assert sha1 in texts.say(outcome.reasons[0], "fr")


@pytest.mark.parametrize(
    "url",
    [
        "http://partner.example/as4",
        "http://127.0.0.1/as4",
        "https://user:secret@partner.example/as4",
        "https:///as4",
        "ftp://partner.example/as4",
        "partner.example/as4",
    ],
)
def test_urls_that_are_refused(url: str) -> None:
    """Only https, without a password; the refusal does not repeat it."""
    with pytest.raises(ConfigError) as refused:
        replace(TARGET, url=url)
    assert "secret" not in refused.value.detail


def test_plain_http_needs_its_name_and_loopback() -> None:
    """--unsafe-http opens this machine only."""
    assert not replace(TARGET, url="http://127.0.0.1:1/as4", unsafe_plain_http=True).uses_tls
    with pytest.raises(ConfigError, match="unsafe-http"):
        replace(TARGET, url="http://partner.example/as4", unsafe_plain_http=True)
