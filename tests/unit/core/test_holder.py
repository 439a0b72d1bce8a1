"""Who holds a message and what its codes mean: the whole table, both languages, no gap."""

from __future__ import annotations

import datetime as dt
import inspect
import itertools

import pytest

from contracts.codes import Direction
from gateway.core import errors
from gateway.core.as4.seal import OWN_CERTIFICATE, PARTNER_CERTIFICATE
from gateway.core.errors import EBMS, As4Error, DeliveryError
from gateway.core.errors import Side as Fault
from gateway.core.explanations import explain, explain_attempt, explain_failed, known_codes
from gateway.core.holder import (
    HOLDER_WORDS,
    RESEND_WORDS,
    CertificateState,
    Circuit,
    Facts,
    Holder,
    Resend,
    look,
    resend_of,
)
from gateway.core.records import Attempt, Channel, MessageStatus
from gateway.core.resend import Arrival, Tried, TriedOnce, Verdict, Why, arrival, tried
from gateway.core.treaty.rules import all_rules
from gateway.core.words import Words

OUT, IN = Direction.UK_TO_FR, Direction.FR_TO_UK
S = MessageStatus
CODES = (
    None,
    "EBMS:0004",
    "delivery.timed_out",
    "quota.readmissions",
    "balance.nominations",
    "withdrawn",
    "unknown_case",
    "nonsense",
)
LASTS = (None, *Arrival)
EVERY = list(itertools.product(MessageStatus, Direction, LASTS, Circuit, CertificateState))


def said(words: Words) -> bool:
    return bool(words.en.strip() and words.fr.strip())


@pytest.mark.parametrize("status", MessageStatus)
def test_every_combination_has_an_answer(status: MessageStatus) -> None:
    """No status, direction, attempt, circuit, certificate or code leaves the page without words."""
    for combination in EVERY:
        if combination[0] is not status:
            continue
        _, direction, last, circuit, certificate = combination
        for code, pulled, so_far in itertools.product(CODES, (False, True), Tried):
            found = look(
                Facts(
                    status=status,
                    direction=direction,
                    code=code,
                    last=last,
                    tried=so_far,
                    circuit=circuit,
                    certificate=certificate,
                    pulled=pulled,
                )
            )
            assert said(found.reason)
            assert said(found.cure)
            assert said(HOLDER_WORDS[found.holder])


@pytest.mark.parametrize(
    ("facts", "holder", "fault"),
    [
        (Facts(status=S.ACCEPTED, direction=OUT), Holder.GATEWAY, None),
        (Facts(status=S.SENDING, direction=OUT, circuit=Circuit.PAUSED), Holder.OPERATOR, Fault.GATEWAY),
        (Facts(status=S.SENDING, direction=OUT, circuit=Circuit.OPEN), Holder.GATEWAY, Fault.FR),
        (
            Facts(status=S.SENDING, direction=OUT, certificate=CertificateState.OURS_EXPIRED),
            Holder.GATEWAY,
            Fault.GATEWAY,
        ),
        (
            Facts(status=S.FAILED, direction=OUT, certificate=CertificateState.THEIRS_EXPIRED),
            Holder.OPERATOR,
            Fault.FR,
        ),
        (
            Facts(status=S.SENDING, direction=OUT, last=Arrival.NOT_SENT, tried=Tried.REFUSED),
            Holder.GATEWAY,
            Fault.FR,
        ),
        (
            Facts(status=S.SENDING, direction=OUT, last=Arrival.LOST, tried=Tried.UNKNOWN),
            Holder.NOT_KNOWN,
            Fault.FR,
        ),
        (
            Facts(status=S.SENDING, direction=OUT, last=Arrival.NOT_SENT, tried=Tried.UNKNOWN),
            Holder.NOT_KNOWN,
            Fault.FR,
        ),
        (
            Facts(
                status=S.FAILED,
                direction=OUT,
                code="delivery.unavailable",
                last=Arrival.LOST,
                tried=Tried.UNKNOWN,
            ),
            Holder.NOT_KNOWN,
            Fault.FR,
        ),
        (
            Facts(status=S.CANCELLED, direction=OUT, code="cancelled_by_operator", tried=Tried.UNKNOWN),
            Holder.NOT_KNOWN,
            None,
        ),
        (
            Facts(status=S.SENDING, direction=OUT, last=Arrival.AWAITED, tried=Tried.UNKNOWN),
            Holder.FRENCH_ACCESS_POINT,
            None,
        ),
        (Facts(status=S.SENDING, direction=OUT, pulled=True), Holder.FRENCH_ACCESS_POINT, None),
        (Facts(status=S.DELIVERED, direction=OUT), Holder.FRENCH_SYSTEM, None),
        (Facts(status=S.ACKNOWLEDGED, direction=OUT), Holder.FRENCH_SYSTEM, None),
        (Facts(status=S.HELD, direction=OUT, code="quota.readmissions"), Holder.GATEWAY, Fault.GATEWAY),
        (Facts(status=S.HELD, direction=OUT, code="balance.readmissions"), Holder.GATEWAY, Fault.GATEWAY),
        (Facts(status=S.HELD, direction=OUT, code="quota.follows"), Holder.GATEWAY, Fault.GATEWAY),
        (Facts(status=S.HELD, direction=OUT, code="unmappable.country_unmapped"), Holder.OPERATOR, Fault.UK),
        (Facts(status=S.FAILED, direction=OUT, code="delivery.timed_out"), Holder.OPERATOR, Fault.FR),
        (Facts(status=S.FAILED, direction=OUT, code="EBMS:0101"), Holder.OPERATOR, Fault.GATEWAY),
        (Facts(status=S.REJECTED, direction=OUT, code="unknown_case"), Holder.UK_SYSTEM, Fault.UK),
        (Facts(status=S.REJECTED, direction=OUT, code="EBMS:0004"), Holder.UK_SYSTEM, Fault.FR),
        (Facts(status=S.CANCELLED, direction=OUT, code="withdrawn"), Holder.NOBODY, None),
        (Facts(status=S.ACCEPTED, direction=IN), Holder.UK_SYSTEM, None),
        (Facts(status=S.ACCEPTED, direction=IN, last=Arrival.NOT_SENT), Holder.UK_SYSTEM, Fault.UK),
        (Facts(status=S.ACKNOWLEDGED, direction=IN), Holder.UK_SYSTEM, None),
        (Facts(status=S.REJECTED, direction=IN, code="unknown_case"), Holder.FRENCH_SYSTEM, Fault.FR),
    ],
)
def test_who_holds_it_and_whose_part_it_is(facts: Facts, holder: Holder, fault: Fault | None) -> None:
    """The rows that operators meet."""
    found = look(facts)
    assert (found.holder, found.fault) == (holder, fault)


