"""Whether what a partner gave may be installed. Pure: certificates and ``now`` in, a plan or refusals out.

The numbered steps are those of the code; none can be left out:

1. each file holds what its option is for: a CA, or one certificate for each purpose;
2. key type and length, and the CA's signature, are those of the security policy;
3. key usage fits the purpose;
4. validity: now, or (beside one that is valid now) later;
5. not ours, and no other party's, neither certificate nor key;
6. not revoked, and it chains to an anchor, old or given here;
7. it can be referred to as the partner's product does;
8. afterwards there is one to verify with and one to encrypt to.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from contracts.ports import Problem
from gateway.core.as4.keys import KeyKind, certificate_kind, name_key
from gateway.core.as4.policy import SecurityPolicy
from gateway.core.as4.profiles import SecurityProfile
from gateway.core.as4.trust import TrustStore
from gateway.core.errors import FailedAuthentication
from gateway.partners.certificates import Given, Purpose, is_ca, is_self_signed, key_text, name_text, ski
from gateway.partners.metadata import KeyReference
from gateway.partners.refusals import problem, refused

SOON = dt.timedelta(days=30)
_STRONG = (hashes.SHA256, hashes.SHA384, hashes.SHA512, hashes.SHA3_256, hashes.SHA3_384, hashes.SHA3_512)
_CURVES = frozenset({"secp256r1", "secp384r1", "secp521r1"})
_KIND_NAMES = {
    KeyKind.RSA: "RSA",
    KeyKind.ED25519: "Ed25519",
    KeyKind.P256: "EC P-256",
    KeyKind.X25519: "X25519",
}
_DOING = {Purpose.SIGN: "sign", Purpose.ENCRYPT: "encrypt to"}

Held = tuple[str, x509.Certificate]
"""Where a certificate lies, and the certificate."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Parcel:
    """What the operator gives of one partner, read but not judged."""

    signing: tuple[Given, ...] = ()
    """All certificates of the files given for signing; one that encrypts may be among them."""
    encryption: tuple[Given, ...] = ()
    anchors: tuple[Given, ...] = ()
    tls_anchors: tuple[Given, ...] = ()
    key_references: tuple[KeyReference, ...] = ()

    @property
    def everything(self) -> tuple[Given, ...]:
        return (*self.signing, *self.encryption, *self.anchors, *self.tls_anchors)


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """What is there already. ``ours`` and ``others`` say where each certificate lies."""

    party: str
    policy: SecurityPolicy
    profiles: frozenset[SecurityProfile]
    """Security profiles of the agreed P-Modes: they say which kinds of key are wanted."""
    may_sign: Callable[[x509.Certificate], bool]
    may_encrypt: Callable[[x509.Certificate], bool]
    party_certificates: tuple[Held, ...] = ()
    anchors: tuple[Held, ...] = ()
    tls_anchors: tuple[Held, ...] = ()
    revoked: frozenset[tuple[x509.Name, int]] = frozenset()
    ours: tuple[Held, ...] = ()
    others: tuple[Held, ...] = ()

    def kinds(self, purpose: Purpose) -> frozenset[KeyKind]:
        """Kinds of key that the agreed P-Modes need for that purpose."""
        return _kinds(self.profiles, purpose)


def _kinds(profiles: Iterable[SecurityProfile], purpose: Purpose) -> frozenset[KeyKind]:
    if purpose is Purpose.SIGN:
        return frozenset(profile.signing_kind for profile in profiles)
    return frozenset(profile.encryption_kind for profile in profiles)


