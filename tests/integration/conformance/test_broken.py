"""Endpoints that break one rule each: exactly the right cases fail, with the right words."""

from __future__ import annotations

import ssl
import warnings
from pathlib import Path

import pytest
from aiohttp import web
from lxml import etree

from gateway.conformance import Report, Result, Verdict, run_conformance, texts
from gateway.conformance.cases import all_cases
from gateway.conformance.model import Expectation
from gateway.core.as4 import namespaces as ns
from gateway.core.errors import PayloadRefused, ProcessingModeMismatch
from tests.fixtures import pki
from tests.fixtures.conformance import (
    Answer,
    Served,
    accepting_everything,
    always,
    breaking_off,
    closed_port,
    keeping_the_rules,
    refusing_everything,
    serving,
    silent,
)

SAMPLE = ("reach", "push", "receipt-signed", "receipt-references", "unsigned", "truncated", "retry")


async def run(answer: Answer, folder: Path, *only: str) -> dict[str, Result]:
    """Case id → result of a run of the sample, or of these cases."""
    async with serving(answer, folder) as served:
        return by_id(await run_conformance(served.target(), only=only or SAMPLE))


def by_id(report: Report) -> dict[str, Result]:
    return {r.case.id: r for r in report.results}


def keys(result: Result) -> list[str]:
    """What was found, and what is said to help."""
    cure = [] if result.outcome.cure is None else [result.outcome.cure.key]
    return [r.key for r in result.outcome.reasons] + cure


async def test_accepting_everything_is_serious_for_every_bad_message(tmp_path: Path) -> None:
    """Who acknowledges whatever comes passes the good cases and fails all bad ones as serious."""
    async with serving(accepting_everything(), tmp_path) as served:
        report = await run_conformance(served.target())
    results = by_id(report)
    # a SOAP 1.1 envelope, JSON and DTDs are bad messages too
    bad = {
        r.case.id
        for r in report.results
        if r.case.expect is Expectation.REFUSAL and r.verdict is not Verdict.NOT_RUN
    }
    assert {r.case.id for r in report.serious} == bad | {"retry-after-refusal"}
    assert len(bad) > 50
    assert results["push"].verdict is Verdict.PASS
    assert results["part-order"].verdict is Verdict.PASS
    assert results["body-not-signed"].verdict is Verdict.NOTE
    assert not report.ok
    said = texts.say(results["unsigned"].outcome.reasons[0], "en")
    assert said == "SERIOUS: a bad message was accepted with a receipt."
    assert texts.say(results["unsigned"].outcome.reasons[0], "fr").startswith("GRAVE")


@pytest.mark.as4(28)
async def test_unsigned_receipts_fail(tmp_path: Path) -> None:
    """A receipt without signature proves nothing, and still accepts a bad message."""
    results = await run(accepting_everything(sign=False), tmp_path)
    assert keys(results["push"]) == ["receipt-unsigned", "cure-receipt-signature"]
    assert keys(results["receipt-signed"]) == ["receipt-unsigned", "cure-receipt-signature"]
    assert results["unsigned"].outcome.serious
    assert results["retry"].verdict is Verdict.NOT_RUN


@pytest.mark.as4(37)
async def test_receipts_of_a_foreign_signer_fail(tmp_path: Path) -> None:
    """A receipt signed by another known party is not the partner's."""
    other = pki.party(pki.OTHER).signing
    results = await run(accepting_everything(key=other), tmp_path)
    assert keys(results["push"]) == ["receipt-unverified", "cure-receipt-signature"]
    why = texts.say(results["push"].outcome.reasons[0], "en")
    assert "another party" in why


@pytest.mark.as4(29)
async def test_wrong_digests_fail(tmp_path: Path) -> None:
    """A signed receipt for other content than was sent is no proof."""

    def bend(unit: etree._Element) -> None:
        for value in unit.iter(ns.q(ns.DS, "DigestValue")):
            value.text = "AAAA" + (value.text or "")[4:]

    results = await run(accepting_everything(bend=bend), tmp_path)
    assert keys(results["push"]) == ["receipt-mismatch", "cure-receipt-references"]
    assert keys(results["receipt-references"]) == ["references-differ", "cure-receipt-references"]
    assert results["receipt-signed"].verdict is Verdict.PASS


