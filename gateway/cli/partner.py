"""``passerelle partner``: connect the ministry's access point, see it, test it, and hand over our values."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer

from gateway.cli.common import JsonOption, ReasonOption, err, fail, opened, options, out, print_json, run
from gateway.cli.partner_common import (
    OurUrlOption,
    our_address,
    partner_of,
    place_of,
    purposes_text,
    say,
    show_certificate,
    trust_folder,
)
from gateway.cli.partner_show import list_partners, show_partner
from gateway.cli.partner_try import try_partner
from gateway.core.as4.keys import fingerprint
from gateway.core.as4.policy import SecurityPolicy
from gateway.instance import Instance
from gateway.partners.certificates import HIDDEN_GROUPS, Given, facts, last_groups, normal, read_certificates
from gateway.partners.connect import (
    Change,
    Place,
    carry_out,
    check_fingerprints,
    prepare_add,
    prepare_retire,
    written,
)
from gateway.partners.folder import Installed
from gateway.partners.judge import Parcel
from gateway.partners.line import make_line
from gateway.partners.metadata import KeyReference, Metadata, read_metadata
from gateway.partners.pmodes import Product, pmode_files
from gateway.partners.refusals import refuse

partner = typer.Typer(
    no_args_is_help=True, help="The partner's access point: add, list, show, test, retire, pmode."
)
partner.command("list")(list_partners)
partner.command("show")(show_partner)
partner.command("test")(try_partner)

_RESTART = "Restart the gateway and its workers, then: passerelle partner test"
_KeyReferences = typer.Option(
    [],
    "--key-reference",
    metavar="HOW",
    help="How it names certificates: bst, ski or issuer-serial; may repeat.",
)


# ---- add ------------------------------------------------------------------------------------------


@partner.command("add")
def add(
    name: str = typer.Argument(..., metavar="NAME", help="The partner: fr, or its party id."),
    certificate: Path | None = typer.Option(
        None, "--certificate", metavar="FILE", help="Its signing certificate: PEM, DER or PKCS#7."
    ),
    encryption_certificate: Path | None = typer.Option(
        None, "--encryption-certificate", metavar="FILE", help="Its encryption certificate, if another."
    ),
    ca: list[Path] = typer.Option([], "--ca", metavar="FILE", help="A CA above them; may repeat."),
    url: str | None = typer.Option(
        None, "--url", metavar="URL", help="The https address of its access point."
    ),
    tls_ca: list[Path] = typer.Option(
        [], "--tls-ca", metavar="FILE", help="A CA of its TLS server, if another; may repeat."
    ),
    key_reference: list[KeyReference] = _KeyReferences,
    metadata: Path | None = typer.Option(
        None, "--metadata", metavar="FILE", help="All of this in one TOML or JSON file, or a Domibus P-Mode."
    ),
    replace: bool = typer.Option(
        False, "--replace", help="Retire earlier certificates of the same purpose; change a set address."
    ),
    fingerprint_: list[str] = typer.Option(
        [], "--fingerprint", metavar="SHA256", help="As read on the phone, one for each new certificate."
    ),
    yes: bool = typer.Option(False, "--yes", help="Ask nothing; every new certificate needs --fingerprint."),
    as_json: bool = JsonOption,
) -> None:
    """Install a partner's certificates and address, after checks and a phone call.

    Nothing is written before everything is checked and confirmed.
    """

    async def work() -> None:
        async with opened() as (instance, store):
            _, party = partner_of(instance, name)
            place = place_of(instance, party)
            found = _metadata(metadata, party.id)
            parcel = _parcel(
                place,
                signing=certificate,
                encryption=encryption_certificate,
                anchors=ca,
                tls_anchors=tls_ca,
                references=key_reference,
                metadata=found,
            )
            now = instance.clock.now()
            address = url or (found[1].url if found else None)
            change = prepare_add(place, parcel, url=address, replace=replace, now=now)
            if change.empty:
                _nothing_new(change, as_json=as_json)
                return
            _confirm(change, parcel, now, fingerprint_, yes=yes, as_json=as_json)
            await carry_out(change, store, actor="cli", now=now)
            _report(instance, change, as_json=as_json)

    run(work)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise refuse("unreadable", str(path)) from exc


def _metadata(path: Path | None, party: str) -> tuple[str, Metadata] | None:
    """Source and metadata, which must be this party's."""
    if path is None:
        return None
    found = read_metadata(_read(path), str(path), party=party)
    if found.party != party:
        raise refuse("metadata_party", str(path), given=found.party, wanted=party)
    return str(path), found


