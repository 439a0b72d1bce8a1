"""Tables: people who log in: accounts, second factors, sessions."""

from __future__ import annotations