NEVER = "no connection to the partner"
BROKE = "the connection to the partner broke"


@pytest.mark.parametrize(
    ("outcome", "detail", "status", "expected"),
    [
        ("delivered", "receipt verified", 200, Arrival.DELIVERED),
        ("delivery.receipt_awaited", "", 202, Arrival.AWAITED),
        ("delivery.timed_out", "", None, Arrival.LOST),
        ("delivery.connection_failed", BROKE, None, Arrival.LOST),
        ("delivery.connection_failed", NEVER, None, Arrival.NOT_SENT),
        ("delivery.unavailable", "", 503, Arrival.LOST),
        ("delivery.unavailable", "", 429, Arrival.LOST),
        ("delivery.unavailable", "", 500, Arrival.LOST),
        ("delivery.unavailable", "the partner's answer is larger than allowed", None, Arrival.LOST),
        ("as4.invalid_receipt", "", 200, Arrival.LOST),
        ("as4.policy_noncompliance", "", 200, Arrival.LOST),
        ("as4.policy_noncompliance", PARTNER_CERTIFICATE, None, Arrival.NOT_SENT),
        ("EBMS:0101", "", 200, Arrival.REFUSED),
        ("EBMS:0301", "", 200, Arrival.LOST),
        ("EBMS:0004", "", 200, Arrival.LOST),
        ("delivery.refused", "", 200, Arrival.LOST),
        ("brand.new", "", None, Arrival.LOST),
    ],
)
def test_what_an_attempt_proves(outcome: str, detail: str, status: int | None, expected: Arrival) -> None:
    """Only what proves that nothing was taken counts as not sent; whatever nobody knows may have arrived. All
    attempts together prove no more than the weakest of them."""
    one = TriedOnce(outcome=outcome, detail=detail, http_status=status)
    never = TriedOnce(outcome="delivery.connection_failed", detail=NEVER, http_status=None)
    assert arrival(one) is expected
    not_there = expected in {Arrival.NOT_SENT, Arrival.REFUSED}
    for rows in ([one], [never, one], [one, never]):
        assert tried(rows) is (Tried.REFUSED if not_there else Tried.UNKNOWN)


@pytest.mark.parametrize(("verdict", "why"), list(itertools.product(Verdict, Why)))
def test_sending_again_has_words_for_every_verdict(verdict: Verdict, why: Why) -> None:
    """Yes only for what is safe; what may have arrived is never a plain yes."""
    answer, reason = resend_of(verdict, why)
    assert said(reason)
    assert said(RESEND_WORDS[answer])
    if verdict is Verdict.UNCERTAIN or why is Why.PERHAPS_TAKEN:
        assert answer is Resend.UNKNOWN
    elif verdict is Verdict.SAFE:
        assert answer is Resend.YES
    else:
        assert answer is Resend.NO


# ---- codes --------------------------------------------------------------------------------------


def _codes() -> list[str]:
    known = [c for _, c in inspect.getmembers(errors, inspect.isclass)]
    classes = [c for c in known if issubclass(c, As4Error | DeliveryError)]
    named = {c.code for c in classes if c not in {As4Error, DeliveryError}}
    rules = {r.id for r in all_rules()}
    return sorted(named | set(EBMS) | rules | {"delivered", "withdrawn", "cancelled_by_operator"})


