"""Small line charts as SVG, by hand: a title and a description for screen readers, dashes besides colours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 760, 340
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 16, 44, 84
_HEAD = 'role="img" aria-labelledby="title description" font-family="sans-serif" font-size="12" fill="#222"'
_STYLES = (("#0b3d91", ""), ("#b5451b", "7 4"), ("#2f6b2f", "2 3"), ("#5b2a86", "10 3 2 3"))
"""Each at least 4.5 : 1 on white; the dash tells lines apart without colour."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    name: str
    values: Sequence[float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Chart:
    title: str
    unit: str
    labels: Sequence[str]
    """One per value, left to right."""
    lines: Sequence[Line]
    marks: Sequence[tuple[str, str]] = ()
    """(label, words): vertical lines."""


def svg(chart: Chart) -> str:
    """A whole document; the description holds the figures that matter."""
    low = min(0.0, *(v for line in chart.lines for v in line.values))
    high = max(1.0, *(v for line in chart.lines for v in line.values))
    step = _step(high - low)
    low, high = step * (low // step), step * -(-high // step)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" {_HEAD}>',
        f'<title id="title">{escape(chart.title)}</title>',
        f'<desc id="description">{escape(describe(chart))}</desc>',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<text x="{_LEFT}" y="18" font-size="14" font-weight="bold">{escape(chart.title)}</text>',
        f'<text x="{_LEFT}" y="35" fill="#555">{escape(chart.unit)}</text>',
        *_grid(low, high, step),
        *_labels(chart),
        *_marks(chart),
    ]
    for number, line in enumerate(chart.lines):
        colour, dash = _STYLES[number % len(_STYLES)]
        points = " ".join(
            f"{_x(i, len(chart.labels)):.1f},{_y(v, low, high):.1f}" for i, v in enumerate(line.values)
        )
        style = f'fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash or "none"}"'
        parts.append(f'<polyline {style} points="{points}"/>')
        x, y = _LEFT + 172 * number, HEIGHT - 14
        parts.append(
            f'<path {style} d="M{x} {y - 4}h30"/><text x="{x + 36}" y="{y}">{escape(line.name)}</text>'
        )
    return "\n".join((*parts, "</svg>")) + "\n"


def describe(chart: Chart) -> str:
    """The chart in words: first, last, least and greatest of each line."""
    said = [
        f"{line.name}: begins at {line.values[0]:g}, ends at {line.values[-1]:g},"
        f" least {min(line.values):g}, greatest {max(line.values):g}"
        f" ({chart.labels[max(range(len(line.values)), key=line.values.__getitem__)]})."
        for line in chart.lines
    ]
    marks = [f"{words}: {label}." for label, words in chart.marks]
    return " ".join((f"{chart.unit}, {chart.labels[0]} to {chart.labels[-1]}.", *said, *marks))


def _step(span: float) -> float:
    """A round distance between grid lines: at most seven of them."""
    size = 1.0
    while True:
        for factor in (1, 2, 5):
            if span / (size * factor) <= 6:
                return size * factor
        size *= 10


def _x(index: int, count: int) -> float:
    return _LEFT + (WIDTH - _LEFT - _RIGHT) * (index / max(1, count - 1))


def _y(value: float, low: float, high: float) -> float:
    return HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * (value - low) / (high - low)


def _grid(low: float, high: float, step: float) -> list[str]:
    found: list[str] = []
    value = low
    while value <= high:
        y, colour = _y(value, low, high), "#777" if value == 0 else "#ddd"
        found.append(f'<path d="M{_LEFT} {y:.1f}H{WIDTH - _RIGHT}" stroke="{colour}"/>')
        found.append(f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>')
        value += step
    return found


def _labels(chart: Chart) -> list[str]:
    every = -(-len(chart.labels) // 9)
    y = HEIGHT - _BOTTOM + 18
    return [
        f'<text x="{_x(i, len(chart.labels)):.1f}" y="{y}" text-anchor="middle">{escape(label)}</text>'
        for i, label in enumerate(chart.labels)
        if i % every == 0
    ]


def _marks(chart: Chart) -> list[str]:
    found: list[str] = []
    for number, (label, words) in enumerate(chart.marks):
        if label not in chart.labels:
            continue
        x = _x(chart.labels.index(label), len(chart.labels))
        bottom = HEIGHT - _BOTTOM
        found.append(f'<path d="M{x:.1f} {_TOP}V{bottom}" stroke="#888" stroke-dasharray="3 3"/>')
        y = bottom + 34 + 13 * (number % 2)
        found.append(f'<text x="{x:.1f}" y="{y}" text-anchor="middle" fill="#555">{escape(words)}</text>')
    return found
