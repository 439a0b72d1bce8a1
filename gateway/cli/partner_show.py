"""``passerelle partner list`` and ``show``: what is installed, agreed, and what the partner needs."""

from __future__ import annotations

import dataclasses
import datetime as dt
from pathlib import Path
from typing import Any

import typer
from cryptography import x509

from gateway.cli.common import JsonOption, fail, options, out, print_json, run, show
from gateway.cli.partner_common import (
    NameArgument,
    OurUrlOption,
    certificate_json,
    field,
    our_address,
    partner_of,
    purposes_text,
    say,
    show_certificate,
    trust_folder,
    validity,
)
from gateway.core.as4.namespaces import PING_ACTION, PING_SERVICE
from gateway.core.treaty.agreement import Party, PModeRow
from gateway.instance import Instance
from gateway.partner_wiring import OurFile, our_certificates
from gateway.partners.certificates import Purpose, facts, group_lines, pem
from gateway.partners.folder import Installed
from gateway.partners.metadata import Metadata, metadata_text

_READY = "ready"
_SET_ADDRESS = "passerelle partner add fr --url URL"


def list_partners(as_json: bool = JsonOption) -> None:
    """List the partners of the agreement: address, certificates in use, and until when."""

    async def work() -> None:
        instance = Instance.load(options.folder)
        short, party = partner_of(instance, None)
        now = instance.clock.now()
        installed = trust_folder(instance).installed()
        address, state = _address(instance), _state(installed, now)
        row: dict[str, Any] = {
            "name": short,
            "party": party.id,
            "address": address,
            "signs_until": _until(installed, Purpose.SIGN, now),
            "encrypts_until": _until(installed, Purpose.ENCRYPT, now),
            "state": state,
        }
        if as_json:
            print_json([row])
            return
        brief = {k: v.date().isoformat() if isinstance(v, dt.datetime) else v for k, v in row.items()}
        del brief["address"]
        brief["state"] = state.partition(":")[0]
        show([brief], as_json=False, title="Partners", empty="")
        say(f"{short} is at {address}" if address else f"{short} has no address yet: {_SET_ADDRESS}")
        if state != _READY:
            say(f"{short} is {state.replace(': ', ', for want of: ')}")

    run(work)


def _address(instance: Instance) -> str | None:
    """None while the address is the default of the settings, which is the simulated ministry's."""
    france = instance.settings.france
    return france.url if "url" in france.model_fields_set else None


def _usable(installed: tuple[Installed, ...], purpose: Purpose, now: dt.datetime) -> list[x509.Certificate]:
    return [
        i.certificate
        for i in installed
        if purpose in i.purposes
        and i.certificate.not_valid_before_utc <= now <= i.certificate.not_valid_after_utc
    ]


def _until(installed: tuple[Installed, ...], purpose: Purpose, now: dt.datetime) -> dt.datetime | None:
    return max((c.not_valid_after_utc for c in _usable(installed, purpose, now)), default=None)


def _state(installed: tuple[Installed, ...], now: dt.datetime) -> str:
    words = {Purpose.SIGN: "a certificate that signs", Purpose.ENCRYPT: "one to encrypt to"}
    missing = [words.get(p, f"a {p.value}") for p in Purpose if not _usable(installed, p, now)]
    return f"incomplete: {', '.join(missing)}" if missing else _READY


# ---- show -----------------------------------------------------------------------------------------


def show_partner(
    name: str | None = NameArgument,
    ours: bool = typer.Option(False, "--ours", help="Show what the partner must enter of us instead."),
    export: Path | None = typer.Option(
        None, "--export", metavar="DIR", help="With --ours: write certificates and metadata to hand over."
    ),
    our_url: str | None = OurUrlOption,
    as_json: bool = JsonOption,
) -> None:
    """Show one partner: certificates with fingerprints for the phone call, and every value of its P-Modes."""

    async def work() -> None:
        instance = Instance.load(options.folder)
        short, party = partner_of(instance, name)
        if ours:
            _show_ours(instance, our_address(instance, our_url), export=export, as_json=as_json)
        elif export is not None:
            fail("--export writes our own values", cure="give --ours too")
        else:
            _show_theirs(instance, short, party, as_json=as_json)

    run(work)


def _show_theirs(instance: Instance, short: str, party: Party, *, as_json: bool) -> None:
    folder, now = trust_folder(instance), instance.clock.now()
    installed = folder.installed()
    references = [reference.value for reference in folder.key_references()]
    if as_json:
        print_json(
            {
                "name": short,
                "party": party.id,
                "party_type": party.id_type,
                "initiator_role": instance.agreement.exchange.initiator_role,
                "responder_role": instance.agreement.exchange.responder_role,
                "address": _address(instance),
                "key_references": references,
                "state": _state(installed, now),
                "certificates": [
                    certificate_json(
                        i.certificate, now, file=folder.shown(i.path), purposes=[p.value for p in i.purposes]
                    )
                    for i in installed
                ],
                "pmodes": [pmode_json(row) for row in instance.agreement.pmode_rows],
                "unverified": _unverified(instance),
            }
        )
        return
    out.print(f"Partner {short}: {party.name_en}", markup=False, style="bold")
    field("party id", party.id)
    field("type", party.id_type or "none")
    field("address", _address(instance) or f"not set: {_SET_ADDRESS}")
    field("refers by", ", ".join(references) or "not said; bst, ski and issuer-serial are all accepted")
    field("state", _state(installed, now))
    say()
    for number, item in enumerate(installed, start=1):
        title = (
            purposes_text(item.purposes) or "of no use: its key usage allows neither signing nor encrypting"
        )
        show_certificate(number, title, facts(item.certificate, now), source=folder.shown(item.path))
        say()
    if not installed:
        say("No certificate is installed: passerelle partner add fr --certificate FILE --ca FILE")
        say()
    _show_pmodes(instance)


