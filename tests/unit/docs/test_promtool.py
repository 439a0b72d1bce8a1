"""Prometheus' own promtool judges the alert rules: each fires when it must and is silent when it must not."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.fixtures.promtool import BOARD, MISSING, PROMTOOL, RULES, promtool, without_variables

pytestmark = pytest.mark.skipif(PROMTOOL is None, reason=MISSING)
LOADED: dict[str, Any] = {
    rule["alert"]: rule for g in yaml.safe_load(RULES.read_text("utf-8"))["groups"] for rule in g["rules"]
}
UK, FR = 'direction="UK_TO_FR"', 'direction="FR_TO_UK"'
AS4 = 'endpoint="as4"'


@dataclass(frozen=True)
class Play:
    """Series in promtool's notation, a sample each minute, and what must fire at a time: labels → summary."""

    series: dict[str, str]
    at: str
    fires: dict[tuple[tuple[str, str], ...], str] = field(default_factory=dict)


def one(summary: str, **labels: str) -> dict[tuple[tuple[str, str], ...], str]:
    return {tuple(labels.items()): summary}


def failed(direction: str, values: str, instance: str = "a") -> dict[str, str]:
    name = f'passerelle_messages{{{direction},type="Nomination",status="failed",instance="{instance}"}}'
    return {name: values}


def attempts(outcome: str, values: str) -> dict[str, str]:
    name = f'passerelle_delivery_attempts_total{{channel="as4",{AS4},outcome="{outcome}"}}'
    return {name: values}


def receipts(slow: int, quick: int) -> dict[str, str]:
    """So many a minute: quick ones within a second, slow ones within two hours."""
    name = "passerelle_receipt_seconds_bucket"
    quick_ones = {f'{name}{{le="{le}"}}': f"0+{quick}x90" for le in ("1.0", "300.0", "1800.0")}
    all_of_them = {f'{name}{{le="{le}"}}': f"0+{slow + quick}x90" for le in ("7200.0", "+Inf")}
    return quick_ones | all_of_them


def days(left: float) -> dict[str, str]:
    """A certificate that ends so many days after the beginning of the play."""
    name = 'passerelle_certificate_expiry_timestamp_seconds{certificate="tls",instance="a"}'
    return {name: f"{left * 86_400:.0f}x90"}


def gauge(name: str, labels: str = "", **instances: str) -> dict[str, str]:
    return {
        f'passerelle_{name}{{{labels}{"," * bool(labels)}instance="{i}"}}': v for i, v in instances.items()
    }


