"""``passerelle evidence``: export a bundle, show the proofs of a message, verify one offline."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from gateway.cli.common import (
    JsonOption,
    MessageId,
    fail,
    options,
    out,
    print_json,
    read_file,
    show,
    with_exchange,
    write_file,
)
from gateway.core.errors import ConfigError, PasserelleError
from gateway.core.proofs.known import Known
from gateway.flows.evidence import evidence_report, export_evidence
from gateway.flows.evidence import verify as verify_bundle
from gateway.instance import Instance
from gateway.keys.known import known_from

evidence = typer.Typer(no_args_is_help=True, help="Evidence: export a bundle, show and verify proofs.")


@evidence.command("export")
def export(
    message_id: str = MessageId,
    to: Path = typer.Option(None, "--to", help="File to write; default evidence-<message id>.zip."),
) -> None:
    """Write a ZIP of all that proves one message: envelopes, receipts, signatures, keys, manifest."""
    target = to or Path(f"evidence-{message_id}.zip")
    if target.exists():
        fail(f"{target} is there already; nothing was written", cure="choose another file with --to")
    content = with_exchange(lambda exchange: export_evidence(exchange, message_id, actor="cli"))
    write_file(target, content)
    out.print(f"{target}: {len(content)} bytes", markup=False)


@evidence.command("show")
def show_evidence(message_id: str = MessageId, as_json: bool = JsonOption) -> None:
    """Verify the stored proofs of a message now, and show what each proves. Exit status 1 when one fails."""
    _print(with_exchange(lambda exchange: evidence_report(exchange, message_id)), as_json=as_json)


@evidence.command("verify")
def verify(
    file: Path = typer.Argument(..., metavar="FILE", help="A bundle made by: evidence export."),
    trust: list[Path] = typer.Option(
        [], "--trust", help="Certificates (*.pem, *.crt), key sets (*.json) that you trust: file or folder."
    ),
    body: Path | None = typer.Option(None, "--body", help="The request as it was posted, if you have it."),
    unsafe_trust_bundle: bool = typer.Option(
        False,
        "--unsafe-trust-bundle",
        help="Believe the keys in the bundle itself: shows that it is consistent, not who made it.",
    ),
    as_json: bool = JsonOption,
) -> None:
    """Verify every signature and receipt of a bundle, offline: no gateway, no database, no content needed.

    Signers are compared with --trust, else with the instance folder (-C). Exit status 0 only when nothing
    fails and a signature was verified.
    """
    bundle, given = read_file(file), None if body is None else read_file(body)
    try:
        known = None if unsafe_trust_bundle else _known(trust)
        report = verify_bundle(bundle, known=known, body=given).as_json()
    except PasserelleError as exc:
        fail(f"{file}: {exc.detail}")
    except OSError as exc:
        fail(f"{exc.filename} cannot be read: {exc.strerror}")
    _print(report, as_json=as_json)


def _known(trust: list[Path]) -> Known:
    if trust:
        return known_from(trust)
    try:
        instance = Instance.load(options.folder)
        return instance.known(instance.load_clients())
    except ConfigError:
        fail(
            "there is nothing to compare the signers with",
            cure="give --trust FILE_OR_FOLDER with the certificates and keys that you trust, or -C INSTANCE",
        )


def _print(report: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(report)
    else:
        rows = [
            {
                "": c["symbol"],
                "proof": f"{p['symbol']} {p['kind']}" if n == 0 else "",
                "what was checked": c["text"]["en"],
                "facts": ", ".join(f"{k} {v}" for k, v in c["facts"].items() if v is not None)[:100],
            }
            for p in report["proofs"]
            for n, c in enumerate(p["checks"])
        ]
        show(rows, as_json=False, title=f"Message {report['message']['message_id']}", empty="No proof yet.")
    if not report["ok"]:
        fail("the proofs do not hold" if report["proofs"] else "nothing proves this message yet")
    if not as_json:
        out.print("Every signature that can be judged here holds.", markup=False)
