"""One setting changed in ``passerelle.toml`` without touching anything else: comments and order stay.

The edit is by line, and then proven: the file read again must be the old one with just that value changed.
Where that does not hold (inline tables, dotted keys, a value over several lines) nothing is written, and the
operator is told which line to set.
"""

from __future__ import annotations

import re
import tomllib
from typing import Any

from gateway.config import make_settings, toml_value
from gateway.core.errors import ConfigError
from gateway.partners.text import printable

_HEADER = re.compile(r"^\s*\[(?P<name>[^\[\]]+)\]\s*(#.*)?$")


def with_setting(text: str, section: str, key: str, value: object) -> str:
    """The text with ``key = value`` in ``[section]``. Raises ConfigError with the line to set by hand."""
    line = f"{key} = {toml_value(value)}"
    by_hand = ConfigError(f"set this line in passerelle.toml, section {section}, yourself: {printable(line)}")
    try:
        before: dict[str, Any] = tomllib.loads(text)
        edited = _edited(text, section, key, line)
        after: dict[str, Any] = tomllib.loads(edited)
    except tomllib.TOMLDecodeError as exc:
        raise by_hand from exc
    expected = {**before, section: {**before.get(section, {}), key: tomllib.loads(line)[key]}}
    if after != expected:
        raise by_hand
    make_settings(after)
    return edited


def _edited(text: str, section: str, key: str, line: str) -> str:
    lines = text.splitlines(keepends=True)
    start = next((n for n, t in enumerate(lines) if _is_header(t, section)), None)
    if start is None:
        gap = "" if not text or text.endswith("\n\n") else "\n" if text.endswith("\n") else "\n\n"
        return f"{text}{gap}[{section}]\n{line}\n"
    end = next((n for n in range(start + 1, len(lines)) if _HEADER.match(lines[n])), len(lines))
    # a value that is set counts more than its commented default
    for mark in (r"\s*", r"\s*#\s*"):
        pattern = re.compile(
            rf'^{mark}{re.escape(key)}\s*=\s*(?:"[^"\\]*"|\'[^\']*\'|[^\s#"\'\[{{]+)(?P<tail>\s*(?:#.*)?)$'
        )
        for number in range(start + 1, end):
            found = pattern.match(lines[number].rstrip("\r\n"))
            if found:
                lines[number] = f"{line}{found['tail'].rstrip()}\n"
                return "".join(lines)
    lines.insert(start + 1, f"{line}\n")
    return "".join(lines)


def _is_header(line: str, section: str) -> bool:
    found = _HEADER.match(line)
    return found is not None and found["name"].strip() == section
