"""The keys of a security profile: made, listed, rotated, missed, chosen (as4.md 38)."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gateway.check import Level, check_settings
from gateway.cli.main import app
from gateway.clock import SystemClock
from gateway.core.as4.keys import KeyKind
from gateway.core.as4.profiles import SecurityProfile
from gateway.core.errors import (
    ConfigError,
)
from gateway.core.treaty.agreement import uk_fr
from gateway.instance import Instance
from gateway.keys import (
    add_profile,
    install_trust,
    list_keys,
    load_keyring,
    rotate,
)
from gateway.keys.partner import load_partner
from tests.fixtures import profile2 as p2
from tests.fixtures.profile_world import (
    NEW,
    NOW,
    SETTING,
    TEXT,
    World,
    agreement,
    request,
    taken,
)
from tests.fixtures.world import make_world

pytestmark = pytest.mark.as4(38)


# ---- keys --------------------------------------------------------------------------------------


@NEW
def test_missing_keys_are_named(bare: World, profile: SecurityProfile) -> None:
    """Without its keys an agreement of 2.0 does not start; the text says what is missing, and the cure."""
    with pytest.raises(ConfigError) as refusal:
        bare.ends(agreement(profile))
    text = refusal.value.detail
    for words in (
        f"our signing key ({profile.signing_kind})",
        f"our decryption key ({profile.encryption_kind})",
        f"the partner's certificate ({profile.encryption_kind})",
        f"passerelle keys add {profile}",
    ):
        assert words in text


def test_today_needs_no_new_keys(bare: World) -> None:
    """1.15 works with the keys of every instance."""
    uk, fr = bare.ends(uk_fr())
    assert taken(fr, request(uk)).party_id == uk_fr().parties.uk.id


def test_keys_of_a_profile_are_made_once(bare: World, tmp_path: Path) -> None:
    """``add_profile`` makes what is missing, private and certified, and overwrites nothing."""
    folder = shutil.copytree(bare.uk, tmp_path / "uk")
    made = add_profile(folder, p2.EDDSA, now=NOW)
    assert [path.name for path in made] == ["as4-sign-ed25519.key.pem", "as4-decrypt-x25519.key.pem"]
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in made)
    with pytest.raises(ConfigError, match="here already"):
        add_profile(folder, p2.EDDSA, now=NOW)
    with pytest.raises(ConfigError, match=r"edelivery-2\.0"):
        add_profile(folder, p2.RSA, now=NOW)
    made[1].unlink()
    assert add_profile(folder, p2.EDDSA, now=NOW) == made[1:]


def test_listing_and_rotating(bare: World, tmp_path: Path) -> None:
    """The new keys are listed with kind and end; rotation keeps the old decryption key for reading."""
    folder = shutil.copytree(bare.uk, tmp_path / "uk")
    before = {row.purpose for row in list_keys(folder)}
    with pytest.raises(ConfigError, match="no key"):
        rotate(folder, "as4-decrypt-x25519", now=NOW)
    for profile in p2.NEW:
        add_profile(folder, profile, now=NOW)
    rows = {row.purpose: row.algorithm for row in list_keys(folder) if row.purpose not in before}
    assert rows == {
        "as4-sign-ed25519": "Ed25519",
        "as4-decrypt-x25519": "X25519",
        "as4-sign-p256": "EC P-256",
        "as4-decrypt-p256": "EC P-256",
    }
    old = [key for key in load_keyring(folder / "keys").more_decrypt if key.kind is KeyKind.X25519]
    rotate(folder, "as4-decrypt-x25519", now=NOW)
    new = [key for key in load_keyring(folder / "keys").more_decrypt if key.kind is KeyKind.X25519]
    assert (len(old), len(new), new[1].certificate) == (1, 2, old[0].certificate)


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("as4-sign-ed25519", "as4-sign-p256"),
        ("as4-decrypt-p256", "as4-decrypt-x25519"),
        ("as4-sign", "as4-sign-p256"),
    ],
)
def test_a_key_under_the_name_of_another_kind(bare: World, tmp_path: Path, name: str, other: str) -> None:
    """Files exchanged by hand are noticed at start, not at the first message."""
    folder = shutil.copytree(bare.uk, tmp_path / "uk")
    for profile in p2.NEW:
        add_profile(folder, profile, now=NOW)
    for end in (".key.pem", ".crt.pem"):
        (folder / "keys" / f"{name}{end}").write_bytes((folder / "keys" / f"{other}{end}").read_bytes())
    with pytest.raises(ConfigError, match=f"{name}.key.pem: the key has another algorithm"):
        load_keyring(folder / "keys")


def test_the_partners_certificates_by_kind(world: World) -> None:
    """All certificates lie in one folder; which is for what follows from kind and key usage."""
    party = uk_fr().parties.fr.id
    partner = load_partner(world.uk / "trust" / "fr", party, now=NOW)
    assert set(partner.recipients) == {KeyKind.RSA, KeyKind.X25519, KeyKind.P256}
    assert len(partner.signing) == 3
    keys = load_keyring(world.fr / "keys")
    assert set(partner.signing) == {
        keys.as4_sign.certificate,
        *(key.certificate for key in keys.more_sign.values()),
    }
    assert partner.recipients[KeyKind.P256] != keys.more_sign[KeyKind.P256].certificate


def test_a_partner_of_2_0_alone(world: World, tmp_path: Path) -> None:
    """A partner that gave no RSA certificate can be exchanged with by 2.0, and not by 1.15."""
    uk, fr = shutil.copytree(world.uk, tmp_path / "uk"), shutil.copytree(world.fr, tmp_path / "fr")
    (uk / "trust" / "fr" / "party" / "encrypt.pem").unlink()
    party = uk_fr().parties.fr.id
    partner = load_partner(uk / "trust" / "fr", party, now=NOW)
    with pytest.raises(ConfigError, match="RSA"):
        partner.recipient  # noqa: B018 — the reading is what raises
    alone = World(uk, fr)
    ours, theirs = alone.ends(agreement(p2.EDDSA))
    assert taken(theirs, request(ours)).encrypted
    with pytest.raises(ConfigError, match=r"partner's certificate \(RSA\)"):
        alone.ends(uk_fr())


# ---- the command line and the check ------------------------------------------------------------


def test_keys_add(bare: World, tmp_path: Path) -> None:
    """The command makes the keys once, says which, and never shows one."""
    folder = shutil.copytree(bare.uk, tmp_path / "uk")

    def add(name: str) -> Result:
        return CliRunner().invoke(app, ["-C", str(folder), "keys", "add", name])

    done = add("edelivery-2.0-ec")
    assert done.exit_code == 0
    assert "as4-sign-p256.key.pem" in done.output.replace("\n", "")
    assert "PRIVATE" not in done.output
    assert (folder / "keys" / "as4-decrypt-p256.crt.pem").exists()
    assert add("edelivery-2.0-ec").exit_code == 1
    assert add("edelivery-1.15").exit_code == 1
    assert add("rsa").exit_code == 2


@NEW
def test_check_says_what_the_agreement_needs(profile: SecurityProfile) -> None:
    """Before the keys are made ``check`` names them; afterwards the instance starts by the new profile."""
    with make_world(start=False) as made:
        settings = made.uk / "passerelle.toml"
        file = made.uk / "agreement.toml"
        file.write_text(TEXT.replace(SETTING, f'security = "{profile}"'), "utf-8")
        text = settings.read_text("utf-8")
        assert text.count("[as4]\n") == 1
        settings.write_text(text.replace("[as4]\n", '[as4]\nagreement = "agreement.toml"\n'), "utf-8")

        def errors() -> dict[str, str]:
            return {f.setting: f.text for f in check_settings(made.uk) if f.level is Level.ERROR}

        assert list(errors()) == ["agreement.security"]
        assert f"passerelle keys add {profile}" in errors()["agreement.security"]
        now = SystemClock().now()
        for folder in (made.uk, made.fr):
            add_profile(folder, profile, now=now)
        install_trust(made.uk / "trust" / "fr", partner=made.fr)
        assert errors() == {}
        access_point = Instance.load(made.uk).make_access_point()
        assert access_point.outgoing.security is profile
        assert access_point.signer_of(profile).kind is profile.signing_kind
