"""The operators' console: server-rendered, read-only for now, English and French."""

from gateway.web.console.app import ConsoleServices, make_console

__all__ = ["ConsoleServices", "make_console"]
