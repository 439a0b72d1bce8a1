"""The audit log's hash chain: any change, gap or reordering shows.

hash = SHA-256 over ``previous_hash``, a newline, and the canonical JSON of sequence, time, actor, action,
subject and data (keys sorted, no blanks, UTF-8; time in UTC with milliseconds). Cutting off the end of the
log cannot show from the log alone: compare the returned head with one kept elsewhere.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterable, Mapping

from gateway.core.errors import AuditChainBroken
from gateway.core.records import AuditEntry

GENESIS = "0" * 64
"""Previous hash of the first entry, whose sequence is 1."""


def canonical(
    sequence: int,
    at: dt.datetime,
    actor: str,
    action: str,
    subject: str,
    data: Mapping[str, str | int | bool | None],
) -> bytes:
    """The bytes that are hashed. Raises ValueError for a naive time or one finer than a millisecond,
    TypeError for data that is not str, int, bool or None."""
    if at.tzinfo is None or at.microsecond % 1000:
        raise ValueError("an audit time is aware and in whole milliseconds")
    for key, value in data.items():
        if not isinstance(key, str) or not (value is None or isinstance(value, str | int)):
            raise TypeError("audit data holds text, whole numbers, booleans or nothing")
    time = at.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    entry = {
        "sequence": sequence,
        "at": time,
        "actor": actor,
        "action": action,
        "subject": subject,
        "data": dict(data),
    }
    return json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode("utf-8")


def link(
    previous_hash: str,
    sequence: int,
    at: dt.datetime,
    actor: str,
    action: str,
    subject: str,
    data: Mapping[str, str | int | bool | None],
) -> str:
    """Hash of an entry, 64 lower-case hexadecimal digits."""
    body = canonical(sequence, at, actor, action, subject, data)
    return hashlib.sha256(previous_hash.encode("ascii") + b"\n" + body).hexdigest()


def verify_chain(
    entries: Iterable[AuditEntry], *, start_hash: str = GENESIS, start_sequence: int = 1
) -> tuple[int, str]:
    """Checks entries in order, one page or the whole log.

    ``start_hash`` and ``start_sequence``: hash before, and sequence of, the first entry. Returns the next
    sequence and the last hash, to go on with the next page. Raises AuditChainBroken at the first entry that
    does not hold, with reason ``gap``, ``previous_hash``, ``hash`` or ``not_canonical``.
    """
    expected, previous = start_sequence, start_hash
    for entry in entries:
        if entry.sequence != expected:
            raise AuditChainBroken(expected, "gap")
        if entry.previous_hash != previous:
            raise AuditChainBroken(entry.sequence, "previous_hash")
        try:
            computed = link(
                previous, entry.sequence, entry.at, entry.actor, entry.action, entry.subject, entry.data
            )
        except (ValueError, TypeError) as exc:
            raise AuditChainBroken(entry.sequence, "not_canonical") from exc
        if computed != entry.hash:
            raise AuditChainBroken(entry.sequence, "hash")
        expected, previous = expected + 1, computed
    return expected, previous
