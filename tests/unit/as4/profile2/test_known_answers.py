"""The primitives of profile 2.0, through our own code, against the vectors of their standards (as4.md 38)."""

from __future__ import annotations

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, x25519
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap

from gateway.core.as4.keys import SubjectKeyId
from gateway.core.as4.policy import ECDSA_SHA256, EDDSA_ED25519, X25519_HKDF
from gateway.core.as4.wss import key_agreement
from gateway.core.as4.wss.key_agreement import Agreed, Ephemeral, derive, shared_secret, unwrap, wrap
from gateway.core.as4.wss.signature_algorithms import sign_octets, verify_octets

pytestmark = pytest.mark.as4(38)
H = bytes.fromhex


@pytest.mark.parametrize(
    ("secret", "salt", "info", "first_octets"),
    [
        (b"\x0b" * 22, bytes(range(13)), bytes(range(0xF0, 0xFA)), "3cb25f25faacd57a90434f64d0362f2a"),
        (
            bytes(range(0x50)),
            bytes(range(0x60, 0xB0)),
            bytes(range(0xB0, 0x100)),
            "b11e398dc80327a1c8e7f78c596a4934",
        ),
        (b"\x0b" * 22, b"", b"", "8da4e775a563c18f715f802a063c5a31"),
    ],
    ids=["A.1", "A.2", "A.3 without salt and info"],
)
def test_hkdf(secret: bytes, salt: bytes, info: bytes, first_octets: str) -> None:
    """RFC 5869, appendix A: the first 16 octets of the SHA-256 cases."""
    assert derive(secret, salt=salt, info=info) == H(first_octets)


def test_x25519() -> None:
    """RFC 7748, 6.1: Bob's private key with Alice's public key."""
    bob = x25519.X25519PrivateKey.from_private_bytes(
        H("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb")
    )
    alice = x25519.X25519PublicKey.from_public_bytes(
        H("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a")
    )
    assert shared_secret(bob, alice) == H("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742")


def test_ecdh_on_p256() -> None:
    """RFC 5903, 8.1: the x coordinate alone is the secret."""
    initiator = ec.derive_private_key(
        int("C88F01F510D9AC3F70A292DAA2316DE544E9AAB8AFE84049C62A9C57862D1433", 16), ec.SECP256R1()
    )
    responder = ec.EllipticCurvePublicKey.from_encoded_point(
        ec.SECP256R1(),
        H(
            "04D12DFB5289C8D4F81208B70270398C342296970A0BCCB74C736FC7554494BF63"
            "56FBF3CA366CC23E8157854C13C58D6AAC23F046ADA30F8353E74F33039872AB"
        ),
    )
    assert shared_secret(initiator, responder) == H(
        "D6840F6B42F6EDAFD13116E0E12565202FEF8E9ECE7DCE03812464D04B9442DE"
    )


def test_aes_key_wrap() -> None:
    """RFC 3394, 4.1: 128 bits of key data under a 128-bit key."""
    ephemeral = Ephemeral(
        X25519_HKDF,
        x25519.X25519PrivateKey.generate().public_key(),
        b"",
        H("000102030405060708090A0B0C0D0E0F"),
    )
    data = H("00112233445566778899AABBCCDDEEFF")
    assert wrap(ephemeral, data) == H("1FA68B0A8112B447AEF34BD8FB5A7B829D3E862371D2CFE5")


def test_the_chain_of_all_three() -> None:
    """What ``begin`` and ``wrap`` make, ``unwrap`` opens with the recipient's key, and with no other."""
    recipient, other = (x25519.X25519PrivateKey.generate() for _ in range(2))
    ephemeral = key_agreement.begin(recipient.public_key(), X25519_HKDF, rng=lambda n: bytes(range(n)))
    agreed = Agreed(X25519_HKDF, ephemeral.public_key, ephemeral.salt, b"", SubjectKeyId(b""))
    wrapped = wrap(ephemeral, b"sixteen octets!!")
    assert unwrap(agreed, recipient, wrapped) == b"sixteen octets!!"
    with pytest.raises(InvalidUnwrap):
        unwrap(agreed, other, wrapped)


SMALL_ORDER = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]


@pytest.mark.parametrize("point", SMALL_ORDER)
def test_points_of_small_order(point: str) -> None:
    """RFC 7748, 6.1: a peer that forces the zero secret is refused, for us as recipient and as sender."""
    public = x25519.X25519PublicKey.from_public_bytes(H(point))
    with pytest.raises(ValueError):
        shared_secret(x25519.X25519PrivateKey.generate(), public)
    with pytest.raises(ValueError):
        key_agreement.begin(public, X25519_HKDF, rng=bytes)


def test_the_zero_secret_derives_nothing() -> None:
    """Whatever made the secret zero, no key comes of it."""
    with pytest.raises(ValueError, match="zero"):
        derive(bytes(32), salt=b"salt")


def test_keys_of_different_kinds_share_nothing() -> None:
    """An X25519 key and a P-256 key cannot agree."""
    with pytest.raises(ValueError, match="different kinds"):
        shared_secret(
            x25519.X25519PrivateKey.generate(), ec.generate_private_key(ec.SECP256R1()).public_key()
        )


def test_ed25519() -> None:
    """RFC 8032, 7.1, test 1: the signature over nothing, raw, 64 octets."""
    key = ed25519.Ed25519PrivateKey.from_private_bytes(
        H("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    )
    value = H(
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
        "d25bf5f0595bbe24655141438e7a100b"
    )
    assert sign_octets(key, EDDSA_ED25519, b"") == value
    verify_octets(key.public_key(), EDDSA_ED25519, value, b"", min_rsa_bits=2048)


def test_ecdsa() -> None:
    """RFC 6979, A.2.5: r and s one after the other; DER, which others use, is refused."""
    key = ec.EllipticCurvePublicKey.from_encoded_point(
        ec.SECP256R1(),
        H(
            "0460FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6"
            "7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299"
        ),
    )
    r = H("EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716")
    s = H("F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8")
    verify_octets(key, ECDSA_SHA256, r + s, b"sample", min_rsa_bits=2048)
    der = b"\x30\x46\x02\x21\x00" + r + b"\x02\x21\x00" + s
    for wrong in (der, r + b"\0" + s, s + r, r + s[:-1], r + s + b"\0", bytes(64), b""):
        with pytest.raises(InvalidSignature):
            verify_octets(key, ECDSA_SHA256, wrong, b"sample", min_rsa_bits=2048)


def test_ecdsa_has_its_length_whatever_the_numbers() -> None:
    """Small r or s keep their leading zeros: 64 octets each time."""
    key = ec.generate_private_key(ec.SECP256R1())
    for n in range(300):
        value = sign_octets(key, ECDSA_SHA256, str(n).encode())
        assert len(value) == 64
        verify_octets(key.public_key(), ECDSA_SHA256, value, str(n).encode(), min_rsa_bits=2048)
