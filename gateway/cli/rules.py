"""``passerelle rules …``: which rules there are, what one of them means, and what they say about a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from adapters.fr import FrAdapter
from adapters.uk import UkAdapter
from contracts.codes import MessageType
from gateway.cli.common import JsonOption, fail, opened, options, out, print_json, read_file, run, show
from gateway.clock import SystemClock
from gateway.core.treaty.agreement import Agreement, uk_fr
from gateway.core.treaty.rules_catalogue import catalogue, describe
from gateway.core.treaty.verdict import Outcome, Rule, Severity
from gateway.flows.case_view import case_view
from gateway.flows.dry_run import Court, Rehearsal, judge_body
from gateway.instance import Instance

rules = typer.Typer(no_args_is_help=True, help="The rules of the Agreement: list, explain, try.")

_SETTINGS_FILE = "passerelle.toml"
_SAYS = {
    Outcome.ALLOWED: "allowed: the gateway would send it",
    Outcome.HELD: "held: it would wait for an operator or for room",
    Outcome.REFUSED: "refused: the gateway would not take it",
}


def _agreement() -> Agreement:
    """That of the instance where there is one, else the one that is shipped."""
    if (options.folder / _SETTINGS_FILE).exists():
        return Instance.load(options.folder).agreement
    return uk_fr()


def _line(rule: Rule, agreement: Agreement) -> dict[str, Any]:
    shown = describe(rule, agreement)
    return {
        "rule": rule.id,
        "where": rule.article,
        "severity": rule.severity.value,
        "label": "unverified" if shown["unverified"] else "",
        "text": rule.text_en,
    }


@rules.command("list")
def list_rules(
    type_: MessageType | None = typer.Option(None, "--type", help="Only those that look at this type."),
    severity: Severity | None = typer.Option(None, help="Only this severity."),
    place: str | None = typer.Option(None, help="Only this article or row, as in: 'Art 4', 'row 9'."),
    as_json: bool = JsonOption,
) -> None:
    """List the rules with where they stand; "unverified": the text did not confirm one of its settings."""
    agreement = _agreement()
    every = {name for rule in catalogue() for name in rule.places}
    places = sorted(every, key=lambda name: (name.split()[0], len(name), name))
    if place is not None and place not in places:
        fail("no rule stands at that place", cure=f"one of: {', '.join(places)}", code=2)
    found = [
        rule
        for rule in catalogue()
        if (type_ is None or rule.types is None or type_ in rule.types)
        and (severity is None or rule.severity is severity)
        and (place is None or place in rule.places)
    ]
    if as_json:
        print_json([describe(rule, agreement) for rule in found])
        return
    show([_line(r, agreement) for r in found], as_json=False, title="Rules", empty="No rule matches.")


@rules.command("explain")
def explain(
    rule_id: str = typer.Argument(..., metavar="RULE", help="As in: passerelle rules list."),
    as_json: bool = JsonOption,
) -> None:
    """Show one rule: texts in both languages, messages, settings with their values, what is unverified."""
    rule = next((r for r in catalogue() if r.id == rule_id), None)
    if rule is None:
        fail("there is no such rule", cure="see: passerelle rules list")
    shown = describe(rule, _agreement())
    if as_json:
        print_json(shown)
        return
    out.print(f"{rule.id} ({rule.severity}, {rule.article})", markup=False)
    out.print(f"  EN  {rule.text_en}", markup=False)
    out.print(f"  FR  {rule.text_fr}", markup=False)
    out.print(f"  messages: {', '.join(shown['types'])}", markup=False)
    out.print(f"  enforced by: {shown['part']}", markup=False)
    for item in shown["settings"]:
        label = " (unverified)" if item["unverified"] else ""
        out.print(f"  setting {item['name']} = {item['value']}{label}", markup=False)
        if item["note"] is not None:
            out.print(f"    {item['note']['en']}\n    {item['note']['fr']}", markup=False)


@rules.command("try")
def try_file(
    file: Path = typer.Argument(..., metavar="FILE", help="A JSON body, as a UK system would post it."),
    reference: str | None = typer.Option(
        None, "--reference", help="Judge it as the next message of this case of the instance."
    ),
    as_json: bool = JsonOption,
) -> None:
    """Judge a message without sending it: contract, rules, state of the case, French mapping.

    Nothing is stored. Signature, attachments, quotas and the comparison with the returned need the gateway:
    POST with ?dry_run=true. Exit status 1 when the message would be refused.
    """
    content = read_file(file)
    verdict = run(lambda: _judged(content, reference))
    if as_json:
        print_json(verdict.document())
    else:
        _print(verdict)
    if verdict.outcome is Outcome.REFUSED:
        raise typer.Exit(1)


async def _judged(content: bytes, reference: str | None) -> Rehearsal:
    court = Court(uk=UkAdapter(), fr=FrAdapter(), agreement=_agreement(), clock=SystemClock())
    if reference is None:
        return judge_body(court, content)
    async with opened() as (_, store), store.begin(read_only=True) as tx:
        case = await tx.get_case(reference)
        if case is None:
            fail("there is no such case", cure="see: passerelle cases list")
        view = await case_view(tx, case)
    return judge_body(court, content, case=case, view=view)


def _print(verdict: Rehearsal) -> None:
    out.print(f"{verdict.type.value}: {_SAYS[verdict.outcome]}", markup=False)
    for remark in verdict.remarks:
        where = f" ({remark.article})" if remark.article else ""
        path = remark.problem.path or "/"
        out.print(f"  {remark.severity.value:>6}  {path}  {remark.problem.code}{where}", markup=False)
        out.print(f"          {remark.problem.message_en}", markup=False)
        out.print(f"          {remark.problem.message_fr}", markup=False)
