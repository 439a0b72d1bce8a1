"""From what was seen to a verdict. Of an ebMS error the code counts, never severity or text (as4.md 30)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from gateway.conformance.model import (
    Case,
    Exchange,
    Expectation,
    Kind,
    Outcome,
    Reason,
    Seen,
    Target,
    Verdict,
    reason,
)

DUPLICATE: Final = "EBMS:4001"
"""What phase4 answers to a duplicate; no code of OASIS."""

_HTTP: Final = (
    (range(300, 400), "http-redirect", "cure-redirect"),
    (range(401, 402), "http-auth", "cure-auth"),
    (range(403, 404), "http-auth", "cure-auth"),
    (range(404, 406), "http-path", "cure-path"),
    (range(413, 414), "http-too-large", "cure-too-large"),
    (range(415, 416), "http-media-type", "cure-media-type"),
    (range(400, 500), "http-refused", "cure-log"),
    (range(500, 600), "http-server", "cure-log"),
)


def judge(case: Case, exchanges: Sequence[Exchange], target: Target) -> Outcome:
    """The verdict on the answers to one case's messages (not for facets and probes)."""
    return _JUDGES[case.expect](case, exchanges, target)


def codes_of(seen: Seen) -> str:
    return ", ".join(dict.fromkeys(seen.codes)) or "?"


def without_signal(seen: Seen) -> tuple[Reason, Reason]:
    """Cause and cure of an answer that is no ebMS signal at all."""
    if seen.trouble is not None:
        cure = "cure-timeout" if seen.trouble.key == "no-answer-in-time" else "cure-log"
        return seen.trouble, reason(cure)
    if seen.kind is Kind.USER_MESSAGE:
        return reason("user-message"), reason("cure-log")
    if seen.kind is Kind.FAULT:
        return reason("soap-fault", status=seen.status), reason("cure-log")
    for statuses, key, cure in _HTTP:
        if seen.status in statuses:
            return reason(key, status=seen.status), reason(cure)
    if seen.kind is Kind.EMPTY:
        return reason("empty", status=seen.status), reason("cure-synchronous")
    return reason("no-signal", status=seen.status), reason("cure-path")


# ---- good messages ------------------------------------------------------------------------------


def _receipt(case: Case, exchanges: Sequence[Exchange], target: Target) -> Outcome:
    del target
    if len(exchanges) > 1 and exchanges[0].seen.kind is Kind.RECEIPT:
        # retry-after-refusal: the first one was bad
        why, cure = (reason("first-accepted"),), reason("cure-accepted")
        return Outcome(verdict=Verdict.FAIL, reasons=why, cure=cure, serious=True)
    return _accepted(exchanges[-1].seen, preferred=case.expect is Expectation.RECEIPT_PREFERRED)


def _accepted(seen: Seen, *, preferred: bool) -> Outcome:
    if seen.kind is Kind.RECEIPT:
        return _proof(seen)
    if seen.kind is Kind.ERROR:
        codes = codes_of(seen)
        if preferred:
            return Outcome(verdict=Verdict.NOTE, reasons=(reason("refused-good-noted", codes=codes),))
        cure = "cure-other" if "EBMS:0004" in seen.codes else "cure-refused-good"
        return Outcome(
            verdict=Verdict.FAIL, reasons=(reason("refused-good", codes=codes),), cure=reason(cure)
        )
    cause, cure_reason = without_signal(seen)
    return Outcome(verdict=Verdict.FAIL, reasons=(cause,), cure=cure_reason)


def _proof(seen: Seen) -> Outcome:
    if not seen.verified:
        key = "receipt-unverified" if seen.has_signature else "receipt-unsigned"
        why = reason(key, why=seen.defect or "")
        return Outcome(verdict=Verdict.FAIL, reasons=(why,), cure=reason("cure-receipt-signature"))
    if not seen.proves:
        why = reason("receipt-mismatch", why=seen.mismatch or "")
        return Outcome(verdict=Verdict.FAIL, reasons=(why,), cure=reason("cure-receipt-references"))
    return Outcome(verdict=Verdict.PASS, reasons=(reason("receipt-proves", count=seen.acknowledged),))


# ---- bad messages -------------------------------------------------------------------------------


def _refusal(case: Case, exchanges: Sequence[Exchange], target: Target) -> Outcome:
    seen = exchanges[-1].seen
    if seen.kind is Kind.RECEIPT:
        if case.unpacks and target.pmode.is_ping:
            return Outcome(verdict=Verdict.NOTE, reasons=(reason("accepted-ping"),), cure=reason("cure-ping"))
        if case.expect is Expectation.REFUSAL_PREFERRED:
            return Outcome(verdict=Verdict.NOTE, reasons=(reason("accepted-noted"),))
        return Outcome(
            verdict=Verdict.FAIL,
            reasons=(reason("accepted-bad"),),
            cure=reason("cure-accepted"),
            serious=True,
        )
    if seen.kind is Kind.ERROR:
        return _refused_by_error(case, seen)
    return _refused_otherwise(case, seen)


