"""``check_settings`` tells what is wrong before anything is served; partner certificates and their lists."""

from __future__ import annotations

import dataclasses
import datetime as dt
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from gateway.check import Level, check_settings
from gateway.clock import SystemClock
from gateway.core.errors import ConfigError
from gateway.instance import Instance
from gateway.keys import FR, files
from gateway.keys.partner import load_partner
from gateway.keys.pki import Issued, make_party_certificate
from tests.fixtures.world import World, make_world

PARTY = "FR-MI-AS4"
NOW = SystemClock().now() + dt.timedelta(minutes=5)


@pytest.fixture
def world() -> Iterator[World]:
    with make_world(start=False) as made:
        yield made


def errors(folder: Path) -> list[str]:
    return [f.setting for f in check_settings(folder) if f.level is Level.ERROR]


def french_ca(world: World) -> Issued:
    return Issued(
        private_key=files.read_rsa(world.fr / "ca" / "ca.key.pem"),
        chain=files.read_chain(world.fr / "ca" / "ca.crt.pem"),
    )


def test_a_good_instance(world: World) -> None:
    """Everything is in place: no error, no warning."""
    assert {f.level for f in check_settings(world.uk)} == {Level.OK}


def test_a_folder_without_instance(tmp_path: Path) -> None:
    """The first finding says what to run."""
    (finding,) = check_settings(tmp_path)
    assert finding.level is Level.ERROR
    assert "passerelle init" in finding.text


def test_missing_trust_is_an_error(world: World) -> None:
    """Without the partner's certificates neither trust nor TLS towards France can work."""
    shutil.rmtree(world.uk / "trust")
    assert errors(world.uk) == ["keys.trust", "france.anchors"]


def test_unsafe_options_and_missing_clients_are_warnings(world: World) -> None:
    """What weakens the gateway is named; an instance without clients is told."""
    shutil.rmtree(world.uk / "clients")
    text = (world.uk / "passerelle.toml").read_text()
    changed = text.replace("[webhooks]\n", "[webhooks]\nunsafe_private_targets = true\n")
    changed = changed.replace("# unsafe_private_targets = false", "#")
    (world.uk / "passerelle.toml").write_text(changed)
    warnings = {f.setting for f in check_settings(world.uk) if f.level is Level.WARNING}
    assert warnings == {"webhooks.unsafe_private_targets", "keys.clients"}


@pytest.mark.parametrize(("days", "level"), [(10, Level.WARNING), (-1, Level.ERROR)])
def test_certificates_about_to_end(world: World, days: int, level: Level) -> None:
    """A partner's encryption certificate near its end is a warning; one past it cannot be used."""
    made = NOW - dt.timedelta(days=20)
    short = make_party_certificate(
        french_ca(world), FR.common_name, "encrypt", now=made, country="FR", days=20 + days
    )
    (world.uk / "trust" / "fr" / "party" / "encrypt.pem").write_bytes(short.chain_pem)
    place = "trust: encryption" if days > 0 else "keys.trust"
    assert [f.level for f in check_settings(world.uk) if f.setting == place] == [level]


def test_the_newest_encryption_certificate_is_used(world: World) -> None:
    """While the partner rotates, both are there and the newer one is encrypted to."""
    newer = make_party_certificate(
        french_ca(world), FR.common_name, "encrypt", now=NOW + dt.timedelta(seconds=1), country="FR"
    )
    (world.uk / "trust" / "fr" / "party" / "next.pem").write_bytes(newer.chain_pem)
    partner = load_partner(world.uk / "trust" / "fr", PARTY, now=NOW + dt.timedelta(minutes=1))
    assert partner.recipient == newer.certificate
    assert len(partner.signing) == 1


def _revocation(ca: Issued, certificate: x509.Certificate) -> bytes:
    entry = x509.RevokedCertificateBuilder(
        serial_number=certificate.serial_number, revocation_date=NOW
    ).build()
    crl = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(ca.certificate.subject)
        .last_update(NOW)
        .next_update(NOW + dt.timedelta(days=1))
        .add_revoked_certificate(entry)
        .sign(ca.private_key, hashes.SHA256())
    )
    return crl.public_bytes(serialization.Encoding.PEM)


def test_revocation_lists_count_when_an_anchor_signed_them(world: World) -> None:
    """A listed serial number is revoked; a list that nobody we trust signed is refused."""
    folder = world.uk / "trust" / "fr"
    signing = load_partner(folder, PARTY, now=NOW).signing[0]
    (folder / "crl").mkdir()
    (folder / "crl" / "fr.pem").write_bytes(_revocation(french_ca(world), signing))
    partner = load_partner(folder, PARTY, now=NOW)
    assert partner.trust.revoked == {(signing.issuer, signing.serial_number)}
    foreign = dataclasses.replace(french_ca(world), private_key=make_key())
    (folder / "crl" / "fr.pem").write_bytes(_revocation(foreign, signing))
    with pytest.raises(ConfigError, match="no anchor signed"):
        load_partner(folder, PARTY, now=NOW)
    (folder / "crl" / "fr.pem").write_text("no list")
    with pytest.raises(ConfigError, match="not a PEM revocation list"):
        load_partner(folder, PARTY, now=NOW)


def make_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@pytest.mark.parametrize("gone", ["sign.pem", "encrypt.pem"])
def test_a_partner_needs_both_certificates(world: World, gone: str) -> None:
    """Without a signing or without an encryption certificate the folder cannot be used."""
    (world.uk / "trust" / "fr" / "party" / gone).unlink()
    with pytest.raises(ConfigError, match="party"):
        Instance.load(world.uk).load_partner()
