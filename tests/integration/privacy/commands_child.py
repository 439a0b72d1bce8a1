"""Runs commands of ``passerelle`` one after the other, as an operator's terminal would show them.

``python -m tests.integration.privacy.commands_child FOLDER``: a JSON list of argument lists comes on standard
input; a JSON list of ``[arguments, exit status, everything that was printed]`` goes to standard output.
"""

from __future__ import annotations

import json
import os
import sys

from typer.testing import CliRunner

from gateway.cli.main import app


def main(folder: str) -> None:
    os.environ["COLUMNS"] = "200"
    found = []
    for words in json.load(sys.stdin):
        result = CliRunner().invoke(app, ["-C", folder, *words])
        crash = "" if result.exception is None or isinstance(result.exception, SystemExit) else "CRASH"
        found.append([words, result.exit_code, f"{result.output}\n{crash}"])
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1])
