"""The command line ``passerelle``. Modules follow the commands; ``common`` holds what they share."""

from gateway.cli.main import main

__all__ = ["main"]
