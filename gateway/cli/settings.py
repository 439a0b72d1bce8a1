"""``passerelle settings show`` and ``passerelle agreement show``: what is set and what was agreed."""

from __future__ import annotations

import json
from typing import Any

import typer

from gateway.check import check_settings
from gateway.cli.common import JsonOption, fail, options, out, print_json, show
from gateway.instance import Instance
from gateway.settings_view import agreement_view, settings_view

settings = typer.Typer(no_args_is_help=True, help="Settings of the instance: show.")
agreement = typer.Typer(no_args_is_help=True, help="The agreement as it is in force here: show.")


@settings.command("show")
def show_settings(
    section: str | None = typer.Option(None, "--section", help="Only this section, for example france."),
    changed: bool = typer.Option(False, "--changed", help="Only what is not the default."),
    as_json: bool = JsonOption,
) -> None:
    """Show every setting with its value, its default and its meaning. Secrets and files are never shown."""
    instance = Instance.load(options.folder)
    parts = [p for p in settings_view(instance.settings) if section in {None, p["name"]}]
    if not parts:
        fail("there is no such section", cure="see: passerelle settings show")
    for part in parts:
        part["settings"] = [row for row in part["settings"] if row["changed"] or not changed]
    if as_json:
        findings = check_settings(options.folder)
        print_json(
            {
                "sections": parts,
                "findings": [
                    {"level": f.level.value, "setting": f.setting, "text": f.text} for f in findings
                ],
            }
        )
        return
    rows = [_row(row) for part in parts for row in part["settings"]]
    show(rows, as_json=False, title="Settings", empty="Every setting has its default.")


def _row(row: dict[str, Any]) -> dict[str, Any]:
    mark = "UNSAFE" if row["on"] else "changed" if row["changed"] else "default"
    return {"setting": row["setting"], "value": _text(row["value"]), "is": mark}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


@agreement.command("show")
def show_agreement(as_json: bool = JsonOption) -> None:
    """Show the agreement with what its text did not confirm, in both languages."""
    view = agreement_view(Instance.load(options.folder).agreement)
    if as_json:
        print_json(view)
        return
    out.print(f"{view['name']['en']} / {view['name']['fr']}, version {view['version']}", markup=False)
    rows = [
        {"table": part["name"], "key": item["key"], "value": _text(item["value"])}
        for part in view["tables"]
        for item in part["values"]
    ]
    show(rows, as_json=False, title="Terms", empty="")
    for item in view["unverified"]:
        out.print(f"unverified: {item['place']}", markup=False, style="bold")
        out.print(f"  {item['note']['en']}\n  {item['note']['fr']}", markup=False)
