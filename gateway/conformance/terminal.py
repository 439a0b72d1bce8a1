"""A report on a terminal: what failed and what to do, then the summary by requirement (rich)."""

from __future__ import annotations

from collections.abc import Iterable

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text as RichText

from gateway.conformance import texts
from gateway.conformance.cases import all_cases
from gateway.conformance.model import Language, Report, Result, Verdict
from gateway.conformance.report import ATTACKS, ORDER, by_requirement, counts, headline, sentence, worst

_STYLE = {
    Verdict.PASS: "green",
    Verdict.NOTE: "yellow",
    Verdict.FAIL: "bold red",
    Verdict.NOT_RUN: "dim",
}


def shown(result: Result, language: Language) -> RichText:
    """The verdict in its colour; serious in words too, not by colour alone."""
    key = "serious" if result.outcome.serious else result.verdict.value
    return RichText(texts.label(key, language), style=_STYLE[result.verdict])


def progress_line(result: Result, number: int, total: int, language: Language) -> RichText:
    """One line for one case, as it is finished."""
    line = RichText(f"{number:>3}/{total}  ", style="dim")
    return line + RichText(f"{result.case.id:<24}") + RichText(" ") + shown(result, language)


def render(report: Report, language: Language) -> RenderableType:
    """Everything for standard output."""
    parts: list[RenderableType] = []
    parts += _explained(report, Verdict.FAIL, language)
    parts += _explained(report, Verdict.NOTE, language)
    parts.append(_requirements(report, language))
    found = counts(report.results)
    tally = ", ".join(f"{found[v.value]} {texts.tally(v, found[v.value], language)}" for v in ORDER)
    style = "bold green" if report.ok else "bold red"
    parts.append(RichText(" ".join(headline(report, language)) + f"  ({tally})", style=style))
    return Group(*parts)


def _explained(report: Report, verdict: Verdict, language: Language) -> Iterable[RenderableType]:
    listed = [r for r in report.results if r.verdict is verdict]
    heading = "failures" if verdict is Verdict.FAIL else "notes"
    if listed:
        yield RichText(f"\n{texts.label(heading, language)}", style="bold")
    for result in sorted(listed, key=lambda r: not r.outcome.serious):
        numbers = ", ".join(map(str, result.case.requirements)) or texts.label("by_attacks", language)
        more = " · ".join((numbers, *result.case.assertions))
        head = RichText("\n") + shown(result, language)
        yield (
            head
            + RichText(f"  {result.case.title.say(language)}  ")
            + RichText(f"{result.case.id} ({more})", style="dim")
        )
        for key, words in (
            ("expected", texts.expected(result.case, language)),
            ("seen", sentence(result.outcome.reasons, language)),
            ("cure", "" if result.outcome.cure is None else texts.say(result.outcome.cure, language)),
        ):
            if words:
                yield RichText(f"  {texts.label(key, language)}: {words}")


def _requirements(report: Report, language: Language) -> Table:
    table = Table(box=SIMPLE_HEAD, header_style="bold", title_justify="left")
    table.add_column("", justify="right")
    table.add_column(texts.label("requirement", language))
    table.add_column(texts.label("result", language), no_wrap=True)
    for verdict in ORDER:
        table.add_column(texts.label(verdict.value, language), justify="right")
    for number, found in by_requirement(report).items():
        verdict, tally = worst(found), counts(found)
        table.add_row(
            "" if number == ATTACKS else number,
            escape(texts.section("requirements")[number].say(language)),
            RichText(texts.label(verdict.value, language), style=_STYLE[verdict]),
            *(str(tally[v.value] or "") for v in ORDER),
        )
    return table


def listing(language: Language) -> Table:
    """The table of cases, for ``--list``."""
    table = Table(box=SIMPLE_HEAD, header_style="bold")
    for key in ("case", "requirement", "title-of-case", "expected"):
        table.add_column(texts.label(key, language), overflow="fold")
    for case in all_cases():
        numbers = ", ".join(map(str, case.requirements)) or "—"
        table.add_row(case.id, numbers, escape(case.title.say(language)), texts.expected(case, language))
    return table
