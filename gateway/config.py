"""Settings of an instance: ``passerelle.toml`` in its folder, overridden by ``PASSERELLE_…`` variables.

(1) Every section is closed: an unknown key is refused, in the file and in the environment.
(2) A wrong value raises ``ConfigError`` that names the setting and the cure, never the value (a database
    address may hold a password).
(3) What weakens the house is called ``unsafe_…`` and is off.

Durations are seconds (``_s``), sizes bytes (``_bytes``); paths are relative to the instance folder.
``PASSERELLE_FRANCE__URL`` sets ``url`` in section ``[france]``.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from gateway.config_alerts import Alerts, Smtp
from gateway.config_sections import (
    As4,
    Breaker,
    Database,
    France,
    Holds,
    Keys,
    Limits,
    Log,
    Pull,
    Retry,
    Tls,
    UkApi,
    Webhooks,
    Worker,
)
from gateway.config_telemetry import Metrics, Tracing
from gateway.config_users import Console, Oidc
from gateway.core.errors import ConfigError
from gateway.variables import FOLDER_VARIABLE, PASSWORD_VARIABLE

ENV_PREFIX = "PASSERELLE_"
SETTINGS_FILE = "passerelle.toml"


class Settings(BaseSettings):
    """All settings of one instance; frozen."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )

    uk_api: UkApi = UkApi()
    as4: As4 = As4()
    france: France = France()
    pull: Pull = Pull()
    tls: Tls = Tls()
    database: Database = Database()
    keys: Keys = Keys()
    retry: Retry = Retry()
    breaker: Breaker = Breaker()
    limits: Limits = Limits()
    worker: Worker = Worker()
    webhooks: Webhooks = Webhooks()
    holds: Holds = Holds()
    console: Console = Console()
    oidc: Oidc = Oidc()
    alerts: Alerts = Alerts()
    smtp: Smtp = Smtp()
    log: Log = Log()
    metrics: Metrics = Metrics()
    tracing: Tracing = Tracing()

    @model_validator(mode="after")
    def _lease_outlives_an_attempt(self) -> Self:
        longest = max(self.france.total_timeout_s, self.webhooks.timeout_s)
        if self.worker.lease_s <= longest:
            raise ValueError(
                "worker.lease_s must be longer than france.total_timeout_s and webhooks.timeout_s, "
                "or two nodes would deliver the same message; raise worker.lease_s"
            )
        return self

    @model_validator(mode="after")
    def _somebody_can_sign_in(self) -> Self:
        if not self.console.local_accounts and self.oidc.issuer is None:
            raise ValueError(
                "console.local_accounts = false lets people in through the OIDC provider only, and there is "
                "none; set oidc.issuer, or remove the line"
            )
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over the file, whose values come in as arguments."""
        return env_settings, init_settings


def load_settings(folder: Path) -> Settings:
    """Settings of the instance in ``folder``. Raises ConfigError."""
    path = folder / SETTINGS_FILE
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError as exc:
        raise ConfigError(f"{SETTINGS_FILE} is missing in the folder; run: passerelle init DIR") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as exc:
        raise ConfigError(f"{SETTINGS_FILE} cannot be read as TOML; correct the file") from exc
    _refuse_unknown_variables()
    return make_settings(values)


def make_settings(values: dict[str, Any]) -> Settings:
    """Settings from plain values (and the environment). Raises ConfigError."""
    try:
        return Settings(**values)
    except ValidationError as exc:
        raise ConfigError("; ".join(_complaint(error) for error in exc.errors())) from exc


def _refuse_unknown_variables() -> None:
    known = {
        f"{ENV_PREFIX}{name}__{key}".upper()
        for name, field in Settings.model_fields.items()
        for key in section_of(field.annotation).model_fields
    } | {f"{ENV_PREFIX}{name}".upper() for name in Settings.model_fields}
    known |= {FOLDER_VARIABLE, PASSWORD_VARIABLE}
    for variable in sorted(os.environ):
        if variable.upper().startswith(ENV_PREFIX) and variable.upper() not in known:
            raise ConfigError(f"{variable} is not a setting; remove the variable or correct its name")


def section_of(annotation: object) -> type[BaseModel]:
    """The class of one section of ``Settings``, from the field's annotation."""
    assert isinstance(annotation, type)  # noqa: S101 — every field of Settings is a section class
    assert issubclass(annotation, BaseModel)  # noqa: S101 — as above
    return annotation


def _complaint(error: Any) -> str:
    where = [str(part) for part in error["loc"]]
    name = ".".join(where) or "settings"
    if error["type"] == "extra_forbidden":
        return f"{name} is not a setting; remove it or correct its name"
    if error["type"] == "value_error":
        return f"{name}: {error['ctx']['error']}"
    cure = _description(where)
    text = f"{name}: {error['msg']}"
    return f"{text}; give {cure}" if cure else text


def _description(where: list[str]) -> str | None:
    if len(where) < 2 or where[0] not in Settings.model_fields:
        return None
    field = section_of(Settings.model_fields[where[0]].annotation).model_fields.get(where[1])
    return field.description if field else None


def settings_text(values: dict[str, dict[str, Any]] | None = None) -> str:
    """A ``passerelle.toml`` with every setting, commented out unless given in ``values``.

    Raises ConfigError when ``values`` names an unknown setting.
    """
    values = values or {}
    make_settings(values)
    lines = ["# Settings of this Passerelle instance. Commented lines show the defaults.", ""]
    for name, field in Settings.model_fields.items():
        section = section_of(field.annotation)
        lines.append(f"[{name}]")
        for key, setting in section.model_fields.items():
            given = values.get(name, {})
            value = toml_value(given.get(key, setting.default))
            mark = "" if key in given else "# "
            lines.append(f"{mark}{key} = {value}  # {setting.description}")
        lines.append("")
    return "\n".join(lines)


def toml_value(value: object) -> str:
    """A setting as TOML shows it; nothing is the empty string."""
    if value is None:
        return '""'
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, tuple | list):
        return "[" + ", ".join(toml_value(item) for item in value) + "]"
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'