@pytest.mark.as4(28)
async def test_missing_references_fail(tmp_path: Path) -> None:
    """A receipt without NonRepudiationInformation is genuine, but acknowledges nothing."""

    def bend(unit: etree._Element) -> None:
        receipt = unit[-1]
        receipt.remove(receipt[0])
        etree.SubElement(receipt, ns.q(ns.EB, "UserMessage"))

    results = await run(accepting_everything(bend=bend), tmp_path, "push", "receipt-references", "unsigned")
    assert keys(results["push"]) == ["receipt-mismatch", "cure-receipt-references"]
    assert results["unsigned"].outcome.serious  # what phase4 answers to an unsigned message is a receipt

    def empty(unit: etree._Element) -> None:
        for part in list(unit[-1][0]):
            unit[-1][0].remove(part)

    results = await run(accepting_everything(bend=empty), tmp_path / "empty", "push", "receipt-references")
    assert keys(results["push"]) == ["receipt-mismatch", "cure-receipt-references"]
    assert keys(results["receipt-references"]) == ["references-none", "cure-receipt-references"]


@pytest.mark.as4(28)
async def test_receipt_for_another_message_fails(tmp_path: Path) -> None:
    """RefToMessageId must be the id that was sent."""
    results = await run(accepting_everything(ref_to="another@uk.test"), tmp_path, "push", "receipt-ref-to")
    assert keys(results["push"]) == ["receipt-mismatch", "cure-receipt-references"]
    assert keys(results["receipt-ref-to"]) == ["ref-to-wrong", "cure-ref-to"]


async def test_habits_of_other_products_are_notes(tmp_path: Path) -> None:
    """An extra child as phase4 writes it, odd decimals and HTTP 202 are noted, not failed."""

    def bend(unit: etree._Element) -> None:
        etree.SubElement(unit[-1], "{urn:test}Extra")
        at = unit.find(f"{ns.q(ns.EB, 'MessageInfo')}/{ns.q(ns.EB, 'Timestamp')}")
        assert at is not None
        at.text = (at.text or "").replace("Z", ".5Z")

    wanted = ("push", "receipt-one-child", "receipt-timestamp", "receipt-http", "receipt-algorithms")
    results = await run(accepting_everything(bend=bend, status=202), tmp_path, *wanted)
    assert {id_: r.verdict for id_, r in results.items()} == {
        "push": Verdict.PASS,
        "receipt-one-child": Verdict.NOTE,
        "receipt-timestamp": Verdict.NOTE,
        "receipt-http": Verdict.NOTE,
        "receipt-algorithms": Verdict.PASS,
    }


@pytest.mark.as4(30)
async def test_refusing_everything_fails_the_good_and_passes_the_bad(tmp_path: Path) -> None:
    """EBMS:0008 for all: good messages fail, bad ones are refused, mostly with another code."""
    results = await run(
        refusing_everything(), tmp_path, *SAMPLE, "unknown-action", "part-order", "error-ref-to"
    )
    assert keys(results["push"]) == ["refused-good", "cure-refused-good"]
    assert keys(results["part-order"]) == ["refused-good-noted"]
    assert keys(results["unknown-action"]) == ["refused-other-code"]
    assert keys(results["error-ref-to"]) == ["error-ref-to-missing"]
    assert keys(results["receipt-signed"]) == ["nothing-to-look-at"]


async def test_the_recommended_code_passes(tmp_path: Path) -> None:
    """The code alone decides between a pass and a note."""
    results = await run(refusing_everything(ProcessingModeMismatch), tmp_path, "unknown-action", "unsigned")
    assert results["unknown-action"].verdict is Verdict.PASS
    assert results["unsigned"].verdict is Verdict.NOTE


async def test_business_checks_are_named_as_the_cause(tmp_path: Path) -> None:
    """EBMS:0004 for a good message points at a business check behind the P-Mode."""
    results = await run(refusing_everything(PayloadRefused), tmp_path, "push")
    assert keys(results["push"]) == ["refused-good", "cure-other"]


