"""Every setting of the policy has its effect: on the wire, or on what is accepted (style.md, weak spots)."""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
from collections.abc import Callable
from typing import Any

import pytest
from lxml import etree

from contracts.xml import parse_xml
from gateway.core.as4 import namespaces as ns
from gateway.core.as4 import policy as p
from gateway.core.as4.content import whole
from gateway.core.as4.policy import KeyTransport, SecurityPolicy, TokenReference, UnsafeSecurityPolicy
from gateway.core.as4.pull import build_pull_request
from gateway.core.as4.verified import VerifiedPullRequest
from gateway.core.as4.wss import tree
from gateway.core.as4.wss.decrypt import decrypt_attachments
from gateway.core.as4.wss.encrypt import encrypt_attachments
from gateway.core.as4.wss.verify import verify_envelope
from gateway.core.errors import (
    ConfigError,
    FailedAuthentication,
    FailedDecryption,
    InvalidHeader,
    PolicyNoncompliance,
    ValueInconsistent,
)
from tests.fixtures import as4, pki
from tests.fixtures.wss_messages import PARTS, POLICY, envelope_bytes, find, find_all, resign, signed

UK = pki.party(pki.UK).decryption
SHA384_TOO = frozenset({p.RSA_SHA256, p.RSA_SHA384})
DIGESTS = frozenset({p.SHA256, p.SHA512})
AES_BOTH = frozenset({p.AES128_GCM, p.AES256_GCM})
EFFECTS: dict[str, Callable[[], None]] = {}


def effect(function: Callable[[], None]) -> Callable[[], None]:
    """Registers the proof for the setting of the same name."""
    EFFECTS[function.__name__] = function
    return function


def seal(policy: SecurityPolicy) -> tuple[etree._Element, dict[str, bytes]]:
    """Signed and encrypted under ``policy``."""
    root = signed(policy=policy).tree()
    return root, encrypt_attachments(root, PARTS, recipient=UK.certificate, policy=policy)


@effect
def signature_algorithms() -> None:
    message = signed(policy=SecurityPolicy(signature_algorithms=SHA384_TOO, send_signature=p.RSA_SHA384))
    assert message.verify(policy=SecurityPolicy(signature_algorithms=SHA384_TOO)).algorithm == p.RSA_SHA384
    with pytest.raises(PolicyNoncompliance):
        message.verify()


@effect
def send_signature() -> None:
    policy = SecurityPolicy(signature_algorithms=SHA384_TOO, send_signature=p.RSA_SHA384)
    root = signed(policy=policy).tree()
    assert find(root, ns.DS, "SignatureMethod").get("Algorithm") == p.RSA_SHA384
    assert find(signed().tree(), ns.DS, "SignatureMethod").get("Algorithm") == p.RSA_SHA256


@effect
def digest_algorithms() -> None:
    message = signed(policy=SecurityPolicy(digest_algorithms=DIGESTS, send_digest=p.SHA512))
    assert message.verify(policy=SecurityPolicy(digest_algorithms=DIGESTS)).party_id == pki.FR
    with pytest.raises(PolicyNoncompliance):
        message.verify()


@effect
def send_digest() -> None:
    message = signed(policy=SecurityPolicy(digest_algorithms=DIGESTS, send_digest=p.SHA512))
    assert {(r.digest_method, len(r.digest_value)) for r in message.references} == {(p.SHA512, 64)}


@effect
def canonicalizations() -> None:
    with pytest.raises(ValueError, match="canonicalizations"):
        SecurityPolicy(canonicalizations=frozenset())
    with pytest.raises(ValueError, match="canonicalizations"):
        SecurityPolicy(canonicalizations=frozenset({p.EXC_C14N + "WithComments"}))


@effect
def attachment_transforms() -> None:
    with pytest.raises(ValueError, match="attachment_transforms"):
        SecurityPolicy(attachment_transforms=frozenset())
    with pytest.raises(ValueError, match="attachment_transforms"):
        SecurityPolicy(attachment_transforms=frozenset({ns.SWA_CIPHERTEXT}))


