"""Accounts of the first releases, from ``operators.toml``: taken over once, with their passwords.

Their scrypt hashes still open and become argon2id at the first sign-in. Nobody of them has a second factor:
they enrol at the next one.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gateway.core.errors import ConfigError, InvalidParameter
from gateway.core.people import UserRecord, clean_display, clean_language, clean_name, clean_roles
from gateway.core.roles import Side
from gateway.flows.passwords import scrypt_string
from gateway.flows.people import People
from gateway.flows.users import add_in

OPERATORS_FILE: Final = "operators.toml"
_DEFAULT_ROLES: Final = ("operator",)


@dataclass(frozen=True, kw_only=True, slots=True)
class Imported:
    added: tuple[str, ...]
    there: tuple[str, ...]
    """Names that were taken: left as they are."""


def _record(people: People, row: dict[str, Any]) -> UserRecord:
    now = people.clock.now()
    language = clean_language(row.get("language", "en"))
    return UserRecord(
        user_id=people.clock.new_id(),
        name=clean_name(row["name"]),
        display_name=clean_display(row["name"]),
        side=Side.FR if language == "fr" else Side.UK,
        roles=clean_roles(row.get("roles", _DEFAULT_ROLES)),
        language=language,
        password_hash=scrypt_string(bytes.fromhex(row["salt"]), bytes.fromhex(row["scrypt"])),
        created_at=now,
        changed_at=now,
    )


def read_operators(path: Path) -> str:
    """The text of the file. Raises ConfigError."""
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigError(f"{path.name} cannot be read; correct or remove it") from exc


async def import_operators(people: People, text: str, *, by: str) -> Imported:
    """Every account of the file, or none. Raises ConfigError for what is no TOML or no account."""
    try:
        records = [_record(people, row) for row in tomllib.loads(text).get("operator", [])]
    except tomllib.TOMLDecodeError as exc:
        raise ConfigError(f"{OPERATORS_FILE} is no TOML; correct or remove it") from exc
    except (KeyError, ValueError, TypeError, AttributeError, InvalidParameter) as exc:
        raise ConfigError(
            f"{OPERATORS_FILE} holds an account with a wrong name, role, language or hash; correct it"
        ) from exc
    added, there = [], []
    async with people.store.begin() as tx:
        for record in records:
            if await tx.user_named(record.name) is not None:
                there.append(record.name)
                continue
            await add_in(tx, people, record, by=by)
            added.append(record.name)
    return Imported(added=tuple(added), there=tuple(there))


async def import_at_start(people: People, text: str) -> Imported | None:
    """The accounts of an older release, when the database has none at all yet; None when nothing was done.
    Raises ConfigError."""
    async with people.store.begin(read_only=True) as tx:
        if await tx.list_users(limit=1):
            return None
    return await import_operators(people, text, by="gateway")
