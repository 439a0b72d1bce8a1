"""Who is told, when, and in which words; quiet hours in their own zone."""

from __future__ import annotations

import dataclasses
import datetime as dt
import email
import email.policy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.alert_kinds import KINDS, AlertKind, Severity
from gateway.core.alert_words import (
    CLOUD_TYPES,
    both_zones,
    cloud_event,
    mail,
    read,
    snapshot,
    subject,
    text,
    told_of,
    trial_of,
)
from gateway.core.alerts import (
    AlertEvent,
    AlertPolicy,
    Finding,
    QuietHours,
    Recipient,
    Via,
    escalates_at,
    opened,
    tell_at,
    told,
)
from gateway.core.roles import Side

NIGHT = {
    Side.UK: QuietHours(begin=dt.time(22), end=dt.time(7), zone="Europe/London"),
    Side.FR: QuietHours(begin=dt.time(22), end=dt.time(7), zone="Europe/Paris"),
}
LINK = "https://passerelle.test/console/alerts/a"


def utc(text_: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text_).replace(tzinfo=dt.UTC)


def to(name: str, **changes: Any) -> Recipient:
    values: dict[str, Any] = {
        "target_id": name,
        "via": Via.MAIL,
        "address": f"{name}@x.test",
        "side": Side.UK,
    }
    return Recipient(**(values | changes))


# ---- quiet hours --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "until"),
    [
        ("2026-11-23 21:59:59", None),
        ("2026-11-23 22:00", "2026-11-24 07:00"),
        ("2026-11-24 06:59:59", "2026-11-24 07:00"),
        ("2026-11-24 07:00", None),
        ("2026-07-01 21:00", "2026-07-02 06:00"),  # 22:00 in London in summer
        ("2026-07-01 20:59", None),
        ("2026-03-29 00:30", "2026-03-29 06:00"),  # the night when an hour is left out
        ("2026-10-25 00:30", "2026-10-25 07:00"),  # the night with one hour more
    ],
)
def test_a_night_in_london(now: str, until: str | None) -> None:
    """Begin is quiet, end is not; the end is that of the local clock, whatever the season."""
    assert NIGHT[Side.UK].until(utc(now)) == (utc(until) if until else None)


def test_paris_is_an_hour_ahead() -> None:
    """The same evening is quiet in Paris an hour before it is in London."""
    now = utc("2026-11-23 21:30")
    assert NIGHT[Side.FR].until(now) == utc("2026-11-24 06:00")
    assert NIGHT[Side.UK].until(now) is None


@pytest.mark.parametrize(
    ("now", "until"),
    [("2026-11-23 11:59", None), ("2026-11-23 12:00", "2026-11-23 13:30"), ("2026-11-23 13:30", None)],
)
def test_hours_within_a_day(now: str, until: str | None) -> None:
    """Quiet hours need not pass midnight."""
    lunch = QuietHours(begin=dt.time(12), end=dt.time(13, 30), zone="Europe/London")
    assert lunch.until(utc(now)) == (utc(until) if until else None)


def test_an_end_that_comes_twice_or_not_at_all() -> None:
    """Autumn: the first pass unless it is over. Spring: an hour later."""
    hours = QuietHours(begin=dt.time(22), end=dt.time(1, 30), zone="Europe/London")
    assert hours.until(utc("2026-10-25 00:10")) == utc("2026-10-25 00:30")
    assert hours.until(utc("2026-10-25 01:10")) == utc("2026-10-25 01:30")
    assert hours.until(utc("2026-03-29 00:10")) == utc("2026-03-29 01:30")


@given(
    st.integers(0, 2 * 365 * 24 * 60).map(lambda n: utc("2026-01-01") + dt.timedelta(minutes=n)),
    st.times(),
    st.times(),
    st.sampled_from(["Europe/London", "Europe/Paris"]),
)
def test_the_end_is_always_ahead_and_near(now: dt.datetime, begin: dt.time, end: dt.time, zone: str) -> None:
    """Whatever the hours: the end is after now and within a day and an hour, and it is not quiet then or soon
    after."""
    if begin == end:
        with pytest.raises(ValueError, match="never end"):
            QuietHours(begin=begin, end=end, zone=zone)
        return
    until = QuietHours(begin=begin, end=end, zone=zone).until(now)
    assert until is None or now < until <= now + dt.timedelta(hours=25)


