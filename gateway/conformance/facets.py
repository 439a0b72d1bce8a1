"""Single properties of one receipt and one error signal, each judged for itself (as4.md 28 to 30)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from gateway.conformance.model import Case, Exchange, Kind, Outcome, Target, Verdict, reason
from gateway.core.errors import EBMS

Facet = Callable[[Exchange, Target], Outcome]
FACETS: Final[dict[str, Facet]] = {}
_WHOLE_OR_MILLIS: Final = frozenset({0, 3})


def look(case: Case, exchange: Exchange, target: Target) -> Outcome:
    """Judges one property of an answer; not run when the answer is of another kind."""
    wanted = Kind.RECEIPT if case.id.startswith("receipt-") else Kind.ERROR
    if exchange.seen.kind is not wanted:
        return Outcome(verdict=Verdict.NOT_RUN, reasons=(reason("nothing-to-look-at", case=case.of),))
    return FACETS[case.id](exchange, target)


def facet(case_id: str) -> Callable[[Facet], Facet]:
    def register(judge: Facet) -> Facet:
        FACETS[case_id] = judge
        return judge

    return register


def _pass(key: str, **values: object) -> Outcome:
    return Outcome(verdict=Verdict.PASS, reasons=(reason(key, **values),))


def _note(key: str, **values: object) -> Outcome:
    return Outcome(verdict=Verdict.NOTE, reasons=(reason(key, **values),))


def _fail(key: str, cure: str, **values: object) -> Outcome:
    return Outcome(verdict=Verdict.FAIL, reasons=(reason(key, **values),), cure=reason(cure))


@facet("receipt-signed")
def receipt_signed(exchange: Exchange, target: Target) -> Outcome:
    seen = exchange.seen
    if seen.verified:
        return _pass("signature-holds", party=target.partner)
    if not seen.has_signature:
        return _fail("receipt-unsigned", "cure-receipt-signature")
    return _fail("receipt-unverified", "cure-receipt-signature", why=seen.defect or "")


@facet("receipt-references")
def receipt_references(exchange: Exchange, target: Target) -> Outcome:
    seen, sent = exchange.seen, len(exchange.wire.references)
    if seen.proves:
        return _pass("references-match", count=sent)
    if not seen.acknowledged:
        return _fail("references-none", "cure-receipt-references", count=sent)
    why = seen.mismatch or seen.defect or ""
    return _fail("references-differ", "cure-receipt-references", sent=sent, seen=seen.acknowledged, why=why)


@facet("receipt-ref-to")
def receipt_ref_to(exchange: Exchange, target: Target) -> Outcome:
    if exchange.seen.ref_to == exchange.wire.message_id:
        return _pass("ref-to-right")
    key = "ref-to-missing" if exchange.seen.ref_to is None else "ref-to-wrong"
    return _fail(key, "cure-ref-to")


@facet("receipt-one-child")
def receipt_one_child(exchange: Exchange, target: Target) -> Outcome:
    count = exchange.seen.receipt_children
    if count == 1:
        return _pass("one-child")
    if count == 0:
        return _fail("no-child", "cure-receipt-references")
    return _note("several-children", count=count)


@facet("receipt-timestamp")
def receipt_timestamp(exchange: Exchange, target: Target) -> Outcome:
    digits = exchange.seen.fraction_digits
    if digits is None:
        return _fail("timestamp-missing", "cure-log")
    if digits in _WHOLE_OR_MILLIS:
        return _pass("timestamp-digits", count=digits)
    return _note("timestamp-odd-digits", count=digits)


@facet("receipt-algorithms")
def receipt_algorithms(exchange: Exchange, target: Target) -> Outcome:
    used = set(exchange.seen.algorithms)
    if not used:
        return _fail("receipt-unsigned", "cure-receipt-signature")
    allowed = target.policy.signature_algorithms | target.policy.digest_algorithms
    if used <= allowed:
        return _pass("algorithms-agreed")
    return _fail("algorithms-other", "cure-algorithms", which=", ".join(sorted(used - allowed)))


@facet("receipt-http")
def receipt_http(exchange: Exchange, target: Target) -> Outcome:
    status = exchange.seen.status or 0
    if status == 200:
        return _pass("http-ok", status=status)
    if 200 < status < 300:
        return _note("http-other-2xx", status=status)
    return _fail("http-not-2xx", "cure-http", status=status)


@facet("error-signed")
def error_signed(exchange: Exchange, target: Target) -> Outcome:
    seen = exchange.seen
    if seen.verified:
        return _pass("signature-holds", party=target.partner)
    if not seen.has_signature:
        return _fail("error-not-signed", "cure-error-signature")
    return _fail("error-not-verified", "cure-error-signature", why=seen.defect or "")


@facet("error-ref-to")
def error_ref_to(exchange: Exchange, target: Target) -> Outcome:
    if exchange.seen.ref_to == exchange.wire.message_id:
        return _pass("ref-to-right")
    return _note("error-ref-to-missing" if exchange.seen.ref_to is None else "ref-to-wrong")


@facet("error-code-known")
def error_code_known(exchange: Exchange, target: Target) -> Outcome:
    codes = ", ".join(dict.fromkeys(exchange.seen.codes))
    if set(exchange.seen.codes) <= set(EBMS):
        return _pass("codes-known", codes=codes)
    return _note("codes-unknown", codes=codes)
