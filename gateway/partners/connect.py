"""Adding and retiring a partner's certificates: prepared whole, confirmed by a person, then done at once.

``prepare_add`` and ``prepare_retire`` read and decide, and change nothing. ``carry_out`` writes files and
audit entries together: both, or neither.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509

from contracts.ports import Problem
from gateway.config import SETTINGS_FILE, Settings
from gateway.core import reasons
from gateway.core.as4.keys import certificate_kind, fingerprint
from gateway.core.as4.policy import SecurityPolicy
from gateway.core.as4.profiles import SecurityProfile
from gateway.core.as4.trust import TrustStore
from gateway.core.errors import ConfigError, FailedAuthentication
from gateway.flows.ports import Store
from gateway.keys.partner import encrypts, signs
from gateway.partners.certificates import Given, Purpose, hex_text, normal
from gateway.partners.folder import FileChange, Installed, TrustFolder, applied
from gateway.partners.judge import Addition, Parcel, Plan, judge
from gateway.partners.refusals import problem, refuse, refused
from gateway.partners.settings_edit import with_setting

_HEX: Final = frozenset("0123456789abcdef")
_SHA256_DIGITS: Final = 64
Data = Mapping[str, str | int | bool | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """What will be done, ready to be shown, confirmed and carried out."""

    party: str
    plan: Plan
    files: tuple[FileChange, ...]
    audit: tuple[tuple[str, Data], ...]
    """(action, data) of each audit entry; the subject is the party id."""
    settings: tuple[tuple[str, str], ...]
    """(setting, value) that changes in passerelle.toml."""
    beside: tuple[Installed, ...]
    """Earlier certificates of the same purpose that stay until they are retired, expired ones left out."""
    expired: tuple[Installed, ...]
    """What is installed, has ended and stays until it is retired."""
    retired: tuple[Installed, ...]

    @property
    def empty(self) -> bool:
        return not self.audit


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """The instance as this module needs it."""

    folder: TrustFolder
    settings: Settings
    policy: SecurityPolicy
    profiles: frozenset[SecurityProfile]
    party: str


def prepare_add(place: Place, parcel: Parcel, *, url: str | None, replace: bool, now: dt.datetime) -> Change:
    """Judge the parcel and plan its installation. Raises PartnerRefused, ConfigError; changes nothing."""
    if not parcel.everything and url is None and not parcel.key_references:
        raise refuse("nothing", "partner add")
    folder = place.folder
    plan = judge(parcel, folder.known(place.party, place.policy, place.profiles), now=now)
    installed = folder.installed()
    earlier = _earlier(installed, plan)
    ended = [i for i in installed if i.certificate.not_valid_after_utc < now]
    files = list(folder.additions(plan.additions))
    audit: list[tuple[str, Data]] = [("partner.certificate_added", _added(a)) for a in plan.additions]
    if replace and earlier:
        files += folder.removals([i.certificate for i in earlier])
        audit += [("partner.certificate_retired", _gone(i, folder, "replaced")) for i in earlier]
    settings = _settings(place, parcel, url=url, replace=replace)
    if settings:
        files.append(_settings_file(place, settings))
        audit += [
            ("partner.setting_changed", {"setting": n, "before": b, "after": v}) for n, b, v in settings
        ]
    if parcel.key_references and parcel.key_references != folder.key_references():
        files.append(folder.entry_change(place.party, parcel.key_references))
        listed = " ".join(reference.value for reference in parcel.key_references)
        audit.append(("partner.key_references_set", {"key_references": listed}))
    return Change(
        party=place.party,
        plan=plan,
        files=tuple(files),
        audit=tuple(audit),
        settings=tuple((name, after) for name, _, after in settings),
        beside=() if replace else tuple(i for i in earlier if i not in ended),
        expired=tuple(i for i in ended if not (replace and i in earlier)),
        retired=earlier if replace else (),
    )


def _earlier(installed: Sequence[Installed], plan: Plan) -> tuple[Installed, ...]:
    """The party's certificates whose purpose a new one over the same kind of key takes over."""
    party = {Purpose.SIGN, Purpose.ENCRYPT}
    taken = {
        (purpose, certificate_kind(addition.given.certificate))
        for addition in plan.additions
        for purpose in party & set(addition.purposes)
    }
    kept = {given.certificate for given in plan.present}
    return tuple(
        i
        for i in installed
        if i.certificate not in kept and taken & {(p, certificate_kind(i.certificate)) for p in i.purposes}
    )


def _settings(
    place: Place, parcel: Parcel, *, url: str | None, replace: bool
) -> list[tuple[str, str | None, str]]:
    """(setting, before, after) of what changes. An address that was set is only changed with ``replace``."""
    france = place.settings.france
    changes: list[tuple[str, str | None, str]] = []
    set_before = "url" in france.model_fields_set
    if url is not None and not (set_before and url == france.url):
        if set_before and not replace:
            raise refuse("url_differs", "--url", given=url, present=france.url)
        changes.append(("france.url", france.url if set_before else None, url))
    if parcel.tls_anchors and not place.folder.own_tls_folder:
        target = place.settings.keys.trust / "tls"
        changes.append(("france.anchors", str(france.anchors), str(target)))
    return changes


def _settings_file(place: Place, changes: Sequence[tuple[str, str | None, str]]) -> FileChange:
    path = place.folder.instance / SETTINGS_FILE
    text = path.read_text("utf-8")
    for name, _, value in changes:
        section, _, key = name.partition(".")
        try:
            text = with_setting(text, section, key, value)
        except ConfigError as exc:
            if exc.detail.startswith("set this line"):
                raise
            raise refuse("url", "--url", why=exc.detail) from exc
    return FileChange(path=path, content=text.encode())


