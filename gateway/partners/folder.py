"""The trust folder of a partner: what lies there, and changing it all at once or not at all.

``anchors/`` CAs of message certificates · ``party/`` certificates to verify with and to encrypt to ·
``crl/`` · ``tls/`` CAs of its TLS server · ``retired/`` removed certificates, kept to verify old evidence ·
``partner.toml`` how the partner refers to keys. Which certificate signs and which encrypts is read from its
key usage (gateway/keys/partner.py); file names are for people.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509

from gateway.core.as4.keys import fingerprint
from gateway.core.as4.policy import SecurityPolicy
from gateway.core.as4.profiles import SecurityProfile
from gateway.core.errors import ConfigError
from gateway.keys import files
from gateway.keys.partner import encrypts, revoked, signs
from gateway.partners.certificates import Purpose, pem
from gateway.partners.judge import Addition, Held, Known
from gateway.partners.metadata import KeyReference

ENTRY_FILE: Final = "partner.toml"
RETIRED: Final = "retired"
SHORTEST_PREFIX: Final = 8
_FOLDERS: Final = {
    Purpose.SIGN: "party",
    Purpose.ENCRYPT: "party",
    Purpose.ANCHOR: "anchors",
    Purpose.TLS_ANCHOR: "tls",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Installed:
    """One certificate as it lies in the folder."""

    path: Path
    certificate: x509.Certificate
    purposes: tuple[Purpose, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class FileChange:
    """A file that gets this content; None removes it."""

    path: Path
    content: bytes | None


@dataclass(frozen=True, kw_only=True, slots=True)
class TrustFolder:
    """Paths of one partner in one instance; nothing is read before it is asked for."""

    instance: Path
    trust: Path
    """The partner's folder, for example ``…/trust/fr``."""
    tls_anchors: Path
    """``france.anchors`` as set: CAs of its TLS server."""
    keys: Path

    @property
    def message_anchors(self) -> Path:
        return self.trust / "anchors"

    @property
    def own_tls_folder(self) -> bool:
        """Whether TLS has anchors apart from those of the messages."""
        return self.tls_anchors.resolve() != self.message_anchors.resolve()

    def target(self, purpose: Purpose) -> Path:
        """Where a new certificate of that purpose goes."""
        if purpose is Purpose.TLS_ANCHOR and self.own_tls_folder:
            return self.tls_anchors
        return self.trust / _FOLDERS[purpose]

    def shown(self, path: Path) -> str:
        """The path as people read it: relative to the instance folder."""
        return str(path.relative_to(self.instance)) if path.is_relative_to(self.instance) else str(path)

    def installed(self, *, leave_out_broken: bool = False) -> tuple[Installed, ...]:
        """Every certificate there, in order of use and name. Raises ConfigError for a broken file, or leaves
        it out."""
        read = functools.partial(_certificates, leave_out_broken=leave_out_broken)
        found = [
            Installed(path=path, certificate=certificate, purposes=_party_purposes(certificate))
            for path, certificate in read(self.trust / "party")
        ]
        found.sort(key=lambda item: Purpose.SIGN not in item.purposes)
        shared = (Purpose.ANCHOR,) if self.own_tls_folder else (Purpose.ANCHOR, Purpose.TLS_ANCHOR)
        found += [
            Installed(path=path, certificate=certificate, purposes=shared)
            for path, certificate in read(self.message_anchors)
        ]
        if self.own_tls_folder:
            found += [
                Installed(path=path, certificate=certificate, purposes=(Purpose.TLS_ANCHOR,))
                for path, certificate in read(self.tls_anchors)
            ]
        return tuple(found)

    def known(self, party: str, policy: SecurityPolicy, profiles: frozenset[SecurityProfile]) -> Known:
        """What ``judge`` compares with. Raises ConfigError."""
        anchors = self._held(self.message_anchors)
        siblings = sorted(p for p in self.trust.parent.glob("*/party") if p.parent != self.trust)
        return Known(
            party=party,
            policy=policy,
            profiles=profiles,
            may_sign=signs,
            may_encrypt=encrypts,
            party_certificates=self._held(self.trust / "party"),
            anchors=anchors,
            tls_anchors=self._held(self.tls_anchors) if self.own_tls_folder else (),
            revoked=revoked(self.trust / "crl", [certificate for _, certificate in anchors]),
            ours=self._held(self.keys, "*.crt.pem"),
            others=tuple(held for folder in siblings for held in self._held(folder)),
        )

    def _held(self, folder: Path, pattern: str = "*.pem") -> tuple[Held, ...]:
        return tuple((self.shown(path), c) for path, c in _certificates(folder, pattern))

    # ---- the entry

    def key_references(self) -> tuple[KeyReference, ...]:
        """How the partner refers to keys; empty when nothing was said. Raises ConfigError."""
        path = self.trust / ENTRY_FILE
        try:
            values = tomllib.loads(path.read_text("utf-8"))
            return tuple(KeyReference(value) for value in values.get("key_references", ()))
        except FileNotFoundError:
            return ()
        except (OSError, ValueError, TypeError) as exc:
            raise ConfigError(f"{self.shown(path)} cannot be read; correct or remove it") from exc

    def entry_change(self, party: str, references: Sequence[KeyReference]) -> FileChange:
        listed = ", ".join(json.dumps(reference.value) for reference in references)
        text = (
            "# Written by: passerelle partner add. How this partner names certificates in its signatures.\n"
            f"party = {json.dumps(party)}\nkey_references = [{listed}]\n"
        )
        return FileChange(path=self.trust / ENTRY_FILE, content=text.encode())

    # ---- changes

    def additions(self, additions: Sequence[Addition]) -> tuple[FileChange, ...]:
        """A file of its own for each certificate and folder; never one that is there with other content.

        Raises ConfigError when such a file exists.
        """
        wanted: dict[Path, list[tuple[Addition, Purpose]]] = {}
        for addition in additions:
            for purpose in addition.purposes:
                wanted.setdefault(self.target(purpose), []).append((addition, purpose))
        changes: dict[Path, FileChange] = {}
        for folder, rows in wanted.items():
            for addition in dict.fromkeys(a for a, _ in rows):
                purposes = [p for a, p in rows if a is addition]
                path = folder / _file_name(addition.given.certificate, purposes)
                if path.exists():
                    raise ConfigError(f"{self.shown(path)} is there already; remove it and try again")
                changes[path] = FileChange(path=path, content=pem([addition.given.certificate]))
        return tuple(changes.values())

    def find(self, digits: str) -> Installed:
        """The one certificate whose SHA-256 begins with ``digits`` (8 or more). Raises ConfigError."""
        if len(digits) < SHORTEST_PREFIX:
            raise ConfigError(f"give at least {SHORTEST_PREFIX} digits of the SHA-256 fingerprint")
        found = [i for i in self.installed() if fingerprint(i.certificate).startswith(digits)]
        if not found:
            raise ConfigError("no certificate here has that fingerprint; see: passerelle partner show")
        if len({fingerprint(i.certificate) for i in found}) > 1:
            raise ConfigError("several certificates begin so; give more digits of the fingerprint")
        return found[0]

    def removals(self, certificates: Sequence[x509.Certificate]) -> tuple[FileChange, ...]:
        """Out of every folder where they lie, into ``retired/``; what else a file holds stays in it."""
        gone = set(certificates)
        paths = dict.fromkeys(i.path for i in self.installed() if i.certificate in gone)
        changes = []
        for path in paths:
            rest = [c for c in files.read_chain(path) if c not in gone]
            changes.append(FileChange(path=path, content=pem(rest) if rest else None))
        for certificate in dict.fromkeys(certificates):
            kept = self.trust / RETIRED / f"{fingerprint(certificate)[:16]}.pem"
            changes.append(FileChange(path=kept, content=pem([certificate])))
        return tuple(changes)