@dataclass(frozen=True, kw_only=True, slots=True)
class Addition:
    """One certificate to install, and what for."""

    given: Given
    purposes: tuple[Purpose, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """Everything passed: what is new, what is there already, and what deserves a word."""

    additions: tuple[Addition, ...]
    present: tuple[Given, ...]
    warnings: tuple[str, ...]


@dataclass
class _Judging:
    parcel: Parcel
    known: Known
    now: dt.datetime
    problems: list[Problem] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def refuse(self, code: str, given: Given, **values: object) -> None:
        self.problems.append(problem(code, given.source, **values))


def judge(parcel: Parcel, known: Known, *, now: dt.datetime) -> Plan:
    """The plan of what to install. ``now`` is aware. Raises PartnerRefused with every reason found."""
    judging = _Judging(parcel=parcel, known=known, now=now)
    wanted = _sort(judging)  # (1)
    anchors = tuple(dict.fromkeys([c for _, c in known.anchors] + [g.certificate for g in parcel.anchors]))
    store = TrustStore(anchors=anchors, party_certificates={}, revoked=known.revoked)
    for given, purpose in wanted:
        _judge_one(judging, store, given, purpose)
    _check_complete(judging, wanted)  # (8)
    if judging.problems:
        raise refused(tuple(judging.problems))
    return _plan(judging, wanted)


def _sort(judging: _Judging) -> list[tuple[Given, Purpose]]:
    """(1) Which certificate is for what: the option says it, or for one file of two, the key usage."""
    parcel, known = judging.parcel, judging.known
    wanted: list[tuple[Given, Purpose]] = []
    leaves = _leaves(parcel.signing, parcel)
    signing = [g for g in leaves if known.may_sign(g.certificate)]
    rest = [g for g in leaves if not known.may_sign(g.certificate)]
    if parcel.encryption:
        encryption = _leaves(parcel.encryption, parcel)
    else:
        encryption = rest or [g for g in signing if known.may_encrypt(g.certificate)]
        rest = []
    for files in (parcel.signing, parcel.encryption):
        if files and not _leaves(files, parcel):
            judging.refuse("is_ca", files[0])
    for purpose, found in ((Purpose.SIGN, [*signing, *rest]), (Purpose.ENCRYPT, encryption)):
        if len(found) > 1:
            judging.refuse("several", found[0], count=len(found), purpose=_DOING[purpose])
        wanted += [(given, purpose) for given in found]
    for purpose, authorities in ((Purpose.ANCHOR, parcel.anchors), (Purpose.TLS_ANCHOR, parcel.tls_anchors)):
        for given in authorities:
            # a self-signed certificate is its own anchor, when that is what the operator says
            if not is_ca(given.certificate) and not is_self_signed(given.certificate):
                judging.refuse("not_a_ca", given)
            wanted.append((given, purpose))
    return wanted


def _leaves(files: Sequence[Given], parcel: Parcel) -> list[Given]:
    """Without the CAs of a bundle; a CA alone counts when given as its own anchor (openssl req -x509)."""
    trusted = {g.certificate for g in parcel.anchors}
    leaves = [g for g in files if not is_ca(g.certificate)]
    return leaves or [g for g in files if g.certificate in trusted]


def _judge_one(judging: _Judging, store: TrustStore, given: Given, purpose: Purpose) -> None:
    certificate, known, now = given.certificate, judging.known, judging.now
    party = purpose in _DOING
    # (2)
    judging.problems += _strength(judging, given, purpose)
    # (3)
    allowed = {Purpose.SIGN: known.may_sign, Purpose.ENCRYPT: known.may_encrypt}.get(purpose)
    if allowed is not None and not allowed(certificate):
        judging.refuse("wrong_usage", given, purpose=_DOING[purpose])
    # (4)
    _validity(judging, given, purpose)
    # (5)
    for code, places in (("ours", known.ours), ("other_party", known.others)):
        place = _same_key(certificate, places) if party else None
        if place is not None:
            judging.refuse(code, given, place=place)
    # (6)
    if (name_key(certificate.issuer), certificate.serial_number) in {
        (name_key(issuer), serial) for issuer, serial in known.revoked
    }:
        judging.refuse("revoked", given)
    elif party and not _chains(store, certificate, now):
        judging.refuse("no_chain", given, issuer=name_text(certificate.issuer))
    # (7)
    if party and KeyReference.SKI in judging.parcel.key_references and ski(certificate) is None:
        judging.refuse("no_ski", given)


def _chains(store: TrustStore, certificate: x509.Certificate, now: dt.datetime) -> bool:
    """(6) By the very check that messages meet later, at the moment nearest to now when it is valid."""
    if not store.anchors:
        return False
    at = min(max(now, certificate.not_valid_before_utc), certificate.not_valid_after_utc)
    try:
        store.check_path(certificate, at)
    except FailedAuthentication:
        return False
    return True


def _strength(judging: _Judging, given: Given, purpose: Purpose) -> Iterator[Problem]:
    """(2) Party keys as the agreed profiles have them; CA keys at least as strong."""
    certificate, least = given.certificate, judging.known.policy.min_rsa_bits
    key = certificate.public_key()
    if purpose in _DOING:
        allowed = _agreed_kind(judging, given, purpose)
        names = sorted(_KIND_NAMES[kind] for kind in judging.known.kinds(purpose))
    else:
        allowed = isinstance(key, rsa.RSAPublicKey | ed25519.Ed25519PublicKey) or (
            isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVES
        )
        names = ["RSA", "EC P-256 or larger", "Ed25519"]
    if not allowed:
        listed = " or ".join(names)
        yield problem("key_type", given.source, key=key_text(certificate), wanted=listed)
    elif isinstance(key, rsa.RSAPublicKey) and key.key_size < least:
        yield problem("weak_key", given.source, bits=key.key_size, least=least)
    algorithm = certificate.signature_hash_algorithm
    weak = algorithm is not None and not isinstance(algorithm, _STRONG)
    if weak and not is_self_signed(certificate):  # nobody relies on the signature of a self-signed anchor
        yield problem("weak_signature", given.source, hash=algorithm.name.upper() if algorithm else "?")


def _agreed_kind(judging: _Judging, given: Given, purpose: Purpose) -> bool:
    """Keys of another security profile are welcome beside those that the agreement uses: a change of
    profile is prepared that way."""
    kind = certificate_kind(given.certificate)
    if kind in judging.known.kinds(purpose):
        return True
    if kind not in _kinds(SecurityProfile, purpose) or not _valid_now(judging, purpose):
        return False
    judging.warnings.append(f"{given.source} is over a key that no P-Mode of the agreement uses yet")
    return True


def _validity(judging: _Judging, given: Given, purpose: Purpose) -> None:
    """(4) A certificate of the future is welcome beside one that is valid now."""
    certificate, now = given.certificate, judging.now
    if now > certificate.not_valid_after_utc:
        judging.refuse("expired", given, until=certificate.not_valid_after_utc.date())
    elif now < certificate.not_valid_before_utc:
        start = certificate.not_valid_before_utc.date()
        if not _valid_now(judging, purpose):
            judging.refuse("not_yet_valid", given, start=start)
        judging.warnings.append(f"{given.source} is valid from {start}; until then the present one is used")
    elif certificate.not_valid_after_utc - now < SOON:
        days = (certificate.not_valid_after_utc - now).days
        judging.warnings.append(f"{given.source} ends in {days} days; ask for the next one soon")


def _valid_now(judging: _Judging, purpose: Purpose) -> bool:
    """Whether one that the agreement can use is installed and valid."""
    known = judging.known
    held = known.anchors if purpose not in _DOING else known.party_certificates
    return any(
        c.not_valid_before_utc <= judging.now <= c.not_valid_after_utc
        and (purpose not in _DOING or _serves(known, c, purpose))
        for _, c in held
    )


def _serves(known: Known, certificate: x509.Certificate, purpose: Purpose) -> bool:
    """Key usage and kind of key are those of the purpose, in an agreed profile."""
    allowed = known.may_sign if purpose is Purpose.SIGN else known.may_encrypt
    return allowed(certificate) and certificate_kind(certificate) in known.kinds(purpose)


def _same_key(certificate: x509.Certificate, places: Sequence[Held]) -> str | None:
    key = certificate.public_key()
    return next((place for place, other in places if other == certificate or other.public_key() == key), None)


def _check_complete(judging: _Judging, wanted: Sequence[tuple[Given, Purpose]]) -> None:
    """(8) Only when certificates of the party are given: an anchor or address may come alone."""
    known, given = judging.known, {purpose for _, purpose in wanted}
    if not given & set(_DOING):
        return
    source = (*judging.parcel.signing, *judging.parcel.encryption)[0]
    for purpose, code in ((Purpose.SIGN, "no_signing"), (Purpose.ENCRYPT, "no_encryption")):
        held = any(_serves(known, c, purpose) for _, c in known.party_certificates)
        if purpose not in given and not held:
            judging.refuse(code, source)


def _plan(judging: _Judging, wanted: Sequence[tuple[Given, Purpose]]) -> Plan:
    known = judging.known
    there = {
        Purpose.SIGN: known.party_certificates,
        Purpose.ENCRYPT: known.party_certificates,
        Purpose.ANCHOR: known.anchors,
        Purpose.TLS_ANCHOR: known.tls_anchors,
    }
    new: dict[x509.Certificate, tuple[Given, list[Purpose]]] = {}
    present: dict[x509.Certificate, Given] = {}
    for given, purpose in wanted:
        if any(given.certificate == held for _, held in there[purpose]):
            present.setdefault(given.certificate, given)
        else:
            new.setdefault(given.certificate, (given, []))[1].append(purpose)
    return Plan(
        additions=tuple(Addition(given=g, purposes=tuple(p)) for g, p in new.values()),
        present=tuple(present.values()),
        warnings=tuple(dict.fromkeys(judging.warnings)),
    )
