"""From findings to incidents: what opens, grows, worsens, escalates, calms down and is cleared."""

from __future__ import annotations

import dataclasses
import datetime as dt
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.alert_kinds import KINDS, SEVERITY_WORDS, SIDE_WORDS, AlertKind, Ends, Severity
from gateway.core.alerts import (
    Alert,
    AlertEvent,
    AlertPolicy,
    Change,
    Finding,
    acknowledged,
    escalated,
    fill,
    look,
    opened,
    over,
    still,
    title,
)
from gateway.core.errors import Side

T0 = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)
POLICY = AlertPolicy(calm=dt.timedelta(minutes=2), repeat=dt.timedelta(hours=1))


def at(minutes: float) -> dt.datetime:
    return T0 + dt.timedelta(minutes=minutes)


def found(kind: AlertKind = AlertKind.DEAD_LETTER, **changes: Any) -> Finding:
    spec = KINDS[kind]
    values: dict[str, Any] = {"kind": kind, "key": "k", "severity": spec.severity, "side": spec.side}
    return Finding(**(values | changes))


def an_alert(kind: AlertKind = AlertKind.DEAD_LETTER, **changes: Any) -> Alert:
    first = opened(found(kind, newest_at=T0), alert_id="a", now=T0).alert
    return dataclasses.replace(first, **changes)


def see(alerts: list[Alert], findings: list[Finding], minutes: float, **more: Any) -> tuple[Change, ...]:
    ids = {(f.kind, f.key): f"new-{f.kind}-{f.key}" for f in findings}
    return look(alerts, findings, now=at(minutes), policy=POLICY, quiet={}, new_id=ids, **more)


# ---- the table ----------------------------------------------------------------------------------


def test_every_kind_has_a_row() -> None:
    """No kind, severity or side is without words."""
    assert set(KINDS) == set(AlertKind)
    assert set(SEVERITY_WORDS) == set(Severity)
    assert set(SIDE_WORDS) == set(Side)


@pytest.mark.parametrize("kind", AlertKind)
@pytest.mark.parametrize("language", ["en", "fr"])
def test_the_words_of_a_kind_are_whole(kind: AlertKind, language: str) -> None:
    """Every text is there in both languages, fills its places, and asks for no other."""
    spec = KINDS[kind]
    texts = [getattr(spec, name) for name in ("name", "title", "cause", "cure", "incident", "cleared")]
    for words in texts:
        text = words.of(language)
        assert text.strip() == text != ""
        places = {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}
        assert places <= {"count", "subject", "value", "term"}
        assert "{" not in fill(words, 3, {"subject": "x", "value": 7}, language)
    assert spec.title.en != spec.title.fr


@pytest.mark.parametrize("kind", AlertKind)
def test_english_and_french_hold_the_same_places(kind: AlertKind) -> None:
    """Neither language leaves a fact out that the other one tells."""
    for words in (KINDS[kind].title, KINDS[kind].cause):
        places = [{n for _, n, _, _ in string.Formatter().parse(t)} - {None} for t in (words.en, words.fr)]
        assert places[0] == places[1]


def test_a_fact_of_its_own_language_wins() -> None:
    """A French reader sees the French name; a missing fact is a dash, never an error."""
    facts = {"subject": "Ministry", "subject_fr": "Ministère", "value": "x"}
    assert "Ministère" in title(AlertKind.DEAD_LETTER, 2, facts, "fr")
    assert "Ministry" in title(AlertKind.DEAD_LETTER, 2, facts, "en")
    assert title(AlertKind.BREAKER_OPEN, 1, {}, "en") == "Delivery to — is interrupted"


def test_severities_are_ordered() -> None:
    """Critical is louder than major, major than minor."""
    assert Severity.CRITICAL.rank > Severity.MAJOR.rank > Severity.MINOR.rank


# ---- one incident -------------------------------------------------------------------------------


def test_three_hundred_dead_letters_are_one_alert() -> None:
    """What is counted by one finding opens one alert, and naming it again opens none."""
    finding = found(count=300, messages=tuple(f"m{n}" for n in range(300)))
    (change,) = see([], [finding], 0)
    assert (change.event, change.alert.count, len(change.alert.messages)) == (AlertEvent.OPENED, 300, 20)
    assert see([change.alert], [finding], 1) == ()


def test_two_findings_of_one_incident_are_a_bug() -> None:
    """The caller has to group; two of one key raise."""
    with pytest.raises(ValueError, match="two findings"):
        see([], [found(), found(count=2)], 0)


def test_a_growing_count_is_kept_without_telling() -> None:
    """More of the same changes the alert and tells nobody."""
    (change,) = see([an_alert()], [found(count=5, newest_at=at(1))], 1)
    assert (change.event, change.alert.count, change.alert.updated_at) == (None, 5, at(1))


