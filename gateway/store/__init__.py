"""The store on SQLite or PostgreSQL: ``open_store`` and ``migrate``."""

from gateway.store.migrate import migrate, migrate_async
from gateway.store.sealing import KeyService, SealBroken
from gateway.store.store import SqlStore, SqlTransaction, open_store

__all__ = ["open_store", "migrate", "migrate_async", "SqlStore", "SqlTransaction", "KeyService", "SealBroken"]