PLAYS: dict[str, list[Play]] = {
    "PasserelleDeadLetter": [
        Play(
            failed(UK, "2x10") | failed(UK, "2x10", "b"),
            "5m",
            one("2 dead letters (UK_TO_FR)", direction="UK_TO_FR"),
        ),
        Play(failed(UK, "0x3 1x10"), "4m"),
        Play(failed(UK, "0x10") | failed(FR, "0x10"), "5m"),
        Play(failed(UK, "3x3 0x10"), "6m"),
    ],
    "PasserelleCircuitOpen": [
        Play(
            gauge("breaker_open", AS4, a="1x10", b="1x10"),
            "6m",
            one("The circuit of as4 is open", endpoint="as4"),
        ),
        Play(gauge("breaker_open", AS4, a="1x3 0x10"), "6m"),
    ],
    "PasserelleEndpointPaused": [
        Play(
            gauge("endpoint_paused", AS4, a="1x300"),
            "4h5m",
            one("as4 has been paused for four hours", endpoint="as4"),
        ),
        Play(gauge("endpoint_paused", AS4, a="1x300"), "3h55m"),
    ],
    "PasserelleUndelivered": [
        Play(
            gauge("oldest_waiting_seconds", UK, a="0+60x90"),
            "70m",
            one("The oldest message to France has waited for 1h 10m 0s"),
        ),
        Play(gauge("oldest_waiting_seconds", UK, a="0+60x90"), "60m"),
        Play(gauge("oldest_waiting_seconds", FR, a="9999x90"), "70m"),
    ],
    "PasserelleInboxUnread": [
        Play(
            gauge("oldest_unacknowledged_seconds", FR, a="90000x30"),
            "20m",
            one("UK systems have not acknowledged a message from France for 1d 1h 0m 0s"),
        ),
        Play(gauge("oldest_unacknowledged_seconds", FR, a="86000x30"), "20m"),
        Play(gauge("oldest_unacknowledged_seconds", UK, a="90000x30"), "20m"),
    ],
    "PasserelleUnanswered": [
        Play(
            gauge("oldest_unacknowledged_seconds", UK, a="180000x30"),
            "20m",
            one("France has not acknowledged a message for 2d 2h 0m 0s"),
        ),
        Play(gauge("oldest_unacknowledged_seconds", UK, a="172000x30"), "20m"),
        Play(gauge("oldest_unacknowledged_seconds", FR, a="180000x30"), "20m"),
    ],
    "PasserelleBacklogGrows": [
        Play(
            gauge("outbox_rows", AS4, a="100+2x90", b="100+2x90"),
            "60m",
            one("220 rows wait for as4, and they become more", endpoint="as4"),
        ),
        Play(gauge("outbox_rows", AS4, a="500-2x90"), "60m"),
        Play(gauge("outbox_rows", AS4, a="0+1x90"), "60m"),
    ],
    "PasserelleAttemptsFail": [
        Play(
            attempts("retry", "0+6x60") | attempts("delivered", "0+4x60"),
            "40m",
            one("More than half of the attempts to as4 fail", endpoint="as4"),
        ),
        Play(
            attempts("failed", "0+1x60"),
            "40m",
            one("More than half of the attempts to as4 fail", endpoint="as4"),
        ),
        Play(attempts("retry", "0+4x60") | attempts("delivered", "0+6x60"), "40m"),
        Play(attempts("retry", "7x60") | attempts("delivered", "3x60"), "40m"),
    ],
    "PasserelleReceiptsSlow": [
        Play(receipts(2, 8), "60m", one("Receipts take 1h 37m 30s (95th percentile)")),
        Play(receipts(0, 10), "60m"),
        Play(receipts(0, 0), "60m"),
    ],
    "PasserelleHeld": [
        Play(
            gauge("messages", f'{UK},status="held"', a="30x90", b="30x90")
            | gauge("messages", f'{FR},status="held"', a="30x90", b="30x90"),
            "70m",
            one("60 messages are held"),
        ),
        Play(gauge("messages", f'{UK},status="held"', a="30x90", b="30x90"), "70m"),
    ],
    "PasserelleClockBreached": [
        Play(
            gauge("deadlines", 'clock="DL-7",state="breached"', a="0x3 2x10", b="0x3 2x10"),
            "5m",
            one("2 time limits of the clock DL-7 have passed", clock="DL-7"),
        ),
        Play(gauge("deadlines", 'clock="DL-7",state="open"', a="5x10"), "5m"),
    ],
    "PasserellePrivacyBreach": [
        Play(
            gauge("alerts_open", 'kind="privacy_breach",severity="critical"', a="1x10"),
            "1m",
            one("Personal data came from France and was refused (Art 16)"),
        ),
        Play(gauge("alerts_open", 'kind="privacy_breach",severity="critical"', a="0x10"), "1m"),
        Play(gauge("alerts_open", 'kind="dead_letter",severity="critical"', a="1x10"), "1m"),
    ],
    "PasserelleAuditChainBroken": [
        Play(
            gauge("alerts_open", 'kind="audit_chain",severity="critical"', a="1x10"),
            "1m",
            one("The audit chain does not verify"),
        ),
        Play(gauge("alerts_open", 'kind="audit_chain",severity="critical"', a="0x10"), "1m"),
    ],
    "PasserelleDown": [
        Play(gauge("build_info", 'version="0.1.0"', a="1x3 stale"), "6m", one("No gateway is scraped")),
        Play(gauge("build_info", 'version="0.1.0"', a="1x3 stale", b="1x20"), "10m"),
        Play(gauge("build_info", 'version="0.1.0"', a="1x3 stale _x1 1x20"), "6m"),
    ],
    "PasserelleNoWorker": [
        Play(gauge("worker_alive", a="0x10", b="0x10"), "3m", one("No worker goes round")),
        Play(gauge("worker_alive", a="0x10", b="1x10"), "3m"),
    ],
    "PasserelleDatabaseDown": [
        Play(gauge("database_up", a="0x10", b="1x10"), "2m", one("a cannot read its database", instance="a")),
        Play(gauge("database_up", a="0x0 1x10", b="1x10"), "2m"),
    ],
    "PasserelleDatabaseSlow": [
        Play(
            gauge("database_seconds", a="2.5x20"),
            "12m",
            one("Reading the figures takes 2.5s on a", instance="a"),
        ),
        Play(gauge("database_seconds", a="0.2x20"), "12m"),
    ],
    "PasserelleCertificateExpires": [
        Play(days(29.5), "70m", one("The certificate tls expires in 29d 10h 50m 0s", certificate="tls")),
        Play(days(31), "70m"),
    ],
    "PasserelleCertificateExpiresSoon": [
        Play(days(6.25), "60m", one("The certificate tls expires in 6d 5h 0m 0s", certificate="tls")),
        Play(days(0.01), "60m", one("The certificate tls has expired", certificate="tls")),
        Play(days(7.5), "60m"),
    ],
    "PasserelleErrors": [
        Play(
            gauge("http_requests_total", 'route="/as4",status="503"', a="0+12x60"),
            "25m",
            one("a answers with server errors", instance="a"),
        ),
        Play(gauge("http_requests_total", 'route="/as4",status="503"', a="0+3x60"), "25m"),
        Play(gauge("http_requests_total", 'route="/as4",status="404"', a="0+60x60"), "25m"),
    ],
}


