"""The partner's line as console and command line look at it: certificates of both sides, the connection test.

Made from an ``Instance``; the console gets these as plain callables, since pages know neither keys nor the
partner's files.
"""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Final

from cryptography import x509

from gateway.certificates import Use, own, trust_folder
from gateway.core.errors import ConfigError
from gateway.instance import Instance
from gateway.keys import files
from gateway.keys.instance import CA_CERTIFICATE
from gateway.partners.certificates import facts
from gateway.partners.probe import MESSAGE, TEST, Outcome, Probe, Step, Target
from gateway.transport.http import HttpTransport

Json = dict[str, Any]
MakeTransport = Callable[[Instance], HttpTransport]
"""``gateway.wiring.french_transport``: what messages use."""
THRESHOLDS: Final = (1, 7, 30, 60)
"""Days before a certificate ends at which it is told, as in the alerts."""


# ---- certificates -------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class OurFile:
    """One of our certificates as it is handed over."""

    name: str
    """Of the file."""
    said: str
    """To the partner: what for."""
    use: str
    """``sign``, ``encrypt``, ``tls`` or ``anchor``."""
    certificate: x509.Certificate


_SAID: Final = {
    Use.SIGN: ("sign", "verify our messages and receipts with it"),
    Use.DECRYPT: ("encrypt", "encrypt to it"),
    Use.TLS: ("tls", "our TLS server, and client where asked for"),
}


def our_certificates(instance: Instance) -> list[OurFile]:
    """Those in use, then the CAs. Raises ConfigError."""
    items, rows = own(instance), []
    for item in items:
        use, said = _SAID[item.use]
        more = "" if item.kind is None else " (profile 2.0)"
        rows.append(
            OurFile(name=f"{item.key}.crt.pem", said=said + more, use=use, certificate=item.certificate)
        )
    own_ca = instance.folder / CA_CERTIFICATE
    authorities = (
        files.read_chain(own_ca) if own_ca.exists() else [c for item in items for c in item.chain[1:]]
    )
    for number, certificate in enumerate(dict.fromkeys(authorities), start=1):
        name = f"ca-{number}.crt.pem" if number > 1 else "ca.crt.pem"
        rows.append(OurFile(name=name, said="CA of the above", use="anchor", certificate=certificate))
    return rows


def certificate_rows(instance: Instance) -> list[Json]:
    """Every certificate in use, those of both sides, the one that ends first at the top. Reads files: call it
    in a thread. ``near``: the smallest of ``THRESHOLDS`` that is reached, None while it is far off. Raises
    ConfigError."""
    rows = [_row(instance, "uk", f.name, (f.use,), f.certificate) for f in our_certificates(instance)]
    folder = trust_folder(instance)
    for item in folder.installed():
        uses = tuple(purpose.name.lower() for purpose in item.purposes)
        rows.append(_row(instance, "fr", folder.shown(item.path), uses, item.certificate))
    return sorted(rows, key=lambda row: (row["days_left"], row["side"], row["file"]))


def _row(instance: Instance, side: str, file: str, uses: tuple[str, ...], found: x509.Certificate) -> Json:
    known = facts(found, instance.clock.now())
    near = next((days for days in THRESHOLDS if known.days_left < days), None)
    return {
        "side": side,
        "file": file,
        "uses": list(uses),
        "subject": known.subject,
        "issuer": known.issuer,
        "serial": known.serial_hex,
        "sha256": known.sha256,
        "key": known.key,
        "valid_from": known.valid_from,
        "valid_until": known.valid_until,
        "days_left": known.days_left,
        "state": known.state,
        "near": near,
    }


# ---- the connection test ------------------------------------------------------------------------


async def connection_steps(
    instance: Instance, make_transport: MakeTransport, *, message: bool = False
) -> AsyncIterator[Step]:
    """The connection to the French access point step by step, up to a signed ping and its receipt; nothing is
    delivered."""
    try:
        access_point = instance.make_access_point()
        tls = instance.french_tls() if instance.settings.france.url.startswith("https") else None
        transport = make_transport(instance)
    except ConfigError as exc:
        cure = "passerelle partner add installs what is missing; passerelle check tells more"
        failed = Outcome.FAILED
        yield Step(name="setup", outcome=failed, result="not ready here", cause=exc.detail, cure=cure)
        for later in (*TEST, *([MESSAGE] if message else [])):
            yield Step(name=later, outcome=Outcome.SKIPPED, result="an earlier step failed")
        return
    yield Step(name="setup", outcome=Outcome.OK, result="keys, certificates and CAs are valid here")
    france = instance.settings.france
    target = Target(url=france.url, tls=tls, connect_timeout_s=france.connect_timeout_s)
    async with transport:
        probe = Probe(target=target, access_point=access_point, transport=transport, clock=instance.clock)
        async for step in probe.run(message=message):
            yield step


async def connection_rows(instance: Instance, make_transport: MakeTransport) -> list[Json]:
    """``connection_steps`` as plain values: ``name``, ``outcome``, ``result``, ``cause``, ``cure``,
    ``seconds``."""
    found = []
    async for step in connection_steps(instance, make_transport):
        row = dataclasses.asdict(step)
        del row["facts"]
        found.append({**row, "outcome": step.outcome.name.lower(), "seconds": round(step.seconds, 3)})
    return found
