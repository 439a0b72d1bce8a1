"""``passerelle bench``: the measurements of ``make bench``, from a checkout of the source."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Final

import typer

from gateway.cli.common import fail

_ROOT: Final = Path(__file__).parents[2]
"""Of the checkout, when the gateway is installed from one (``make setup``)."""


def bench(
    messages: int = typer.Option(500, min=10, help="Messages of the flood."),
    as_json: bool = typer.Option(False, "--json", help="Print the result as JSON."),
) -> None:
    """Measure messages per second, CPU per message and the ratio to the cryptographic floor."""
    if not (_ROOT / "bench" / "__main__.py").is_file():
        fail(
            "the benchmark is not part of the installed package",
            cure="run it in a checkout of the source: make bench",
        )
    if importlib.util.find_spec("psutil") is None:
        fail("the benchmark needs psutil, a development dependency", cure="make setup")
    command = [sys.executable, "-m", "bench", "--messages", str(messages), *(["--json"] if as_json else [])]
    raise typer.Exit(subprocess.run(command, cwd=_ROOT, check=False).returncode)  # noqa: S603 — our own program