def _written(plays: list[Play], alert: str, folder: Path) -> Path:
    """A test file of promtool's. The longer text of an alert is the rule's; its summary is told here."""
    rule = LOADED[alert]
    tests = [
        {
            "interval": "1m",
            "input_series": [{"series": name, "values": values} for name, values in play.series.items()],
            "alert_rule_test": [
                {
                    "eval_time": play.at,
                    "alertname": alert,
                    "exp_alerts": [
                        {
                            "exp_labels": {**dict(labels), **rule["labels"]},
                            "exp_annotations": {
                                "summary": summary,
                                "description": rule["annotations"]["description"],
                            },
                        }
                        for labels, summary in play.fires.items()
                    ],
                }
            ],
        }
        for play in plays
    ]
    path = folder / "test.yaml"
    path.write_text(
        yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": tests}), "utf-8"
    )
    return path


def test_the_rules_are_rules() -> None:
    """``promtool check rules`` with every lint, and none let pass."""
    said = promtool("check", "rules", "--lint=all", "--lint-fatal", RULES)
    assert f"SUCCESS: {len(LOADED)} rules found" in said


@pytest.mark.parametrize("alert", LOADED)
def test_an_alert_fires_when_it_must(alert: str, tmp_path: Path) -> None:
    """With the labels and words that people get; and is silent below its threshold and before its time."""
    plays = PLAYS[alert]
    assert any(play.fires for play in plays)
    assert any(not play.fires for play in plays)
    promtool("test", "rules", _written(plays, alert, tmp_path))


def test_a_wrong_expectation_is_told(tmp_path: Path) -> None:
    """promtool really judges: a play that expects silence where the alert fires is not accepted."""
    (fires, *_) = PLAYS["PasserelleDeadLetter"]
    path = _written([Play(fires.series, fires.at)], "PasserelleDeadLetter", tmp_path)
    with pytest.raises(AssertionError, match="FAILED"):
        promtool("test", "rules", path)


def test_every_query_of_the_dashboard_is_promql(tmp_path: Path) -> None:
    """As rules of a file, since promtool reads whole files: each expression parses."""
    board = json.loads(BOARD.read_text("utf-8"))
    queries = [t["expr"] for p in board["panels"] for t in p.get("targets", [])]
    assert len(queries) > 40
    rules = [
        {"record": f"dashboard:query:{n}", "expr": without_variables(query)}
        for n, query in enumerate(queries)
    ]
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}), "utf-8")
    assert f"SUCCESS: {len(queries)} rules found" in promtool("check", "rules", path)
