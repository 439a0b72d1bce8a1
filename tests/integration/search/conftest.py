"""Searching runs on both databases."""

from tests.fixtures.databases import backend, postgres_server, sqlite_template, store, store_url

__all__ = ["backend", "postgres_server", "sqlite_template", "store", "store_url"]
