"""``passerelle conformance URL``: a partner's test day (docs/conformance.md)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer

from gateway.cli.common import err, fail, options, out, print_json, print_table, run
from gateway.conformance import Report, Result, Target, run_conformance
from gateway.conformance.cases import all_cases, chosen
from gateway.conformance.model import LANGUAGES, Language, Verdict
from gateway.conformance.report import to_html, to_json
from gateway.conformance.target import choose_pmode, make_target
from gateway.conformance.terminal import listing, progress_line, render
from gateway.core.as4.keys import SigningKey
from gateway.core.as4.pmode import PMode
from gateway.flows.access_point import AccessPoint
from gateway.instance import Instance
from gateway.keys import files

_KEY_HELP = "PEM file with an RSA key and its certificate: "


def _language(value: str) -> Language:
    for language in LANGUAGES:
        if value == language:
            return language
    raise typer.BadParameter("en or fr")


def _signing_key(path: Path | None) -> SigningKey | None:
    """Key and certificate chain from one PEM file. Raises ConfigError."""
    return None if path is None else SigningKey(files.read_rsa(path), files.read_chain(path))


def _show_list(language: Language, *, as_json: bool) -> None:
    if not as_json:
        print_table(listing(language))
        return
    print_json(
        [
            {
                "id": case.id,
                "group": case.group,
                "requirements": list(case.requirements),
                "assertions": list(case.assertions),
                "title": {"en": case.title.en, "fr": case.title.fr},
            }
            for case in all_cases()
        ]
    )


UrlArgument = typer.Argument("", metavar="URL", help="The partner's AS4 endpoint, https://…")
PModeOption = typer.Option(None, "--pmode", help="Test with this P-Mode of the agreement, as it is.")
ServiceOption = typer.Option(None, "--service", help="Service agreed for the day; default: the ebMS ping.")
ServiceTypeOption = typer.Option(None, "--service-type", help="Its type attribute.")
ActionOption = typer.Option(None, "--action", help="Action agreed for the day.")
AgreementOption = typer.Option(None, "--agreement-ref", help="AgreementRef agreed for the day.")
OnlyOption = typer.Option([], "--only", metavar="ID", help="Only this case; may be given again.")
ListOption = typer.Option(False, "--list", help="Show the cases; send nothing.")
AsJsonOption = typer.Option(False, "--json", help="Print the report as JSON.")
HtmlOption = typer.Option(None, "--html", metavar="FILE", help="Write the report as one HTML page.")
OutputOption = typer.Option(None, "--output", metavar="FILE", help="Write the report as JSON to this file.")
LangOption = typer.Option("en", "--lang", metavar="en|fr", help="Language of the report.")
ProductOption = typer.Option("", "--product", help="What the partner runs, for the heading.")
ExpiredOption = typer.Option(None, "--expired", metavar="FILE", help=_KEY_HELP + "expired.")
RevokedOption = typer.Option(None, "--revoked", metavar="FILE", help=_KEY_HELP + "revoked.")
OtherPartyOption = typer.Option(None, "--other-party", metavar="FILE", help=_KEY_HELP + "of another party.")
TimeoutOption = typer.Option(30.0, "--timeout", min=0.1, help="Seconds to wait for each answer.")
UnsafeHttpOption = typer.Option(False, "--unsafe-http", help="Allow http:// to this machine itself.")


def conformance(
    url: str = UrlArgument,
    pmode: str | None = PModeOption,
    service: str | None = ServiceOption,
    service_type: str | None = ServiceTypeOption,
    action: str | None = ActionOption,
    agreement_ref: str | None = AgreementOption,
    only: list[str] = OnlyOption,
    show_list: bool = ListOption,
    as_json: bool = AsJsonOption,
    html: Path | None = HtmlOption,
    output: Path | None = OutputOption,
    lang: str = LangOption,
    product: str = ProductOption,
    expired: Path | None = ExpiredOption,
    revoked: Path | None = RevokedOption,
    other_party: Path | None = OtherPartyOption,
    timeout: float = TimeoutOption,
    unsafe_http: bool = UnsafeHttpOption,
) -> None:
    """Test a partner's AS4 access point: send good and bad messages, judge each answer, write a report.

    By default everything goes to the ebMS ping service, so that nothing reaches a business system. All
    payloads are invented. Exit status 0 only when nothing failed.
    """
    language = _language(lang)
    if show_list:
        _show_list(language, as_json=as_json)
        return
    if not url:
        fail("no URL given", cure="passerelle conformance https://…/as4 (or --list to see the cases)")
    chosen(only)  # an unknown case is refused before anything is sent
    asked = {"service": service, "service_type": service_type, "action": action}
    report = _report(
        url,
        lambda own: choose_pmode(own, pmode, **asked, agreement_ref=agreement_ref),
        only,
        language,
        product=product,
        timeout_s=timeout,
        unsafe_plain_http=unsafe_http,
        expired=_signing_key(expired),
        revoked=_signing_key(revoked),
        other_party=_signing_key(other_party),
    )
    _write(report, language, html=html, output=output)
    _show(report, language, as_json=as_json)


def _show(report: Report, language: Language, *, as_json: bool) -> None:
    """On standard output; exit status 1 when something failed, or nothing could be run."""
    if as_json:
        print_json(to_json(report))
    else:
        out.print(render(report, language))
    if not report.ok:
        raise typer.Exit(1)


def _report(
    url: str, pmode_of: Callable[[AccessPoint], PMode], only: list[str], language: Language, **settings: Any
) -> Report:
    """Runs against ``url`` with the keys of the instance folder; ``settings``: further fields of Target."""
    instance = Instance.load(options.folder)
    own = instance.make_access_point()
    target = make_target(
        own, url, clock=instance.clock, make_tls=instance.french_tls, pmode=pmode_of(own), **settings
    )
    return run(lambda: _run(target, only, language))


async def _run(target: Target, only: list[str], language: Language) -> Report:
    err.print(
        f"{target.pmode.initiator.id} → {target.partner}: {target.pmode.service} / {target.pmode.action}",
        markup=False,
    )
    if not target.pmode.is_ping:
        err.print("[yellow]not the ping service: test messages may reach a business system[/yellow]")

    def progress(result: Result, number: int, total: int) -> None:
        if result.verdict is not Verdict.NOT_RUN or err.is_terminal:
            err.print(progress_line(result, number, total, language))

    return await run_conformance(target, only=only, progress=progress)


def _write(report: Report, language: Language, *, html: Path | None, output: Path | None) -> None:
    """Both files, then a word about them. Fails when one cannot be written."""
    for path, content in (
        (html, to_html(report, language) if html is not None else ""),
        (output, json.dumps(to_json(report), ensure_ascii=False, indent=2) + "\n"),
    ):
        if path is None:
            continue
        try:
            path.write_text(content, "utf-8")
        except OSError as exc:
            fail(f"{path} cannot be written: {exc.strerror}", cure="choose another place")
        err.print(str(path), markup=False)