def _parcel(
    place: Place,
    *,
    signing: Path | None,
    encryption: Path | None,
    anchors: Sequence[Path],
    tls_anchors: Sequence[Path],
    references: Sequence[KeyReference],
    metadata: tuple[str, Metadata] | None,
) -> Parcel:
    """Everything given, read; what an option gives comes before the same of the metadata."""

    def of(paths: Sequence[Path | None], name: str) -> tuple[Given, ...]:
        read = tuple(
            g for path in paths if path is not None for g in read_certificates(_read(path), str(path))
        )
        if read or metadata is None:
            return read
        source, found = metadata
        return found.certificates(name, source)

    listed = tuple(references) or (metadata[1].key_references if metadata else ())
    return Parcel(
        signing=of([signing], "signing_certificate"),
        encryption=of([encryption], "encryption_certificate"),
        anchors=of(anchors, "ca_certificates"),
        tls_anchors=of(tls_anchors, "tls_ca_certificates"),
        key_references=listed or place.folder.key_references(),
    )


def _nothing_new(change: Change, *, as_json: bool) -> None:
    if as_json:
        print_json({"party": change.party, "changed": False, "expired": _fingerprints(change.expired)})
        return
    say(f"Nothing to do: all of this is installed for {change.party} already.")
    _say_expired(change)


def _fingerprints(items: Sequence[Installed]) -> list[str]:
    """Each once: one certificate may be installed for several purposes."""
    return list(dict.fromkeys(fingerprint(item.certificate) for item in items))


def _say_expired(change: Change) -> None:
    """A certificate that has ended serves nobody, and ``check`` reports it until it is gone."""
    if change.expired:
        say("Expired and still installed: the check and the alerts go on about it until you retire it.")
    for sha256 in _fingerprints(change.expired):
        say(f'  passerelle partner retire fr {sha256[:16]} --reason "expired"')


def _confirm(
    change: Change, parcel: Parcel, now: Any, typed: Sequence[str], *, yes: bool, as_json: bool
) -> None:
    """Fingerprints as given must match; else the operator types what the partner reads aloud."""
    ask = not yes and not typed
    if as_json and ask:
        fail("--json asks nothing", cure="give --yes and a --fingerprint for each new certificate")
    if not ask:
        check_fingerprints(change, parcel.everything, typed)
    if as_json:
        return
    _show_plan(change, now, hide=HIDDEN_GROUPS if ask else 0)
    if not ask:
        if not yes and not typer.confirm("Install this?"):
            fail("nothing was changed")
        return
    if change.plan.additions:
        say("Call the partner on a number that you know already, not one that came with the files.")
        say("You read the groups above; the partner goes on with the last two, and you type them.")
    for number, addition in enumerate(change.plan.additions, start=1):
        answer = normal(typer.prompt(f"Last two groups of certificate {number}"))
        if answer not in {last_groups(addition.given.sha256), addition.given.sha256}:
            raise refuse("fingerprint", addition.given.source)
    if not change.plan.additions and not typer.confirm("Change this?"):
        fail("nothing was changed")


def _show_plan(change: Change, now: Any, *, hide: int) -> None:
    count = len(change.plan.additions)
    out.print(f"Partner {change.party}: nothing is written yet", markup=False, style="bold")
    if count:
        say(f"{count} new certificate{'s' if count > 1 else ''}; all checks passed.")
    for number, addition in enumerate(change.plan.additions, start=1):
        say()
        show_certificate(
            number,
            purposes_text(addition.purposes),
            facts(addition.given.certificate, now),
            source=addition.given.source,
            hide=hide,
        )
    say()
    for given in change.plan.present:
        say(f"Installed already: {given.source}")
    for name, value in change.settings:
        say(f"Setting: {name} = {value}")
    for item in change.retired:
        say(f"Will be retired: {_short(item)}")
    for text in change.plan.warnings:
        say(f"Note: {text}.")


def _short(item: Installed) -> str:
    ends = item.certificate.not_valid_after_utc
    return f"{item.path.name}, SHA-256 {fingerprint(item.certificate)[:16]}…, until {ends:%Y-%m-%d}"


