"""A P-Mode's profile is the only one: nothing weaker or other is taken in its place (as4.md 37, 38)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.core.as4.content import whole
from gateway.core.as4.message import Sealed
from gateway.core.as4.namespaces import PULL
from gateway.core.as4.pmode import PModes, ReceiptReply
from gateway.core.as4.policy import (
    ECDH_ES_HKDF,
    ECDSA_SHA256,
    EDDSA_ED25519,
    HKDF,
    HMAC_SHA256,
    KW_AES128,
    OAEP_SHA256,
    RSA_SHA256,
    X25519,
    X25519_HKDF,
    KeyAgreement,
    SecurityPolicy,
    UnsafeSecurityPolicy,
)
from gateway.core.as4.profiles import SecurityProfile
from gateway.core.as4.pull import authorise, build_pull_request
from gateway.core.as4.receipts import build_receipt
from gateway.core.as4.seal import seal_user_message
from gateway.core.as4.signals import build_error
from gateway.core.as4.verified import VerifiedPullRequest
from gateway.core.errors import (
    As4Error,
    ConfigError,
    FailedDecryption,
    PayloadRefused,
    PolicyNoncompliance,
)
from tests.fixtures import as4, pki
from tests.fixtures import profile2 as p2

pytestmark = pytest.mark.as4(38)
PAIRS = pytest.mark.parametrize(("agreed", "other"), p2.PAIRS, ids=lambda profile: str(profile))
POLICY = SecurityPolicy()


def refusal(sealed: Sealed, **options: object) -> As4Error:
    with pytest.raises(As4Error) as refused:
        p2.open_any(sealed.content_type, whole(sealed.body), **options)  # type: ignore[arg-type]
    return refused.value


@PAIRS
def test_another_profile_than_the_agreed_one(agreed: SecurityProfile, other: SecurityProfile) -> None:
    """A genuine message, wholly of another profile whose keys both sides hold, is refused as EBMS:0103."""
    refused = refusal(p2.mixed(agreed, signature=other, encryption=other))
    assert isinstance(refused, PolicyNoncompliance)
    assert refused.security_profile == agreed


@PAIRS
def test_signature_of_another_profile(agreed: SecurityProfile, other: SecurityProfile) -> None:
    """The encryption agreed, the signature of another profile: EBMS:0103."""
    assert isinstance(refusal(p2.mixed(agreed, signature=other, encryption=agreed)), PolicyNoncompliance)


@PAIRS
def test_encryption_of_another_profile(agreed: SecurityProfile, other: SecurityProfile) -> None:
    """The signature agreed, the encryption of another profile: EBMS:0102, like every failure to decrypt."""
    assert isinstance(refusal(p2.mixed(agreed, signature=agreed, encryption=other)), FailedDecryption)


@PAIRS
def test_the_same_message_in_its_own_profile(agreed: SecurityProfile, other: SecurityProfile) -> None:
    """What the tests above refuse is refused for its profile alone."""
    del other
    sealed = p2.mixed(agreed, signature=agreed, encryption=agreed)
    assert p2.open_user(sealed).pmode.security is agreed


@PAIRS
def test_signed_only_by_another_profile(agreed: SecurityProfile, other: SecurityProfile) -> None:
    """Without encryption too."""
    mode = p2.pmode(agreed, as4.PLAIN)
    liar = replace(mode, security=other)
    sealed = seal_user_message(
        as4.header(mode),
        (as4.DOCUMENT,),
        pmode=liar,
        signer=pki.party(pki.UK, other).signing,
        recipient=None,
        policy=POLICY,
        now=pki.NOW,
    )
    assert isinstance(refusal(sealed), PolicyNoncompliance)


@PAIRS
def test_an_unsafe_policy_opens_no_other_profile(agreed: SecurityProfile, other: SecurityProfile) -> None:
    """Whatever is tolerated inside a profile, another profile is not."""
    sealed = p2.mixed(agreed, signature=other, encryption=other)
    unsafe = UnsafeSecurityPolicy(require_signed_body=False, min_rsa_bits=1024)
    assert isinstance(refusal(sealed, policy=unsafe), PolicyNoncompliance)


@PAIRS
def test_we_never_send_by_another(agreed: SecurityProfile, other: SecurityProfile) -> None:
    """With the wrong key at hand nothing is sent at all: neither signed by it nor encrypted to it."""
    mode = p2.pmode(agreed)
    for signer, recipient in ((other, agreed), (agreed, other)):
        with pytest.raises(ConfigError):
            seal_user_message(
                as4.header(mode),
                (as4.DOCUMENT,),
                pmode=mode,
                signer=pki.party(pki.UK, signer).signing,
                recipient=pki.party(pki.FR, recipient).decryption.certificate,
                policy=other.policy(POLICY),
                now=pki.NOW,
            )


@PAIRS
def test_no_receipt_by_another(agreed: SecurityProfile, other: SecurityProfile) -> None:
    """A receipt cannot be made with a key of another profile than the message's."""
    verified = p2.open_user(p2.seal(agreed))
    with pytest.raises(ConfigError):
        build_receipt(
            verified,
            signer=pki.party(pki.FR, other).signing,
            message_id="r-1@fr.test",
            now=pki.NOW,
            policy=other.policy(POLICY),
        )


