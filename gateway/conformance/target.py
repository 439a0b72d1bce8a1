"""A target from an access point of ours: its keys, its partner's certificates, a P-Mode to test with."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from gateway.conformance.model import Target
from gateway.core.as4.pmode import PMode, ReceiptReply
from gateway.core.errors import ConfigError
from gateway.flows.access_point import AccessPoint
from gateway.flows.ports import Clock


def choose_pmode(
    access_point: AccessPoint,
    pmode_id: str | None = None,
    *,
    service: str | None = None,
    service_type: str | None = None,
    action: str | None = None,
    agreement_ref: str | None = None,
) -> PMode:
    """The P-Mode to test with: the ping service of our agreement, unless told otherwise.

    ``pmode_id`` names one that we send by, as it is; ``service``, ``action`` and ``agreement_ref`` make one
    for the day with the same parties and no corners. Raises ConfigError for an unknown id, for both ways at
    once, or for a service without an action.
    """
    sending = {p.id: p for p in access_point.sending.values()}
    if pmode_id is not None:
        if any((service, service_type, action, agreement_ref)):
            raise ConfigError("give --pmode, or --service and --action, not both")
        if pmode_id not in sending:
            raise ConfigError(f"we send by no P-Mode {pmode_id}; known: {', '.join(sending)}")
        chosen = sending[pmode_id]
        if chosen.pulled or chosen.receipt is not ReceiptReply.RESPONSE:
            raise ConfigError("the test P-Mode must be pushed, with its receipt in the HTTP response")
        return chosen
    ping = next(iter(sending.values())).for_ping()
    if agreement_ref is not None:
        ping = replace(ping, agreement_ref=agreement_ref)
    if service is None and action is None and service_type is None:
        return ping
    if service is None or action is None:
        raise ConfigError("a test P-Mode needs both --service and --action")
    return replace(ping, id="test-day", service=service, service_type=service_type, action=action)


def make_target(
    access_point: AccessPoint,
    url: str,
    *,
    clock: Clock,
    make_tls: Callable[[], ssl.SSLContext],
    pmode: PMode | None = None,
    **options: Any,
) -> Target:
    """The partner of ``access_point`` at ``url``; ``options`` are further fields of Target.

    Keys and algorithms are those of the P-Mode's security profile. Raises ConfigError.
    """
    chosen = pmode or choose_pmode(access_point)
    recipient = access_point.recipient_of(chosen.security)
    if recipient is None:
        raise ConfigError(f"there is no certificate of the partner to encrypt to by {chosen.security}")
    return Target(
        url=url,
        pmode=chosen,
        signer=access_point.signer_of(chosen.security),
        recipient=recipient,
        trust=access_point.trust,
        policy=chosen.security.policy(access_point.policy),
        domain=access_point.domain,
        make_tls=make_tls,
        clock=clock,
        **options,
    )
