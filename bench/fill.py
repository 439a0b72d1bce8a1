"""Fills a database with a year of messages: plain SQL, the same rows on both databases.

Five messages to a case, spread over time; three cases in four are readmissions. Of the old messages nearly
all are acknowledged, some were refused, a few stand as dead letters of one old outage; the newest ones are on
their way. Nothing in the rows is sealed content: pages that open one are measured with a real message.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import asyncpg

YEAR_MS = 365 * 24 * 3600 * 1000
PER_CASE = 5
FRANCE = "urn:oasis:names:tc:ebcore:partyid-type:unregistered:FR-MI"
_READMISSION = (
    ("ReadmissionRequest", 0),
    ("Acknowledgement", 1),
    ("ReadmissionDecision", 1),
    ("Acknowledgement", 0),
    ("TransferNotice", 0),
)
_NOMINATION = (
    ("Nomination", 0),
    ("Acknowledgement", 1),
    ("NominationResponse", 1),
    ("Acknowledgement", 0),
    ("NominationOutcome", 0),
)
_RARE = (("SupplementaryDocument", 0), ("Withdrawal", 0), ("StatusUpdate", 1), ("Correction", 0))


def _sql(dialect: str, rows: int, start_ms: int, party: str) -> dict[str, str]:
    """INSERT statements by table; deterministic, from the row's number alone."""
    postgresql = dialect == "postgresql"
    cases = max(1, rows // PER_CASE)

    def hexed(value: str, width: int, *, upper: bool = False) -> str:
        if postgresql:
            text = f"lpad(to_hex(({value})::bigint), {width}, '0')"
            return f"upper({text})" if upper else text
        return f"printf('%0{width}{'X' if upper else 'x'}', {value})"

    def series(most: int) -> str:
        if postgresql:
            return f"generate_series(1, {most}) AS s(n)"
        counted = f"SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {most}"
        return f"(WITH RECURSIVE s(n) AS ({counted}) SELECT n FROM s)"

    n = "n::bigint" if postgresql else "n"
    at = f"({start_ms} + {n} * {YEAR_MS} / {rows})"
    k = f"((n / {PER_CASE} + (n % {PER_CASE}) * 997) % {cases})"
    dice = f"({n} * 2654435761 / 65536 % 10000)"
    reference = (
        f"(CASE WHEN k % 4 = 0 THEN 'GB02-' ELSE 'GB01-' END || "
        f"{hexed('k * 2654435761 % 281474976710656', 12, upper=True)})"
    )
    if postgresql:
        reference = reference.replace("k * 2654435761", "k::bigint * 2654435761")
    usual = " ".join(
        f"WHEN k % 4 {'=' if table is _NOMINATION else '<>'} 0 AND n % {PER_CASE} = {i} THEN '{kind}'"
        for table in (_NOMINATION, _READMISSION)
        for i, (kind, _) in enumerate(table)
    )
    rare = " ".join(f"WHEN dice < {100 * (i + 1)} THEN '{kind}'" for i, (kind, _) in enumerate(_RARE))
    incoming = ", ".join(
        f"'{kind}'"
        for kind, way in dict.fromkeys((*_READMISSION, *_NOMINATION, *_RARE))
        if way and kind != "Acknowledgement"
    )
    age = f"({rows} - n)"
    # each level is computed once per row: merged into one, every expression would hold the ones below it
    alone = "OFFSET 0" if postgresql else "LIMIT -1 OFFSET 0"
    few, some = max(rows // 5000, 20), max(rows // 500, 100)
    outage = f"n BETWEEN {rows // 3} AND {rows // 3 + rows // 250}"
    status = f"""CASE
        WHEN {age} < {few} AND direction = 'UK_TO_FR' AND dice % 3 = 0 THEN 'sending'
        WHEN {age} < {few} THEN 'accepted'
        WHEN direction = 'UK_TO_FR' AND {outage} AND dice % 2 = 0 THEN 'failed'
        WHEN direction = 'UK_TO_FR' AND dice BETWEEN 9000 AND 9199 THEN 'rejected'
        WHEN direction = 'UK_TO_FR' AND dice BETWEEN 9200 AND 9209 THEN 'held'
        WHEN direction = 'UK_TO_FR' AND dice BETWEEN 9210 AND 9299 THEN 'cancelled'
        WHEN type = 'Acknowledgement' AND direction = 'UK_TO_FR' OR {age} < {some} THEN 'delivered'
        ELSE 'acknowledged' END"""
    code = """CASE status
        WHEN 'failed' THEN CASE WHEN dice % 4 = 0 THEN 'EBMS:0202' ELSE 'connection_failed' END
        WHEN 'rejected' THEN CASE dice % 4 WHEN 0 THEN 'EBMS:0004' WHEN 1 THEN 'EBMS:0303'
            WHEN 2 THEN 'art3_not_met' ELSE 'unknown_case' END
        WHEN 'held' THEN CASE WHEN dice % 2 = 0 THEN 'quota_exhausted' ELSE 'returned_before' END
        WHEN 'cancelled' THEN 'withdrawn' ELSE NULL END"""
    attempts = """CASE WHEN direction = 'FR_TO_UK' OR status IN ('accepted', 'held') THEN 0
        WHEN status = 'failed' THEN 12 WHEN dice < 300 THEN 2 WHEN dice < 400 THEN 3
        WHEN dice < 420 THEN 4 + dice % 8 ELSE 1 END"""
    message_id = (
        f"({'substr(' + hexed('at', 12) + ', 1, 8)'} || '-' || {'substr(' + hexed('at', 12) + ', 9, 4)'}"
        f" || '-7000-8000-' || {hexed('n', 12)})"
    )
    proven = """(direction = 'UK_TO_FR' AND
        (status IN ('delivered', 'acknowledged') AND dice <> 77 OR status = 'rejected'))"""
    conversation = f"'00000000-0000-4000-8000-' || {hexed('k', 12)}"
    messages = f"""INSERT INTO messages (message_id, reference, conversation_id, type, direction, status,
            code, in_reply_to, client_id, as4_message_id, body_sha256, attempts, receipt_verified,
            received_at, delivered_at, updated_at, in_inbox)
        SELECT message_id, {reference}, {conversation}, type, direction, status, {code}, NULL,
            CASE direction WHEN 'UK_TO_FR' THEN 'home-office' ELSE '{party}' END,
            CASE direction WHEN 'UK_TO_FR' THEN NULL ELSE message_id || '@fr.example' END,
            {hexed("n", 64)}, {attempts}, CASE WHEN {proven} THEN 1 ELSE 0 END, at,
            CASE WHEN status IN ('delivered', 'acknowledged') THEN at + 1500 + dice % 5000 END, at + 60000,
            CASE WHEN direction = 'FR_TO_UK' AND status IN ('accepted', 'delivered') THEN 1 ELSE 0 END
        FROM (SELECT n, k, dice, at, message_id, type, direction, {status} AS status
        FROM (SELECT n, k, dice, at, {message_id} AS message_id, type,
            CASE WHEN type IN ({incoming}) OR type = 'Acknowledgement' AND n % {PER_CASE} = 1
            THEN 'FR_TO_UK' ELSE 'UK_TO_FR' END AS direction
        FROM (SELECT n, k, dice, at, CASE {rare} {usual} END AS type
        FROM (SELECT n, {k} AS k, {dice} AS dice, {at} AS at FROM {series(rows)} {alone}) AS a
            {alone}) AS b {alone}) AS c {alone}) AS d"""
    case_rows = f"""INSERT INTO cases (reference, kind, conversation_id, status, priority, created_at,
            updated_at)
        SELECT {reference}, CASE WHEN k % 4 = 0 THEN 'nomination' ELSE 'readmission' END,
            '00000000-0000-4000-8000-' || {hexed("k", 12)}, CASE WHEN k > {cases} * 9 / 10 THEN 'requested'
            WHEN k % 4 = 0 THEN 'arrived' ELSE 'received' END, 0, {start_ms} + k * {YEAR_MS} / {cases},
            {start_ms} + k * {YEAR_MS} / {cases}
        FROM (SELECT n - 1 AS k FROM {series(cases)}) AS a"""
    if postgresql:
        case_rows = case_rows.replace(f"k * {YEAR_MS}", f"k::bigint * {YEAR_MS}")
    octet = "'\\x00'::bytea" if postgresql else "X'00'"
    key_rows = f"""INSERT INTO case_keys (reference, kek_id, wrapped, destroyed_at)
        SELECT reference, 'none', {octet}, NULL FROM cases"""
    attempt_rows = f"""INSERT INTO attempts (message_id, channel, endpoint, number, started_at, finished_at,
            outcome, http_status, detail)
        SELECT message_id, 'as4', '{party}', 1, received_at, received_at + 400,
            CASE status WHEN 'failed' THEN 'connection_failed' ELSE 'delivered' END, 200, ''
        FROM messages WHERE attempts > 0"""
    outbox_rows = f"""INSERT INTO outbox (channel, endpoint, message_id, reference, urgent, attempts, due_at,
            first_due_at)
        SELECT 'as4', '{party}', message_id, reference, 0, 0, received_at, received_at
        FROM messages WHERE status IN ('accepted', 'sending') AND direction = 'UK_TO_FR'"""
    deadline_rows = f"""INSERT INTO deadlines (reference, clock, message_id, zone, started_at, due_at, state,
            warnings, next_at, closed_at, closed_by)
        SELECT reference, 'readmission_answer', message_id, 'Europe/Paris', received_at,
            received_at + 1209600000, CASE WHEN sequence > {rows} * 24 / 25 THEN 'open'
            WHEN sequence % 97 = 0 THEN 'breached' ELSE 'met' END,
            CASE WHEN sequence > {rows} * 24 / 25 AND sequence % 7 = 0 THEN 1 ELSE 0 END,
            CASE WHEN sequence > {rows} * 24 / 25 THEN received_at + 1209600000 END,
            CASE WHEN sequence > {rows} * 24 / 25 OR sequence % 9700 = 0 THEN NULL
            ELSE received_at + 86400000 END, NULL
        FROM messages WHERE type IN ('ReadmissionRequest', 'Nomination')"""
    audit_rows = """INSERT INTO audit (sequence, at, actor, action, subject, data, previous_hash, hash)
        SELECT sequence, received_at, 'gateway', 'message.accepted', message_id, '{}', '', ''
        FROM messages"""
    identifier_rows = f"""INSERT INTO identifiers (kind, digest, reference)
        SELECT 'document', {hexed("k", 64)}, {reference} FROM (SELECT n - 1 AS k FROM {series(cases)}) AS a"""
    return {
        "cases": case_rows,
        "case_keys": key_rows,
        "messages": messages,
        "attempts": attempt_rows,
        "outbox": outbox_rows,
        "deadlines": deadline_rows,
        "audit": audit_rows,
        "identifiers": identifier_rows,
    }


_COUNTS = """INSERT INTO message_counts (type, direction, status, messages)
    SELECT type, direction, status, COUNT(*) FROM messages GROUP BY type, direction, status"""
Told = Callable[[str], None]


async def fill_postgresql(
    connection: asyncpg.Connection, rows: int, *, start_ms: int, party: str = FRANCE, told: Told = print
) -> None:
    """Into an empty current database; indexes and triggers stand aside meanwhile."""
    await connection.execute("SET session_replication_role = replica")
    await connection.execute("SET maintenance_work_mem = '1GB'")
    await connection.execute("SET synchronous_commit = off")
    for table, statement in _sql("postgresql", rows, start_ms, party).items():
        indexes = await connection.fetch(
            "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = $1 AND indexname NOT IN"
            " (SELECT conname FROM pg_constraint WHERE conrelid = $1::regclass)",
            table,
        )
        for index in indexes:
            await connection.execute(f"DROP INDEX {index['indexname']}")
        await connection.execute(statement)
        for index in indexes:
            await connection.execute(index["indexdef"])
        told(table)
    await connection.execute("DELETE FROM message_counts")
    await connection.execute(_COUNTS)
    await connection.execute("RESET session_replication_role")
    await connection.execute("VACUUM ANALYZE")
    told("analysed")


def fill_sqlite(path: Path, rows: int, *, start_ms: int, party: str = FRANCE, told: Told = print) -> None:
    """The same into a SQLite file that has the current schema; its triggers count."""
    connection = sqlite3.connect(path)
    try:
        for pragma in ("synchronous = OFF", "foreign_keys = OFF", "cache_size = -400000"):
            connection.execute(f"PRAGMA {pragma}")
        for table, statement in _sql("sqlite", rows, start_ms, party).items():
            connection.execute(statement)
            connection.commit()
            told(table)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        connection.close()
