"""The drawing of the balance: well-formed, told without colour, right at its edges."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from contracts.xml import parse_xml
from gateway.web.console.drawings.balance import Point, Thresholds, balance_chart, meter, ticks

WORDS = {
    "title": "Persons & weeks",
    "desc": "3 > 2",
    "returned": "Returned",
    "admitted": "Admitted",
    "difference": "Difference",
    "coming": "To come",
    "warn": "Warning from",
    "hold": "Waits from",
    "week": "W",
}
NONE = Thresholds(warn=50)
FIGURES = st.lists(st.tuples(st.integers(0, 100_000), st.integers(0, 100_000)), min_size=1, max_size=60)


def points(rows: list[tuple[int, int]], first: int = 1) -> list[Point]:
    return [
        Point(week=f"2026-W{first + n:02d}", returned=r, admitted=a, difference=r - a)
        for n, (r, a) in enumerate(rows)
    ]


def drawn(past: list[Point], coming: list[Point], limits: Thresholds = NONE) -> etree._Element:
    return parse_xml(balance_chart(past, coming, limits, WORDS, ident="x").encode())


def of_class(svg: etree._Element, name: str) -> list[etree._Element]:
    return [e for e in svg.iter() if name in (e.get("class") or "").split()]


def test_title_and_description_name_the_drawing() -> None:
    """A screen reader says what it shows; words are text, never markup."""
    svg = drawn(points([(3, 2)]), [])
    assert svg.get("role") == "img"
    assert svg.get("aria-labelledby") == "x-title x-desc"
    assert [(e.get("id"), e.text) for e in list(svg)[:2]] == [
        ("x-title", "Persons & weeks"),
        ("x-desc", "3 > 2"),
    ]


def test_lines_carry_their_names_and_last_values() -> None:
    """No legend is needed: each line ends at its own name, and the names do not lie on each other."""
    svg = drawn(points([(1, 1), (10, 10)]), [])
    ends = [e for e in svg.iter() if re.match(r"(Returned|Admitted) \d", e.text or "")]
    assert {e.text for e in ends} == {"Returned 10", "Admitted 10"}
    first, second = (float(e.get("y") or 0) for e in ends)
    assert abs(first - second) >= 16


def test_what_is_to_come_is_set_apart_in_form() -> None:
    """Its own ground with a word, thinner lines, hollow points and bars."""
    svg = drawn(points([(3, 2), (5, 4)]), points([(7, 4), (9, 4)], first=3))
    assert [e.text for e in svg.iter() if e.text == "To come"] == ["To come"]
    assert len(of_class(svg, "shade")) == 1
    assert len(of_class(svg, "hollow")) == 4
    assert len([e for e in of_class(svg, "bar") if "coming" in (e.get("class") or "")]) == 2
    assert not of_class(drawn(points([(3, 2)]), []), "shade")


def test_thresholds_appear_when_they_come_near() -> None:
    """Half way to a threshold its line is drawn with its name; far from it there is none."""
    limits = Thresholds(warn=10, hold=40)
    assert not of_class(drawn(points([(4, 0)]), [], limits), "limit")
    near = drawn(points([(5, 0)]), [], limits)
    assert len(of_class(near, "limit")) == 1
    assert "Warning from 10" in {e.text for e in near.iter()}
    behind = drawn(points([(0, 30)]), [], limits)
    assert {"Warning from \N{MINUS SIGN}10", "Waits from \N{MINUS SIGN}40"} <= {e.text for e in behind.iter()}


def test_the_present_week_is_labelled_once() -> None:
    """As it is and as it would end: two places, one label."""
    svg = drawn(points([(1, 0)], first=7), points([(2, 0), (3, 0)], first=7))
    labels = [e.text for e in svg.iter() if re.fullmatch(r"W\d+", e.text or "")]
    assert labels == ["W7", "W8"]


@given(FIGURES, FIGURES)
def test_everything_lies_inside_the_drawing(
    past: list[tuple[int, int]], coming: list[tuple[int, int]]
) -> None:
    """Whatever the figures: well-formed, no place outside of the frame, a bar for each week."""
    svg = drawn(points(past[:40]), points(coming[:12], first=41))
    _, _, width, height = (float(n) for n in (svg.get("viewBox") or "").split())
    for element in svg.iter():
        xs = [float(element.get(name) or 0) for name in ("x", "cx", "x1")]
        ys = [float(element.get(name) or 0) for name in ("y", "cy")]
        for pair in re.findall(r"(-?[\d.]+) (-?[\d.]+)", element.get("d") or ""):
            xs.append(float(pair[0]))
            ys.append(float(pair[1]))
        assert all(0 <= x <= width for x in xs)
        assert all(0 <= y <= height for y in ys)
    assert len(of_class(svg, "bar")) == len(past[:40]) + len(coming[:12])
    assert "style" not in {name for e in svg.iter() for name in e.attrib}


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 1, [0, 1]), (0, 7, [0, 2, 4, 6]), (0, 1305, [0, 500, 1000]), (-3, 2, [-2, 0, 2])],
)
def test_ticks_are_round_and_few(low: int, high: int, expected: list[int]) -> None:
    """Whole numbers of 1, 2 or 5, four steps at the most."""
    assert ticks(low, high) == expected


@pytest.mark.parametrize(
    ("used", "limit", "width"), [(0, 50, "0"), (25, 50, "50"), (60, 50, "100"), (0, 0, "100"), (1, 3, "33.3")]
)
def test_a_meter_is_never_longer_than_its_frame(used: int, limit: int, width: str) -> None:
    """Used up is full, also above the limit and where the limit is none; the words are its name."""
    svg = parse_xml(meter(used, limit, "words").encode())
    assert svg.get("aria-label") == "words"
    assert svg[0].get("width") == width
