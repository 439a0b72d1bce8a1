"""``check_settings`` tells what is wrong before anything is served; partner certificates and their lists."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from gateway.check import Level, check_database, check_provider, check_settings
from gateway.clock import SystemClock
from gateway.core.errors import ConfigError
from gateway.core.roles import Role, Side
from gateway.flows.users import add_user
from gateway.instance import Instance
from gateway.keys import FR, files
from gateway.keys.partner import load_partner
from gateway.keys.pki import Issued, make_party_certificate
from tests.fixtures.world import World, make_world

PARTY = "FR-MI-AS4"
NOW = SystemClock().now() + dt.timedelta(hours=2)
"""After the certificates of every world that these tests make, however slow the machine is."""


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


def test_a_file_of_operators_is_left_over(world: World) -> None:
    """It was replaced by users: a warning names it and says how to take over and remove it."""
    (world.uk / "operators.toml").write_text("", "utf-8")
    (found,) = [f for f in check_settings(world.uk) if f.level is not Level.OK]
    assert (found.level, found.setting) == (Level.WARNING, "operators.toml")
    assert "passerelle users import" in found.text
    assert "remove the file" in found.text


async def test_nobody_can_manage_users(world: World) -> None:
    """Without an enabled administrator the check of the database warns, and says how to make one."""
    instance = Instance.load(world.uk)
    store = await instance.open_store(create=True)
    try:
        people = instance.people(store)
        await add_user(people, "olga", side=Side.UK, roles=[Role.OPERATOR], by=None)
        await add_user(people, "root", side=Side.UK, roles=[Role.ADMINISTRATOR], by=None)
        assert [f.level for f in await check_database(store)] == [Level.OK]
        async with store.begin() as tx:
            root = await tx.user_named("root", lock=True)
            assert root is not None
            await tx.save_user(dataclasses.replace(root, disabled=True))
        answers, warned = await check_database(store)
    finally:
        await store.close()
    assert (answers.level, warned.level, warned.setting) == (Level.OK, Level.WARNING, "users")
    assert "passerelle users add NAME --role administrator" in warned.text


async def test_a_database_that_is_away_is_an_error(world: World) -> None:
    """The check goes on to its end and says so."""
    instance = Instance.load(world.uk)
    store = await instance.open_store(create=True)
    await store.close()
    (world.uk / "passerelle.db").rename(world.uk / "away")
    (world.uk / "passerelle.db").mkdir()
    try:
        (found,) = await check_database(store)
    finally:
        await store.close()
    assert (found.level, found.setting) == (Level.ERROR, "database")


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


async def test_a_provider_that_cannot_be_asked(world: World) -> None:
    """None is no error; a secret that is not there is one, with and without asking the provider."""
    (finding,) = await check_provider(world.uk)
    assert (finding.level, finding.setting) == (Level.OK, "oidc")
    text = (world.uk / "passerelle.toml").read_text("utf-8")
    for name, value in (("issuer", "https://id.example"), ("client_id", "x"), ("client_secret_file", "no")):
        text = re.sub(rf'(?m)^# {name} = ""', f'{name} = "{value}"', text)
    (world.uk / "passerelle.toml").write_text(text, "utf-8")
    (finding,) = await check_provider(world.uk)
    assert finding.level is Level.ERROR
    assert "oidc.client_secret_file" in finding.text
    assert errors(world.uk) == ["oidc"]
