"""Keys of an instance: made, loaded, listed, rotated; bad files are named with their cure."""

from __future__ import annotations

import datetime as dt
import shutil
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.x509.verification import PolicyBuilder, Store

from gateway.core.as4.trust import TrustStore
from gateway.core.errors import ConfigError
from gateway.keys import generate_instance, generate_pair, list_keys, load_keyring, pki, rotate
from gateway.keys.files import write_private
from gateway.keys.instance import UK

NOW = dt.datetime(2026, 11, 23, 9, 0, tzinfo=dt.UTC)


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the instances ``uk`` and ``fr`` that trust each other; not to be changed."""
    folder = tmp_path_factory.mktemp("pair")
    generate_pair(folder / "uk", folder / "fr", now=NOW)
    return folder


@pytest.fixture
def uk(pair: Path, tmp_path: Path) -> Path:
    """A copy of the UK instance, to change."""
    return shutil.copytree(pair / "uk", tmp_path / "uk")


def test_private_files_are_for_their_owner_only(pair: Path) -> None:
    """Mode 0600 for every key, 0700 for the folders that hold them."""
    private = [p for p in pair.rglob("*") if p.suffix == ".key" or p.name.endswith(".key.pem")]
    assert len(private) == 2 * 9
    assert {stat.S_IMODE(p.stat().st_mode) for p in private} == {0o600}
    assert {stat.S_IMODE(p.parent.stat().st_mode) for p in private} == {0o700}


def test_nothing_is_overwritten(uk: Path) -> None:
    """Making keys where keys are is refused."""
    with pytest.raises(ConfigError, match="already"):
        generate_instance(uk, identity=UK, now=NOW)


def test_each_side_trusts_the_other(pair: Path) -> None:
    """The partner's signing certificate passes our trust store, its encryption certificate does not sign."""
    trust = pair / "fr" / "trust" / "uk"
    anchors, sign, encrypt = (
        x509.load_pem_x509_certificate((trust / name).read_bytes())
        for name in ("anchors/ca.pem", "party/sign.pem", "party/encrypt.pem")
    )
    store = TrustStore(anchors=(anchors,), party_certificates={"uk": (sign,)})
    ring = load_keyring(pair / "uk" / "keys")
    assert store.check(ring.as4_sign.certificate, NOW) == "uk"
    assert encrypt == ring.as4_decrypt[0].certificate
    usage = encrypt.extensions.get_extension_for_class(x509.KeyUsage).value
    assert (usage.key_encipherment, usage.digital_signature) == (True, False)


def test_the_tls_certificate_verifies_for_localhost(pair: Path) -> None:
    """By the rules of RFC 5280 and for the name, under the instance's own CA."""
    ca = x509.load_pem_x509_certificate((pair / "uk/ca/ca.crt.pem").read_bytes())
    leaf = x509.load_pem_x509_certificate((pair / "uk/keys/tls.crt.pem").read_bytes())
    verifier = PolicyBuilder().store(Store([ca])).time(NOW).build_server_verifier(x509.DNSName("localhost"))
    assert verifier.verify(leaf, []) == [leaf, ca]


def test_wrapping_is_bound_to_its_place(pair: Path) -> None:
    """A wrapped key opens with the same context only, and not when changed."""
    ring = load_keyring(pair / "uk" / "keys")
    kek_id, wrapped = ring.wrap(b"d" * 32, context="case one")
    assert b"d" * 32 not in wrapped
    assert ring.unwrap(kek_id, wrapped, context="case one") == b"d" * 32
    with pytest.raises(ConfigError):
        ring.unwrap(kek_id, wrapped, context="case two")
    with pytest.raises(ConfigError):
        ring.unwrap(kek_id, wrapped[:-1] + bytes([wrapped[-1] ^ 1]), context="case one")
    with pytest.raises(ConfigError, match=r"kek\.0000\.key"):
        ring.unwrap("0000", wrapped, context="case one")


def test_the_blind_index_is_keyed_and_unambiguous(pair: Path) -> None:
    """The same pair the same hash; another kind, value or instance another; no gluing of kind and value."""
    one, other = (load_keyring(pair / side / "keys") for side in ("uk", "fr"))
    base = one.blind_index("document", "P1")
    assert one.blind_index("document", "P1") == base
    assert len(base) == 64
    others = {
        one.blind_index("document", "P2"),
        one.blind_index("uan", "P1"),
        other.blind_index("document", "P1"),
        one.blind_index("documentP", "1"),
    }
    assert len(others | {base}) == 5


def test_a_keyring_does_not_print_its_keys(pair: Path) -> None:
    """Its representation names the folder and no key."""
    ring = load_keyring(pair / "uk" / "keys")
    assert "keks" not in repr(ring)
    assert "PrivateKey" not in repr(ring)


