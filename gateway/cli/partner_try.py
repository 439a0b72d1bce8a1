"""``passerelle partner test``: the connection, step by step."""

from __future__ import annotations

import dataclasses
import textwrap

import typer

from gateway.cli.common import JsonOption, options, out, print_json, run
from gateway.cli.partner_common import WIDTH, NameArgument, field, partner_of
from gateway.instance import Instance
from gateway.partner_wiring import connection_steps
from gateway.partners.probe import Outcome, Step
from gateway.wiring import french_transport


def try_partner(
    name: str | None = NameArgument,
    message: bool = typer.Option(
        False, "--message", help="Also send a test message, if the agreement has a P-Mode for tests."
    ),
    as_json: bool = JsonOption,
) -> None:
    """Try the connection step by step, up to a signed ping and its receipt; nothing is delivered.

    Exit status 0 only when every step passed.
    """

    async def work() -> bool:
        instance = Instance.load(options.folder)
        short, party = partner_of(instance, name)
        if not as_json:
            out.print(f"Partner {short}, {party.id}", markup=False, style="bold")
            field("address", instance.settings.france.url)
        steps = await _try(instance, message=message, as_json=as_json)
        passed = all(step.outcome is Outcome.OK for step in steps)
        if as_json:
            rows = [{**dataclasses.asdict(step), "seconds": round(step.seconds, 3)} for step in steps]
            print_json({"ok": passed, "party": party.id, "url": instance.settings.france.url, "steps": rows})
        else:
            failed = ", ".join(step.name for step in steps if step.outcome is Outcome.FAILED)
            out.print(
                "Connected: every step passed." if passed else f"Not passed: the step {failed} failed.",
                style="bold green" if passed else "bold red",
            )
        return passed

    if not run(work):
        raise typer.Exit(1)


async def _try(instance: Instance, *, message: bool, as_json: bool) -> list[Step]:
    steps: list[Step] = []

    def ended(step: Step) -> None:
        steps.append(step)
        if not as_json:
            _show_step(step)

    async for step in connection_steps(instance, french_transport, message=message):
        ended(step)
    return steps


_STYLES = {Outcome.OK: "green", Outcome.FAILED: "bold red", Outcome.SKIPPED: "dim"}


def _show_step(step: Step) -> None:
    style = _STYLES[step.outcome]
    field_style = f"[{style}]{step.outcome.value:<11}[/{style}]"
    lines = _fold(step.result)
    out.print(f"  {field_style} {step.name:<8} ", end="")
    out.print(lines[0], markup=False)
    rows = [("", line) for line in lines[1:]]
    for label, text in (("cause", step.cause), ("cure", step.cure)):
        if text:
            rows += [(label if n == 0 else "", line) for n, line in enumerate(_fold(text))]
    for label, line in rows:
        out.print(f"{'':14}{label:<8} {line}", markup=False)


def _fold(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH - 23, break_long_words=False, break_on_hyphens=False) or [""]
