"""Environment variables that are no settings of an instance (those are in ``gateway.config``)."""

from typing import Final

FOLDER_VARIABLE: Final = "PASSERELLE_FOLDER"
"""Names the instance folder for the command line."""
PASSWORD_VARIABLE: Final = "PASSERELLE_PASSWORD_FILE"  # noqa: S105 — names a variable, holds no password
"""Names a file with the password of who gives a command."""
