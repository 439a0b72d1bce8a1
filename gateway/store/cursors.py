"""Opaque cursors of keyset pages: where a listing stopped, and which listing it was."""

from __future__ import annotations

import base64
import binascii

import msgspec

from gateway.core.errors import BadCursor

_MAX_LENGTH = 512


def encode(listing: str, position: tuple[int | str, ...]) -> str:
    """URL-safe text without padding. ``listing`` names listing and order, ``position`` its last key."""
    raw = msgspec.json.encode([listing, *position])
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def decode(cursor: str, listing: str, shape: tuple[type, ...]) -> tuple[int | str, ...]:
    """The position inside ``cursor``. Raises BadCursor unless it is one of ``listing`` and ``shape``."""
    try:
        if len(cursor) > _MAX_LENGTH:
            raise BadCursor("The cursor is too long: use next_cursor of the last page as it came.")
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        value = msgspec.json.decode(raw, type=list[int | str])
    except (binascii.Error, ValueError, msgspec.MsgspecError) as error:
        raise BadCursor("The cursor cannot be read: use next_cursor of the last page as it came.") from error
    position = tuple(value[1:])
    fits = len(position) == len(shape) and all(type(p) is s for p, s in zip(position, shape, strict=True))
    if value[:1] != [listing] or not fits or any(type(p) is int and not 0 <= p < 2**63 for p in position):
        raise BadCursor("The cursor belongs to another listing or order: start again without one.")
    return position
