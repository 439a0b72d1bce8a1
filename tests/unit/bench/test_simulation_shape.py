"""What a simulation assumes about the world outside: the published figures, and charts that can be read."""

from __future__ import annotations

import datetime as dt
from collections import Counter

import pytest

from bench.simulate import SEED
from bench.simulate_plot import Chart, Line, describe, svg
from bench.simulate_shape import ADMITTED, NO_ARRIVALS, PEAK_DAY, RETURNED, End, Plan, known_at, peak, pilot
from contracts.xml import parse_xml

DAY = dt.timedelta(days=1)


@pytest.fixture(scope="module")
def plan() -> Plan:
    return pilot(SEED, 1)


def test_pilot_has_the_published_totals(plan: Plan) -> None:
    """At every published date as many have been flown or have come as was said, within one flight."""
    flights = [r.flight.date() for r in plan.returns if r.end is End.TRANSFERRED]
    comings = [a.arrival.date() for a in plan.admissions if not a.returned_before]
    for points, dates in ((RETURNED, flights), (ADMITTED, comings)):
        for day, total in points:
            assert abs(sum(d <= day for d in dates) - total) <= 12, day


def test_flights_carry_about_nine(plan: Plan) -> None:
    """Most flights have nine to twelve persons, none leaves at a weekend, the first has one."""
    sizes = Counter(r.flight.date() for r in plan.returns if r.end is End.TRANSFERRED)
    assert min(sizes) == dt.date(2025, 9, 18)
    assert sizes[min(sizes)] == 1
    assert sum(9 <= n <= 12 for n in sizes.values()) > 0.6 * len(sizes)
    assert not any(day.weekday() > 4 for day in sizes)


def test_nobody_arrives_in_the_quiet_weeks_and_requests_come_in_time(plan: Plan) -> None:
    """28 days without arrivals; every request follows its arrival within thirteen days."""
    assert NO_ARRIVALS[1] - NO_ARRIVALS[0] == 28 * DAY
    for one in plan.returns:
        assert not NO_ARRIVALS[0] <= one.arrival < NO_ARRIVALS[1]
        assert dt.timedelta() < one.request - one.arrival < 13 * DAY


def test_peak_day_has_thirteen_hundred_requests() -> None:
    """The record day, beside what comes on any day."""
    days = Counter(r.request.date() for r in peak(SEED, 1).returns)
    ordinary = [n for day, n in days.items() if day != PEAK_DAY]
    assert 1300 <= days[PEAK_DAY] <= 1310
    assert max(ordinary) <= 10


def test_same_seed_same_plan() -> None:
    """A run can be repeated; another seed gives another world."""
    assert pilot(1, 0.1) == pilot(1, 0.1)
    assert pilot(1, 0.1) != pilot(2, 0.1)


def test_between_two_dates_totals_are_interpolated() -> None:
    """Half way in time is half way in persons; outside nothing is invented."""
    points = ((dt.date(2026, 1, 1), 10), (dt.date(2026, 1, 11), 30))
    assert known_at(points, dt.date(2026, 1, 6)) == 20
    assert known_at(points, dt.date(2025, 1, 1)) == 10
    assert known_at(points, dt.date(2027, 1, 1)) == 30


def test_chart_says_in_words_what_it_draws() -> None:
    """Title and description are there for a screen reader, texts are escaped, each line has its own dash."""
    chart = Chart(
        title="held & gone",
        unit="Persons",
        labels=["2026-W01", "2026-W02", "2026-W03"],
        lines=[Line(name="a<b", values=[0, 12, 3]), Line(name="signed", values=[-4, 0, 2])],
        marks=[("2026-W02", "raised")],
    )
    root = parse_xml(svg(chart).encode())
    texts = {child.tag.rpartition("}")[2]: child.text for child in root}
    assert texts["title"] == "held & gone"
    assert texts["desc"] == describe(chart)
    assert "a<b: begins at 0, ends at 3, least 0, greatest 12 (2026-W02)." in describe(chart)
    lines = [child for child in root if child.tag.endswith("polyline")]
    assert len({line.get("stroke-dasharray") for line in lines}) == len(lines) == 2
    assert root.get("aria-labelledby") == "title description"
