"""The balance as a drawing: persons since the beginning as two lines, their difference as bars below.

Lines differ by dash pattern and carry their name at their end; what is to come stands on a ground of its own
that is labelled, thinner and hollow: nothing is told by colour alone. Every number is also in a table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

_TOP, _UPPER, _GAP, _LOWER, _BOTTOM = 26.0, 190.0, 40.0, 96.0, 30.0
_LEFT: Final = 46.0
_LETTER: Final = 7.2
"""About the width of a letter at 13 px; labels get so much room each."""
_APART: Final = 17.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """The end of one week: persons since the beginning, and the signed difference."""

    week: str
    returned: int
    admitted: int
    difference: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Thresholds:
    """Differences, either way, from which somebody is told, and from which a direction waits (0: never)."""

    warn: int
    hold: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """Where things are: the plot from ``left`` to ``right``, both panels with their scales."""

    left: float
    right: float
    width: float
    count: int
    top_max: int
    low_min: int
    low_max: int

    @property
    def height(self) -> float:
        return _TOP + _UPPER + _GAP + _LOWER + _BOTTOM

    @property
    def step(self) -> float:
        return (self.right - self.left) / max(1, self.count)

    def x(self, index: int) -> float:
        """The middle of a week."""
        return self.left + (index + 0.5) * self.step

    def upper(self, value: float) -> float:
        return _TOP + _UPPER * (1 - value / self.top_max)

    def lower(self, value: float) -> float:
        span = self.low_max - self.low_min
        return _TOP + _UPPER + _GAP + _LOWER * (self.low_max - value) / span


def ticks(low: int, high: int, most: int = 4) -> list[int]:
    """Round whole numbers from ``low`` to ``high``, ``most`` steps at the most."""
    span = max(1, high - low)
    size = 1
    while span / size > most:
        size = next(n for n in _rounds() if n > size)
    first = -(-low // size) * size
    return list(range(first, high + 1, size))


def _rounds() -> list[int]:
    return [base * 10**power for power in range(9) for base in (1, 2, 5)]


def _frame(points: Sequence[Point], limits: Thresholds, width: float, room: float) -> Frame:
    most = max([1, *(max(p.returned, p.admitted) for p in points)])
    differences = [0, *(p.difference for p in points)]
    low, high = min(differences), max(differences)
    for line in _near(points, limits):
        low, high = min(low, line), max(high, line)
    if low == high:
        low, high = -1, 1
    return Frame(
        left=_LEFT,
        right=width - room,
        width=width,
        count=len(points),
        top_max=most,
        low_min=low,
        low_max=high,
    )


def _near(points: Sequence[Point], limits: Thresholds) -> list[int]:
    """Thresholds worth drawing: those that a difference has come half way to, on its side."""
    return [
        limit * sign
        for limit in (limits.warn, limits.hold)
        for sign in (1, -1)
        if limit and any(p.difference * sign * 2 >= limit for p in points)
    ]


def balance_chart(
    past: Sequence[Point],
    coming: Sequence[Point],
    limits: Thresholds,
    words: Mapping[str, str],
    *,
    ident: str,
    width: float = 940.0,
) -> Markup:
    """The drawing. ``words``: title, desc, returned, admitted, difference, coming, warn, hold, week (the
    letter before a week's number). ``ident`` makes the ids of title and description unique on the page."""
    points = [*past, *coming]
    labels = [words[name] for name in ("returned", "admitted")]
    room = 14 + _LETTER * max(len(text) + 6 for text in labels)
    frame = _frame(points, limits, width, room)
    parts = [
        _ground(frame, len(past), len(coming), words),
        _grid(frame, points, words),
        _line(frame, "one", [p.returned for p in points], len(past)),
        _line(frame, "two", [p.admitted for p in points], len(past)),
        _ends(frame, points, labels),
        _bars(frame, points, len(past)),
        _limits(frame, points, limits, words),
    ]
    head = Markup(
        '<svg class="drawing" viewBox="0 0 {} {}" role="img" aria-labelledby="{}-title {}-desc">'
        '<title id="{}-title">{}</title><desc id="{}-desc">{}</desc>'
    ).format(round(width), round(frame.height), ident, ident, ident, words["title"], ident, words["desc"])
    return head + Markup("").join(parts) + Markup("</svg>")


# ---- parts --------------------------------------------------------------------------------------


def _ground(frame: Frame, past: int, coming: int, words: Mapping[str, str]) -> Markup:
    """What is to come, on its own ground."""
    if not coming:
        return Markup("")
    begin = frame.left + past * frame.step
    return _rect("shade", begin, 0, frame.right - begin, frame.height - _BOTTOM) + _text(
        "soft", begin + 4, 14, words["coming"]
    )


def _grid(frame: Frame, points: Sequence[Point], words: Mapping[str, str]) -> Markup:
    rows = [(frame.upper(v), v) for v in ticks(0, frame.top_max)]
    rows += [(frame.lower(v), v) for v in ticks(frame.low_min, frame.low_max, 3)]
    parts = []
    for y, value in rows:
        kind = "axis" if value == 0 else "grid"
        parts.append(_segment(kind, frame.left, y, frame.right, y))
        parts.append(_text("soft", frame.left - 6, y + 4, _signed(value), anchor="end"))
    every = max(1, -(-40 // max(1, int(frame.step))))
    y = frame.height - 10
    for index, point in enumerate(points):
        again = index > 0 and points[index - 1].week == point.week  # now, and as it would end
        if (len(points) - 1 - index) % every == 0 and not again:
            label = f"{words['week']}{int(point.week[-2:])}"
            parts.append(_text("soft", frame.x(index), y, label, anchor="middle"))
    parts.append(_text("", frame.left, _TOP + _UPPER + _GAP - 10, words["difference"]))
    return Markup("").join(parts)


def _line(frame: Frame, kind: str, values: Sequence[int], past: int) -> Markup:
    """What has happened as a line, what is to come as a thinner one with hollow points."""
    places = [(frame.x(i), frame.upper(v)) for i, v in enumerate(values)]
    parts = [_path(kind, places[:past])]
    if places[past:]:
        parts.append(_path(f"{kind} coming", places[max(0, past - 1) :]))
        parts += [_circle(f"{kind} hollow", x, y) for x, y in places[past:]]
    if past == 1:  # a line of one week has no length
        parts.append(_circle(kind, *places[0]))
    return Markup("").join(parts)


def _ends(frame: Frame, points: Sequence[Point], labels: Sequence[str]) -> Markup:
    """Each line's name and last value beside its end, kept apart."""
    last = points[-1]
    found = sorted(
        zip(
            (frame.upper(last.returned), frame.upper(last.admitted)),
            labels,
            (last.returned, last.admitted),
            strict=True,
        )
    )
    (first_y, *_), (second_y, *_) = found
    shift = max(0.0, _APART - (second_y - first_y)) / 2
    places = (first_y - shift, second_y + shift)
    return Markup("").join(
        _text("", frame.right + 8, y + 4, f"{label} {value}")
        for y, (_, label, value) in zip(places, found, strict=True)
    )


def _bars(frame: Frame, points: Sequence[Point], past: int) -> Markup:
    parts = []
    wide = max(1.5, min(22.0, frame.step * 0.6))
    for index, point in enumerate(points):
        top, bottom = sorted((frame.lower(point.difference), frame.lower(0)))
        kind = "bar" if index < past else "bar coming"
        parts.append(_rect(kind, frame.x(index) - wide / 2, top, wide, bottom - top))
    last = points[-1]
    parts.append(_text("", frame.right + 8, frame.lower(last.difference) + 4, _signed(last.difference)))
    return Markup("").join(parts)


def _limits(frame: Frame, points: Sequence[Point], limits: Thresholds, words: Mapping[str, str]) -> Markup:
    parts = []
    for value in _near(points, limits):
        y = frame.lower(value)
        name = words["warn"] if abs(value) == limits.warn else words["hold"]
        parts.append(_segment("limit", frame.left, y, frame.right, y))
        parts.append(
            _text("soft", frame.left + 4, y - 4 if value > 0 else y + 14, f"{name} {_signed(value)}")
        )
    return Markup("").join(parts)


# ---- shapes -------------------------------------------------------------------------------------


def _signed(value: int) -> str:
    return str(value).replace("-", "\N{MINUS SIGN}")


def _n(value: float) -> str:
    return f"{value:.1f}".rstrip("0").rstrip(".")


def _text(kind: str, x: float, y: float, text: str, *, anchor: str = "start") -> Markup:
    return Markup('<text class="{}" x="{}" y="{}" text-anchor="{}">{}</text>').format(
        kind, _n(x), _n(y), anchor, text
    )


def _segment(kind: str, x1: float, y1: float, x2: float, y2: float) -> Markup:
    return Markup('<path class="{}" d="M{} {}L{} {}"/>').format(kind, _n(x1), _n(y1), _n(x2), _n(y2))


def _path(kind: str, places: Sequence[tuple[float, float]]) -> Markup:
    return Markup('<path class="{}" d="M{}"/>').format(kind, "L".join(f"{_n(x)} {_n(y)}" for x, y in places))


def _circle(kind: str, x: float, y: float) -> Markup:
    return Markup('<circle class="{}" cx="{}" cy="{}" r="3.5"/>').format(kind, _n(x), _n(y))


def _rect(kind: str, x: float, y: float, width: float, height: float) -> Markup:
    return Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}"/>').format(
        kind, _n(x), _n(y), _n(width), _n(height)
    )


# ---- quotas -------------------------------------------------------------------------------------


def meter(used: int, limit: int, label: str) -> Markup:
    """How much of a quota is used, as a bar; ``label`` says it in words."""
    share = 100.0 if limit <= 0 else min(100.0, 100.0 * used / limit)
    return Markup(
        '<svg class="meter" viewBox="0 0 100 8" preserveAspectRatio="none" role="img" aria-label="{}">'
        '<rect class="used" x="0" y="0" width="{}" height="8"/></svg>'
    ).format(label, _n(share if used or limit <= 0 else 0.0))