@effect
def key_transports() -> None:
    both = frozenset({p.OAEP_SHA256, p.OAEP_SHA1_MGF1P})
    weak = UnsafeSecurityPolicy(key_transports=both, send_key_transport=p.OAEP_SHA1_MGF1P)
    root, parts = seal(weak)
    assert decrypt_attachments(root, parts, keys=(UK,), policy=weak).contents == PARTS
    with pytest.raises(FailedDecryption):
        decrypt_attachments(root, parts, keys=(UK,), policy=POLICY)


@effect
def send_key_transport() -> None:
    transport = KeyTransport(p.RSA_OAEP, p.SHA512, p.MGF1_SHA256)
    policy = UnsafeSecurityPolicy(key_transports=frozenset({transport}), send_key_transport=transport)
    root, _ = seal(policy)
    method = find(find(root, ns.XENC, "EncryptedKey"), ns.XENC, "EncryptionMethod")
    assert find(method, ns.DS, "DigestMethod").get("Algorithm") == p.SHA512


@effect
def content_encryptions() -> None:
    policy = SecurityPolicy(content_encryptions=AES_BOTH, send_content_encryption=p.AES256_GCM)
    root, parts = seal(policy)
    assert decrypt_attachments(root, parts, keys=(UK,), policy=policy).contents == PARTS
    with pytest.raises(FailedDecryption):
        decrypt_attachments(root, parts, keys=(UK,), policy=POLICY)


@effect
def send_content_encryption() -> None:
    policy = SecurityPolicy(content_encryptions=AES_BOTH, send_content_encryption=p.AES256_GCM)
    asked: list[int] = []

    def rng(size: int) -> bytes:
        asked.append(size)
        return bytes(size)

    root = signed(policy=policy).tree()
    encrypt_attachments(root, PARTS, recipient=UK.certificate, policy=policy, rng=rng)
    data = find(root, ns.XENC, "EncryptedData")
    assert find(data, ns.XENC, "EncryptionMethod").get("Algorithm") == p.AES256_GCM
    assert asked[0] == 32


@effect
def token_references() -> None:
    only_ski = SecurityPolicy(token_references=frozenset({TokenReference.KEY_IDENTIFIER}))
    with pytest.raises(PolicyNoncompliance):
        signed().verify(policy=only_ski)
    root, parts = seal(POLICY)
    with pytest.raises(FailedDecryption):
        decrypt_attachments(root, parts, keys=(UK,), policy=only_ski)


@effect
def send_token_reference() -> None:
    found = {
        TokenReference.BINARY_TOKEN: (ns.WSSE, "BinarySecurityToken"),
        TokenReference.PKI_PATH: (ns.WSSE, "BinarySecurityToken"),
        TokenReference.KEY_IDENTIFIER: (ns.WSSE, "KeyIdentifier"),
        TokenReference.ISSUER_SERIAL: (ns.DS, "X509IssuerSerial"),
    }
    for kind, (namespace, local) in found.items():
        root = signed(policy=SecurityPolicy(send_token_reference=kind)).tree()
        element = find(root, namespace, local)
        assert element.get("ValueType", kind.value).endswith(f"#{kind.value}") or local == "X509IssuerSerial"


@effect
def min_rsa_bits() -> None:
    policy = SecurityPolicy(min_rsa_bits=3072)
    with pytest.raises(PolicyNoncompliance):
        signed().verify(policy=policy)
    with pytest.raises(ConfigError):
        encrypt_attachments(signed().tree(), PARTS, recipient=UK.certificate, policy=policy)


@effect
def require_signed_body() -> None:
    def drop_body(root: etree._Element) -> None:
        one = find_all(root, ns.DS, "Reference")[1]
        one.getparent().remove(one)
        resign(root)

    assert signed().verify(drop_body, policy=UnsafeSecurityPolicy(require_signed_body=False)).body_is_empty
    with pytest.raises(PolicyNoncompliance):
        signed().verify(drop_body)