@pytest.mark.parametrize("code", _codes())
def test_every_code_is_explained(code: str) -> None:
    """Errors of deliveries, ebMS codes and rules: outcome, cause and cure in both languages."""
    found = explain(code)
    assert found.known, code
    assert said(found.outcome)
    assert said(found.cause)
    assert said(found.cure)


def test_the_table_says_everything_twice() -> None:
    """No text of the table is empty in a language, and no French one is the English one."""
    for code in known_codes():
        found = explain(code)
        for words in (found.outcome, found.cause, found.cure):
            assert said(words)
            assert words.en != words.fr, (code, words.en)


def test_an_unknown_code_is_shown_as_such() -> None:
    """It is neither hidden nor taken for a known one."""
    found = explain("brand.new")
    assert (found.known, found.code) == (False, "brand.new")
    assert said(found.cure)


def attempt(
    outcome: str, *, channel: Channel = Channel.AS4, http_status: int | None = None, detail: str = ""
) -> Attempt:
    at = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
    return Attempt(
        message_id="m",
        channel=channel,
        endpoint="FR",
        number=1,
        started_at=at,
        finished_at=at,
        outcome=outcome,
        http_status=http_status,
        detail=detail,
    )


def test_the_same_code_means_another_thing_on_another_channel() -> None:
    """A webhook that fails concerns the UK system, whatever the code says of France."""
    code = "delivery.timed_out"
    assert explain_attempt(attempt(code)).side is Fault.FR
    assert explain_attempt(attempt(code, channel=Channel.WEBHOOK)).side is Fault.UK
    taken = attempt("delivered", channel=Channel.WEBHOOK)
    assert explain_attempt(taken).outcome != explain("delivered").outcome
    receipt = attempt("delivered", channel=Channel.AS4_SIGNAL)
    assert explain_attempt(receipt).outcome != explain("delivered").outcome


@pytest.mark.parametrize(
    ("detail", "side", "cure"),
    [
        (OWN_CERTIFICATE, Fault.GATEWAY, "keys rotate"),
        (PARTNER_CERTIFICATE, Fault.FR, "Ask France for its new certificate"),
        ("the P-Mode encrypts, but there is no recipient certificate", Fault.GATEWAY, "passerelle check"),
    ],
)
@pytest.mark.parametrize("code", ["as4.policy_noncompliance", "as4.value_inconsistent"])
def test_what_could_not_be_sealed_is_nobody_elses_message(
    code: str, detail: str, side: Fault, cure: str
) -> None:
    """An attempt that never left says whose certificate it was, and asks nobody to correct a message."""
    found = explain_attempt(attempt(code, detail=detail))
    assert (found.code, found.side) == (code, side)
    assert cure in found.cure.en
    assert "nothing left" in found.cause.en
    assert "rien n'est parti" in found.cause.fr
    assert explain_failed(code, [attempt(code, detail=detail)]) == found


def test_an_answer_that_is_not_accepted_is_told_from_a_message_that_is_refused() -> None:
    """Our message may have arrived: France is not asked to correct and send one."""
    code = "as4.policy_noncompliance"
    answered, refused = explain_attempt(attempt(code, http_status=200)), explain(code)
    assert "may have arrived" in answered.cause.en
    assert "est peut-être arrivé" in answered.cause.fr
    assert "send it again" in refused.cure.en
    assert "send it again" not in answered.cure.en
    assert explain_failed(code, []) == refused
    assert explain_failed(code, [attempt("delivery.timed_out")]) == refused


@pytest.mark.parametrize(
    ("certificate", "said"),
    [
        (CertificateState.THEIRS_EXPIRED, "Ask France for its new certificate"),
        (CertificateState.VALID, "The certificates are valid now"),
    ],
)
def test_a_dead_letter_of_an_expired_certificate_says_what_helps_now(
    certificate: CertificateState, said: str
) -> None:
    """Before the new certificate is there, and after it: then the message is sent again."""
    why = explain_attempt(attempt("as4.policy_noncompliance", detail=PARTNER_CERTIFICATE))
    found = look(
        Facts(
            status=S.FAILED,
            direction=OUT,
            code="as4.policy_noncompliance",
            last=Arrival.NOT_SENT,
            tried=Tried.REFUSED,
            why=why,
            certificate=certificate,
        )
    )
    assert (found.holder, found.fault) == (Holder.OPERATOR, Fault.FR)
    assert said in found.cure.en


def test_a_failure_to_seal_is_ours_while_it_is_tried_again() -> None:
    """France is not at fault when our own settings keep the message here."""
    why = explain_attempt(attempt("as4.processing_mode_mismatch"))
    facts = Facts(status=S.SENDING, direction=OUT, last=Arrival.NOT_SENT, tried=Tried.REFUSED, why=why)
    assert look(facts).fault is Fault.GATEWAY
