"""Tables: actions on many messages at once, and reasoned reveals of personal data."""

from __future__ import annotations
