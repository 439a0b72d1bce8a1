"""Attempts, evidence and the audit chain: what is only ever added."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, bindparam, insert, select, update

from gateway.core.audit import GENESIS, link
from gateway.core.records import Attempt, AuditEntry, Channel, Evidence, EvidenceKind
from gateway.store import tables as t
from gateway.store.base import AUDIT_LOCK, TransactionBase, advisory_lock
from gateway.store.rows import attempt_of

_INSERT_ATTEMPT = insert(t.attempts)
_COUNT_ATTEMPT = (
    update(t.messages)
    .where(t.messages.c.message_id == bindparam("id"))
    .values(attempts=t.messages.c.attempts + 1)
)
_ATTEMPTS = (
    select(t.attempts).where(t.attempts.c.message_id == bindparam("id")).order_by(t.attempts.c.attempt_id)
)
_INSERT_EVIDENCE = insert(t.evidence)
_EVIDENCE = (
    select(t.evidence).where(t.evidence.c.message_id == bindparam("id")).order_by(t.evidence.c.evidence_id)
)
_INSERT_AUDIT = insert(t.audit)
_LAST_AUDIT = select(t.audit.c.sequence, t.audit.c.hash).order_by(t.audit.c.sequence.desc()).limit(1)
_AUDIT = (
    select(t.audit)
    .where(t.audit.c.sequence > bindparam("after"))
    .order_by(t.audit.c.sequence)
    .limit(bindparam("most"))
)

_AUDIT_OF = (
    select(t.audit)
    .where(t.audit.c.subject == bindparam("about"), t.audit.c.sequence > bindparam("after"))
    .order_by(t.audit.c.sequence)
    .limit(bindparam("most"))
)

AuditData = Mapping[str, str | int | bool | None]


class LedgerTransaction(TransactionBase):
    _unlinked: list[dict[str, Any]]

    async def add_attempt(self, attempt: Attempt) -> None:
        self._later(
            _INSERT_ATTEMPT,
            {
                "message_id": attempt.message_id,
                "channel": attempt.channel.value,
                "endpoint": attempt.endpoint,
                "number": attempt.number,
                "started_at": attempt.started_at,
                "finished_at": attempt.finished_at,
                "outcome": attempt.outcome,
                "http_status": attempt.http_status,
                "detail": attempt.detail,
            },
        )
        if attempt.channel is Channel.AS4:
            self._later(_COUNT_ATTEMPT, {"id": attempt.message_id})

    async def attempts(self, message_id: str) -> tuple[Attempt, ...]:
        rows = await self._run(lambda c: c.execute(_ATTEMPTS, {"id": message_id}).all())
        return tuple(attempt_of(row) for row in rows)

    async def add_evidence(self, evidence: Evidence) -> None:
        self._later(
            _INSERT_EVIDENCE,
            {
                "message_id": evidence.message_id,
                "kind": evidence.kind.value,
                "media_type": evidence.media_type,
                "content": evidence.content,
                "created_at": evidence.created_at,
            },
        )

    async def evidence(self, message_id: str) -> tuple[Evidence, ...]:
        rows = await self._run(lambda c: c.execute(_EVIDENCE, {"id": message_id}).all())
        return tuple(
            Evidence(
                message_id=row.message_id,
                kind=EvidenceKind(row.kind),
                media_type=row.media_type,
                content=bytes(row.content),
                created_at=row.created_at,
            )
            for row in rows
        )

    # audit chain

    async def append_audit(
        self, *, at: dt.datetime, actor: str, action: str, subject: str, data: AuditData
    ) -> None:
        """The link is made at commit (see ``gateway.flows.ports``)."""
        self._unlinked.append(
            {"at": at, "actor": actor, "action": action, "subject": subject, "data": dict(data)}
        )

    def link_audit(self, connection: Connection) -> None:
        """Puts what was appended at the end of the chain. From here on nobody else can, until commit."""
        pending, self._unlinked = self._unlinked, []
        if not pending:
            return
        advisory_lock(connection, AUDIT_LOCK)
        last = connection.execute(_LAST_AUDIT).one_or_none()
        sequence, previous = (0, GENESIS) if last is None else (last.sequence, last.hash)
        rows = []
        for entry in pending:
            sequence += 1
            linked = link(
                previous,
                sequence,
                entry["at"],
                entry["actor"],
                entry["action"],
                entry["subject"],
                entry["data"],
            )
            data = msgspec.json.encode(entry["data"], order="sorted").decode()
            rows.append(
                {**entry, "data": data, "sequence": sequence, "previous_hash": previous, "hash": linked}
            )
            previous = linked
        connection.execute(_INSERT_AUDIT, rows if len(rows) > 1 else rows[0])

    async def audit_entries(
        self, *, after: int = 0, limit: int = 500, subject: str | None = None
    ) -> tuple[AuditEntry, ...]:
        """Committed links and, at the end, those of this transaction; with ``subject``, its own only."""
        values: dict[str, Any] = {"after": after, "most": limit}
        if subject is not None:
            values["about"] = subject
        statement = _AUDIT if subject is None else _AUDIT_OF

        def work(connection: Connection) -> tuple[AuditEntry, ...]:
            self.link_audit(connection)
            rows = connection.execute(statement, values).all()
            return tuple(audit_entry(row) for row in rows)

        return await self._run(work)


def audit_entry(row: Row[Any]) -> AuditEntry:
    """From a row of ``audit``."""
    return AuditEntry(
        sequence=row.sequence,
        at=row.at,
        actor=row.actor,
        action=row.action,
        subject=row.subject,
        data=_data(row.data),
        previous_hash=row.previous_hash,
        hash=row.hash,
    )


def _data(text: str) -> AuditData:
    """A column that is no JSON any more still gives a value, which then breaks the chain."""
    try:
        return msgspec.json.decode(text, type=dict[str, str | int | bool | None])
    except msgspec.MsgspecError:
        return {"unreadable": text}
