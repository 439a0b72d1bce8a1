"""The weekly report as JSON, CSV, or one printable page without any external asset.

All three take the value of ``gateway.flows.balance.weekly_report``. JSON is the same in both languages and
holds both texts; CSV (UTF-8, comma, CRLF: RFC 4180) and page are in one.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

import jinja2

from gateway.reports.texts import TEXTS

Json = Mapping[str, Any]
_COLUMNS: Final = (
    ("week", "week"),
    ("period_start", "period_start"),
    ("period_end", "period_end"),
    ("short_readmitted", "returned"),
    ("short_admitted", "admitted"),
    ("short_difference", "difference"),
)
_TOTALS: Final = (
    ("short_readmitted", "total_returned"),
    ("short_admitted", "total_admitted"),
    ("short_difference", "total_difference"),
)


def as_json(report: Json, lang: str) -> str:
    """Indented; ``lang`` changes nothing."""
    del lang
    return json.dumps(report, ensure_ascii=False, indent=2) + "\n"


def as_csv(report: Json, lang: str) -> str:
    """One row per week, the reported one last; headings in ``lang``, days as ISO 8601, plain numbers."""
    words = TEXTS[lang]
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\r\n")
    heads = [words[name] for name, _ in _COLUMNS]
    heads += [f"{words[name]} ({words['cumulated'].lower()})" for name, _ in _TOTALS]
    writer.writerow(heads)
    for week in report["weeks"]:
        writer.writerow([week[field] for _, field in (*_COLUMNS, *_TOTALS)])
    return file.getvalue()


def as_html(report: Json, lang: str) -> str:
    """A page to print on A4 or to read; needs nothing from outside."""
    return _template().render(
        report=report, words=TEXTS[lang], lang=lang, day=_day(lang), short_day=_day(lang, 3), signed=signed
    )


RENDERERS: Final[Mapping[str, Callable[[Json, str], str]]] = {
    "json": as_json,
    "csv": as_csv,
    "html": as_html,
}


def signed(value: int) -> str:
    """With its sign, a real minus, and nothing before zero."""
    return f"{value:+d}".replace("-", "\N{MINUS SIGN}") if value else "0"


def _day(lang: str, letters: int | None = None) -> Callable[[str], str]:
    """ISO day → as each country prints it: 23 November 2026 (months cut to ``letters``) and 23/11/2026."""

    def day(value: str) -> str:
        found = dt.date.fromisoformat(value)
        if lang == "fr":
            return found.strftime("%d/%m/%Y")
        return f"{found.day} {_MONTHS[found.month - 1][:letters]} {found.year}"

    return day


_MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("gateway.reports"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("weekly.html")