@effect
def max_references() -> None:
    few = SecurityPolicy(max_references=3)
    with pytest.raises(PolicyNoncompliance):
        signed().verify(policy=few)
    with pytest.raises(ValueError, match="more parts"):
        signed(policy=few)


@effect
def max_parts() -> None:
    few = SecurityPolicy(max_parts=1)
    with pytest.raises(PolicyNoncompliance):
        signed().verify(policy=few)
    with pytest.raises(ValueError, match="more parts"):
        signed(policy=few)
    root, parts = seal(POLICY)
    with pytest.raises(FailedDecryption):
        decrypt_attachments(root, parts, keys=(UK,), policy=few)


@effect
def max_header_bytes() -> None:
    content = envelope_bytes()
    exact = SecurityPolicy(max_header_bytes=len(content))
    assert tree.parse_envelope(content, exact).tag == ns.q(ns.S12, "Envelope")
    with pytest.raises(InvalidHeader):
        tree.parse_envelope(content, SecurityPolicy(max_header_bytes=len(content) - 1))


@effect
def max_canonicalised_bytes() -> None:
    parts, types = {"p": b"<a/>" + b" " * 96}, {"p": "text/xml"}
    exact, small = SecurityPolicy(max_canonicalised_bytes=100), SecurityPolicy(max_canonicalised_bytes=99)
    message = signed(parts=parts, media_types=types, policy=exact)
    with pytest.raises(PolicyNoncompliance, match="compress it"):
        signed(parts=parts, media_types=types, policy=small)
    for policy in (exact, small):
        check = functools.partial(
            verify_envelope,
            message.tree(),
            parts,
            trust=pki.trust_store(),
            policy=policy,
            now=pki.NOW,
            media_types=types,
        )
        if policy is exact:
            assert check().party_id == pki.FR
        else:
            with pytest.raises(PolicyNoncompliance, match="compress it"):
                check()


@effect
def max_depth() -> None:
    with pytest.raises(InvalidHeader):
        signed().verify(policy=SecurityPolicy(max_depth=3))


def _created(at: dt.datetime) -> Callable[[etree._Element], None]:
    def change(root: etree._Element) -> None:
        stamp = etree.SubElement(find(root, ns.WSSE, "Security"), ns.q(ns.WSU, "Timestamp"))
        etree.SubElement(stamp, ns.q(ns.WSU, "Created")).text = at.isoformat()

    return change


@effect
def timestamp_window() -> None:
    old = _created(pki.NOW - dt.timedelta(hours=2))
    assert signed().verify(old).party_id == pki.FR
    with pytest.raises(FailedAuthentication):
        signed().verify(old, policy=SecurityPolicy(timestamp_window=dt.timedelta(hours=1)))


@effect
def clock_skew() -> None:
    ahead = _created(pki.NOW + dt.timedelta(minutes=2))
    assert signed().verify(ahead).party_id == pki.FR
    with pytest.raises(FailedAuthentication):
        signed().verify(ahead, policy=SecurityPolicy(clock_skew=dt.timedelta(0)))


@effect
def pull_window() -> None:
    earlier = pki.NOW - dt.timedelta(minutes=4)
    sealed = build_pull_request(
        "urn:test:mpc",
        signer=pki.party(pki.FR).signing,
        message_id="q-1@fr.test",
        now=earlier,
        policy=SecurityPolicy(),
    )
    opened = as4.open_any(sealed.content_type, whole(sealed.body))
    assert isinstance(opened, VerifiedPullRequest)
    with pytest.raises(ValueInconsistent, match="too old"):
        as4.open_any(
            sealed.content_type,
            whole(sealed.body),
            policy=SecurityPolicy(pull_window=dt.timedelta(minutes=3)),
        )


GZIP_LIMITS = {"max_decompressed_bytes", "max_compression_ratio"}
"""Their effect is on unpacking, and is proven where that is tested."""


