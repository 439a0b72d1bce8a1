"""Whose certificates we believe, for which party, at which moment (as4.md 37; RFC 5280).

A leaf is bound to its party by pinning (the default) or, where a party renews often, by a subject name
under one of the anchors. With anchors configured, a pinned leaf must chain to one of them as well.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from cryptography import x509
from cryptography.x509 import verification

from gateway.core.as4.keys import (
    CERTIFICATE_ERRORS,
    IssuerSerial,
    NameKey,
    SubjectKeyId,
    fingerprint,
    name_key,
    names,
)
from gateway.core.errors import ConfigError, FailedAuthentication

MAX_CHAIN_DEPTH = 4


def _ca_may_sign(_policy: verification.Policy, _ca: x509.Certificate, usage: x509.KeyUsage | None) -> None:
    if usage is not None and not usage.key_cert_sign:
        raise ValueError("the CA certificate may not sign certificates")


_CA_POLICY = (
    verification.ExtensionPolicy.permit_all()
    .require_present(x509.BasicConstraints, verification.Criticality.AGNOSTIC, None)
    .may_be_present(x509.KeyUsage, verification.Criticality.AGNOSTIC, _ca_may_sign)
)
_LEAF_POLICY = verification.ExtensionPolicy.permit_all()


@dataclass(frozen=True)
class TrustStore:
    """``party_certificates``: party id → its pinned certificates. ``revoked``: (issuer, serial number).

    ``party_subjects``: party id → subject name; a leaf with it that chains to an anchor is that party's.
    Raises ConfigError when one certificate or subject stands for two parties.
    """

    anchors: tuple[x509.Certificate, ...]
    party_certificates: Mapping[str, tuple[x509.Certificate, ...]]
    revoked: frozenset[tuple[x509.Name, int]] = frozenset()
    party_subjects: Mapping[str, x509.Name] = field(default_factory=dict)

    def __post_init__(self) -> None:
        pins = [fingerprint(c) for certificates in self.party_certificates.values() for c in certificates]
        subjects = [name_key(name) for name in self.party_subjects.values()]
        if len(self._pins) != len(set(pins)) or len(set(pins)) != len(pins):
            raise ConfigError("one certificate is pinned twice or for two parties")
        if len(set(subjects)) != len(subjects):
            raise ConfigError("one subject name stands for two parties")
        if self.party_subjects and not self.anchors:
            raise ConfigError("a party known by its subject name needs an anchor")

    @cached_property
    def _pins(self) -> dict[str, str]:
        return {fingerprint(c): party for party, pinned in self.party_certificates.items() for c in pinned}

    @cached_property
    def _subjects(self) -> dict[NameKey, str]:
        return {name_key(name): party for party, name in self.party_subjects.items()}

    @cached_property
    def _revoked(self) -> frozenset[tuple[NameKey, int]]:
        return frozenset((name_key(issuer), serial) for issuer, serial in self.revoked)

    @cached_property
    def _roots(self) -> verification.Store:
        return verification.Store(list(self.anchors))

    def find(self, reference: IssuerSerial | SubjectKeyId, now: dt.datetime) -> x509.Certificate:
        """The pinned certificate that the reference means; it is not checked yet.

        A certificate renewed over the same key keeps its key identifier: the newest valid at ``now`` is
        meant. Raises FailedAuthentication when none is, or when it could be two parties' certificate.
        """
        found = [
            (party, certificate)
            for party, pinned in self.party_certificates.items()
            for certificate in pinned
            if names(certificate, reference)
        ]
        valid = [(party, c) for party, c in found if c.not_valid_before_utc <= now <= c.not_valid_after_utc]
        candidates = valid or found
        if len({party for party, _ in candidates}) != 1:
            raise FailedAuthentication("the signing certificate is not known")
        return max((c for _, c in candidates), key=lambda c: c.not_valid_before_utc)

    def check(
        self, certificate: x509.Certificate, now: dt.datetime, chain: Sequence[x509.Certificate] = ()
    ) -> str:
        """Party id of a certificate that may sign at ``now`` (aware). ``chain``: intermediates sent along.

        Raises FailedAuthentication: untrusted, expired, not yet valid, revoked or not for signing.
        """
        try:
            # (1) inside its own validity
            if now < certificate.not_valid_before_utc:
                raise FailedAuthentication("the signing certificate is not yet valid")
            if now > certificate.not_valid_after_utc:
                raise FailedAuthentication("the signing certificate has expired")
            # (2) not revoked
            self._refuse_revoked((certificate,))
            # (3) made for signing
            self._check_usage(certificate)
            # (4) bound to one party
            party = self._pins.get(fingerprint(certificate)) or self._subjects.get(
                name_key(certificate.subject)
            )
            if party is None:
                raise FailedAuthentication("the signing certificate is not trusted")
            # (5) chains to an anchor, when there are anchors
            if self.anchors:
                self.check_path(certificate, now, chain)
        except CERTIFICATE_ERRORS as exc:
            raise FailedAuthentication("the signing certificate is malformed") from exc
        return party

    def _refuse_revoked(self, certificates: Sequence[x509.Certificate]) -> None:
        if any((name_key(c.issuer), c.serial_number) in self._revoked for c in certificates):
            raise FailedAuthentication("the signing certificate, or one above it, is revoked")

    @staticmethod
    def _check_usage(certificate: x509.Certificate) -> None:
        try:
            usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
        except x509.ExtensionNotFound:
            return
        if not (usage.digital_signature or usage.content_commitment):
            raise FailedAuthentication("the signing certificate is not made for signatures")

    def check_path(
        self, certificate: x509.Certificate, now: dt.datetime, chain: Sequence[x509.Certificate] = ()
    ) -> None:
        """A certificate, for whatever purpose, is an anchor or chains to one. Raises FailedAuthentication."""
        if certificate in self.anchors:
            return
        verifier = (
            verification.PolicyBuilder()
            .store(self._roots)
            .time(now)
            .max_chain_depth(MAX_CHAIN_DEPTH)
            .extension_policies(ca_policy=_CA_POLICY, ee_policy=_LEAF_POLICY)
            .build_client_verifier()
        )
        try:
            verified = verifier.verify(certificate, list(chain))
        except verification.VerificationError as exc:
            raise FailedAuthentication("the signing certificate does not chain to a trusted CA") from exc
        self._refuse_revoked(verified.chain)