def test_a_louder_finding_is_told_at_once_and_needs_a_new_acknowledgement() -> None:
    """Major becomes critical: told again, whoever had it in hand looks again."""
    taken = acknowledged(an_alert(AlertKind.BACKLOG_AGE), by="x", reason="y", now=at(1)).alert
    (change,) = see([taken], [found(AlertKind.BACKLOG_AGE, severity=Severity.CRITICAL)], 2)
    assert change.event is AlertEvent.WORSENED
    assert change.alert.severity is Severity.CRITICAL
    assert (change.alert.acknowledged_at, change.alert.acknowledged_by, change.alert.reason) == (None,) * 3


def test_a_milder_finding_is_not_told() -> None:
    """From critical to major nobody is woken."""
    loud = opened(found(severity=Severity.CRITICAL), alert_id="a", now=T0).alert
    change = still(loud, found(severity=Severity.MAJOR), now=at(1), policy=POLICY)
    assert change is not None
    assert (change.event, change.alert.severity) == (None, Severity.MAJOR)


def test_each_step_of_a_certificate_is_told() -> None:
    """60 and 30 days are both minor, but 30 is told again."""
    alert = opened(found(AlertKind.CERTIFICATE, step=1), alert_id="a", now=T0).alert
    change = still(alert, found(AlertKind.CERTIFICATE, step=2), now=at(1), policy=POLICY)
    assert change is not None
    assert change.event is AlertEvent.WORSENED


@pytest.mark.parametrize(
    ("minutes", "count", "newest", "event"),
    [
        (90, 2, 80, AlertEvent.WORSENED),  # a new one after the acknowledgement, and the hour is over
        (90, 1, 80, AlertEvent.WORSENED),  # as many, but another one
        (90, 1, 5, None),  # only what was known
        (30, 2, 20, None),  # within the hour
        (90, 2, 5, AlertEvent.WORSENED),  # more than were acknowledged, whenever they came
    ],
)
def test_new_members_after_an_acknowledgement(
    minutes: float, count: int, newest: float, event: AlertEvent | None
) -> None:
    """Acknowledged is what was there then: others are told again, but not more often than the least time."""
    taken = acknowledged(an_alert(), by="x", reason="y", now=at(10)).alert
    changes = see([taken], [found(count=count, newest_at=at(newest))], minutes)
    assert [c.event for c in changes if c.event is not None] == ([] if event is None else [event])


def test_new_members_of_an_alert_that_nobody_has_in_hand_are_not_told() -> None:
    """It is still to be acknowledged anyway."""
    (change,) = see([an_alert()], [found(count=9, newest_at=at(89))], 30)
    assert change.event is None


def test_a_growing_backlog_is_not_told_again() -> None:
    """The rows of a backlog are not matters of their own."""
    taken = acknowledged(an_alert(AlertKind.BACKLOG_AGE), by="x", reason="y", now=at(1)).alert
    (change,) = see([taken], [found(AlertKind.BACKLOG_AGE, count=500)], 200)
    assert change.event is None
    assert change.alert.acknowledged_at == at(1)


def test_what_happens_again_adds_up() -> None:
    """Refusals by France are counted on until somebody acknowledges; the newest are named first."""
    kind = AlertKind.NEGATIVE_ACKNOWLEDGEMENT
    first = opened(found(kind, count=2, messages=("b", "a")), alert_id="a", now=T0).alert
    change = still(first, found(kind, count=3, messages=("d", "b", "c")), now=at(1), policy=POLICY)
    assert change is not None
    assert (change.event, change.alert.count, change.alert.messages) == (None, 5, ("d", "b", "c", "a"))


# ---- the end ------------------------------------------------------------------------------------


def test_it_is_cleared_once_it_was_calm_long_enough() -> None:
    """Two minutes without the condition, and one event."""
    (calm,) = see([an_alert()], [], 1)
    assert (calm.event, calm.alert.calm_since) == (None, at(1))
    assert see([calm.alert], [], 2) == ()
    (end,) = see([calm.alert], [], 3)
    assert (end.event, end.alert.cleared_at, end.alert.cleared_by) == (AlertEvent.CLEARED, at(3), "condition")
    assert not end.alert.is_open


def test_what_flaps_is_one_incident() -> None:
    """The condition comes back while it is calm: the same alert goes on, nothing is told."""
    (calm,) = see([an_alert()], [], 1)
    (back,) = see([calm.alert], [found(newest_at=T0)], 2)
    assert (back.event, back.alert.calm_since, back.alert.alert_id) == (None, None, "a")


