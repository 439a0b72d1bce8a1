"""What forms of several pages read alike: a reason, a choice, a number; and how values are written."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Final, TypeVar

from gateway.core.errors import InvalidParameter
from gateway.web.console.reasons import OTHER

E = TypeVar("E", bound=StrEnum)
_LONGEST_WORDS: Final = 400


def reason_of(form: Mapping[str, str], reasons: Sequence[tuple[str, str]]) -> str:
    """``code`` or ``code: words`` from the fields of the macro ``reason_fields``. Raises InvalidParameter;
    the reason ``other`` needs words."""
    code, words = form.get("reason", ""), " ".join(form.get("words", "").split())
    if code not in {known for known, _ in reasons}:
        raise InvalidParameter("choose a reason of the list")
    if len(words) > _LONGEST_WORDS or (code == OTHER and not words):
        raise InvalidParameter(f"say in words why, in {_LONGEST_WORDS} characters at the most")
    return f"{code}: {words}" if words else code


def one_of(kind: type[E], value: str | None, name: str) -> E | None:
    """The value of an enumeration, None for nothing. Raises InvalidParameter."""
    if not value:
        return None
    try:
        return kind(value)
    except ValueError as exc:
        raise InvalidParameter(f"{name} has no such value") from exc


def whole(value: str | None, name: str) -> int:
    """A whole number as a person types it. Raises InvalidParameter."""
    text = (value or "").strip()
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise InvalidParameter(f"{name} is a whole number")
    return int(text)


def plain(value: Any) -> str:
    """A value as the page writes it: JSON, but text without its quotation marks."""
    if value is None or value == "":
        return "–"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