@PAIRS
def test_signals_of_a_profile_that_nobody_agreed(agreed: SecurityProfile, other: SecurityProfile) -> None:
    """A genuine error signal of a profile that no P-Mode names is refused."""
    sealed = build_error(
        PayloadRefused("no"),
        signer=pki.party(pki.FR, other).signing,
        message_id="e-1@fr.test",
        ref_to_message_id="m-1@uk.test",
        now=pki.NOW,
        policy=other.policy(POLICY),
    )
    only = PModes([p2.pmode(agreed)])
    assert isinstance(refusal(sealed, pmodes=only), PolicyNoncompliance)


@PAIRS
def test_pull_by_another(agreed: SecurityProfile, other: SecurityProfile) -> None:
    """Who may pull must ask by the profile that secures what is pulled."""
    sealed = build_pull_request(
        "urn:test:mpc",
        signer=pki.party(pki.FR, other).signing,
        message_id="q-1@fr.test",
        now=pki.NOW,
        policy=other.policy(POLICY),
    )
    request = p2.open_any(sealed.content_type, whole(sealed.body))
    assert isinstance(request, VerifiedPullRequest)
    channel = replace(
        p2.pmode(agreed, as4.PLAIN), mep_binding=PULL, mpc="urn:test:mpc", receipt=ReceiptReply.CALLBACK
    )
    with pytest.raises(PolicyNoncompliance):
        authorise(request, [channel])
    assert authorise(replace(request, profile=agreed), [channel]) == (channel,)


@pytest.mark.parametrize(
    "mixture",
    [
        {"signature_algorithms": frozenset({RSA_SHA256, EDDSA_ED25519})},
        {"signature_algorithms": frozenset({ECDSA_SHA256, EDDSA_ED25519}), "send_signature": ECDSA_SHA256},
        {"key_transports": frozenset({OAEP_SHA256, X25519_HKDF})},
        {"key_transports": frozenset({X25519_HKDF, ECDH_ES_HKDF}), "send_key_transport": X25519_HKDF},
        {"send_key_transport": X25519_HKDF},
        {
            "signature_algorithms": frozenset({ECDSA_SHA256, EDDSA_ED25519}),
            "send_signature": ECDSA_SHA256,
            "key_transports": frozenset({X25519_HKDF, ECDH_ES_HKDF}),
            "send_key_transport": ECDH_ES_HKDF,
        },
        {"signature_algorithms": frozenset({EDDSA_ED25519}), "send_signature": EDDSA_ED25519},
        {
            "signature_algorithms": frozenset({EDDSA_ED25519}),
            "send_signature": EDDSA_ED25519,
            "key_transports": frozenset({ECDH_ES_HKDF}),
            "send_key_transport": ECDH_ES_HKDF,
        },
    ],
)
@pytest.mark.parametrize("kind", [SecurityPolicy, UnsafeSecurityPolicy])
def test_a_policy_that_mixes_profiles_cannot_exist(
    kind: type[SecurityPolicy], mixture: dict[str, object]
) -> None:
    """Two profiles side by side in one policy would be a choice for the sender: not even Unsafe has it."""
    with pytest.raises(ValueError, match="several profiles"):
        kind(**mixture)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "agreement",
    [
        KeyAgreement(X25519, "http://www.w3.org/2009/xmlenc11#ConcatKDF", HMAC_SHA256, KW_AES128),
        KeyAgreement(X25519, HKDF, "http://www.w3.org/2000/09/xmldsig#hmac-sha1", KW_AES128),
        KeyAgreement(X25519, HKDF, HMAC_SHA256, "http://www.w3.org/2001/04/xmlenc#kw-aes256"),
        KeyAgreement("http://www.w3.org/2021/04/xmldsig-more#x448", HKDF, HMAC_SHA256, KW_AES128),
    ],
)
def test_other_key_agreements_cannot_be_configured(agreement: KeyAgreement) -> None:
    """What is not implemented is not accepted in a setting either."""
    with pytest.raises(ValueError, match="not implemented"):
        UnsafeSecurityPolicy(key_transports=frozenset({agreement}), send_key_transport=agreement)


def test_a_policy_without_key_establishment_cannot_exist() -> None:
    """Nothing to encrypt by is no policy."""
    with pytest.raises(ValueError, match="key_transports is empty"):
        SecurityPolicy(key_transports=frozenset())


def test_the_error_of_an_unknown_exchange_keeps_the_senders_profile() -> None:
    """No P-Mode found: the error is signed by the profile that the message claims, if it is agreed at all."""
    sealed = p2.seal(p2.EDDSA)
    assert refusal(sealed, pmodes=PModes([p2.pmode(p2.EDDSA, as4.FOUR_CORNER)])).security_profile == p2.EDDSA
    assert refusal(sealed, pmodes=PModes([p2.pmode(p2.EC, as4.FOUR_CORNER)])).security_profile is None
