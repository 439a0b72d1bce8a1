"""What every step of opening a message shares (``open`` and ``open_signal``)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from lxml import etree

from gateway.core.as4.keys import DecryptionKey
from gateway.core.as4.mime import MimePart
from gateway.core.as4.namespaces import S12, q
from gateway.core.as4.policy import SecurityPolicy
from gateway.core.as4.profiles import SecurityProfile
from gateway.core.as4.trust import TrustStore
from gateway.core.errors import As4FeatureNotSupported, ValueInconsistent


@dataclass(frozen=True, kw_only=True, slots=True)
class Opening:
    """What every step needs; nothing in here is verified."""

    content: bytes
    envelope: etree._Element
    messaging: etree._Element
    parts: tuple[MimePart, ...]
    keys: Sequence[DecryptionKey]
    trust: TrustStore
    policy: SecurityPolicy
    profiles: frozenset[SecurityProfile]
    """Those that are agreed with anybody; which of them holds follows from the P-Mode."""
    now: dt.datetime


def same(claim: object, signed: object) -> None:
    """What was read before verification is what was signed; anything else is signature wrapping."""
    if claim != signed:
        raise ValueInconsistent("the signed header is not the header that was read first")


def refuse_body(envelope: etree._Element, allowed: str | None = None) -> None:
    """The Body holds nothing (as4.md 10), or only a SOAP Fault beside error signals (Domibus)."""
    for child in envelope.iterfind(f"{q(S12, 'Body')}/*"):
        if child.tag != allowed:
            raise As4FeatureNotSupported("payloads in the SOAP Body are not accepted")


def check_age(at: dt.datetime, opening: Opening) -> None:
    """The signed eb:Timestamp lies inside the policy's window; a retry keeps its timestamp (as4.md 31)."""
    earliest = opening.now - opening.policy.timestamp_window
    if not earliest <= at <= opening.now + opening.policy.clock_skew:
        raise ValueInconsistent("eb:Timestamp is far from the present")
