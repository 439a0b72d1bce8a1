"""``passerelle keys list``, ``add`` and ``rotate``."""

from __future__ import annotations

import typer

from gateway.cli.common import JsonOption, leave, options, out, show
from gateway.clock import SystemClock
from gateway.core.as4.profiles import SecurityProfile
from gateway.core.errors import ConfigError
from gateway.keys import add_profile, list_keys
from gateway.keys import rotate as rotate_key

keys = typer.Typer(no_args_is_help=True, help="Keys: list with fingerprints, add, rotate.")


@keys.command("list")
def list_all(as_json: bool = JsonOption) -> None:
    """List every key: purpose, algorithm, SHA-256 fingerprint, end of its certificate. Never a key itself."""
    try:
        found = list_keys(options.folder)
    except ConfigError as exc:
        leave(exc)
    now = SystemClock().now()
    rows = [
        {
            "purpose": row.purpose,
            "algorithm": row.algorithm,
            "current": row.current,
            "days_left": None if row.not_after is None else (row.not_after - now).days,
            "fingerprint": row.fingerprint,
        }
        for row in found
    ]
    show(rows, as_json=as_json, title="Keys", empty="No key here; make an instance: passerelle init DIR")


@keys.command("add")
def add(
    profile: SecurityProfile = typer.Argument(
        ..., help="edelivery-2.0 (Ed25519, X25519) or edelivery-2.0-ec."
    ),
) -> None:
    """Make the keys of another AS4 security PROFILE beside the present ones. Restart the gateway after.

    Nothing uses them before the agreement names the profile.
    """
    try:
        made = add_profile(options.folder, profile, now=SystemClock().now())
    except ConfigError as exc:
        leave(exc)
    for path in made:
        out.print(f"New key in {path}.", markup=False)
    out.print("Send the new certificates to the partner, and compare fingerprints by phone.")


@keys.command("rotate")
def rotate(
    purpose: str = typer.Argument(..., help="For example as4-sign, as4-decrypt, jws, token, kek."),
) -> None:
    """Make a new key for PURPOSE; the old one stays beside it for reading. Restart the gateway after."""
    try:
        path = rotate_key(options.folder, purpose, now=SystemClock().now())
    except ConfigError as exc:
        leave(exc)
    out.print(f"New key in {path}. Restart gateway and workers to use it.", markup=False)
    if purpose.startswith("as4"):
        out.print("Send the new certificate to the partner, and compare fingerprints by phone.")