def _party_purposes(certificate: x509.Certificate) -> tuple[Purpose, ...]:
    able = ((Purpose.SIGN, signs(certificate)), (Purpose.ENCRYPT, encrypts(certificate)))
    return tuple(purpose for purpose, allowed in able if allowed)


def _certificates(
    folder: Path, pattern: str = "*.pem", *, leave_out_broken: bool = False
) -> list[tuple[Path, x509.Certificate]]:
    found = []
    for path in sorted(folder.glob(pattern)):
        try:
            found += [(path, certificate) for certificate in files.read_chain(path)]
        except ConfigError:
            if not leave_out_broken:
                raise
    return found


def _file_name(certificate: x509.Certificate, purposes: Sequence[Purpose]) -> str:
    """For example ``sign-2029-02-25-1a2b3c4d.pem``: what for, until when, which."""
    words = "-".join(purpose.value.lower().replace(" ", "-") for purpose in purposes)
    return f"{words}-{certificate.not_valid_after_utc.date()}-{fingerprint(certificate)[:8]}.pem"


@contextlib.contextmanager
def applied(changes: Sequence[FileChange]) -> Iterator[None]:
    """Makes the changes, each file in one step; an exception in the block, or on the way, undoes them all.

    Raises ConfigError when a file cannot be written.
    """
    before: list[FileChange] = []
    try:
        for change in changes:
            old = change.path.read_bytes() if change.path.exists() else None
            before.append(FileChange(path=change.path, content=old))
            _write(change)
    except OSError as exc:
        _undo(before)
        raise ConfigError(f"{exc.filename or 'a file'} cannot be written; nothing was changed") from exc
    try:
        yield
    except BaseException:
        _undo(before)
        raise


def _undo(before: Sequence[FileChange]) -> None:
    for change in reversed(before):
        _write(change)


def _write(change: FileChange) -> None:
    if change.content is None:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            change.path.unlink()
        return
    change.path.parent.mkdir(parents=True, exist_ok=True)
    temporary = change.path.with_name(change.path.name + ".new")
    mode = change.path.stat().st_mode & 0o777 if change.path.exists() else 0o644
    with temporary.open("wb") as file:
        file.write(change.content)
        file.flush()
        os.fsync(file.fileno())
    temporary.chmod(mode)
    temporary.replace(change.path)
