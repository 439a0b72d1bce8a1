"""Two instances whose agreement names a security profile: what is sent and what answers it (as4.md 38)."""

from __future__ import annotations

import dataclasses

import pytest

from contracts.codes import MessageType
from gateway.core.as4.content import whole
from gateway.core.as4.profiles import SecurityProfile
from gateway.core.as4.verified import VerifiedError, VerifiedReceipt
from gateway.core.errors import (
    ConfigError,
    InvalidReceipt,
    PayloadRefused,
    PolicyNoncompliance,
    ProcessingModeMismatch,
)
from gateway.core.treaty.agreement import load_agreement, uk_fr
from gateway.flows.access_point import AccessPoint
from tests.fixtures import profile2 as p2
from tests.fixtures.profile_world import (
    NEW,
    NOW,
    SETTING,
    TEXT,
    World,
    agreement,
    answered,
    by_row,
    halfway,
    request,
    taken,
)

pytestmark = pytest.mark.as4(38)


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
