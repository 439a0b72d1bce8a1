"""Fixtures that tests of metrics and live views share."""

from __future__ import annotations

from tests.fixtures.databases import backend, postgres_server, sqlite_template, store, store_url

__all__ = ["backend", "postgres_server", "sqlite_template", "store", "store_url"]
