"""The partner's line as console and command line look at it: certificates of both sides, the connection test.

Made from an ``Instance``; the console gets these as plain callables, since pages know neither keys nor the
partner's files.
"""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

from cryptography import x509

from gateway.core.as4.keys import certificate_kind
from gateway.core.errors import ConfigError
from gateway.instance import Instance
from gateway.keys import files, keyring
from gateway.keys.instance import CA_CERTIFICATE
from gateway.partners.certificates import facts
from gateway.partners.folder import TrustFolder
from gateway.partners.probe import MESSAGE, TEST, Outcome, Probe, Step, Target
from gateway.transport.http import HttpTransport

Json = dict[str, Any]
MakeTransport = Callable[[Instance], HttpTransport]
"""``gateway.wiring.french_transport``: what messages use."""
THRESHOLDS: Final = (1, 7, 30, 60)
"""Days before a certificate ends at which it is told, as in the alerts."""


def trust_folder(instance: Instance) -> TrustFolder:
    """Where the partner's certificates lie."""
    settings = instance.settings
    return TrustFolder(
        instance=instance.folder,
        trust=instance.folder / settings.keys.trust,
        tls_anchors=instance.folder / settings.france.anchors,
        keys=instance.folder / settings.keys.folder,
    )


# ---- certificates -------------------------------------------------------------------------------


def our_certificates(instance: Instance) -> list[tuple[str, str, x509.Certificate]]:
    """(file name to hand over, what for, certificate); CAs last."""
    keys = instance.keyring
    tls = files.read_chain(keys.tls_certificate)
    rows = [
        ("as4-sign.crt.pem", "verify our messages and receipts with it", keys.as4_sign.certificate),
        ("as4-decrypt.crt.pem", "encrypt to it", keys.as4_decrypt[0].certificate),
    ]
    # keys of profile 2.0, where the agreement uses it
    for kind, signer in keys.more_sign.items():
        file = f"{keyring.MORE_SIGN[kind]}.crt.pem"
        rows.append((file, "verify our messages and receipts with it (profile 2.0)", signer.certificate))
    for key in keys.more_decrypt:
        found = certificate_kind(key.certificate)
        if found is not None and f"{keyring.MORE_DECRYPT[found]}.crt.pem" not in {row[0] for row in rows}:
            rows.append(
                (f"{keyring.MORE_DECRYPT[found]}.crt.pem", "encrypt to it (profile 2.0)", key.certificate)
            )
    rows.append(("tls.crt.pem", "our TLS server, and client where asked for", tls[0]))
    own_ca = instance.folder / CA_CERTIFICATE
    authorities = files.read_chain(own_ca) if own_ca.exists() else (*keys.as4_sign.chain[1:], *tls[1:])
    for number, certificate in enumerate(dict.fromkeys(authorities), start=1):
        rows.append((f"ca-{number}.crt.pem" if number > 1 else "ca.crt.pem", "CA of the above", certificate))
    return rows


def certificate_rows(instance: Instance) -> list[Json]:
    """Every certificate in use, those of both sides, the one that ends first at the top. Reads files: call it
    in a thread. ``near``: the smallest of ``THRESHOLDS`` that is reached, None while it is far off. Raises
    ConfigError."""
    rows = [_row(instance, "uk", file, (_USES[file],), c) for file, _, c in our_certificates(instance)]
    for item in trust_folder(instance).installed():
        uses = tuple(purpose.name.lower() for purpose in item.purposes)
        rows.append(_row(instance, "fr", trust_folder(instance).shown(item.path), uses, item.certificate))
    return sorted(rows, key=lambda row: (row["days_left"], row["side"], row["file"]))


class _Uses(dict[str, str]):
    """Our file → what it is for, in the words of ``Purpose``."""

    def __missing__(self, file: str) -> str:
        if file.startswith("ca"):
            return "anchor"
        if file.startswith("tls"):
            return "tls"
        return "sign" if "sign" in file else "encrypt"


_USES: Final = _Uses()


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
