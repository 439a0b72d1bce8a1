"""Pull: the receiver fetches its messages with a signed PullRequest (core 2.2.4, 3.4, 5.2.3.1; as4.md 36).

A message partition channel (MPC) belongs to one receiver. Who may pull from it is the party that the trust
store binds to the signing certificate, compared with the P-Modes of the channel (as4.md 37): a request has
no From, and needs none.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from lxml import etree

from gateway.core.as4 import soap
from gateway.core.as4.keys import SigningKey
from gateway.core.as4.message import Sealed
from gateway.core.as4.namespaces import DEFAULT_MPC, EB, q
from gateway.core.as4.pmode import PMode
from gateway.core.as4.policy import SecurityPolicy
from gateway.core.as4.signals import begin_signal, seal_signal
from gateway.core.as4.verified import VerifiedPullRequest, VerifiedUserMessage
from gateway.core.errors import (
    As4Error,
    FailedAuthentication,
    PolicyNoncompliance,
    ProcessingModeMismatch,
    ValueInconsistent,
)


def build_pull_request(
    mpc: str,
    *,
    signer: SigningKey,
    message_id: str,
    now: dt.datetime,
    policy: SecurityPolicy,
) -> Sealed:
    """A PullRequest for ``mpc``, signed over Messaging and the empty Body; made anew for every pull.

    Raises ValueError for the default MPC: a channel belongs to one receiver.
    """
    if mpc == DEFAULT_MPC or not mpc:
        raise ValueError("the default MPC is never pulled")
    envelope, messaging = soap.build_envelope(message_id)
    unit = begin_signal(messaging, message_id=message_id, ref_to_message_id=None, now=now)
    etree.SubElement(unit, q(EB, "PullRequest"), {"mpc": mpc})
    return seal_signal(envelope, signer=signer, policy=policy)


def authorise(request: VerifiedPullRequest, pmodes: Iterable[PMode]) -> tuple[PMode, ...]:
    """The pulled P-Modes whose messages the request may have; never empty.

    Raises ProcessingModeMismatch (EBMS:0010) for the default MPC and one that nobody pulls from, and
    FailedAuthentication (EBMS:0101) when another party than the channel's receiver signed, and
    PolicyNoncompliance (EBMS:0103) when it is signed by another security profile.
    """
    # (1) never the default channel: it belongs to nobody
    if request.mpc == DEFAULT_MPC:
        raise ProcessingModeMismatch("the default MPC is never pulled")
    # (2) a channel of ours
    found = tuple(p for p in pmodes if p.pulled and p.mpc == request.mpc)
    if not found:
        raise ProcessingModeMismatch("no P-Mode offers this MPC for pulling")
    # (3) and its own receiver asks
    if any(p.responder.id != request.party_id for p in found):
        raise FailedAuthentication("the PullRequest is signed by another party than the channel's receiver")
    # (4) by the profile that secures the channel's messages (as4.md 38)
    if any(p.security is not request.profile for p in found):
        raise PolicyNoncompliance("the PullRequest is signed by another profile than the channel's")
    return found


def check_pulled(verified: VerifiedUserMessage, *, mpc: str) -> None:
    """What a pull brought is what was asked for. Raises ValueInconsistent, ProcessingModeMismatch."""
    if not verified.pmode.pulled:
        raise _about(verified, ProcessingModeMismatch("this message is pushed, never pulled"))
    if verified.message.mpc != mpc:
        raise _about(verified, ValueInconsistent("the message comes from another MPC than the one pulled"))


def check_pushed(verified: VerifiedUserMessage) -> None:
    """A message that was pushed belongs to a P-Mode of push. Raises ProcessingModeMismatch (EBMS:0010)."""
    if verified.pmode.pulled:
        raise _about(verified, ProcessingModeMismatch("this message is pulled, never pushed"))


def _about(verified: VerifiedUserMessage, exc: As4Error) -> As4Error:
    exc.ref_to_message_id = verified.message.message_id
    return exc
