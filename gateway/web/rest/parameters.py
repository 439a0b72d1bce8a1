"""Query parameters, judged strictly: each known, given once, of its own set."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Final, TypeVar

from aiohttp import web

from gateway.core.errors import InvalidParameter

MAX_LIMIT: Final = 200
DEFAULT_LIMIT: Final = 50
E = TypeVar("E", bound=StrEnum)


def parameters(request: web.Request, *allowed: str, besides: Collection[str] = ()) -> dict[str, str]:
    """Query parameters, each known and given once; those of ``besides`` are left out, for others to judge.
    Raises InvalidParameter."""
    found: dict[str, str] = {}
    for name, value in request.query.items():
        if name in besides:
            continue
        if name not in allowed or name in found:
            names = ", ".join((*besides, *allowed)) or "none"
            raise InvalidParameter(f"allowed query parameters, each once: {names}")
        found[name] = value
    return found


def filled(request: web.Request, names: Collection[str]) -> dict[str, list[str]]:
    """All values of each of ``names`` that is given, none of them blank. Raises InvalidParameter."""
    found = {name: request.query.getall(name) for name in names if name in request.query}
    for name, values in found.items():
        if not all(value.strip() for value in values):
            raise InvalidParameter(f"{name} must not be empty")
    return found


def whole(value: str, name: str, low: int, high: int) -> int:
    """A whole number within bounds. Raises InvalidParameter."""
    if not value.isascii() or not value.isdigit() or len(value) > 9 or not low <= int(value) <= high:
        raise InvalidParameter(f"{name} must be a whole number from {low} to {high}")
    return int(value)


def limit_of(given: Mapping[str, str]) -> int:
    """``limit`` of a listing, or its default. Raises InvalidParameter."""
    return whole(given.get("limit", str(DEFAULT_LIMIT)), "limit", 1, MAX_LIMIT)


def one_of(value: str | None, kind: type[E], name: str) -> E | None:
    """A member of a closed set. Raises InvalidParameter."""
    if value is None:
        return None
    try:
        return kind(value)
    except ValueError:
        raise InvalidParameter(f"{name} must be one of {', '.join(kind)}") from None
