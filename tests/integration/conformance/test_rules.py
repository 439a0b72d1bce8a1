"""A run against an endpoint that keeps to the rules: every case, in every security profile."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gateway.conformance import Report, Verdict, run_conformance
from gateway.conformance.cases import all_cases
from gateway.core.as4.profiles import SecurityProfile
from tests.fixtures import pki
from tests.fixtures.conformance import PMODE, keeping_the_rules, serving


def other_than_passed(report: Report) -> dict[str, Verdict]:
    """Case id → verdict, of those that did not pass."""
    return {r.case.id: r.verdict for r in report.results if r.verdict is not Verdict.PASS}


async def test_every_case_passes_with_every_key_given(tmp_path: Path) -> None:
    """With a four-corner P-Mode and all extra keys no case is left out, and none is more than a note."""
    async with serving(keeping_the_rules(), tmp_path) as served:
        target = served.target(
            expired=pki.expired(), revoked=pki.revoked(), other_party=pki.party(pki.OTHER).signing
        )
        report = await run_conformance(target)
    assert other_than_passed(report) == {"address-families": Verdict.NOTE}
    assert len(report.results) == len(all_cases()) >= 45
    assert report.ok


@pytest.mark.as4(38)
@pytest.mark.parametrize("profile", [SecurityProfile.EDELIVERY_2_0, SecurityProfile.EDELIVERY_2_0_EC])
async def test_profile_two_runs_the_same_cases(profile: SecurityProfile, tmp_path: Path) -> None:
    """With keys of profile 2.0 only what is about RSA, and keys that were not given, is left out."""
    pmode = replace(PMODE, security=profile)
    async with serving(keeping_the_rules(pmode), tmp_path) as served:
        report = await run_conformance(served.target(pmode))
    left_out = {id_ for id_, verdict in other_than_passed(report).items() if verdict is Verdict.NOT_RUN}
    assert left_out == {
        "weak-signature",
        "weak-key-transport",
        "expired-certificate",
        "revoked-certificate",
        "other-party-certificate",
    }
    assert report.ok


async def test_only_the_chosen_cases_are_sent(tmp_path: Path) -> None:
    """``only`` sends nothing else; a property of an answer brings the message it looks at with it."""
    async with serving(keeping_the_rules(), tmp_path) as served:
        report = await run_conformance(served.target(), only=["receipt-signed", "receipt-references"])
        assert len(served.requests) == 1
    assert [r.case.id for r in report.results] == ["receipt-signed", "receipt-references"]
    assert report.ok


async def test_plain_http_leaves_tls_out(tmp_path: Path) -> None:
    """Towards loopback without TLS the cases about TLS are not run and say why."""
    async with serving(keeping_the_rules(), tmp_path, plain=True) as served:
        report = await run_conformance(
            served.target(unsafe_plain_http=True), only=["reach", "tls12", "old-tls", "push"]
        )
    verdicts = {r.case.id: r.verdict for r in report.results}
    assert verdicts == {
        "reach": Verdict.PASS,
        "tls12": Verdict.NOT_RUN,
        "old-tls": Verdict.NOT_RUN,
        "push": Verdict.PASS,
    }
