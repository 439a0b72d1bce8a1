"""Tables: alerts: one row per incident, and what was sent about it."""

from __future__ import annotations
