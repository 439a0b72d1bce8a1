"""The console of ``tests.fixtures.console``, started anew for each test."""

from __future__ import annotations

from tests.fixtures.console import console

__all__ = ["console"]