def test_without_calm_it_is_cleared_at_once() -> None:
    """A calm of zero clears with the first look."""
    change = over(an_alert(), now=at(1), policy=dataclasses.replace(POLICY, calm=dt.timedelta()))
    assert change is not None
    assert change.event is AlertEvent.CLEARED


@pytest.mark.parametrize("kind", [k for k in AlertKind if KINDS[k].ends is Ends.ACKNOWLEDGEMENT])
def test_what_has_happened_ends_by_an_operator_only(kind: AlertKind) -> None:
    """No look clears a refusal or a breach; the acknowledgement does."""
    alert = an_alert(kind)
    assert see([alert], [], 10) == ()
    end = acknowledged(alert, by="operator:ada", reason="told the officers", now=at(11))
    assert (end.event, end.alert.cleared_by, end.alert.reason) == (
        AlertEvent.CLEARED,
        "operator:ada",
        "told the officers",
    )


@pytest.mark.parametrize("kind", [k for k in AlertKind if KINDS[k].ends is Ends.CONDITION])
def test_an_acknowledged_condition_stays_open(kind: AlertKind) -> None:
    """Having it in hand does not make it go away."""
    change = acknowledged(an_alert(kind), by="operator:ada", reason="looking", now=at(1))
    assert change.event is None
    assert change.alert.is_open
    assert change.alert.acknowledged_count == 1


def test_what_another_node_judges_is_left_alone() -> None:
    """A full disk elsewhere is not over because ours is not full."""
    alert = an_alert(AlertKind.DISK_SPACE)
    assert see([alert], [], 5, elsewhere=frozenset({"a"})) == ()
    assert len(see([alert], [], 5)) == 1


# ---- escalation ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("severity", "minutes", "due"),
    [
        (Severity.CRITICAL, 14.9, False),
        (Severity.CRITICAL, 15, True),
        (Severity.MAJOR, 59.9, False),
        (Severity.MAJOR, 60, True),
        (Severity.MINOR, 6000, False),
    ],
)
def test_escalation_by_severity(severity: Severity, minutes: float, due: bool) -> None:
    """Unacknowledged so long: told to those who are there for it; minor ones never."""
    alert = an_alert(severity=severity)
    change = escalated(alert, now=at(minutes), policy=POLICY, quiet={})
    assert (change is not None) is due
    if change is not None:
        assert (change.event, change.alert.escalated_at) == (AlertEvent.ESCALATED, at(minutes))
        assert escalated(change.alert, now=at(6000), policy=POLICY, quiet={}) is None


@pytest.mark.parametrize("field", ["acknowledged_at", "escalated_at", "calm_since", "cleared_at"])
def test_nothing_escalates_that_is_in_hand_or_over(field: str) -> None:
    """Acknowledged, escalated before, calm or cleared: nobody is called."""
    alert = an_alert(severity=Severity.CRITICAL, **{field: at(1)})
    assert escalated(alert, now=at(600), policy=POLICY, quiet={}) is None


def test_a_look_escalates_what_only_grew() -> None:
    """The growth is kept in the same change as the escalation."""
    (change,) = see([an_alert()], [found(count=7, newest_at=at(59))], 61)
    assert (change.event, change.alert.count) == (AlertEvent.ESCALATED, 7)


def test_worse_starts_the_time_anew() -> None:
    """What became critical now has its own quarter of an hour."""
    (worse,) = see(
        [an_alert(AlertKind.BACKLOG_AGE)], [found(AlertKind.BACKLOG_AGE, severity=Severity.CRITICAL)], 50
    )
    assert worse.event is AlertEvent.WORSENED
    assert escalated(worse.alert, now=at(64), policy=POLICY, quiet={}) is None
    assert escalated(worse.alert, now=at(65), policy=POLICY, quiet={}) is not None


# ---- any play -----------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 4), st.integers(0, 90)), max_size=30))
def test_any_play_opens_and_clears_in_turns(play: list[tuple[bool, int, int]]) -> None:
    """Whatever holds whenever, there is one open alert at the most, and its events are opened … cleared."""
    alert: Alert | None = None
    minutes, events = 0, []
    for holds, count, later in play:
        minutes += later
        findings = [found(count=count, newest_at=at(minutes))] if holds else []
        changes = see([alert] if alert else [], findings, minutes)
        assert len(changes) <= 1
        for change in changes:
            alert = change.alert if change.alert.is_open else None
            if change.event is not None:
                events.append(change.event)
    depth = 0
    for event in events:
        if event is AlertEvent.OPENED:
            depth += 1
        elif event is AlertEvent.CLEARED:
            depth -= 1
        assert depth in (0, 1)
