"""The exchange as the partner's product must know it: the agreement's P-Modes from the other side.

The partner is *they* here, we are *we*: in a P-Mode of ``UK_TO_FR`` we initiate and they respond.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Final

from contracts.codes import Direction
from gateway.core.as4.namespaces import PING_ACTION, PING_SERVICE, PUSH
from gateway.core.as4.policy import SecurityPolicy
from gateway.core.as4.profiles import SecurityProfile
from gateway.core.errors import ConfigError
from gateway.core.treaty.agreement import Agreement, Party, PModeRow
from gateway.partners.metadata import KeyReference

UNKNOWN_URL: Final = "https://ministere.example/as4"
"""Stands where the partner writes its own address."""
PASSWORD: Final = "CHANGE-ME"  # noqa: S105 — a placeholder that the partner replaces
RETRY_ATTEMPTS: Final = 12
RETRY_MINUTES: Final = 1440
"""Twelve attempts in a day: well inside the 14 days that our policy allows a message to be old."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Leg:
    """One P-Mode in plain values; ``ping`` legs carry the ebMS test service."""

    id: str
    we_send: bool
    initiator: Party
    initiator_role: str
    responder: Party
    responder_role: str
    service: str
    service_type: str
    action: str
    agreement_ref: str
    mep: str
    mep_binding: str
    mpc: str
    original_sender: str
    final_recipient: str
    corner_type: str
    ping: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """Both ends of one connection."""

    we: Party
    they: Party
    our_url: str
    their_url: str
    legs: tuple[Leg, ...]
    policy: SecurityPolicy
    key_reference: KeyReference

    def url_of(self, leg: Leg) -> str:
        """Where the messages of this leg are POSTed."""
        return self.their_url if leg.we_send else self.our_url


def make_line(
    agreement: Agreement,
    *,
    our_url: str,
    their_url: str | None,
    policy: SecurityPolicy,
    key_reference: KeyReference = KeyReference.BST,
) -> Line:
    """The line from the agreement: its rows in order, then a ping each way. Raises ConfigError for rows that
    are not One-Way/Push of profile 1.15 with the receipt in the response."""
    rows = agreement.pmode_rows
    plain = (PUSH, "response", SecurityProfile.EDELIVERY_1_15)
    if any((row.mep_binding, row.receipt, row.security) != plain for row in rows):
        raise ConfigError(
            "the agreement has P-Modes that pull, reply by callback or use profile 2.0; P-Mode files are "
            "written for push and profile 1.15 only: enter them by hand after passerelle partner show"
        )
    legs = [_leg(row) for row in rows]
    for direction in Direction:
        first = next(row for row in rows if row.direction is direction)
        legs.append(_ping(_leg(first), f"{agreement.agreement.id}.{direction}.ping"))
    return Line(
        we=agreement.parties.uk,
        they=agreement.parties.fr,
        our_url=our_url,
        their_url=their_url or UNKNOWN_URL,
        legs=tuple(legs),
        policy=policy,
        key_reference=key_reference,
    )


def _leg(row: PModeRow) -> Leg:
    return Leg(
        id=row.id,
        we_send=row.direction is Direction.UK_TO_FR,
        initiator=row.initiator,
        initiator_role=row.initiator_role,
        responder=row.responder,
        responder_role=row.responder_role,
        service=row.service,
        service_type=row.service_type,
        action=row.action,
        agreement_ref=row.agreement_ref,
        mep=row.mep,
        mep_binding=row.mep_binding,
        mpc=row.mpc,
        original_sender=row.original_sender,
        final_recipient=row.final_recipient,
        corner_type=row.corner_type,
    )


def _ping(leg: Leg, id_: str) -> Leg:
    """The ebMS test service between the same parties (as4.md 33)."""
    return dataclasses.replace(
        leg, id=id_, service=PING_SERVICE, service_type="", action=PING_ACTION, ping=True
    )


def alias(party: Party) -> str:
    """The short name of a party in a product's configuration and key stores (lower case, as JKS has it)."""
    return party.id.lower()
