"""The list of certificates that alerts, metrics and pages begin with, and the names that each gives."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.certificates import Use, certificates, own, trust_folder
from gateway.clock import SystemClock
from gateway.core.as4.keys import KeyKind, fingerprint
from gateway.core.errors import ConfigError
from gateway.instance import Instance
from gateway.keys import add_profile, rotate
from gateway.partner_wiring import certificate_rows, our_certificates
from gateway.telemetry import certificate_ends
from tests.fixtures import profile2 as p2
from tests.fixtures.world import make_world

OURS = ("as4-sign", "as4-decrypt", "as4-sign-ed25519", "as4-decrypt-x25519", "tls")
NEWER = "as4-decrypt-x25519"


@pytest.fixture(scope="module")
def made() -> Iterator[Path]:
    """An instance with keys of AS4 profile 2.0, one of them rotated."""
    with make_world(start=False) as world:
        now = SystemClock().now()
        add_profile(world.uk, p2.EDDSA, now=now)
        rotate(world.uk, NEWER, now=now)
        yield world.uk


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """One to change."""
    return shutil.copytree(made, tmp_path / "uk")


def test_ours_are_those_in_use(folder: Path) -> None:
    """One of each key, the newer one where a key was rotated; the kept one only reads old messages."""
    instance = Instance.load(folder)
    found = {item.key: item for item in own(instance)}
    assert tuple(found) == OURS
    assert len(instance.keyring.more_decrypt) == 2
    newer, kept = (key.certificate for key in instance.keyring.more_decrypt)
    assert found[NEWER].certificate == newer != kept
    assert (found[NEWER].use, found[NEWER].kind) == (Use.DECRYPT, KeyKind.X25519)


def test_names_of_the_alerts(folder: Path) -> None:
    """``kind`` stands in brackets; the partner's bear its name, anchors their fingerprint too."""
    instance = Instance.load(folder)
    party = instance.agreement.parties.fr.id
    anchors = [i.certificate for i in trust_folder(instance).installed() if "CA" in i.purposes]
    assert {c.name for c in certificates(instance)} == {
        *("as4-sign", "as4-decrypt", "as4-sign (Ed25519)", "as4-decrypt (X25519)", "tls"),
        *(f"{party} signature", f"{party} encryption"),
        *(f"{party} anchor {fingerprint(c)[:8]}" for c in anchors),
    }
    assert anchors


def test_labels_of_the_metric(folder: Path) -> None:
    """Rules and dashboards rely on them; the kept key of a rotation does not count."""
    instance = Instance.load(folder)
    ends = certificate_ends(instance)
    assert set(ends) == {
        *("as4-sign", "as4-decrypt", "as4-sign-Ed25519", "as4-decrypt-X25519", "tls"),
        *("partner-encryption", "partner-signature"),
    }
    assert ends["as4-decrypt-X25519"] == instance.keyring.more_decrypt[0].certificate.not_valid_after_utc


def test_files_for_the_partner(folder: Path) -> None:
    """Each key's file with what it is for, then the CA; pages list the same files."""
    instance = Instance.load(folder)
    rows = our_certificates(instance)
    assert [row.name for row in rows] == [*(f"{key}.crt.pem" for key in OURS), "ca.crt.pem"]
    assert [row.use for row in rows] == ["sign", "encrypt", "sign", "encrypt", "tls", "anchor"]
    assert [row.said.endswith("(profile 2.0)") for row in rows] == [False, False, True, True, False, False]
    listed = {row["file"]: row["uses"] for row in certificate_rows(instance) if row["side"] == "uk"}
    assert listed == {row.name: [row.use] for row in rows}


def test_a_broken_file_hides_no_other(folder: Path) -> None:
    """Alerts go on without it; whoever hands certificates over is told its name and the cure."""
    instance = Instance.load(folder)
    before = {c.name for c in certificates(instance)}
    party = instance.agreement.parties.fr.id
    instance.keyring.tls_certificate.write_text("no certificate", "utf-8")
    (folder / "trust" / "fr" / "party" / "broken.pem").write_text("no certificate", "utf-8")
    assert before - {c.name for c in certificates(instance)} == {"tls"}
    assert f"{party} signature" in before
    with pytest.raises(ConfigError, match=r"tls\.crt\.pem: these are not PEM certificates"):
        our_certificates(instance)
    with pytest.raises(ConfigError, match=r"broken\.pem: these are not PEM certificates"):
        trust_folder(instance).installed()