def _added(addition: Addition) -> Data:
    certificate = addition.given.certificate
    return {
        "sha256": addition.given.sha256,
        "purpose": " and ".join(purpose.value for purpose in addition.purposes),
        "serial": hex_text(certificate.serial_number),
        "valid_until": certificate.not_valid_after_utc.isoformat(),
    }


def _gone(installed: Installed, folder: TrustFolder, reason: str) -> Data:
    return {
        "sha256": fingerprint(installed.certificate),
        "purpose": " and ".join(purpose.value for purpose in installed.purposes),
        "file": folder.shown(installed.path),
        "reason": reason,
    }


# ---- the phone call -------------------------------------------------------------------------------


def check_fingerprints(change: Change, given: Sequence[Given], typed: Sequence[str]) -> None:
    """Each new certificate's SHA-256 is among ``typed``, and nothing else is. Raises PartnerRefused.

    ``given`` is the whole parcel: fingerprints of certificates that are installed already may come too.
    """
    wanted = [normal(text) for text in typed]
    if any(len(digits) != _SHA256_DIGITS or not set(digits) <= _HEX for digits in wanted):
        raise refuse("fingerprint_form", "--fingerprint")
    unmatched = set(wanted) - {g.sha256 for g in given}
    missing = [a for a in change.plan.additions if a.given.sha256 not in wanted]
    problems: list[Problem] = []
    for addition in missing:
        # a fingerprint too many beside one too few is most likely a wrong file
        code = "fingerprint" if unmatched else "fingerprint_missing"
        problems.append(problem(code, addition.given.source))
    if unmatched and not missing:
        problems.append(problem("fingerprint_unknown", "--fingerprint"))
    if problems:
        raise refused(tuple(problems))


# ---- retiring -------------------------------------------------------------------------------------


def prepare_retire(
    place: Place, digits: str, *, reason: str, even_if_needed: bool, now: dt.datetime
) -> Change:
    """Plan to remove the certificate whose SHA-256 begins with ``digits``.

    Raises ConfigError when none or several do, when the reason is missing, and (unless ``even_if_needed``,
    for a key that was lost) when the exchange would stop for want of it.
    """
    if not reasons.is_given(reason):
        raise ConfigError(reasons.ASKED)
    folder = place.folder
    target = folder.find(normal(digits))
    rows = [i for i in folder.installed() if i.certificate == target.certificate]
    left = [i for i in folder.installed() if i.certificate != target.certificate]
    lost = _would_stop(left, place.profiles, now)
    if lost and not even_if_needed:
        raise ConfigError(
            f"without it {lost}; add the partner's new certificate first, or give --even-if-needed "
            "when its key was lost"
        )
    return Change(
        party=place.party,
        plan=Plan(additions=(), present=(), warnings=(f"without it {lost}",) if lost else ()),
        files=folder.removals([target.certificate]),
        audit=tuple(("partner.certificate_retired", _gone(row, folder, reason)) for row in rows),
        settings=(),
        beside=(),
        expired=(),
        retired=tuple(rows),
    )


def _would_stop(
    left: Sequence[Installed], profiles: frozenset[SecurityProfile], now: dt.datetime
) -> str | None:
    """What could not be done any more with what is left; None when all can."""
    anchors = tuple({i.certificate: None for i in left if Purpose.ANCHOR in i.purposes})
    tls = [i for i in left if Purpose.TLS_ANCHOR in i.purposes]
    party = [i.certificate for i in left if {Purpose.SIGN, Purpose.ENCRYPT} & set(i.purposes)]
    usable = [c for c in party if c.not_valid_before_utc <= now <= c.not_valid_after_utc]
    if anchors:
        store = TrustStore(anchors=anchors, party_certificates={})
        usable = [c for c in usable if _chains(store, c, now)]
    signing = {certificate_kind(c) for c in usable if signs(c)}
    encrypting = {certificate_kind(c) for c in usable if encrypts(c)}
    if not anchors or not {profile.signing_kind for profile in profiles} <= signing:
        return "nothing the partner signs could be verified"
    if not {profile.encryption_kind for profile in profiles} <= encrypting:
        return "nothing could be encrypted to the partner"
    return None if tls else "its TLS server could not be verified"


def _chains(store: TrustStore, certificate: x509.Certificate, now: dt.datetime) -> bool:
    try:
        store.check_path(certificate, now)
    except FailedAuthentication:
        return False
    return True


# ---- doing it -------------------------------------------------------------------------------------


async def carry_out(change: Change, store: Store, *, actor: str, now: dt.datetime) -> None:
    """Files and audit entries, both or neither. Raises ConfigError, Unavailable."""
    with contextlib.ExitStack() as undo:
        async with store.begin() as tx:
            for action, data in change.audit:
                await tx.append_audit(at=now, actor=actor, action=action, subject=change.party, data=data)
            # before the commit, which undoes them when it fails
            undo.enter_context(applied(change.files))


def written(change: Change, instance: Path) -> tuple[str, ...]:
    """Names of the files that hold something new, relative to the instance, without the settings."""
    names = []
    for file in change.files:
        if file.content is not None and file.path.name != SETTINGS_FILE:
            inside = file.path.is_relative_to(instance)
            names.append(str(file.path.relative_to(instance) if inside else file.path))
    return tuple(names)