def _refused_by_error(case: Case, seen: Seen) -> Outcome:
    codes = codes_of(seen)
    if not seen.verified:
        key = "error-unverified" if seen.has_signature else "error-unsigned"
        why = reason(key, codes=codes, why=seen.defect or "")
        return Outcome(verdict=Verdict.NOTE, reasons=(why,), cure=reason("cure-error-signature"))
    if case.codes and not set(seen.codes) & set(case.codes):
        return Outcome(verdict=Verdict.NOTE, reasons=(reason("refused-other-code", codes=codes),))
    return Outcome(verdict=Verdict.PASS, reasons=(reason("refused", codes=codes),))


def _refused_otherwise(case: Case, seen: Seen) -> Outcome:
    """No ebMS signal: enough only where the message could not be read as ebMS."""
    cause, cure = without_signal(seen)
    timed_out = seen.trouble is not None and seen.trouble.key == "no-answer-in-time"
    if timed_out or seen.kind is Kind.USER_MESSAGE:
        return Outcome(verdict=Verdict.FAIL, reasons=(cause, reason("neither")), cure=cure)
    if seen.status is not None and seen.status < 300:
        verdict = Verdict.FAIL if case.signal else Verdict.NOTE
        return Outcome(verdict=verdict, reasons=(cause, reason("neither")), cure=cure)
    if seen.kind is Kind.FAULT or case.expect is Expectation.REFUSAL_PREFERRED:
        return Outcome(verdict=Verdict.NOTE, reasons=(cause, reason("refused-without-signal")))
    if case.signal:
        why = (cause, reason("signal-demanded"))
        return Outcome(verdict=Verdict.FAIL, reasons=why, cure=reason("cure-signal"))
    if seen.status is not None and 400 <= seen.status < 500:
        return Outcome(verdict=Verdict.PASS, reasons=(cause,))
    return Outcome(verdict=Verdict.NOTE, reasons=(cause, reason("refused-without-signal")))


# ---- duplicates and pull ------------------------------------------------------------------------


def _same_receipt(case: Case, exchanges: Sequence[Exchange], target: Target) -> Outcome:
    del case
    first, second = exchanges[0].seen, exchanges[-1].seen
    if not first.proves:
        return Outcome(verdict=Verdict.NOT_RUN, reasons=(reason("first-not-accepted"),))
    if second.kind is Kind.RECEIPT:
        proof = _proof(second)
        if proof.verdict is not Verdict.PASS or second.signal_id == first.signal_id:
            return proof
        if target.pmode.is_ping:
            return Outcome(verdict=Verdict.PASS, reasons=(reason("new-receipt-ping"),))
        return Outcome(verdict=Verdict.NOTE, reasons=(reason("new-receipt"),))
    if second.kind is Kind.ERROR:
        key = "duplicate-error" if DUPLICATE in second.codes else "duplicate-other-error"
        return Outcome(verdict=Verdict.NOTE, reasons=(reason(key, codes=codes_of(second)),))
    cause, cure = without_signal(second)
    return Outcome(verdict=Verdict.FAIL, reasons=(cause,), cure=cure)


def _no_new_receipt(case: Case, exchanges: Sequence[Exchange], target: Target) -> Outcome:
    del case
    first, second = exchanges[0].seen, exchanges[-1].seen
    if not first.proves:
        return Outcome(verdict=Verdict.NOT_RUN, reasons=(reason("first-not-accepted"),))
    if second.kind is Kind.RECEIPT and second.proves:
        if target.pmode.is_ping:
            return Outcome(verdict=Verdict.PASS, reasons=(reason("reused-id-ping"),))
        return Outcome(
            verdict=Verdict.FAIL, reasons=(reason("reused-id-accepted"),), cure=reason("cure-duplicates")
        )
    if second.kind is Kind.RECEIPT:
        return Outcome(verdict=Verdict.PASS, reasons=(reason("old-receipt"),))
    if second.kind is Kind.ERROR:
        return Outcome(verdict=Verdict.PASS, reasons=(reason("refused", codes=codes_of(second)),))
    cause, cure = without_signal(second)
    return Outcome(verdict=Verdict.FAIL, reasons=(cause,), cure=cure)


def _no_user_message(case: Case, exchanges: Sequence[Exchange], target: Target) -> Outcome:
    del target
    seen = exchanges[-1].seen
    if seen.kind is Kind.USER_MESSAGE:
        why = (reason("pulled"),)
        return Outcome(verdict=Verdict.FAIL, reasons=why, cure=reason("cure-pull"), serious=True)
    if seen.kind is Kind.ERROR:
        return _refused_by_error(case, seen)
    return _refused_otherwise(case, seen)


_JUDGES: Final[dict[Expectation, Callable[[Case, Sequence[Exchange], Target], Outcome]]] = {
    Expectation.RECEIPT: _receipt,
    Expectation.RECEIPT_PREFERRED: _receipt,
    Expectation.REFUSAL: _refusal,
    Expectation.REFUSAL_PREFERRED: _refusal,
    Expectation.SAME_RECEIPT: _same_receipt,
    Expectation.NO_NEW_RECEIPT: _no_new_receipt,
    Expectation.NO_USER_MESSAGE: _no_user_message,
}
