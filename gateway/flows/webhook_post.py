"""One POST of a signed event (Standard Webhooks 1.0) and what its answer means, for clients' webhooks and for
alerts alike."""

from __future__ import annotations

import base64
import datetime as dt
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.core.errors import PeerUnavailable
from gateway.flows.ports import HttpAnswer, Transport

EVENT_MEDIA_TYPE: Final = "application/cloudevents+json"


def signed_headers(
    message_id: str, body: bytes, *, key: Ed25519PrivateKey, now: dt.datetime
) -> dict[str, str]:
    """The three headers of one attempt (Standard Webhooks 1.0); ``message_id`` is the same on every retry."""
    timestamp = str(int(now.timestamp()))
    signature = key.sign(f"{message_id}.{timestamp}.".encode() + body)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": "v1a," + base64.b64encode(signature).decode(),
    }


class WebhookDecision(StrEnum):
    """What the worker does with the row."""

    DONE = "done"
    """2xx."""
    DISABLE = "disable"
    """410: the row is dropped and the target takes nothing more until it is registered again."""
    SLOW_DOWN = "slow_down"
    """429, 502, 504: try later, with the longer of schedule and Retry-After."""
    RETRY = "retry"


def judge_answer(answer: HttpAnswer) -> WebhookDecision:
    """Standard Webhooks 1.0, "delivery"."""
    if 200 <= answer.status < 300:
        return WebhookDecision.DONE
    if answer.status == 410:
        return WebhookDecision.DISABLE
    if answer.status in {429, 502, 504}:
        return WebhookDecision.SLOW_DOWN
    return WebhookDecision.RETRY


@dataclass(frozen=True, kw_only=True, slots=True)
class Posted:
    """A target answered."""

    decision: WebhookDecision
    answer: HttpAnswer

    @property
    def error(self) -> PeerUnavailable:
        """What to record when the answer is not 2xx."""
        return PeerUnavailable(f"the target answered {self.answer.status}")


async def post_event(
    transport: Transport,
    url: str,
    body: bytes,
    *,
    message_id: str,
    key: Ed25519PrivateKey,
    now: dt.datetime,
    traceparent: str | None = None,
) -> Posted:
    """One attempt; ``message_id`` is the ``webhook-id``, the same on every retry. Raises DeliveryError."""
    headers = signed_headers(message_id, body, key=key, now=now)
    if traceparent is not None:
        headers["traceparent"] = traceparent
    answer = await transport.post(url, content_type=EVENT_MEDIA_TYPE, body=body, headers=headers)
    return Posted(decision=judge_answer(answer), answer=answer)
