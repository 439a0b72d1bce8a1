"""Who holds a message and what its codes mean: the whole table, both languages, no gap."""

from __future__ import annotations

import inspect
import itertools

import pytest

from contracts.codes import Direction
from gateway.core import errors
from gateway.core.errors import EBMS, As4Error, DeliveryError
from gateway.core.errors import Side as Fault
from gateway.core.explanations import explain, explain_attempt, known_codes
from gateway.core.holder import (
    HOLDER_WORDS,
    RESEND_WORDS,
    CertificateState,
    Circuit,
    Facts,
    Holder,
    LastAttempt,
    Resend,
    last_attempt,
    look,
    resend_of,
)
from gateway.core.records import Channel, MessageStatus
from gateway.core.resend import Verdict, Why
from gateway.core.treaty.rules import all_rules
from gateway.core.words import Words

OUT, IN = Direction.UK_TO_FR, Direction.FR_TO_UK
S = MessageStatus
CODES = (
    None,
    "EBMS:0004",
    "delivery.timed_out",
    "quota.readmissions",
    "withdrawn",
    "unknown_case",
    "nonsense",
)
EVERY = list(itertools.product(MessageStatus, Direction, LastAttempt, Circuit, CertificateState))


def said(words: Words) -> bool:
    return bool(words.en.strip() and words.fr.strip())


@pytest.mark.parametrize("status", MessageStatus)
def test_every_combination_has_an_answer(status: MessageStatus) -> None:
    """No status, direction, attempt, circuit, certificate or code leaves the page without words."""
    for combination in EVERY:
        if combination[0] is not status:
            continue
        _, direction, last, circuit, certificate = combination
        for code, pulled in itertools.product(CODES, (False, True)):
            found = look(
                Facts(
                    status=status,
                    direction=direction,
                    code=code,
                    last=last,
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
        (Facts(status=S.SENDING, direction=OUT, last=LastAttempt.LOST), Holder.GATEWAY, Fault.FR),
        (Facts(status=S.SENDING, direction=OUT, last=LastAttempt.AWAITED), Holder.FRENCH_ACCESS_POINT, None),
        (Facts(status=S.SENDING, direction=OUT, pulled=True), Holder.FRENCH_ACCESS_POINT, None),
        (Facts(status=S.DELIVERED, direction=OUT), Holder.FRENCH_SYSTEM, None),
        (Facts(status=S.ACKNOWLEDGED, direction=OUT), Holder.FRENCH_SYSTEM, None),
        (Facts(status=S.HELD, direction=OUT, code="quota.readmissions"), Holder.GATEWAY, Fault.GATEWAY),
        (Facts(status=S.HELD, direction=OUT, code="unmappable.country_unmapped"), Holder.OPERATOR, Fault.UK),
        (Facts(status=S.FAILED, direction=OUT, code="delivery.timed_out"), Holder.OPERATOR, Fault.FR),
        (Facts(status=S.FAILED, direction=OUT, code="EBMS:0101"), Holder.OPERATOR, Fault.GATEWAY),
        (Facts(status=S.REJECTED, direction=OUT, code="unknown_case"), Holder.UK_SYSTEM, Fault.UK),
        (Facts(status=S.REJECTED, direction=OUT, code="EBMS:0004"), Holder.UK_SYSTEM, Fault.FR),
        (Facts(status=S.CANCELLED, direction=OUT, code="withdrawn"), Holder.NOBODY, None),
        (Facts(status=S.ACCEPTED, direction=IN), Holder.UK_SYSTEM, None),
        (Facts(status=S.ACCEPTED, direction=IN, last=LastAttempt.NOT_SENT), Holder.UK_SYSTEM, Fault.UK),
        (Facts(status=S.ACKNOWLEDGED, direction=IN), Holder.UK_SYSTEM, None),
        (Facts(status=S.REJECTED, direction=IN, code="unknown_case"), Holder.FRENCH_SYSTEM, Fault.FR),
    ],
)
def test_who_holds_it_and_whose_part_it_is(facts: Facts, holder: Holder, fault: Fault | None) -> None:
    """The rows that operators meet."""
    found = look(facts)
    assert (found.holder, found.fault) == (holder, fault)


@pytest.mark.parametrize(
    ("outcome", "status", "expected"),
    [
        (None, None, LastAttempt.NONE),
        ("delivered", 200, LastAttempt.DELIVERED),
        ("delivery.receipt_awaited", 202, LastAttempt.AWAITED),
        ("delivery.timed_out", None, LastAttempt.LOST),
        ("delivery.connection_failed", None, LastAttempt.LOST),
        ("delivery.unavailable", 503, LastAttempt.NOT_SENT),
        ("delivery.unavailable", 500, LastAttempt.LOST),
        ("as4.invalid_receipt", 200, LastAttempt.LOST),
        ("EBMS:0301", 200, LastAttempt.LOST),
        ("EBMS:0004", 200, LastAttempt.REFUSED),
        ("delivery.refused", 200, LastAttempt.REFUSED),
        ("content_destroyed", None, LastAttempt.NOT_SENT),
    ],
)
def test_what_an_attempt_says(outcome: str | None, status: int | None, expected: LastAttempt) -> None:
    """Only what proves that nothing was taken counts as not sent; a lost answer counts as lost."""
    assert last_attempt(outcome, status) is expected


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


def test_the_same_code_means_another_thing_on_another_channel() -> None:
    """A webhook that fails concerns the UK system, whatever the code says of France."""
    code = "delivery.timed_out"
    assert explain_attempt(Channel.AS4, code).side is Fault.FR
    assert explain_attempt(Channel.WEBHOOK, code).side is Fault.UK
    assert explain_attempt(Channel.WEBHOOK, "delivered").outcome != explain("delivered").outcome
    assert explain_attempt(Channel.AS4_SIGNAL, "delivered").outcome != explain("delivered").outcome