@pytest.mark.parametrize("purpose", ["as4-sign", "as4-decrypt", "jws", "token", "webhook", "tls", "kek"])
def test_rotation_makes_a_new_key_and_keeps_the_old(uk: Path, purpose: str) -> None:
    """The new one is in use, the old one is listed, has its fingerprint still, and everything loads."""
    (before,) = [row for row in list_keys(uk) if row.purpose == purpose]
    rotate(uk, purpose, now=NOW)
    after, kept = [row for row in list_keys(uk) if row.purpose == purpose]
    assert (after.current, kept.current) == (True, False)
    assert kept.fingerprint == before.fingerprint != after.fingerprint
    assert kept.algorithm == after.algorithm
    load_keyring(uk / "keys")


def test_old_data_keys_open_after_rotation(uk: Path) -> None:
    """The new key encryption key wraps, the old ones still unwrap, after two rotations too."""
    wrapped = []
    for _ in range(3):
        wrapped.append(load_keyring(uk / "keys").wrap(b"d" * 32, context="c"))
        rotate(uk, "kek", now=NOW)
    ring = load_keyring(uk / "keys")
    assert len({kek_id for kek_id, _ in wrapped}) == 3
    assert {ring.unwrap(kek_id, key, context="c") for kek_id, key in wrapped} == {b"d" * 32}


def test_old_decryption_keys_stay(uk: Path) -> None:
    """What France encrypted to the old certificate can still be read."""
    (old,) = load_keyring(uk / "keys").as4_decrypt
    rotate(uk, "as4-decrypt", now=NOW)
    new, kept = load_keyring(uk / "keys").as4_decrypt
    assert kept.certificate == old.certificate
    assert new.certificate != old.certificate
    assert new.certificate.subject == old.certificate.subject


def test_rotation_needs_an_authority_for_certificates(uk: Path) -> None:
    """Without the instance's own CA the text says what to do; keys without certificate do rotate."""
    shutil.rmtree(uk / "ca")
    with pytest.raises(ConfigError, match="authority"):
        rotate(uk, "as4-sign", now=NOW)
    rotate(uk, "jws", now=NOW)
    with pytest.raises(ConfigError, match="choose one of"):
        rotate(uk, "index", now=NOW)


PRIVATE = (
    "as4-sign.key.pem",
    "as4-decrypt.key.pem",
    "jws.key.pem",
    "token.key.pem",
    "webhook.key.pem",
    "tls.key.pem",
    "kek.key",
    "index.key",
)


@pytest.mark.parametrize("name", PRIVATE)
def test_a_missing_key_is_named(uk: Path, name: str) -> None:
    """With the file and a cure."""
    (uk / "keys" / name).unlink()
    with pytest.raises(ConfigError, match=rf"{name}: the key file is missing\. Run"):
        load_keyring(uk / "keys")


@pytest.mark.parametrize("name", PRIVATE)
def test_a_key_open_to_others_is_refused(uk: Path, name: str) -> None:
    """With the command that cures it."""
    (uk / "keys" / name).chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        load_keyring(uk / "keys")


@pytest.mark.parametrize("name", [name for name in PRIVATE if name != "tls.key.pem"])
@pytest.mark.parametrize("content", [b"", b"garbage \xff", b"c2hvcnQ="])
def test_a_garbled_key_is_named(uk: Path, name: str, content: bytes) -> None:
    """Empty, binary or too short: the error names the file and does not repeat what is in it."""
    write_private(uk / "keys" / name, content)
    with pytest.raises(ConfigError, match=name) as caught:
        load_keyring(uk / "keys")
    assert "garbage" not in caught.value.detail


def test_a_key_of_the_wrong_kind_is_named(uk: Path) -> None:
    """An Ed25519 key where RSA or P-256 is needed."""
    for name in ("as4-sign", "jws"):
        kept = (uk / "keys" / f"{name}.key.pem").read_bytes()
        write_private(uk / "keys" / f"{name}.key.pem", pki.private_pem(ed25519.Ed25519PrivateKey.generate()))
        with pytest.raises(ConfigError, match=f"{name}.key.pem: the key has another algorithm"):
            load_keyring(uk / "keys")
        write_private(uk / "keys" / f"{name}.key.pem", kept)


def test_a_certificate_of_another_key_is_named(uk: Path) -> None:
    """Key and certificate must belong together; certificates must be there and readable."""
    certificate = uk / "keys" / "as4-sign.crt.pem"
    certificate.write_bytes((uk / "keys" / "as4-decrypt.crt.pem").read_bytes())
    with pytest.raises(ConfigError, match=r"as4-sign\.key\.pem: the certificate does not belong"):
        load_keyring(uk / "keys")
    certificate.write_bytes(b"garbage")
    with pytest.raises(ConfigError, match=r"as4-sign\.crt\.pem: these are not PEM"):
        load_keyring(uk / "keys")
    certificate.unlink()
    with pytest.raises(ConfigError, match=r"as4-sign\.crt\.pem: the certificate is missing"):
        load_keyring(uk / "keys")