@pytest.mark.parametrize("name", [f.name for f in dataclasses.fields(SecurityPolicy)])
def test_each_setting_has_its_effect(name: str) -> None:
    """No setting is read, validated and then ignored."""
    if name in GZIP_LIMITS:
        with pytest.raises(ValueError, match=name):
            SecurityPolicy(**{name: 0})
    else:
        EFFECTS[name]()


@pytest.mark.parametrize(
    "weak",
    [
        {"signature_algorithms": frozenset({p.RSA_SHA1, p.RSA_SHA256})},
        {"digest_algorithms": frozenset({p.SHA1, p.SHA256})},
        {"key_transports": frozenset({p.OAEP_SHA1_MGF1P})},
        {"send_key_transport": p.OAEP_SHA1_MGF1P},
        {"min_rsa_bits": 1024},
        {"require_signed_body": False},
    ],
    ids=lambda weak: next(iter(weak)),
)
def test_weaker_than_the_profile_is_called_unsafe(weak: dict[str, Any]) -> None:
    """SHA-1, rsa-oaep-mgf1p, short keys and an unsigned Body need the Unsafe class."""
    with pytest.raises(ValueError, match="UnsafeSecurityPolicy"):
        SecurityPolicy(**weak)
    assert isinstance(UnsafeSecurityPolicy(**weak), SecurityPolicy)


@pytest.mark.parametrize(
    "wrong",
    [
        {"signature_algorithms": frozenset()},
        {"signature_algorithms": frozenset({"http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"})},
        {"content_encryptions": frozenset({"http://www.w3.org/2001/04/xmlenc#aes128-cbc"})},
        {"token_references": frozenset()},
        {"key_transports": frozenset({KeyTransport("rsa-1_5", p.SHA256, p.MGF1_SHA256)})},
        {"key_transports": frozenset({KeyTransport(p.RSA_OAEP, "md5", p.MGF1_SHA256)})},
        {"send_signature": p.RSA_SHA512},
        {"send_digest": p.SHA512},
        {"send_content_encryption": p.AES256_GCM},
        {"max_references": 0},
        {"timestamp_window": dt.timedelta(0)},
        {"clock_skew": dt.timedelta(seconds=-1)},
    ],
    ids=lambda wrong: f"{next(iter(wrong))}-{len(str(wrong))}",
)
def test_wrong_settings_are_refused_even_when_unsafe(wrong: dict[str, Any]) -> None:
    """What is not implemented, contradictory or without sense cannot be configured."""
    with pytest.raises(ValueError, match=next(iter(wrong))):
        UnsafeSecurityPolicy(**wrong)


def test_weak_algorithms_work_when_agreed() -> None:
    """A SHA-1 signature verifies under the unsafe policy that names it, and under no other."""
    unsafe = UnsafeSecurityPolicy(
        signature_algorithms=frozenset({p.RSA_SHA1}),
        digest_algorithms=frozenset({p.SHA1}),
        send_signature=p.RSA_SHA1,
        send_digest=p.SHA1,
    )
    message = signed(policy=unsafe)
    assert message.verify(policy=unsafe).algorithm == p.RSA_SHA1
    with pytest.raises(PolicyNoncompliance):
        message.verify()


@pytest.mark.as4(17)
@pytest.mark.as4(24)
@pytest.mark.as4(25)
def test_the_defaults_are_the_profile() -> None:
    """eDelivery AS4 1.15, and nothing beside it (as4.md 17-25)."""
    assert POLICY.signature_algorithms == {"http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"}
    assert POLICY.digest_algorithms == {"http://www.w3.org/2001/04/xmlenc#sha256"}
    assert POLICY.content_encryptions == {"http://www.w3.org/2009/xmlenc11#aes128-gcm"}
    assert POLICY.key_transports == {
        KeyTransport(
            "http://www.w3.org/2009/xmlenc11#rsa-oaep",
            "http://www.w3.org/2001/04/xmlenc#sha256",
            "http://www.w3.org/2009/xmlenc11#mgf1sha256",
        )
    }
    assert parse_xml(signed().content).tag == ns.q(ns.S12, "Envelope")
