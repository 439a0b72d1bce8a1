"""Two instances whose agreement names a security profile: keys, access points, answers (as4.md 38)."""

from __future__ import annotations

import dataclasses
import datetime as dt
import shutil
from importlib import resources
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from contracts.codes import Direction, MessageType
from gateway.check import Level, check_settings
from gateway.cli.main import app
from gateway.clock import SystemClock
from gateway.core.as4.content import whole
from gateway.core.as4.keys import KeyKind
from gateway.core.as4.message import Sealed
from gateway.core.as4.policy import SecurityPolicy
from gateway.core.as4.profiles import SecurityProfile
from gateway.core.as4.verified import VerifiedError, VerifiedReceipt, VerifiedUserMessage
from gateway.core.errors import (
    ConfigError,
    InvalidReceipt,
    PayloadRefused,
    PolicyNoncompliance,
    ProcessingModeMismatch,
)
from gateway.core.treaty.agreement import Agreement, load_agreement, uk_fr
from gateway.flows.access_point import AccessPoint, make_access_point
from gateway.instance import Instance
from gateway.keys import (
    FR,
    UK,
    add_profile,
    generate_instance,
    install_trust,
    list_keys,
    load_keyring,
    rotate,
)
from gateway.keys.partner import load_partner
from gateway.keys.profiles import profile_keys
from tests.fixtures import profile2 as p2
from tests.fixtures.world import make_world

pytestmark = pytest.mark.as4(38)
NOW = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)
TEXT = resources.files("contracts").joinpath("agreement/uk-fr.toml").read_text("utf-8")
SETTING = 'security = "edelivery-1.15"'
NEW = pytest.mark.parametrize("profile", p2.NEW)


def agreement(profile: SecurityProfile | str) -> Agreement:
    assert TEXT.count(SETTING) == 1
    return load_agreement(TEXT.replace(SETTING, f'security = "{profile}"').encode())


def halfway(profile: SecurityProfile) -> Agreement:
    """The UK sends by another profile, France by 1.15 still."""
    row = 'direction = "UK_TO_FR"\n'
    return load_agreement(TEXT.replace(row, f'{row}security = "{profile}"\n').encode())


def by_row(profile: SecurityProfile) -> Agreement:
    """Requests alone are secured by another profile: a change in steps."""
    row = 'action = "ReadmissionRequest"'
    assert TEXT.count(row) == 1
    return load_agreement(TEXT.replace(row, f'{row}\nsecurity = "{profile}"').encode())


@dataclasses.dataclass(frozen=True)
class World:
    uk: Path
    fr: Path

    def trust_again(self) -> None:
        install_trust(self.uk / "trust" / "fr", partner=self.fr)
        install_trust(self.fr / "trust" / "uk", partner=self.uk)

    def ends(self, agreed: Agreement) -> tuple[AccessPoint, AccessPoint]:
        return (
            _end(self.uk, "fr", agreed, Direction.UK_TO_FR),
            _end(self.fr, "uk", agreed, Direction.FR_TO_UK),
        )


