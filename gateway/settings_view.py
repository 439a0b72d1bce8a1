"""Settings and agreement for people who look at them: console and command line. Nothing is opened or changed.

What a setting points at (keys, passwords, trust folders) is never read. A database address may hold a
password, so addresses with a user part are shown without it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from enum import Enum
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import msgspec
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from gateway.config import Settings
from gateway.core.treaty.agreement import Agreement

Json = dict[str, Any]
UNSAFE: Final = "unsafe_"
HIDDEN: Final = "•••"
_SECRET_WORDS: Final = ("password", "secret", "token", "api_key")
_SECRET_EXCEPT: Final = ("_file", "_s", "_folder", "_url")
"""Names of settings that hold where a secret lies, or a time, not the secret."""


def settings_view(settings: Settings) -> list[Json]:
    """One value per section: ``name``, ``about``, ``settings`` with value, default, ``changed``, ``unsafe``
    (a name that begins with ``unsafe_``) and ``on`` for such a one that is switched on."""
    return [
        {
            "name": name,
            "about": (type(section).__doc__ or "").strip().replace("``", ""),
            "settings": list(_section(name, section)),
        }
        for name, section in _sections(settings)
    ]


def _sections(settings: Settings) -> Iterator[tuple[str, BaseModel]]:
    for name in Settings.model_fields:
        section = getattr(settings, name)
        if isinstance(section, BaseModel):
            yield name, section


def _section(name: str, section: BaseModel) -> Iterator[Json]:
    for key, field in type(section).model_fields.items():
        value, default = getattr(section, key), _default(field)
        unsafe = key.startswith(UNSAFE)
        yield {
            "setting": f"{name}.{key}",
            "key": key,
            "value": _shown(key, value),
            "default": _shown(key, default),
            "changed": value != default,
            "unsafe": unsafe,
            "on": unsafe and bool(value),
            "description": field.description or "",
        }


def _default(field: FieldInfo) -> Any:
    return field.get_default(call_default_factory=True, validated_data={})


def _shown(key: str, value: Any) -> Any:
    """A plain JSON value that gives nothing away."""
    if value is not None and _is_secret(key):
        return HIDDEN
    if isinstance(value, BaseModel):
        return {name: _shown(name, getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, dict):
        return {str(name): _shown(str(name), item) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_shown(key, item) for item in value]
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    return _without_user(str(value))


def _is_secret(key: str) -> bool:
    return any(word in key for word in _SECRET_WORDS) and not key.endswith(_SECRET_EXCEPT)


def _without_user(text: str) -> str:
    """An address without its user part; other texts as they are."""
    if "://" not in text:
        return text
    try:
        parts = urlsplit(text)
    except ValueError:
        return HIDDEN
    if "@" not in parts.netloc:
        return text
    return urlunsplit(parts._replace(netloc=f"{HIDDEN}@{parts.netloc.rpartition('@')[2]}"))


# ---- the agreement ------------------------------------------------------------------------------


def agreement_view(agreement: Agreement) -> Json:
    """The agreement file as it is in force here: ``tables`` with their values, and ``unverified``: what the
    text did not confirm, with its note in both languages."""
    title = agreement.agreement
    return {
        "id": title.id,
        "version": title.version,
        "name": {"en": title.name_en, "fr": title.name_fr},
        "publication": title.publication,
        "unverified": [
            {"place": item.place, "note": {"en": item.note_en, "fr": item.note_fr}}
            for item in agreement.unverified
        ],
        "tables": [
            _table(name, msgspec.to_builtins(getattr(agreement, name)))
            for name in agreement.__struct_fields__
            if name not in _ROWS
        ],
        "pmodes": [
            {
                "id": row.id,
                "type": row.message_type.value,
                "direction": row.direction.value,
                "action": row.action,
                "binding": row.mep_binding.rpartition("/")[2],
                "receipt": row.receipt,
                "security": row.security.value,
            }
            for row in agreement.pmode_rows
        ],
    }


_ROWS: Final = ("pmodes", "deadlines", "criteria")
"""Lists of tables: P-Modes are shown as rows of their own, clocks by ``deadlines clocks``, criteria by the
rules that read them."""
_NOTES: Final = ("unverified", "note_en", "note_fr")


def _table(name: str, value: Json) -> Json:
    return {
        "name": name,
        "unverified": bool(value.get("unverified")),
        "note": {"en": value.get("note_en", ""), "fr": value.get("note_fr", "")},
        "values": [{"key": key, "value": item} for key, item in _flat("", value)],
    }


def _flat(prefix: str, value: Json) -> Iterator[tuple[str, Any]]:
    for key, item in value.items():
        name = f"{prefix}.{key}" if prefix else key
        if isinstance(item, dict):
            yield from _flat(name, item)
        elif key not in _NOTES:
            yield name, item
