"""Instants and durations as people of both capitals read them."""

from __future__ import annotations

import datetime as dt
from typing import Final
from zoneinfo import ZoneInfo

from markupsafe import Markup

from gateway.core.days import day_of
from gateway.web.console.i18n import Language

_LONDON: Final = ZoneInfo("Europe/London")
_PARIS: Final = ZoneInfo("Europe/Paris")
_UNITS: Final = (
    (86400, {"en": "d", "fr": "j"}),
    (3600, {"en": "h", "fr": "h"}),
    (60, {"en": "min", "fr": "min"}),
    (1, {"en": "s", "fr": "s"}),
)
_NBSP: Final = "\N{NO-BREAK SPACE}"


def day(value: dt.date, language: Language) -> str:
    """``23 Nov 2026`` or ``23 nov. 2026``."""
    return day_of(value, language)


def both_zones(value: dt.datetime | None, language: Language) -> Markup:
    """One instant as both capitals read it, the reader's own first; a dash for none.

    The second date is only given where it differs (between 23:00 and midnight in London)."""
    if value is None:
        return Markup("–")
    first, second = (_PARIS, _LONDON) if language == "fr" else (_LONDON, _PARIS)
    here, there = value.astimezone(first), value.astimezone(second)
    other = "" if here.date() == there.date() else f"{day(there.date(), language)}, "
    return Markup('<time datetime="{}">{}, {} <span class="zone">({}{})</span></time>').format(
        value.astimezone(dt.UTC).isoformat(timespec="milliseconds"),
        day(here.date(), language),
        _clock(here),
        other,
        _clock(there),
    )


def own_zone(value: dt.datetime, language: Language) -> str:
    """The instant as the reader's capital reads it, where there is room for no more."""
    here = value.astimezone(_PARIS if language == "fr" else _LONDON)
    return f"{day(here.date(), language)}, {_clock(here)}"


def _clock(value: dt.datetime) -> str:
    return f"{value:%H:%M:%S}{_NBSP}{value.tzname()}"


def duration(seconds: float, language: Language) -> str:
    """The two largest units: ``3 h 12 min``, ``2 j 4 h``; never negative."""
    left = max(0, int(seconds))
    parts: list[str] = []
    for size, names in _UNITS:
        count, left = divmod(left, size)
        if count or (size == 1 and not parts):
            parts.append(f"{count}{_NBSP}{names[language]}")
        elif parts:
            break
        if len(parts) == 2:
            break
    return " ".join(parts)


def age(value: dt.datetime, now: dt.datetime, language: Language) -> str:
    """How long ago."""
    return duration((now - value).total_seconds(), language)


def ago(value: dt.datetime, now: dt.datetime, language: Language) -> str:
    """Said of something that has happened: ``3 h 12 min ago`` or ``il y a 3 h 12 min``."""
    text = age(value, now, language)
    return (f"il y a {text}" if language == "fr" else f"{text} ago").replace(" ", _NBSP)


def until(value: dt.datetime, now: dt.datetime, language: Language) -> str:
    """How long until then: ``in 3 h 12 min``, or since when it has passed."""
    left = (value - now).total_seconds()
    text = duration(abs(left), language)
    if left >= 0:
        return f"dans {text}" if language == "fr" else f"in {text}"
    return f"depuis {text}" if language == "fr" else f"{text} ago"
