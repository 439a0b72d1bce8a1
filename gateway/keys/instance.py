"""Making, listing and rotating the keys of an instance folder."""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519

from gateway.core.as4.keys import KeyKind
from gateway.core.as4.profiles import SecurityProfile
from gateway.core.errors import ConfigError
from gateway.keys import files, keyring, pki

CA_KEY, CA_CERTIFICATE = "ca/ca.key.pem", "ca/ca.crt.pem"
PURPOSES = (
    keyring.AS4_SIGN,
    keyring.AS4_DECRYPT,
    keyring.JWS,
    keyring.TOKEN,
    keyring.WEBHOOK,
    keyring.TLS,
    keyring.KEK,
)
"""What ``rotate`` knows. The index key cannot be rotated: the hashes in the database could not follow."""
PROFILE_PURPOSES: Mapping[SecurityProfile, tuple[str, ...]] = MappingProxyType(
    {
        profile: (keyring.MORE_SIGN[profile.signing_kind], keyring.MORE_DECRYPT[profile.encryption_kind])
        for profile in SecurityProfile
        if profile is not SecurityProfile.EDELIVERY_1_15
    }
)
"""The keys of an AS4 security profile beside 1.15: ``add_profile`` makes them, then ``rotate`` knows them."""
_MORE = tuple(purpose for purposes in PROFILE_PURPOSES.values() for purpose in purposes)
_KINDS = MappingProxyType(
    {name: kind for names in (keyring.MORE_SIGN, keyring.MORE_DECRYPT) for kind, name in names.items()}
)
_SECRETS = (keyring.KEK, keyring.INDEX)
_CERTIFIED = (keyring.AS4_SIGN, keyring.AS4_DECRYPT, keyring.TLS, *_MORE)


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyRow:
    """One key for a listing; never the key itself."""

    purpose: str
    algorithm: str
    fingerprint: str
    """SHA-256, hex: of the certificate (DER) if there is one, else of the public key (DER), else the id."""
    not_after: dt.datetime | None
    """End of the certificate, UTC."""
    path: Path
    current: bool
    """False for a rotated key that is kept for reading."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """Names for the certificates of an instance. ``country``: ISO 3166-1 alpha-2."""

    common_name: str
    organisation: str
    country: str


UK = Identity(common_name="gateway.uk.test", organisation="Passerelle demo UK", country="GB")
FR = Identity(common_name="gateway.fr.test", organisation="Passerelle demo FR", country="FR")


def generate_instance(folder: Path, *, identity: Identity, now: dt.datetime) -> pki.Issued:
    """Makes every key of an instance below ``folder``/keys, and a CA of its own in ``folder``/ca.

    Private files have mode 0600, folders 0700. Returns the CA. Raises ConfigError when keys are there
    already: nothing is overwritten.
    """
    keys = folder / "keys"
    if keys.exists() and any(keys.iterdir()):
        raise ConfigError(f"{keys}: keys are here already. Choose another folder, or use `keys rotate`.")
    for private in (keys, folder / "ca"):
        private.mkdir(parents=True, exist_ok=True)
        private.chmod(0o700)
    ca = pki.make_ca(
        f"{identity.common_name} CA", now=now, organisation=identity.organisation, country=identity.country
    )
    files.write_private(folder / CA_KEY, ca.key_pem)
    files.write_public(folder / CA_CERTIFICATE, ca.chain_pem)
    for purpose in PURPOSES:
        _make(folder, purpose, ca=ca, identity=identity, now=now)
    files.write_secret(keys / f"{keyring.INDEX}.key", secrets.token_bytes(files.SECRET_BYTES))
    return ca


def generate_pair(
    uk_folder: Path,
    fr_folder: Path,
    *,
    now: dt.datetime,
    uk: Identity = UK,
    fr: Identity = FR,
) -> None:
    """Two instances, each with its own CA, that trust each other: ``trust/fr`` here, ``trust/uk`` there."""
    generate_instance(uk_folder, identity=uk, now=now)
    generate_instance(fr_folder, identity=fr, now=now)
    install_trust(uk_folder / "trust" / "fr", partner=fr_folder)
    install_trust(fr_folder / "trust" / "uk", partner=uk_folder)


def install_trust(folder: Path, *, partner: Path) -> None:
    """Copies the partner's certificates: ``anchors/ca.pem``, ``party/sign.pem``, ``party/encrypt.pem``, and
    those of other security profiles that it has (``party/sign-ed25519.pem`` and so on)."""
    for source, target in (
        (partner / CA_CERTIFICATE, "anchors/ca.pem"),
        (partner / "keys" / f"{keyring.AS4_SIGN}.crt.pem", "party/sign.pem"),
        (partner / "keys" / f"{keyring.AS4_DECRYPT}.crt.pem", "party/encrypt.pem"),
    ):
        files.write_public(folder / target, source.read_bytes())
    for purpose in _MORE:
        source = partner / "keys" / f"{purpose}.crt.pem"
        if source.exists():
            name = purpose.removeprefix("as4-").replace("decrypt", "encrypt")
            files.write_public(folder / f"party/{name}.pem", source.read_bytes())


def add_profile(folder: Path, profile: SecurityProfile, *, now: dt.datetime) -> tuple[Path, ...]:
    """Makes the keys of an AS4 security profile that are not there yet; returns the new files.

    They are certified by the instance's own CA, like the first ones. Raises ConfigError, also for 1.15, whose
    keys every instance has.
    """
    if profile not in PROFILE_PURPOSES:
        raise ConfigError(f"Every instance has the keys of {profile}; choose one of: {_names()}.")
    keys = folder / "keys"
    wanted = [p for p in PROFILE_PURPOSES[profile] if not _files(keys, p)[0].exists()]
    if not wanted:
        raise ConfigError(f"{keys}: the keys of {profile} are here already. Use `keys rotate` for new ones.")
    ca = _own_ca(folder)
    identity = _identity(files.read_chain(keys / f"{keyring.AS4_SIGN}.crt.pem")[0])
    return tuple(_make(folder, purpose, ca=ca, identity=identity, now=now) for purpose in wanted)


def _names() -> str:
    return ", ".join(PROFILE_PURPOSES)


def rotate(folder: Path, purpose: str, *, now: dt.datetime) -> Path:
    """Makes a new key for ``purpose``, keeps the old one beside it for reading; returns the new file.

    Keys with a certificate need the instance's own CA (``folder``/ca); with a national authority, put
    its key and certificate there by hand. Raises ConfigError.
    """
    keys = folder / "keys"
    known = (*PURPOSES, *(p for p in _MORE if _files(keys, p)[0].exists()))
    if purpose not in known:
        raise ConfigError(f"There is no key {purpose!r} to rotate; choose one of: {', '.join(known)}.")
    ca, identity = None, UK
    if purpose in _CERTIFIED:
        ca = _own_ca(folder)
        identity = _identity(files.read_chain(keys / f"{purpose}.crt.pem")[0])
    _keep(keys, purpose)
    return _make(folder, purpose, ca=ca, identity=identity, now=now)


def _own_ca(folder: Path) -> pki.Issued:
    path = folder / CA_KEY
    if not path.exists():
        raise ConfigError(
            f"{path}: this instance has no authority of its own. Put the new key and the certificate of "
            "your authority into keys/, the old ones beside them as <name>.<any>.key.pem and .crt.pem."
        )
    return pki.Issued(private_key=files.read_rsa(path), chain=files.read_chain(folder / CA_CERTIFICATE))


def _identity(certificate: x509.Certificate) -> Identity:
    def of(oid: x509.ObjectIdentifier, default: str) -> str:
        found = certificate.subject.get_attributes_for_oid(oid)
        return str(found[0].value) if found else default

    name = x509.oid.NameOID
    return Identity(
        common_name=of(name.COMMON_NAME, "passerelle"),
        organisation=of(name.ORGANIZATION_NAME, "Passerelle"),
        country=of(name.COUNTRY_NAME, "GB"),
    )


def _files(keys: Path, purpose: str) -> tuple[Path, ...]:
    if purpose in _SECRETS:
        return (keys / f"{purpose}.key",)
    key = keys / f"{purpose}.key.pem"
    return (key, keyring.certificate_of(key)) if purpose in _CERTIFIED else (key,)


def _keep(keys: Path, purpose: str) -> None:
    """A second name for the present files: if we stop half-way, the key is still where it was."""
    mark = _row(_files(keys, purpose)[0], purpose, current=True).fingerprint[:16]
    for path in reversed(_files(keys, purpose)):
        kept = path.with_name(path.name.replace(purpose, f"{purpose}.{mark}", 1))
        kept.unlink(missing_ok=True)
        kept.hardlink_to(path)


def _make(folder: Path, purpose: str, *, ca: pki.Issued | None, identity: Identity, now: dt.datetime) -> Path:
    path = _files(folder / "keys", purpose)[0]
    if purpose in _SECRETS:
        files.write_secret(path, secrets.token_bytes(files.SECRET_BYTES))
    elif purpose == keyring.WEBHOOK:
        files.write_private(path, pki.private_pem(ed25519.Ed25519PrivateKey.generate()))
    elif ca is None or purpose in (keyring.JWS, keyring.TOKEN):
        files.write_private(path, pki.private_pem(ec.generate_private_key(ec.SECP256R1())))
    else:
        issued = _issue(ca, purpose, identity, now)
        files.write_private(path, issued.key_pem)
        files.write_public(keyring.certificate_of(path), issued.chain_pem)
    return path


def _issue(ca: pki.Issued, purpose: str, identity: Identity, now: dt.datetime) -> pki.Issued:
    if purpose == keyring.TLS:
        return pki.make_tls_certificate(
            ca, now=now, organisation=identity.organisation, country=identity.country
        )
    return pki.make_party_certificate(
        ca,
        identity.common_name,
        "sign" if purpose.startswith(keyring.AS4_SIGN) else "encrypt",
        now=now,
        kind=_KINDS.get(purpose, KeyKind.RSA),
        organisation=identity.organisation,
        country=identity.country,
    )


def list_keys(folder: Path) -> tuple[KeyRow, ...]:
    """Every key of the instance, the one in use first for each purpose. Raises ConfigError."""
    keys = folder / "keys"
    rows = []
    more = (p for p in _MORE if _files(keys, p)[0].exists())
    for purpose in (*PURPOSES, *more, keyring.INDEX):
        suffix = ".key" if purpose in _SECRETS else ".key.pem"
        rows.append(_row(keys / f"{purpose}{suffix}", purpose, current=True))
        rows += [_row(p, purpose, current=False) for p in keyring.earlier(keys, purpose, suffix)]
    return tuple(rows)


def _row(path: Path, purpose: str, *, current: bool) -> KeyRow:
    not_after = None
    if purpose in _SECRETS:
        secret = files.read_secret(path)
        algorithm = "AES-256" if purpose == keyring.KEK else "HMAC-SHA-256"
        fingerprint = keyring.kek_id_of(secret)
    else:
        key = files.read_key(path)
        algorithm = _algorithm(key)
        if purpose in _CERTIFIED:
            certificate = files.read_chain(keyring.certificate_of(path))[0]
            fingerprint, not_after = (
                certificate.fingerprint(hashes.SHA256()).hex(),
                certificate.not_valid_after_utc,
            )
        else:
            fingerprint = _public_fingerprint(key)
    return KeyRow(
        purpose=purpose,
        algorithm=algorithm,
        fingerprint=fingerprint,
        not_after=not_after,
        path=path,
        current=current,
    )


def _algorithm(key: object) -> str:
    if isinstance(key, rsa.RSAPrivateKey):
        return f"RSA-{key.key_size}"
    if isinstance(key, x25519.X25519PrivateKey):
        return KeyKind.X25519
    return KeyKind.P256 if isinstance(key, ec.EllipticCurvePrivateKey) else KeyKind.ED25519


def _public_fingerprint(key: pki.PrivateKey) -> str:
    der = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    digest = hashes.Hash(hashes.SHA256())
    digest.update(der)
    return digest.finalize().hex()
