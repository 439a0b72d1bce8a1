"""What the partner commands share: which partner, where its files are, how a certificate is shown."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

import typer
from cryptography import x509

from gateway.certificates import trust_folder as trust_folder
from gateway.cli.common import fail, out
from gateway.core.as4.policy import SecurityPolicy
from gateway.core.treaty.agreement import Party
from gateway.instance import Instance, url_of
from gateway.partners.certificates import Facts, Purpose, facts, group_lines
from gateway.partners.connect import Place

WIDTH = 80
_LABEL = 11
NameArgument = typer.Argument(None, metavar="[NAME]", help="As in: passerelle partner list.")
OurUrlOption = typer.Option(
    None, "--our-url", metavar="URL", help="Our AS4 address as the partner reaches it, if not the listener's."
)
PURPOSES = {
    Purpose.SIGN: "signs messages and receipts",
    Purpose.ENCRYPT: "we encrypt to it",
    Purpose.ANCHOR: "CA of its message certificates",
    Purpose.TLS_ANCHOR: "CA of its TLS server",
}


def partner_of(instance: Instance, name: str | None) -> tuple[str, Party]:
    """Short name and party of the agreement; without a name the only one. Fails for an unknown name."""
    known = {"fr": instance.agreement.parties.fr}
    wanted = next(iter(known)) if name is None else name.casefold()
    found = next(((s, p) for s, p in known.items() if wanted in {s, p.id.casefold()}), None)
    if found is None:
        listed = ", ".join(f"{short} ({party.id})" for short, party in known.items())
        fail(f"the agreement names no partner {wanted}", cure=f"it names: {listed}")
    return found


def place_of(instance: Instance, party: Party) -> Place:
    return Place(
        folder=trust_folder(instance),
        settings=instance.settings,
        policy=SecurityPolicy(),
        profiles=frozenset(row.security for row in instance.agreement.pmode_rows),
        party=party.id,
    )


def our_address(instance: Instance, given: str | None) -> str:
    """Our AS4 endpoint as given, else as we listen."""
    part = instance.settings.as4
    return given or f"{url_of(part.host, part.port, tls=part.tls)}/as4"


# ---- for people -----------------------------------------------------------------------------------


def say(text: str = "") -> None:
    """Plain text, wrapped to 80 columns; nothing in it is markup."""
    for line in textwrap.wrap(text, WIDTH, break_long_words=False, break_on_hyphens=False) or [""]:
        out.print(line, markup=False)


def field(label: str, value: object, *, indent: int = 2) -> None:
    """``label  value``, further lines under the value."""
    field_lines(label, _wrapped(str(value), indent), indent=indent)


def field_lines(label: str, values: Iterable[str], *, indent: int = 2) -> None:
    shown = label
    for value in values:
        if indent + _LABEL + 1 + len(value) > WIDTH:  # a URI: on a line of its own it stays whole
            if shown:
                out.print(f"{'':{indent}}{shown}", markup=False)
            out.print(f"{'':{indent + 2}}{value}", markup=False)
        else:
            out.print(f"{'':{indent}}{shown:<{_LABEL}} {value}", markup=False)
        shown = ""


def _wrapped(value: str, indent: int) -> list[str]:
    """Also between the parts of a distinguished name, which has no blanks."""
    width = WIDTH - indent - _LABEL - 1
    found = textwrap.wrap(value, width, break_long_words=False, break_on_hyphens=False) or [""]
    lines: list[str] = []
    for line in found:
        while len(line) > width and "," in line[:width]:
            cut = line[:width].rindex(",") + 1
            lines.append(line[:cut])
            line = line[cut:]
        lines.append(line)
    return lines


def validity(found: Facts) -> str:
    days = f"{found.days_left} days left" if found.state == "valid" else found.state.upper()
    return f"{found.valid_from:%Y-%m-%d} to {found.valid_until:%Y-%m-%d} ({days})"


def purposes_text(purposes: Sequence[Purpose]) -> str:
    return "; ".join(PURPOSES[purpose] for purpose in purposes)


def show_certificate(number: int, title: str, found: Facts, *, source: str, hide: int = 0) -> None:
    """One certificate with all that a phone call and a peer's configuration need."""
    out.print(f"{number}  {title}", markup=False, style="bold")
    field("file", source, indent=3)
    field("subject", found.subject, indent=3)
    field("issuer", found.issuer, indent=3)
    field_lines("serial", (f"{found.serial_hex} (hex)", f"{found.serial} (decimal)"), indent=3)
    field("SKI", found.ski or "none", indent=3)
    field("key", found.key, indent=3)
    field("valid", validity(found), indent=3)
    field_lines("SHA-256", group_lines(found.sha256, hide=hide), indent=3)


def certificate_json(certificate: x509.Certificate, now: Any, **more: Any) -> dict[str, Any]:
    """All facts; the serial number also in decimal, as text, since JSON readers round large numbers."""
    found = asdict(facts(certificate, now))
    found["serial"] = str(found["serial"])
    return {**more, **found}
