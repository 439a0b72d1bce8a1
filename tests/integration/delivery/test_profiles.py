"""The security profile of the agreement through store, outbox and answers, in both directions (as4.md 38)."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator

import pytest

from adapters.fr import FrAdapter
from contracts import codes, model
from gateway.core.as4.profiles import SecurityProfile
from gateway.core.as4.verified import VerifiedError, VerifiedReceipt, VerifiedUserMessage
from gateway.core.errors import PayloadRefused
from gateway.core.records import EvidenceKind, MessageStatus
from gateway.flows.accept_fr import As4Answer, accept
from gateway.flows.delivery_record import Outcome
from gateway.flows.ports import HttpAnswer
from tests.fixtures.agreements import PULLED_UK, agreement
from tests.fixtures.ends import Ends, make_ends, receipt
from tests.fixtures.pulls import post, pull, pulled, receipt_of

pytestmark = pytest.mark.as4(38)
NEW = (SecurityProfile.EDELIVERY_2_0, SecurityProfile.EDELIVERY_2_0_EC)


def security(profile: SecurityProfile) -> str:
    return f'security = "{profile}"\n'


@pytest.fixture(params=NEW)
async def ends(request: pytest.FixtureRequest) -> AsyncIterator[Ends]:
    """Requests and answers by a profile of 2.0."""
    line = security(request.param)
    async with make_ends(agreement=agreement(uk_to_fr=line, fr_to_uk=line)) as made:
        yield made


@pytest.fixture(params=NEW)
async def halfway(request: pytest.FixtureRequest) -> AsyncIterator[Ends]:
    """What the UK sends by a profile of 2.0, what France sends by 1.15 still."""
    async with make_ends(agreement=agreement(uk_to_fr=security(request.param))) as made:
        yield made


def old_fashioned(verified: VerifiedUserMessage) -> VerifiedUserMessage:
    """The same message, as if it had come by 1.15."""
    pmode = dataclasses.replace(verified.pmode, security=SecurityProfile.EDELIVERY_1_15)
    return dataclasses.replace(verified, pmode=pmode)


def refusal(ends: Ends, verified: VerifiedUserMessage, profile: SecurityProfile) -> HttpAnswer:
    """A genuine error about the message, signed by that profile."""
    error = PayloadRefused("no")
    error.security_profile = profile
    sealed = ends.french.error(
        error, signal_id=ends.clock.new_id(), now=ends.clock.now(), ref_to=verified.message.message_id
    )
    return HttpAnswer(status=200, content_type=sealed.content_type, body=sealed.body, retry_after=None)


async def test_delivered_with_its_evidence(ends: Ends) -> None:
    """Sealed, sent and proven by the receipt, all by the profile; both are kept."""
    seen: list[VerifiedUserMessage] = []

    def look(ends: Ends, verified: VerifiedUserMessage) -> HttpAnswer:
        seen.append(verified)
        return receipt(ends, verified)

    ends.partner.answer = look
    message = await ends.open_case()
    assert await ends.deliver() is Outcome.DELIVERED
    record = await ends.record(message.message_id)
    assert (record.status, record.receipt_verified) == (MessageStatus.DELIVERED, True)
    assert await ends.evidence_kinds(message.message_id) == [
        EvidenceKind.AS4_USER_MESSAGE,
        EvidenceKind.NRR_RECEIPT,
    ]
    (verified,) = seen
    assert verified.encrypted
    profile = verified.pmode.security
    assert profile in NEW
    assert verified.certificate == ends.british.signer_of(profile).certificate


async def test_a_receipt_of_another_profile_proves_nothing(halfway: Ends) -> None:
    """Genuine, complete, from the partner, but signed by 1.15: the message is not delivered."""
    halfway.partner.answer = lambda ends, verified: receipt(ends, old_fashioned(verified))
    message = await halfway.open_case()
    assert await halfway.deliver() is not Outcome.DELIVERED
    record = await halfway.record(message.message_id)
    assert not record.receipt_verified
    (attempt,) = await halfway.attempts(message.message_id)
    assert attempt.outcome == "as4.invalid_receipt"


async def test_an_error_of_another_profile_is_not_believed(halfway: Ends) -> None:
    """A refusal ends the message only when it is signed by the profile of the message."""
    halfway.partner.answer = lambda ends, verified: refusal(ends, verified, SecurityProfile.EDELIVERY_1_15)
    first = await halfway.open_case()
    await halfway.deliver()
    assert (await halfway.attempts(first.message_id))[0].outcome == "as4.policy_noncompliance"
    halfway.partner.answer = lambda ends, verified: refusal(ends, verified, verified.pmode.security)
    second = await halfway.open_case()
    await halfway.deliver()
    assert (await halfway.record(second.message_id)).status is MessageStatus.REJECTED


def acknowledgement(ends: Ends, of: str, reference: str, conversation: str) -> model.Message:
    return model.Message(
        message_id=ends.clock.new_id(),
        reference=reference,
        conversation_id=conversation,
        issued_at=ends.clock.now(),
        in_reply_to=of,
        body=model.Acknowledgement(
            of_message=of, status=codes.AckStatus.TAKEN_INTO_ACCOUNT, code=None, at=ends.clock.now()
        ),
    )


async def posted(ends: Ends, message: model.Message, content: bytes | None = None) -> As4Answer:
    """What the ministry posts by the P-Mode of the message's type."""
    document = FrAdapter().from_canonical(message).content if content is None else content
    sealed = ends.french.unsafe_seal_bytes(
        message.type, message.message_id, message.conversation_id, document, now=ends.clock.now(), ref_to=None
    )
    return await accept(ends.inbox, sealed.content_type, sealed.body)


async def test_french_message_and_our_receipt(ends: Ends) -> None:
    """Taken in, and acknowledged by the profile that it came by."""
    opened = await ends.open_case()
    await ends.deliver()
    message = acknowledgement(ends, opened.message_id, opened.reference, opened.conversation_id)
    answer = await posted(ends, message)
    assert isinstance(answer.body, bytes)
    signal = ends.french.open_answer(answer.content_type, answer.body, now=ends.clock.now())
    assert isinstance(signal, VerifiedReceipt)
    assert signal.profile in NEW
    assert signal.certificate == ends.british.signer_of(signal.profile).certificate


async def test_our_refusal_by_the_profile_of_the_message(ends: Ends) -> None:
    """A business error about a French message is signed by that message's profile, though found late."""
    opened = await ends.open_case()
    await ends.deliver()
    message = acknowledgement(ends, opened.message_id, opened.reference, opened.conversation_id)
    answer = await posted(ends, message, b"<not-of-the-contract/>")
    assert isinstance(answer.body, bytes)
    signal = ends.french.open_answer(answer.content_type, answer.body, now=ends.clock.now())
    assert isinstance(signal, VerifiedError)
    assert [e.code for e in signal.errors] == ["EBMS:0004"]
    assert signal.profile in NEW


@pytest.mark.parametrize("profile", NEW)
async def test_pulled(profile: SecurityProfile) -> None:
    """A channel of 2.0: request, message, receipt by callback, and the empty channel."""
    async with make_ends(agreement=agreement(uk_to_fr=PULLED_UK + security(profile))) as ends:
        message = await ends.open_case()
        verified = await pulled(ends)
        assert verified.pmode.security is profile
        assert (await post(ends, receipt_of(ends, verified))).status == 202
        assert (await ends.record(message.message_id)).status is MessageStatus.DELIVERED
        assert await pull(ends) == "EBMS:0006"