def _report(instance: Instance, change: Change, *, as_json: bool) -> None:
    names = written(change, instance.folder)
    if as_json:
        print_json(
            {
                "party": change.party,
                "changed": True,
                "added": [a.given.sha256 for a in change.plan.additions],
                "retired": [fingerprint(i.certificate) for i in change.retired],
                "beside": [fingerprint(i.certificate) for i in change.beside],
                "expired": _fingerprints(change.expired),
                "settings": dict(change.settings),
                "files": list(names),
                "warnings": list(change.plan.warnings),
            }
        )
        return
    say()
    out.print("Done; the audit log says who and what.", style="bold")
    for name in names:
        say(f"  {name}")
    for setting, value in change.settings:
        say(f"  passerelle.toml: {setting} = {value}")
        variable = f"PASSERELLE_{setting.replace('.', '__').upper()}"
        if variable in os.environ:
            say(f"  but {variable} is set in this environment, and wins")
    if change.beside:
        say("The earlier certificates stay valid beside the new ones. Once the partner uses only these:")
        for sha256 in _fingerprints(change.beside):
            say(f'  passerelle partner retire fr {sha256[:16]} --reason "renewed"')
    _say_expired(change)
    say(_RESTART)


# ---- retire ---------------------------------------------------------------------------------------


@partner.command("retire")
def retire(
    name: str = typer.Argument(..., metavar="NAME", help="The partner: fr, or its party id."),
    sha256: str = typer.Argument(..., metavar="SHA256", help="Fingerprint, or its first 8 digits or more."),
    reason: str = ReasonOption,
    even_if_needed: bool = typer.Option(
        False, "--even-if-needed", help="Also when the exchange then stops: its key was lost."
    ),
    as_json: bool = JsonOption,
) -> None:
    """Stop using a certificate: after a renewal, or at once when its key was lost.

    It is kept in trust/fr/retired, to verify old evidence.
    """

    async def work() -> None:
        async with opened() as (instance, store):
            _, party = partner_of(instance, name)
            now = instance.clock.now()
            change = prepare_retire(
                place_of(instance, party), sha256, reason=reason, even_if_needed=even_if_needed, now=now
            )
            await carry_out(change, store, actor="cli", now=now)
            if as_json:
                print_json({"party": change.party, "retired": _fingerprints(change.retired)})
                return
            for item in change.retired:
                say(f"Retired: {_short(item)}")
            for text in change.plan.warnings:
                say(f"Note: {text}.")
            say("Restart the gateway and its workers: until then they still use it.")

    run(work)


# ---- pmode ----------------------------------------------------------------------------------------


@partner.command("pmode")
def pmode(
    product: Product = typer.Option(
        ..., "--for", metavar="PRODUCT", help="What the partner runs: domibus, phase4 or holodeck."
    ),
    output: Path | None = typer.Option(
        None, "--output", metavar="FILE", help="File or folder to write; Holodeck needs a folder."
    ),
    our_url: str | None = OurUrlOption,
    key_reference: KeyReference | None = typer.Option(
        None,
        "--key-reference",
        metavar="HOW",
        help="How it names certificates: bst, ski or issuer-serial; default: as added, else bst.",
    ),
) -> None:
    """Write the P-Modes of the agreement as the partner's product reads them."""

    async def work() -> None:
        instance = Instance.load(options.folder)
        france = instance.settings.france
        known = trust_folder(instance).key_references()
        line = make_line(
            instance.agreement,
            our_url=our_address(instance, our_url),
            their_url=france.url if "url" in france.model_fields_set else None,
            policy=SecurityPolicy(),
            key_reference=key_reference or (known[0] if known else KeyReference.BST),
        )
        if our_url is None:
            err.print(
                f"note: our address is written as {line.our_url}; give --our-url if it is another",
                markup=False,
            )
        _write(pmode_files(product, line), output)

    run(work)


def _write(contents: dict[str, bytes], output: Path | None) -> None:
    """To standard output when it is one file and no place is given; never over a file."""
    if output is None:
        if len(contents) > 1:
            fail("this product needs a file for each P-Mode", cure="give a folder with --output")
        sys.stdout.write(next(iter(contents.values())).decode())
        return
    if len(contents) == 1 and not output.is_dir():
        targets = {output: next(iter(contents.values()))}
    else:
        targets = {output / name: content for name, content in contents.items()}
    for path in targets:
        if path.exists():
            fail(f"{path} is there already; nothing was written", cure="choose another place with --output")
    for path, content in targets.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    say(f"Written: {output} ({len(targets)} file{'s' if len(targets) > 1 else ''})")