def pmode_json(row: PModeRow) -> dict[str, Any]:
    """Every value of one P-Mode."""
    found = dataclasses.asdict(row)
    for side in ("initiator", "responder"):
        party = getattr(row, side)
        found[side] = {"id": party.id, "type": party.id_type, "role": getattr(row, f"{side}_role")}
        del found[f"{side}_role"]
    return {"we": "send" if row.endpoint == "fr" else "receive", **found}


def _unverified(instance: Instance) -> list[dict[str, str]]:
    """What both sides still have to agree on, of the parts that concern the line."""
    return [
        {"place": item.place, "note": item.note_en}
        for item in instance.agreement.unverified
        if item.place.startswith(("parties", "exchange", "pmodes"))
    ]


def _show_pmodes(instance: Instance) -> None:
    exchange, rows = instance.agreement.exchange, instance.agreement.pmode_rows
    out.print("P-Modes: the same in all", style="bold")
    field("service", exchange.service)
    field("its type", exchange.service_type or "none")
    field("agreement", exchange.agreement_ref)
    field("MEP", exchange.mep)
    field("initiator", exchange.initiator_role)
    field("responder", exchange.responder_role)
    for title, endpoint in (("We send", "fr"), ("We receive", "uk")):
        mine = [row for row in rows if row.endpoint == endpoint]
        first = mine[0]
        say()
        out.print(title, style="bold")
        field("from", f"{first.initiator.id} to {first.responder.id}")
        field("binding", first.mep_binding)
        field("receipt", f"signed, by {first.receipt}")
        field("MPC", first.mpc)
        field("sender", f"{first.original_sender} (property originalSender)")
        field("recipient", f"{first.final_recipient} (property finalRecipient)")
        field("their type", first.corner_type or "none")
        field("actions", ", ".join(row.action for row in mine))
    say()
    out.print("Connection test, both ways", style="bold")
    field("service", PING_SERVICE)
    field("action", PING_ACTION)
    unverified = _unverified(instance)
    if unverified:
        say()
        out.print("UNVERIFIED: still to be agreed with the partner", style="bold")
        for item in unverified:
            field(item["place"].removeprefix("parties."), item["note"])


# ---- ours -----------------------------------------------------------------------------------------


def _show_ours(instance: Instance, url: str, *, export: Path | None, as_json: bool) -> None:
    party, now = instance.agreement.parties.uk, instance.clock.now()
    rows = our_certificates(instance)
    written = _export(instance, url, rows, export) if export is not None else []
    if as_json:
        print_json(
            {
                "party": party.id,
                "party_type": party.id_type,
                "url": url,
                "certificates": [
                    certificate_json(row.certificate, now, file=row.name, use=row.said) for row in rows
                ],
                "written": [str(path) for path in written],
            }
        )
        return
    out.print("What the partner enters of us", style="bold")
    field("party id", party.id)
    field("type", party.id_type or "none")
    field("address", url)
    if "127.0.0.1" in url or "localhost" in url:
        field("", "the listener's own address; give --our-url as the partner reaches it")
    say()
    for number, row in enumerate(rows, start=1):
        show_certificate(number, row.said, facts(row.certificate, now), source=row.name)
        say()
    if written:
        say(f"Written to {export}: {', '.join(path.name for path in written)}")
    say("Send the files by e-mail, and read the SHA-256 fingerprints aloud by phone, on a known number.")


def _export(instance: Instance, url: str, rows: list[OurFile], target: Path) -> list[Path]:
    """Public files only, into a folder where none of them is yet."""
    party, now = instance.agreement.parties.uk, instance.clock.now()
    by_name = {row.name: pem([row.certificate]).decode() for row in rows}
    authorities = tuple(by_name[row.name] for row in rows if row.use == "anchor")
    metadata = Metadata(
        party=party.id,
        party_type=party.id_type or None,
        url=url,
        signing_certificate=by_name["as4-sign.crt.pem"],
        encryption_certificate=by_name["as4-decrypt.crt.pem"],
        ca_certificates=authorities,
    )
    lines = []
    for row in rows:
        found = facts(row.certificate, now)
        lines += [f"{row.name}: {row.said}", f"  {found.subject}", f"  {validity(found)}"]
        lines += [f"  {line}" for line in group_lines(found.sha256)] + [""]
    contents = {**by_name, "partner.toml": metadata_text(metadata), "fingerprints.txt": "\n".join(lines)}
    there = [name for name in contents if (target / name).exists()]
    if there:
        fail(f"{there[0]} is there already; nothing was written", cure="choose an empty folder with --export")
    target.mkdir(parents=True, exist_ok=True)
    for name, text in contents.items():
        (target / name).write_text(text, "utf-8")
    return [target / name for name in contents]