def _end(folder: Path, partner: str, agreed: Agreement, direction: Direction) -> AccessPoint:
    keys = load_keyring(folder / "keys")
    party = getattr(agreed.parties, partner).id
    known = load_partner(folder / "trust" / partner, party, now=NOW)
    return make_access_point(
        agreed,
        direction,
        domain=f"{folder.name}.test",
        signer=keys.as4_sign,
        decryption_keys=keys.decryption_keys,
        recipient=known.recipients.get(KeyKind.RSA),
        trust=known.trust,
        policy=SecurityPolicy(),
        keys=profile_keys(keys, known),
    )


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Two instances as ``init`` makes them."""
    folder = tmp_path_factory.mktemp("bare")
    world = World(folder / "uk", folder / "fr")
    generate_instance(world.uk, identity=UK, now=NOW)
    generate_instance(world.fr, identity=FR, now=NOW)
    world.trust_again()
    return world


@pytest.fixture(scope="module")
def world(bare: World, tmp_path_factory: pytest.TempPathFactory) -> World:
    """Two instances with the keys of every profile."""
    folder = tmp_path_factory.mktemp("full")
    world = World(
        shutil.copytree(bare.uk, folder / "uk"),
        shutil.copytree(bare.fr, folder / "fr"),
    )
    for end in (world.uk, world.fr):
        for profile in p2.NEW:
            add_profile(end, profile, now=NOW)
    world.trust_again()
    return world


def request(end: AccessPoint, type_: MessageType = MessageType.READMISSION_REQUEST) -> Sealed:
    return end.unsafe_seal_bytes(type_, "m-1", "c-1", b"<demande/>" * 30, now=NOW, ref_to=None)


def taken(end: AccessPoint, sealed: Sealed) -> VerifiedUserMessage:
    return end.open_request(sealed.content_type, whole(sealed.body), now=NOW)


def answered(end: AccessPoint, sealed: Sealed) -> VerifiedReceipt | VerifiedError:
    return end.open_answer(sealed.content_type, whole(sealed.body), now=NOW)


# ---- the agreement -----------------------------------------------------------------------------


def test_the_agreement_names_the_profile() -> None:
    """The default is 1.15, for every row; [exchange] and a row may name another, and only one that exists."""
    assert {row.security for row in uk_fr().pmode_rows} == {SecurityProfile.EDELIVERY_1_15}
    assert {row.security for row in agreement("edelivery-2.0").pmode_rows} == {SecurityProfile.EDELIVERY_2_0}
    mixed = by_row(p2.EC).pmode_rows
    assert {row.message_type for row in mixed if row.security is p2.EC} == {MessageType.READMISSION_REQUEST}
    for wrong in ("edelivery-2.1", "", "rsa"):
        with pytest.raises(ConfigError, match="security"):
            agreement(wrong)


def test_without_a_word_it_is_the_profile_of_today() -> None:
    """An agreement that says nothing of security is one of 1.15."""
    silent = load_agreement(TEXT.replace(SETTING, "").encode())
    assert {row.security for row in silent.pmode_rows} == {SecurityProfile.EDELIVERY_1_15}


# ---- exchange ----------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", list(SecurityProfile))
def test_message_and_receipt(world: World, profile: SecurityProfile) -> None:
    """Message and receipt travel by the agreed profile, each signed with that key of its sender."""
    uk, fr = world.ends(agreement(profile))
    sealed = request(uk)
    verified = taken(fr, sealed)
    assert verified.certificate == uk.signer_of(profile).certificate
    receipt = answered(uk, fr.receipt(verified, signal_id="r-1", now=NOW))
    assert isinstance(receipt, VerifiedReceipt)
    assert receipt.certificate == fr.signer_of(profile).certificate
    uk.check_receipt(sealed.envelope, receipt, message_id="m-1")


@pytest.mark.parametrize(("agreed", "other"), p2.PAIRS, ids=str)
def test_sides_that_changed_on_different_days(
    world: World, agreed: SecurityProfile, other: SecurityProfile
) -> None:
    """One side has changed the agreement, the other not yet: refused with EBMS:0103, and nothing is tried."""
    uk, _ = world.ends(agreement(other))
    _, fr = world.ends(agreement(agreed))
    with pytest.raises(PolicyNoncompliance) as refusal:
        taken(fr, request(uk))
    error = fr.error(refusal.value, signal_id="e-1", now=NOW)
    with pytest.raises(PolicyNoncompliance, match="not agreed"):
        answered(uk, error)
    mine, _ = world.ends(agreement(agreed))
    opened = answered(mine, error)
    assert isinstance(opened, VerifiedError)
    assert (opened.profile, opened.errors[0].code) == (agreed, "EBMS:0103")


@NEW
def test_receipt_by_another_profile(world: World, profile: SecurityProfile) -> None:
    """With two profiles agreed, a genuine receipt of one proves nothing for a message of the other."""
    uk, fr = world.ends(by_row(profile))
    sealed = request(uk)
    verified = taken(fr, sealed)
    rsa = dataclasses.replace(
        verified, pmode=dataclasses.replace(verified.pmode, security=SecurityProfile.EDELIVERY_1_15)
    )
    receipt = answered(uk, fr.receipt(rsa, signal_id="r-1", now=NOW))
    assert isinstance(receipt, VerifiedReceipt)
    with pytest.raises(InvalidReceipt, match="another security profile"):
        uk.check_receipt(sealed.envelope, receipt, message_id="m-1")


@NEW
def test_errors_follow_the_message(world: World, profile: SecurityProfile) -> None:
    """The error about a message is signed by that message's profile; about none, by one of the agreement."""
    uk, fr = world.ends(by_row(profile))
    for type_, expected in (
        (MessageType.READMISSION_REQUEST, profile),
        (MessageType.WITHDRAWAL, SecurityProfile.EDELIVERY_1_15),
    ):
        verified = taken(fr, request(uk, type_))
        refused = PayloadRefused("no")
        refused.security_profile = verified.pmode.security
        opened = answered(uk, fr.error(refused, signal_id="e-1", now=NOW, ref_to="m-1@uk.test"))
        assert isinstance(opened, VerifiedError)
        assert opened.profile is expected
        AccessPoint.check_profile(request(uk, type_).envelope, opened)
    unknown = answered(uk, fr.error(ProcessingModeMismatch("none"), signal_id="e-2", now=NOW))
    assert unknown.profile is SecurityProfile.EDELIVERY_1_15
    with pytest.raises(PolicyNoncompliance):
        AccessPoint.check_profile(request(uk).envelope, unknown)


@NEW
def test_ping(world: World, profile: SecurityProfile) -> None:
    """The connection test is secured by the profile too."""
    uk, fr = world.ends(agreement(profile))
    sealed = uk.ping(message_id="p-1", conversation_id="c-1", now=NOW)
    verified = taken(fr, sealed)
    assert verified.is_ping
    assert verified.pmode.security is profile


@NEW
def test_answers_to_a_pull(world: World, profile: SecurityProfile) -> None:
    """The answer to a PullRequest of one profile is not an error signed by another."""
    uk, fr = world.ends(halfway(profile))
    for answering, believed in ((SecurityProfile.EDELIVERY_1_15, True), (profile, False)):
        error = PayloadRefused("no")
        error.security_profile = answering
        sealed = fr.error(error, signal_id="e-1", now=NOW, ref_to="q-1@uk.test")
        if believed:
            opened = uk.open_pulled(sealed.content_type, whole(sealed.body), mpc="urn:test:mpc", now=NOW)
            assert isinstance(opened, VerifiedError)
        else:
            with pytest.raises(PolicyNoncompliance, match="another security profile"):
                uk.open_pulled(sealed.content_type, whole(sealed.body), mpc="urn:test:mpc", now=NOW)


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
