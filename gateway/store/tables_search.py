"""Tables: finding messages: filters, saved filters, counts."""

from __future__ import annotations