def test_critical_alerts_tests_and_webhooks_do_not_wait() -> None:
    """Only what can wait waits, and only for people."""
    night, morning = utc("2026-11-24 02:00"), utc("2026-11-24 07:00")
    person, machine = to("ops"), to("hook", via=Via.WEBHOOK, side=None)
    opening = AlertEvent.OPENED
    assert tell_at(opening, Severity.MAJOR, person, NIGHT, night) == morning
    assert tell_at(opening, Severity.MAJOR, person, {}, night) == night
    assert tell_at(opening, Severity.CRITICAL, person, NIGHT, night) == night
    assert tell_at(AlertEvent.TEST, Severity.MINOR, person, NIGHT, night) == night
    assert tell_at(opening, Severity.MAJOR, machine, NIGHT, night) == night
    assert tell_at(opening, Severity.MAJOR, person, NIGHT, morning) == morning


def test_escalation_counts_from_when_everybody_could_read() -> None:
    """Opened at night: an hour after the later of the two mornings; a critical one after its quarter."""
    alert = opened(_finding(), alert_id="a", now=utc("2026-11-24 02:00")).alert
    assert escalates_at(alert, AlertPolicy(), NIGHT) == utc("2026-11-24 08:00")
    loud = opened(_finding(severity=Severity.CRITICAL), alert_id="a", now=utc("2026-11-24 02:00")).alert
    assert escalates_at(loud, AlertPolicy(), NIGHT) == utc("2026-11-24 02:15")


# ---- who ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "severity", "names"),
    [
        (AlertEvent.OPENED, Severity.MINOR, ["all", "hook"]),
        (AlertEvent.OPENED, Severity.MAJOR, ["all", "major", "hook"]),
        (AlertEvent.WORSENED, Severity.CRITICAL, ["all", "major", "critical", "hook"]),
        (AlertEvent.ESCALATED, Severity.MAJOR, ["boss", "hook"]),
        (AlertEvent.TEST, Severity.MINOR, ["all", "major", "critical", "boss", "hook"]),
    ],
)
def test_recipients_by_event_and_severity(event: AlertEvent, severity: Severity, names: list[str]) -> None:
    """The least severity of an entry counts; those for escalation hear of escalations and tests only."""
    everybody = (
        to("all"),
        to("major", least=Severity.MAJOR, side=Side.FR),
        to("critical", least=Severity.CRITICAL),
        to("boss", escalation=True),
        to("hook", via=Via.WEBHOOK, side=None),
    )
    assert [r.target_id for r in told(event, severity, everybody)] == names


# ---- words --------------------------------------------------------------------------------------


def _finding(**changes: Any) -> Finding:
    spec = KINDS[AlertKind.DEAD_LETTER]
    values: dict[str, Any] = {
        "kind": spec.kind,
        "key": "FR-MI-AS4",
        "severity": spec.severity,
        "side": spec.side,
        "count": 300,
        "facts": {
            "subject": "French Ministry",
            "subject_fr": "Ministère français",
            "value": "delivery.timed_out",
        },
        "messages": tuple(f"message-{n}" for n in range(20)),
    }
    return Finding(**(values | changes))


def opening() -> Any:
    alert = opened(_finding(), alert_id="a", now=utc("2026-11-23 14:05")).alert
    return told_of(alert, AlertEvent.OPENED, utc("2026-11-23 14:05"))


@pytest.mark.parametrize("kind", AlertKind)
@pytest.mark.parametrize("event", [e for e in AlertEvent if e is not AlertEvent.TEST])
def test_a_snapshot_is_read_back_as_it_was(kind: AlertKind, event: AlertEvent) -> None:
    """What waits in the queue says the same whenever it is sent."""
    alert = opened(_finding(kind=kind), alert_id="a", now=utc("2026-11-23 14:05")).alert
    value = told_of(alert, event, utc("2026-11-23 14:06"))
    assert read(snapshot(value)) == value


