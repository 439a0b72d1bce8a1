"""A report as JSON (both languages in it), HTML and Markdown (one language each)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from functools import cache
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from gateway.conformance import texts
from gateway.conformance.model import (
    LANGUAGES,
    Exchange,
    Language,
    Reason,
    Report,
    Result,
    Verdict,
)
from gateway.core.as4.keys import fingerprint

FORMAT: Final = "passerelle-conformance/1"
ORDER: Final = (Verdict.FAIL, Verdict.NOTE, Verdict.PASS, Verdict.NOT_RUN)
"""Worst first; a case that was not run says nothing."""
ATTACKS: Final = "attacks"
"""Row of the cases that only the list of attacks of the AS4 page names."""


def instant(value: dt.datetime) -> str:
    """UTC with Z, to the second."""
    return value.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def worst(results: Iterable[Result]) -> Verdict:
    """The verdict that counts for several results."""
    found = {r.verdict for r in results}
    return next((v for v in ORDER if v in found), Verdict.NOT_RUN)


def by_requirement(report: Report) -> dict[str, list[Result]]:
    """Requirement number (as text), in order, then ``attacks`` → the results that name it."""
    rows: dict[str, list[Result]] = {}
    numbers = sorted({n for r in report.results for n in r.case.requirements})
    for number in numbers:
        rows[str(number)] = [r for r in report.results if number in r.case.requirements]
    bare = [r for r in report.results if not r.case.requirements]
    return rows | ({ATTACKS: bare} if bare else {})


def counts(results: Iterable[Result]) -> dict[str, int]:
    """How many of each verdict."""
    listed = [r.verdict for r in results]
    return {verdict.value: listed.count(verdict) for verdict in ORDER}


# ---- JSON ---------------------------------------------------------------------------------------


def to_json(report: Report) -> dict[str, Any]:
    """Plain values for ``json.dumps``; texts in both languages."""
    return {
        "format": FORMAT,
        "ok": report.ok,
        "serious": [r.case.id for r in report.serious],
        "counts": counts(report.results),
        "target": _target(report),
        "started_at": instant(report.started_at),
        "finished_at": instant(report.finished_at),
        "requirements": [
            {
                "requirement": number,
                "name": {lang: texts.section("requirements")[number].say(lang) for lang in LANGUAGES},
                "verdict": worst(rows).value,
                "counts": counts(rows),
                "cases": [r.case.id for r in rows],
            }
            for number, rows in by_requirement(report).items()
        ],
        "cases": [_result(r) for r in report.results],
    }


def _target(report: Report) -> dict[str, Any]:
    target = report.target
    return {
        "url": target.url,
        "product": target.product,
        "from": target.pmode.initiator.id,
        "to": target.pmode.responder.id,
        "pmode": target.pmode.id,
        "service": target.pmode.service,
        "action": target.pmode.action,
        "agreement_ref": target.pmode.agreement_ref,
        "our_signing_certificate_sha256": target.signer.fingerprint,
        "their_encryption_certificate_sha256": fingerprint(target.recipient),
    }


def _result(result: Result) -> dict[str, Any]:
    case, outcome = result.case, result.outcome
    return {
        "id": case.id,
        "group": case.group,
        "requirements": list(case.requirements),
        "assertions": list(case.assertions),
        "title": {lang: case.title.say(lang) for lang in LANGUAGES},
        "sent": {lang: case.sent.say(lang) for lang in LANGUAGES},
        "expected": {lang: texts.expected(case, lang) for lang in LANGUAGES},
        "verdict": outcome.verdict.value,
        "serious": outcome.serious,
        "seen": {lang: sentence(outcome.reasons, lang) for lang in LANGUAGES},
        "cure": None if outcome.cure is None else {lang: texts.say(outcome.cure, lang) for lang in LANGUAGES},
        "exchanges": [] if case.of else [_exchange(e) for e in result.exchanges],
    }


def _exchange(exchange: Exchange) -> dict[str, Any]:
    wire, seen = exchange.wire, exchange.seen
    return {
        "message_id": wire.message_id,
        "bytes_sent": len(wire.body),
        "answer": {
            "kind": seen.kind.value,
            "http_status": seen.status,
            "content_type": seen.content_type,
            "bytes": seen.size,
            "sha256": seen.sha256,
            "codes": list(seen.codes),
            "signed": seen.has_signature,
            "verified": seen.verified,
            "proves": seen.proves,
            "signal_id": seen.signal_id,
            "elapsed_ms": seen.elapsed_ms,
        },
    }


def sentence(reasons: Iterable[Reason], language: Language) -> str:
    """The findings one after the other."""
    return " ".join(texts.say(r, language) for r in reasons)


# ---- HTML ---------------------------------------------------------------------------------------


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("gateway.conformance"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def to_html(report: Report, language: Language) -> str:
    """One page without scripts and without anything from elsewhere."""
    return _environment().get_template("report.html").render(_view(report, language))


def _view(report: Report, language: Language) -> dict[str, Any]:
    passed = [r for r in report.results if r.verdict is Verdict.PASS]
    groups: dict[str, list[Result]] = {}
    for result in passed:
        groups.setdefault(texts.group(result.case.group, language), []).append(result)
    failed = [r for r in report.results if r.verdict is Verdict.FAIL]
    return {
        "language": language,
        "t": {key: text.say(language) for key, text in texts.section("labels").items()},
        "report": report,
        "target": _target(report),
        "started": instant(report.started_at),
        "finished": instant(report.finished_at),
        "headline": headline(report, language),
        "figures": [(v.value, report.count(v), texts.tally(v, report.count(v), language)) for v in ORDER],
        "failed": sorted(failed, key=lambda r: not r.outcome.serious),
        "noted": [r for r in report.results if r.verdict is Verdict.NOTE],
        "groups": groups,
        "not_run": [r for r in report.results if r.verdict is Verdict.NOT_RUN],
        "rows": [
            (number, texts.section("requirements")[number].say(language), worst(found).value, found)
            for number, found in by_requirement(report).items()
        ],
        "expected": {r.case.id: texts.expected(r.case, language) for r in report.results},
        "seen": {r.case.id: sentence(r.outcome.reasons, language) for r in report.results},
        "cure": {
            r.case.id: texts.say(r.outcome.cure, language)
            for r in report.results
            if r.outcome.cure is not None
        },
    }


def headline(report: Report, language: Language) -> tuple[str, ...]:
    """What the run comes to, in one or two sentences."""
    total = sum(r.verdict is not Verdict.NOT_RUN for r in report.results)
    if not total:
        return (texts.label("verdict-nothing", language),)
    failed = report.count(Verdict.FAIL)
    if not failed:
        return (texts.label("verdict-ok", language),)
    lines = [texts.label("verdict-failed", language).format(count=failed, total=total)]
    if report.serious:
        lines.append(texts.label("verdict-serious", language).format(count=len(report.serious)))
    return tuple(lines)


# ---- Markdown -----------------------------------------------------------------------------------


def to_markdown(report: Report, language: Language) -> str:
    """For keeping beside other documentation: summary, requirements, one line per case."""
    target = _target(report)
    lines = [
        f"# {texts.label('title', language)}: {report.target.product or report.target.partner}",
        "",
        *headline(report, language),
        texts.label("about", language),
        "",
        "| | |",
        "|---|---|",
        f"| {texts.label('when', language)} | {instant(report.started_at)} |",
        f"| {texts.label('parties', language)} | `{target['from']}` → `{target['to']}` |",
        f"| {texts.label('service', language)} | `{target['service']}` |",
        f"| {texts.label('action', language)} | `{target['action']}` |",
    ]
    lines += [f"| {texts.tally(v, report.count(v), language)} | {report.count(v)} |" for v in ORDER]
    lines += ["", f"## {texts.label('by-requirement', language)}", ""]
    lines += [_row(language, "requirement", "result", "cases"), "|---|---|---|"]
    for number, found in by_requirement(report).items():
        name = texts.section("requirements")[number].say(language)
        shown = name if number == ATTACKS else f"{number} {name}"
        cases = ", ".join(f"`{r.case.id}`" for r in found)
        lines.append(f"| {shown} | {texts.label(worst(found).value, language)} | {cases} |")
    lines += ["", f"## {texts.label('all-cases', language)}", ""]
    lines += [_row(language, "case", "result", "expected", "seen"), "|---|---|---|---|"]
    for result in report.results:
        case = result.case
        verdict = texts.label(result.verdict.value, language)
        if result.outcome.serious:
            verdict = f"**{texts.label('serious', language)}**"
        seen = sentence(result.outcome.reasons, language)
        title = f"`{case.id}` {case.title.say(language)}"
        lines.append(f"| {title} | {verdict} | {texts.expected(case, language)} | {seen} |")
    return "\n".join(lines) + "\n"


def _row(language: Language, *keys: str) -> str:
    return "| " + " | ".join(texts.label(k, language) for k in keys) + " |"
