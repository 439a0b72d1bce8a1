"""Whom the verifier believes: certificates and keys from a source of its own, never from the bundle."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from cryptography import x509

from gateway.core.as4.keys import fingerprint
from gateway.core.as4.trust import TrustStore
from gateway.core.errors import FailedAuthentication
from gateway.core.jws import VerificationKey, public_jwk
from gateway.core.proofs.report import Check, CheckCode, check, unknown

GATEWAY = "gateway"
"""Owner of the keys that sign answers, receipts and manifests."""


def thumbprint(key: VerificationKey) -> str:
    """RFC 7638, base64url."""
    return public_jwk(key)["kid"]


@dataclass(frozen=True, kw_only=True)
class Known:
    """``certificates``: signing certificates with their party id ("" when that is not known, for example
    from a folder of PEM files). ``keys``: thumbprint → owner: ``gateway``, a client id, or ""."""

    certificates: tuple[tuple[x509.Certificate, str], ...] = field(default=(), repr=False)
    anchors: tuple[x509.Certificate, ...] = field(default=(), repr=False)
    keys: Mapping[str, str] = field(default_factory=dict, repr=False)

    def party(self, certificate: x509.Certificate) -> str | None:
        """The party of a certificate, "" when known without one, None when not known."""
        wanted = fingerprint(certificate)
        return next((party for c, party in self.certificates if fingerprint(c) == wanted), None)

    def chains(
        self, certificate: x509.Certificate, at: dt.datetime, chain: Sequence[x509.Certificate]
    ) -> bool | None:
        """Whether it leads to an anchor, as of ``at``; None without anchors."""
        if not self.anchors:
            return None
        try:
            TrustStore(anchors=self.anchors, party_certificates={}).check_path(certificate, at, chain)
        except FailedAuthentication:
            return False
        return True


class UnsafeBundleKnown(Known):
    """Believes whatever the bundle itself brings: shows that it is consistent, not who made it."""


def judge_signer(
    certificate: x509.Certificate, chain: Sequence[x509.Certificate], at: dt.datetime, known: Known
) -> tuple[Check, ...]:
    """Known or issued by a trusted authority; inside its validity at the signed time; its chain."""
    party = known.party(certificate)
    anchored = known.chains(certificate, at, chain)
    facts = {
        "subject": certificate.subject.rfc4514_string(),
        "fingerprint": fingerprint(certificate),
        "party": party or None,
    }
    if isinstance(known, UnsafeBundleKnown):
        signer = unknown(CheckCode.SIGNER, **facts)
    else:
        signer = check(CheckCode.SIGNER, party is not None or anchored is True, **facts)
    valid = certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc
    validity = check(
        CheckCode.VALIDITY,
        valid,
        signed_at=_instant(at),
        valid_from=_instant(certificate.not_valid_before_utc),
        valid_until=_instant(certificate.not_valid_after_utc),
    )
    if anchored is None or (not anchored and isinstance(known, UnsafeBundleKnown)):
        path = unknown(CheckCode.CHAIN)
    else:
        # pinned by its fingerprint, and no authority of it was given: there is nothing to chain to
        pinned_alone = party is not None and not anchored and not _issued_by(certificate, known.anchors)
        path = unknown(CheckCode.CHAIN) if pinned_alone else check(CheckCode.CHAIN, anchored)
    return signer, validity, path


def _issued_by(certificate: x509.Certificate, anchors: Iterable[x509.Certificate]) -> bool:
    return any(certificate.issuer == anchor.subject for anchor in anchors)


def judge_key(key: VerificationKey, *, owner: str | None, known: Known) -> Check:
    """``owner``: who must hold the key (``gateway``); None: a client, whose key may have been rotated out."""
    print_ = thumbprint(key)
    facts = {"thumbprint": print_, "owner": known.keys.get(print_) or None}
    if isinstance(known, UnsafeBundleKnown):
        return unknown(CheckCode.SIGNER, **facts)
    found = known.keys.get(print_)
    if owner is None:
        return (
            check(CheckCode.SIGNER, True, **facts)
            if found is not None
            else unknown(CheckCode.SIGNER, **facts)
        )
    return check(CheckCode.SIGNER, found in {owner, ""}, **facts)


def _instant(value: dt.datetime) -> str:
    return value.isoformat(timespec="seconds").replace("+00:00", "Z")