def test_a_test_is_read_back_too() -> None:
    """The test has no kind."""
    value = trial_of("t", utc("2026-11-23 14:05"))
    assert read(snapshot(value)) == value


def _parts(side: Side, value: Any) -> Any:
    made = mail(
        value,
        number="17",
        side=side,
        sender="passerelle@gw.test",
        to="ops@x.test",
        link=LINK,
        at=utc("2026-11-23 14:06"),
    )
    return email.message_from_bytes(made.content, policy=email.policy.default)


def test_a_mail_speaks_both_languages_the_readers_own_first() -> None:
    """Two text parts, each marked with its language, the subject in the first one."""
    french = _parts(Side.FR, opening())
    assert [p["Content-Language"] for p in french.iter_parts()] == ["fr", "en"]
    assert french["Subject"] == (
        "[Passerelle] Ouverte, majeure : Messages qui n'ont pas pu être remis (Ministère français) : 300"
    )
    english = _parts(Side.UK, opening())
    assert [p["Content-Language"] for p in english.iter_parts()] == ["en", "fr"]
    body = english.get_payload(0).get_content()
    for expected in (
        "Messages that could not be delivered to French Ministry: 300",
        "Severity: major",
        "Side at fault: France",
        "Opened: 23 Nov 2026 14:05 London / 23 Nov 2026 15:05 Paris",
        "delivery.timed_out",
        "message-4",
        "and 295 more",
        LINK,
    ):
        assert expected in body
    assert "message-5" not in body


def test_a_mail_has_one_id_and_follows_its_incident() -> None:
    """A second copy after a crash is known as one; mails of an incident hang together; no robot answers."""
    first, again = _parts(Side.UK, opening()), _parts(Side.UK, opening())
    assert first["Message-ID"] == again["Message-ID"] == "<notice.17@gw.test>"
    assert first["References"] == "<alert.a@gw.test>"
    assert first["Auto-Submitted"] == "auto-generated"


@pytest.mark.parametrize("language", ["en", "fr"])
def test_the_end_says_when_and_no_longer_what_to_do(language: str) -> None:
    """A cleared alert needs no cure."""
    alert = opened(_finding(), alert_id="a", now=utc("2026-11-23 14:05")).alert
    over = dataclasses.replace(alert, cleared_at=utc("2026-11-23 16:00"))
    shown = text(told_of(over, AlertEvent.CLEARED, utc("2026-11-23 16:00")), language, LINK)
    assert both_zones(utc("2026-11-23 16:00"), language) in shown
    assert KINDS[AlertKind.DEAD_LETTER].cure.of(language) not in shown


@pytest.mark.parametrize("language", ["en", "fr"])
@pytest.mark.parametrize("kind", AlertKind)
def test_a_subject_is_one_line(kind: AlertKind, language: str) -> None:
    """No fact can break the header."""
    alert = opened(_finding(kind=kind), alert_id="a", now=utc("2026-11-23 14:05")).alert
    line = subject(told_of(alert, AlertEvent.OPENED, utc("2026-11-23 14:05")), language)
    assert "\n" not in line
    assert line.startswith("[Passerelle] ")


def test_the_event_is_thin() -> None:
    """Type, id, what kind, link: no message, no reference, no title."""
    value = json.loads(cloud_event(opening(), number="17", issuer="https://passerelle.test", link=LINK))
    assert value["type"] == "passerelle.alert.opened.v1"
    assert value["id"] == "alert_17"
    assert value["data"] == {
        "alert_id": "a",
        "kind": "dead_letter",
        "severity": "major",
        "side": "fr",
        "count": 300,
        "link": LINK,
    }


def test_every_event_has_its_type() -> None:
    """The names that a receiver matches."""
    assert {CLOUD_TYPES[e] for e in AlertEvent} == {
        f"passerelle.alert.{name}.v1" for name in ("opened", "worsened", "escalated", "cleared", "test")
    }