@pytest.mark.as4(30)
async def test_unsigned_errors_are_noted_and_fail_their_own_case(tmp_path: Path) -> None:
    """An unsigned refusal is a refusal, but that errors are signed is a requirement."""
    results = await run(refusing_everything(sign=False), tmp_path, "unsigned", "error-signed")
    assert keys(results["unsigned"]) == ["error-unsigned", "cure-error-signature"]
    assert results["unsigned"].verdict is Verdict.NOTE
    assert keys(results["error-signed"]) == ["error-not-signed", "cure-error-signature"]


@pytest.mark.parametrize(
    ("status", "cause", "cure"),
    [
        (500, "http-server", "cure-log"),
        (404, "http-path", "cure-path"),
        (401, "http-auth", "cure-auth"),
        (413, "http-too-large", "cure-too-large"),
        (302, "http-redirect", "cure-redirect"),
        (202, "empty", "cure-synchronous"),
    ],
)
async def test_plain_http_answers_have_a_cause_and_a_cure(
    status: int, cause: str, cure: str, tmp_path: Path
) -> None:
    """Without any signal, good messages fail with what the status means."""
    results = await run(always(status), tmp_path)
    assert keys(results["push"]) == [cause, cure]
    assert results["unsigned"].verdict is Verdict.FAIL
    assert not results["unsigned"].outcome.serious
    wanted = Verdict.PASS if status // 100 == 4 else Verdict.NOTE
    assert results["truncated"].verdict is wanted


async def test_something_else_than_as4_is_named(tmp_path: Path) -> None:
    """A web page with HTTP 200 is neither a receipt nor a refusal."""
    results = await run(always(200, b"<html><body>It works</body></html>"), tmp_path)
    assert keys(results["push"]) == ["no-signal", "cure-path"]
    assert keys(results["truncated"]) == ["no-signal", "neither", "cure-path"]


async def test_a_soap_fault_alone_is_noted(tmp_path: Path) -> None:
    """A fault says no, but without an ebMS code."""
    fault = f'<s:Envelope xmlns:s="{ns.S12}"><s:Body><s:Fault/></s:Body></s:Envelope>'.encode()
    results = await run(always(500, fault, "application/soap+xml"), tmp_path)
    assert keys(results["unsigned"]) == ["soap-fault", "refused-without-signal"]
    assert results["push"].verdict is Verdict.FAIL


async def test_broken_connections_stop_the_run(tmp_path: Path) -> None:
    """An endpoint that always hangs up fails the first cases; the rest is not run and says why."""
    async with serving(breaking_off(), tmp_path) as served:
        report = await run_conformance(served.target())
        assert len(served.requests) < 10
    results = by_id(report)
    assert keys(results["push"]) == ["connection-broke", "cure-log"]
    assert keys(results["unsigned"]) == ["stopped"]
    assert results["tls13"].verdict is Verdict.PASS
    assert len(report.results) == len(all_cases())


async def test_silence_stops_the_run(tmp_path: Path) -> None:
    """An endpoint that never answers costs a few timeouts, not one per case."""
    async with serving(silent(), tmp_path) as served:
        report = await run_conformance(served.target(timeout_s=0.4))
    results = by_id(report)
    assert keys(results["push"]) == ["no-answer-in-time", "cure-timeout"]
    assert results["pull-unsigned"].verdict is Verdict.NOT_RUN


async def test_hanging_up_on_bad_messages_does_not_stop_the_run(tmp_path: Path) -> None:
    """Broken connections for bad messages alone are judged case by case: good ones still get receipts."""
    good, bad = keeping_the_rules(), breaking_off()

    async def answer(content_type: str, body: bytes) -> web.StreamResponse:
        response = await good(content_type, body)
        assert isinstance(response, web.Response)
        refused = b"<eb:Error " in bytes(response.body or b"")  # type: ignore[arg-type]
        return await bad(content_type, body) if refused else response

    async with serving(answer, tmp_path) as served:
        wanted = ["unknown-action", "unknown-service", "unsigned", "truncated", "tampered-header", "ping"]
        results = by_id(await run_conformance(served.target(), only=["push", *wanted]))
    assert results["tampered-header"].verdict is Verdict.FAIL
    assert keys(results["tampered-header"]) == ["connection-broke", "signal-demanded", "cure-signal"]
    assert results["truncated"].verdict is Verdict.NOTE


