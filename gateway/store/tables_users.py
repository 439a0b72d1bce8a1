"""Tables: people who log in: accounts, second factors, sessions.

Secrets are sealed with the instance's key, or kept as hashes: a password as argon2id, a recovery code and a
failed name as keyed hash, a session token (256 random bits) as SHA-256.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, String, Table, Text

from gateway.store.columns import Instant, metadata


def _user() -> Column[str]:
    return Column("user_id", String(36), ForeignKey("users.user_id"), nullable=False)


users = Table(
    "users",
    metadata,
    Column("user_id", String(36), primary_key=True),
    Column("name", String(64), nullable=False, unique=True),
    Column("display_name", Text, nullable=False),
    Column("side", String(8), nullable=False),
    Column("roles", Text, nullable=False),
    Column("language", String(8), nullable=False),
    Column("password_hash", Text),
    Column("renew_password", Integer, nullable=False),
    Column("second_factor", Integer, nullable=False),
    Column("disabled", Integer, nullable=False),
    Column("issuer", Text),
    Column("subject", Text),
    Column("created_at", Instant, nullable=False),
    Column("changed_at", Instant, nullable=False),
    Column("signed_in_at", Instant),
    Index("ix_users_subject", "issuer", "subject", unique=True),
)

user_totp = Table(
    "user_totp",
    metadata,
    Column("user_id", String(36), ForeignKey("users.user_id"), primary_key=True),
    Column("confirmed", Integer, primary_key=True),
    Column("kek_id", String(64), nullable=False),
    Column("wrapped", LargeBinary, nullable=False),
    Column("used_step", BigInteger, nullable=False),
)

user_recovery_codes = Table(
    "user_recovery_codes",
    metadata,
    Column("user_id", String(36), ForeignKey("users.user_id"), primary_key=True),
    Column("digest", String(64), primary_key=True),
)

user_sessions = Table(
    "user_sessions",
    metadata,
    Column("session_id", String(36), primary_key=True),
    Column("digest", String(64), nullable=False, unique=True),
    _user(),
    Column("stage", String(8), nullable=False),
    Column("address", Text, nullable=False),
    Column("agent", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Index("ix_user_sessions_user", "user_id"),
    Index("ix_user_sessions_expires", "expires_at"),
)

signin_attempts = Table(
    "signin_attempts",
    metadata,
    Column("kind", String(16), primary_key=True),
    Column("digest", String(64), primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("last_at", Instant, nullable=False),
    Column("locked_until", Instant),
    Index("ix_signin_attempts_last", "last_at"),
)
