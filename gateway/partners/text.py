"""Text that came from a partner, made safe to show."""

from __future__ import annotations


def printable(text: str) -> str:
    """Safe on a terminal: what moves the cursor, colours or reverses is shown as its code point."""
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)