# ---- connection ---------------------------------------------------------------------------------


async def reached(served: Served, **changes: object) -> list[str]:
    """What the connection case says; nothing else may have been run."""
    report = await run_conformance(served.target(**changes), only=["reach", "push", "tls12"])
    results = by_id(report)
    assert results["push"].verdict is Verdict.NOT_RUN
    assert not report.ok
    return keys(results["reach"])


@pytest.mark.as4(34)
async def test_connection_failures_have_a_cause_and_a_cure(tmp_path: Path) -> None:
    """No listener, no such name, a foreign CA, a wrong name: each is said as what it is."""
    answer = keeping_the_rules()
    elsewhere = serving(answer, tmp_path / "b", authority="Another CA")
    async with serving(answer, tmp_path / "a") as served, elsewhere as stranger:
        nobody = f"https://127.0.0.1:{closed_port()}/as4"
        assert await reached(served, url=nobody) == ["connection-refused", "cure-refused"]
        assert await reached(served, url=stranger.url) == ["tls-untrusted", "cure-tls-untrusted"]
        unknown = "https://passerelle-conformance.invalid/as4"
        assert await reached(served, url=unknown) == ["no-such-host", "cure-name"]
    async with serving(answer, tmp_path / "c", hosts=("elsewhere.test",)) as served:
        assert await reached(served) == ["tls-name", "cure-tls-name"]
    async with serving(answer, tmp_path / "d", plain=True) as served:
        https = served.url.replace("http://", "https://")
        assert await reached(served, url=https) == ["tls-failed", "cure-tls-failed"]


def lower(context: ssl.SSLContext) -> None:
    """A server of yesterday."""
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_2


@pytest.mark.as4(34)
async def test_old_tls_is_found_out(tmp_path: Path) -> None:
    """A server that accepts TLS 1.1 fails that case; one without TLS 1.3 is noted."""
    async with serving(keeping_the_rules(), tmp_path, bend_tls=lower) as served:
        results = by_id(await run_conformance(served.target(), only=["reach", "tls12", "tls13", "old-tls"]))
    assert keys(results["old-tls"]) == ["old-tls-accepted", "cure-old-tls"]
    assert results["tls12"].verdict is Verdict.PASS
    assert keys(results["tls13"]) == ["tls-not-offered"]


@pytest.mark.as4(34)
async def test_without_tls_12_the_profile_is_not_met(tmp_path: Path) -> None:
    """TLS 1.3 alone shuts out partners that have 1.2 only."""

    def only_13(context: ssl.SSLContext) -> None:
        context.minimum_version = ssl.TLSVersion.TLSv1_3

    async with serving(keeping_the_rules(), tmp_path, bend_tls=only_13) as served:
        results = by_id(await run_conformance(served.target(), only=["tls12", "tls13"]))
    assert keys(results["tls12"]) == ["tls-not-offered", "cure-tls12"]
    assert results["tls13"].verdict is Verdict.PASS


@pytest.mark.as4(32)
async def test_duplicates_are_told_apart(tmp_path: Path) -> None:
    """A new receipt for a duplicate, or one for new content under an old id, is not the stored receipt."""
    results = await run(accepting_everything(), tmp_path, "retry", "reused-id")
    assert keys(results["retry"]) == ["new-receipt"]
    assert keys(results["reused-id"]) == ["reused-id-accepted", "cure-duplicates"]


@pytest.mark.as4(36)
async def test_a_pulled_user_message_is_serious(tmp_path: Path) -> None:
    """Whoever hands post to an unsigned or unknown puller fails seriously."""

    def bend(unit: etree._Element) -> None:
        messaging = unit.getparent()
        assert messaging is not None
        messaging.replace(unit, etree.Element(ns.q(ns.EB, "UserMessage")))

    results = await run(accepting_everything(bend=bend), tmp_path, "pull-unsigned", "pull-unknown-mpc")
    assert [r.outcome.serious for r in results.values()] == [True, True]
