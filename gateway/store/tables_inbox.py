"""Tables: events that reach the inbox beside messages: time limits, refusals after waiting, thresholds."""

from __future__ import annotations
