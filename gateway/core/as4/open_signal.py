"""Steps (6) to (8) of ``open`` for signals: receipts, errors and pull requests."""

from __future__ import annotations

from lxml import etree

from gateway.core.as4 import soap
from gateway.core.as4.namespaces import EB, S12, q
from gateway.core.as4.opening import Opening, check_age, refuse_body, same
from gateway.core.as4.profiles import SecurityProfile, claimed_profile
from gateway.core.as4.receipts import parse_acknowledged
from gateway.core.as4.signals import Signal, parse_signal
from gateway.core.as4.verified import VerifiedError, VerifiedPullRequest, VerifiedReceipt
from gateway.core.as4.wss.verify import VerifiedEnvelope, verify_envelope
from gateway.core.errors import InvalidHeader, MimeInconsistency, PolicyNoncompliance, ValueInconsistent


def never_answered(messaging: etree._Element) -> bool:
    """Whether this is, as far as can be read, a receipt or an error: those are never answered by a signal,
    or two access points could go on for ever (core 6.2.5). A PullRequest is answered like a user message."""
    signal = messaging.find(q(EB, "SignalMessage"))
    return signal is not None and signal.find(q(EB, "PullRequest")) is None


def open_signal(
    opening: Opening, unit: etree._Element
) -> VerifiedReceipt | VerifiedError | VerifiedPullRequest:
    claim = parse_signal(unit)
    if opening.parts:
        raise MimeInconsistency("a signal has no attachments")
    # (6): a signal has no P-Mode of its own; whose it is, and whether the message it answers was secured
    # by the same profile, the caller compares (match_receipt, AccessPoint, authorise)
    profile = claimed_profile(opening.envelope) or SecurityProfile.EDELIVERY_1_15
    if profile not in opening.profiles:
        raise PolicyNoncompliance("the signal is signed by a profile that is not agreed")
    policy = profile.policy(opening.policy)
    verified = verify_envelope(opening.envelope, {}, trust=opening.trust, policy=policy, now=opening.now)
    # (7)
    signal = parse_signal(soap.unit(verified.messaging))
    # (8)
    same(_identity(claim), _identity(signal))
    check_age(signal.timestamp, opening)
    if signal.pulls is not None:
        return _pull_request(opening, signal, verified, profile)
    if signal.receipt is not None:
        if not verified.body_is_empty:
            raise InvalidHeader("a receipt has an empty SOAP Body")
        if signal.ref_to_message_id is None:
            raise InvalidHeader("a receipt does not say what it is for")
        return VerifiedReceipt(
            message_id=signal.message_id,
            timestamp=signal.timestamp,
            ref_to_message_id=signal.ref_to_message_id,
            acknowledged=parse_acknowledged(signal.receipt, policy),
            party_id=verified.party_id,
            certificate=verified.certificate,
            profile=profile,
            envelope=opening.content,
        )
    if not verified.body_is_empty:
        refuse_body(opening.envelope, allowed=q(S12, "Fault"))
    return VerifiedError(
        message_id=signal.message_id,
        timestamp=signal.timestamp,
        ref_to_message_id=signal.ref_to_message_id,
        errors=signal.errors,
        party_id=verified.party_id,
        certificate=verified.certificate,
        profile=profile,
        envelope=opening.content,
    )


def _identity(signal: Signal) -> tuple[object, ...]:
    return signal.message_id, signal.timestamp, signal.ref_to_message_id, signal.errors, signal.pulls


def _pull_request(
    opening: Opening, signal: Signal, verified: VerifiedEnvelope, profile: SecurityProfile
) -> VerifiedPullRequest:
    if signal.pulls is None or not verified.body_is_empty:
        raise InvalidHeader("a PullRequest has an MPC and an empty SOAP Body")
    # A pull is never repeated with the same bytes, so an old request is a captured one.
    if opening.now - signal.timestamp > opening.policy.pull_window:
        raise ValueInconsistent("the PullRequest is too old")
    return VerifiedPullRequest(
        message_id=signal.message_id,
        timestamp=signal.timestamp,
        mpc=signal.pulls,
        party_id=verified.party_id,
        certificate=verified.certificate,
        profile=profile,
        envelope=opening.content,
    )
