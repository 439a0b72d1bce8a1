"""``check_settings``: what is wrong, weak or about to expire in an instance folder, before it serves."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from cryptography import x509
from pydantic import BaseModel

from gateway.certificates import own
from gateway.config import Settings
from gateway.core.errors import ConfigError, PasserelleError
from gateway.flows import oidc
from gateway.flows.operators_file import OPERATORS_FILE
from gateway.flows.ports import Store
from gateway.instance import Instance, url_of

_SOON = dt.timedelta(days=30)


class Level(StrEnum):
    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One line of the report; ``setting`` names the place, ``text`` the matter and its cure."""

    level: Level
    setting: str
    text: str


def unsafe_settings(settings: Settings) -> tuple[str, ...]:
    """Names of the ``unsafe_…`` settings that are on."""
    found = []
    for name in Settings.model_fields:
        section = getattr(settings, name)
        if isinstance(section, BaseModel):
            found += [
                f"{name}.{key}"
                for key in type(section).model_fields
                if key.startswith("unsafe_") and getattr(section, key)
            ]
    return tuple(found)


def check_settings(folder: Path) -> tuple[Finding, ...]:
    """Everything worth telling about the instance in ``folder``; never raises for what it finds there.

    The database is not opened: that is ``check_database``.
    """
    try:
        instance = Instance.load(folder)
    except ConfigError as exc:
        return (Finding(level=Level.ERROR, setting="instance", text=exc.detail),)
    return tuple(_findings(instance))


async def check_database(store: Store) -> tuple[Finding, ...]:
    """Whether the database answers, and whether somebody in it can manage users; never raises for what it
    finds there."""
    try:
        await store.ping()
        async with store.begin(read_only=True) as tx:
            administrators = await tx.count_administrators()
    except PasserelleError as exc:
        return (Finding(level=Level.ERROR, setting="database", text=exc.detail),)
    found = [Finding(level=Level.OK, setting="database", text="answers, and its schema is current")]
    if not administrators:
        text = (
            "no enabled administrator: nobody can manage users in the console; make one: "
            "passerelle users add NAME --role administrator, or: passerelle users enable NAME"
        )
        found.append(Finding(level=Level.WARNING, setting="users", text=text))
    return tuple(found)


async def check_provider(folder: Path) -> tuple[Finding, ...]:
    """The OIDC provider, tried without anybody signing in: the way there, its issuer and keys, our id and
    secret. Nothing where none is set; never raises for what it finds there."""
    try:
        instance = Instance.load(folder)
        provider = instance.provider()
        if provider is None:
            text = "no provider is set: people sign in with local accounts"
            return (Finding(level=Level.OK, setting="oidc", text=text),)
        part = instance.settings.uk_api
        base = part.public_url or url_of(part.host, part.port, tls=part.tls)
        callback = base.rstrip("/") + oidc.CALLBACK
        await oidc.examine(provider, instance.clock.now(), redirect_uri=callback)
    except PasserelleError as exc:
        return (Finding(level=Level.ERROR, setting="oidc", text=exc.detail),)
    text = f"the provider answers, and knows our id and secret; registered there must be {callback}"
    return (Finding(level=Level.OK, setting="oidc", text=text),)


def _findings(instance: Instance) -> Iterator[Finding]:
    yield Finding(level=Level.OK, setting="settings", text="the settings are complete and known")
    for name in unsafe_settings(instance.settings):
        yield Finding(
            level=Level.WARNING, setting=name, text="weakens the gateway; turn it off when possible"
        )
    parts: tuple[tuple[str, Callable[[], object]], ...] = (
        ("keys.trust", instance.load_partner),
        ("keys.clients", instance.load_clients),
        ("france.anchors", instance.french_tls),
        ("uk_api.tls", instance.uk_tls),
        ("as4.tls", instance.as4_tls),
    )
    for setting, load in parts:
        yield _loaded(setting, load)
    if instance.settings.oidc.issuer is not None:
        yield _loaded("oidc", instance.provider)
    if not any((instance.folder / instance.settings.keys.clients).glob("*.toml")):
        yield Finding(level=Level.WARNING, setting="keys.clients", text="no UK client is registered yet")
    if (instance.folder / OPERATORS_FILE).exists():
        text = (
            "is left over from an earlier release and not read any more once there are users; take over "
            "who is missing: passerelle users import; then remove the file"
        )
        yield Finding(level=Level.WARNING, setting=OPERATORS_FILE, text=text)
    yield from _certificates(instance)


def _loaded(setting: str, load: Callable[[], object]) -> Finding:
    try:
        load()
    except ConfigError as exc:
        return Finding(level=Level.ERROR, setting=setting, text=exc.detail)
    return Finding(level=Level.OK, setting=setting, text="can be used")


def _certificates(instance: Instance) -> Iterator[Finding]:
    now = instance.clock.now()
    for item in own(instance):
        yield _validity(f"keys/{item.name}", item.certificate, now)
    try:
        partner = instance.load_partner()
    except ConfigError:
        return  # told above
    # the security profiles of the agreement, each with all its keys (as4.md 38)
    yield _loaded("agreement.security", instance.make_access_point)
    for certificate in partner.recipients.values():
        yield _validity("trust: encryption", certificate, now)
    for certificate in partner.signing:
        yield _validity("trust: signature", certificate, now)


def _validity(place: str, certificate: x509.Certificate, now: dt.datetime) -> Finding:
    left = certificate.not_valid_after_utc - now
    if left <= dt.timedelta() or now < certificate.not_valid_before_utc:
        return Finding(level=Level.ERROR, setting=place, text="the certificate is not valid today; renew it")
    level = Level.WARNING if left < _SOON else Level.OK
    return Finding(level=level, setting=place, text=f"the certificate is valid for {left.days} days")
