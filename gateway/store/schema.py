"""Every table: importing this module fills ``metadata``."""

from __future__ import annotations

from gateway.store import tables as tables
from gateway.store import tables_actions as tables_actions
from gateway.store import tables_alerts as tables_alerts
from gateway.store import tables_inbox as tables_inbox
from gateway.store import tables_search as tables_search
from gateway.store import tables_users as tables_users
from gateway.store.columns import metadata as metadata
