"""What the simulated ministry remembers: one SQLite file of its own, written before any receipt leaves.

Only this process writes to it, each write is one short transaction, so plain ``sqlite3`` is enough. Contents
of messages are kept only as the XML the ministry itself sends; of received ones header values, digest and
size of attachments, whose octets lie in files (``gateway.sandbox.received``).
"""

from __future__ import annotations

import dataclasses
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts.codes import MessageType

_SCHEMA = """
CREATE TABLE IF NOT EXISTS received (
  as4_message_id TEXT PRIMARY KEY, party TEXT NOT NULL, message_id TEXT NOT NULL, type TEXT NOT NULL,
  reference TEXT NOT NULL, deliveries INTEGER NOT NULL DEFAULT 1, attachments INTEGER NOT NULL,
  receipt BLOB NOT NULL, receipt_type TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS files (
  as4_message_id TEXT NOT NULL, position INTEGER NOT NULL, sha256 TEXT NOT NULL, size INTEGER NOT NULL,
  PRIMARY KEY (as4_message_id, position));
CREATE TABLE IF NOT EXISTS cases (
  reference TEXT PRIMARY KEY, conversation_id TEXT NOT NULL, scenario TEXT NOT NULL,
  asked INTEGER NOT NULL DEFAULT 0, persons INTEGER NOT NULL DEFAULT 1,
  withdrawn INTEGER NOT NULL DEFAULT 0, place TEXT, flight TEXT);
CREATE TABLE IF NOT EXISTS tries (reference TEXT PRIMARY KEY, count INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS sent (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT, message_id TEXT NOT NULL UNIQUE, type TEXT NOT NULL,
  reference TEXT NOT NULL, conversation_id TEXT NOT NULL, ref_to TEXT, content BLOB NOT NULL,
  hostile TEXT, due_at REAL NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,
  status TEXT NOT NULL DEFAULT 'queued', code TEXT,
  receipt_verified INTEGER NOT NULL DEFAULT 0, wire BLOB, wire_type TEXT, envelope BLOB);
CREATE INDEX IF NOT EXISTS sent_queue ON sent (status, due_at);
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Received:
    as4_message_id: str
    party: str
    message_id: str
    type: str
    reference: str
    attachments: int
    receipt: bytes
    receipt_type: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    reference: str
    conversation_id: str
    scenario: str
    asked: bool
    persons: int
    withdrawn: bool
    place: str | None
    flight: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Queued:
    """A message to send; ``due_at`` in Unix seconds, ``ref_to`` is an AS4 MessageId."""

    message_id: str
    type: str
    reference: str
    conversation_id: str
    ref_to: str | None
    content: bytes
    hostile: str | None
    due_at: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Sending:
    """A queued message as read back for one attempt."""

    queued: Queued
    attempts: int
    wire: bytes | None
    wire_type: str | None
    envelope: bytes | None


class Memory:
    """All reads and writes of the sandbox. Open once per process; close at the end."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        self._db.close()

    def stored_receipt(self, as4_message_id: str, party: str) -> tuple[str, bytes] | None:
        """(content type, bytes) of the receipt of a known message; counts this delivery of it."""
        row = self._db.execute(
            "UPDATE received SET deliveries = deliveries + 1 WHERE as4_message_id = ? AND party = ? "
            "RETURNING receipt_type, receipt",
            (as4_message_id, party),
        ).fetchone()
        return (row["receipt_type"], row["receipt"]) if row else None

    def count_try(self, reference: str) -> int:
        """How often the opening message of a case has come, this time included."""
        row = self._db.execute(
            "INSERT INTO tries (reference, count) VALUES (?, 1) "
            "ON CONFLICT (reference) DO UPDATE SET count = count + 1 RETURNING count",
            (reference,),
        ).fetchone()
        return int(row["count"])

    def case(self, reference: str) -> Case | None:
        row = self._db.execute("SELECT * FROM cases WHERE reference = ?", (reference,)).fetchone()
        if row is None:
            return None
        values = dict(row)
        values["asked"], values["withdrawn"] = bool(row["asked"]), bool(row["withdrawn"])
        return Case(**values)

    def take_in(
        self,
        received: Received,
        case: Case,
        replies: tuple[Queued, ...],
        files: Sequence[tuple[str, int]] = (),
    ) -> None:
        """One transaction: the message with its receipt, the case as it is now, the replies, and (SHA-256,
        size) of the attachments.

        A Withdrawal drops what was still queued for its case but acknowledgements. Raises
        sqlite3.IntegrityError for a duplicate.
        """
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._insert("received", dataclasses.asdict(received))
            for position, (sha256, size) in enumerate(files):
                row = {"as4_message_id": received.as4_message_id, "position": position}
                self._insert("files", {**row, "sha256": sha256, "size": size})
            self._db.execute("DELETE FROM cases WHERE reference = ?", (case.reference,))
            self._insert("cases", dataclasses.asdict(case))
            if received.type == MessageType.WITHDRAWAL:
                self._db.execute(
                    "UPDATE sent SET status = 'dropped'"
                    " WHERE reference = ? AND type <> ? AND status = 'queued' AND attempts = 0",
                    (case.reference, MessageType.ACKNOWLEDGEMENT.value),
                )
            for reply in replies:
                self._insert("sent", dataclasses.asdict(reply))
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def _insert(self, table: str, values: dict[str, Any]) -> None:
        names = ", ".join(values)
        marks = ", ".join("?" * len(values))
        self._db.execute(
            f"INSERT INTO {table} ({names}) VALUES ({marks})",  # noqa: S608 — names are ours, not input
            tuple(values.values()),
        )

    def enqueue(self, reply: Queued) -> None:
        """Queues one message outside any script (control endpoint)."""
        self._insert("sent", dataclasses.asdict(reply))

    def due(self, now: float, limit: int, busy: frozenset[str]) -> tuple[Sending, ...]:
        """The oldest queued message of each case, where due; cases in ``busy`` are being sent already."""
        rows = self._db.execute(
            "SELECT * FROM sent WHERE sequence IN (SELECT min(sequence) FROM sent WHERE status = 'queued'"
            " GROUP BY reference) AND due_at <= ? ORDER BY sequence LIMIT ?",
            (now, limit + len(busy)),
        ).fetchall()
        free = [row for row in rows if row["reference"] not in busy][:limit]
        return tuple(self._sending(row) for row in free)

    def waiting(self, message_id: str) -> Sending | None:
        """A queued message whatever its time: its receipt has come by another way."""
        row = self._db.execute(
            "SELECT * FROM sent WHERE message_id = ? AND status = 'queued'", (message_id,)
        ).fetchone()
        return self._sending(row) if row else None

    @staticmethod
    def _sending(row: sqlite3.Row) -> Sending:
        names = (
            "message_id",
            "type",
            "reference",
            "conversation_id",
            "ref_to",
            "content",
            "hostile",
            "due_at",
        )
        return Sending(
            queued=Queued(**{name: row[name] for name in names}),
            attempts=row["attempts"],
            wire=row["wire"],
            wire_type=row["wire_type"],
            envelope=row["envelope"],
        )

    def save_wire(self, message_id: str, wire: bytes, wire_type: str, envelope: bytes) -> None:
        self._db.execute(
            "UPDATE sent SET wire = ?, wire_type = ?, envelope = ? WHERE message_id = ?",
            (wire, wire_type, envelope, message_id),
        )

    def finish(self, message_id: str, *, status: str, code: str | None, receipt_verified: bool) -> None:
        """Final state of a sent message: ``delivered``, ``refused`` or ``failed``."""
        self._db.execute(
            "UPDATE sent SET status = ?, code = ?, receipt_verified = ?, attempts = attempts + 1, wire = NULL"
            " WHERE message_id = ?",
            (status, code, receipt_verified, message_id),
        )

    def try_later(self, message_id: str, due_at: float, code: str) -> None:
        self._db.execute(
            "UPDATE sent SET due_at = ?, code = ?, attempts = attempts + 1 WHERE message_id = ?",
            (due_at, code, message_id),
        )

    def status(self) -> dict[str, list[dict[str, Any]]]:
        """Messages received and sent with their verification, and cases: no content, no bytes."""
        received = self._db.execute(
            "SELECT message_id, as4_message_id, type, reference, deliveries, attachments"
            " FROM received ORDER BY rowid"
        ).fetchall()
        files: dict[str, list[dict[str, Any]]] = {}
        for row in self._db.execute("SELECT * FROM files ORDER BY as4_message_id, position"):
            found = {"sha256": row["sha256"], "size": row["size"]}
            files.setdefault(row["as4_message_id"], []).append(found)
        sent = self._db.execute(
            "SELECT message_id, type, reference, status, code, attempts, hostile, receipt_verified"
            " FROM sent ORDER BY sequence"
        ).fetchall()
        cases = self._db.execute("SELECT reference, scenario, withdrawn FROM cases").fetchall()
        return {
            "received": [{**dict(row), "files": files.get(row["as4_message_id"], [])} for row in received],
            "sent": [{**dict(row), "receipt_verified": bool(row["receipt_verified"])} for row in sent],
            "cases": [{**dict(row), "withdrawn": bool(row["withdrawn"])} for row in cases],
        }
