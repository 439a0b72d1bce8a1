"""Processing modes: which exchanges were agreed, and how each must be secured (ebMS core 4; as4.md 5, 37).

A P-Mode found for a received header is only a claim until ``PMode.check_verified`` has compared it with
the signed header and the signing party.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from gateway.core.as4.message import FINAL_RECIPIENT, ORIGINAL_SENDER, Party, Property, UserMessage
from gateway.core.as4.namespaces import (
    DEFAULT_MPC,
    ONE_WAY,
    PING_ACTION,
    PING_SERVICE,
    PULL,
    PUSH,
    PUSH_AND_PUSH,
    TWO_WAY,
)
from gateway.core.as4.profiles import SecurityProfile
from gateway.core.errors import ProcessingModeMismatch, ValueInconsistent

_Key = tuple[Party, Party, str, str | None, str, str | None, str | None]
_MEPS: Final = frozenset({ONE_WAY, TWO_WAY})
_BINDINGS: Final = frozenset({PUSH, PULL, PUSH_AND_PUSH})


class ReceiptReply(StrEnum):
    """P-Mode[1].Security.SendReceipt.ReplyPattern: how the receipt of a user message travels."""

    RESPONSE = "response"
    """In the HTTP response to the push."""
    CALLBACK = "callback"
    """POSTed back later, to the sender's own endpoint; the push is answered with HTTP 202."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PMode:
    """One leg of one exchange: the initiator sends user messages, the responder answers with receipts.

    Raises ValueError for a combination that could not be enforced.
    """

    id: str
    initiator: Party
    """Sends the user message of this leg."""
    responder: Party
    service: str
    action: str
    service_type: str | None = None
    agreement_ref: str | None = None
    agreement_type: str | None = None
    mep: str = ONE_WAY
    reply: bool = False
    """Second leg of a two-way exchange: RefToMessageId is mandatory (as4.md 2)."""
    mpc: str | None = None
    sign: bool = True
    encrypt: bool = True
    compress: bool = True
    security: SecurityProfile = SecurityProfile.EDELIVERY_1_15
    """The one profile that secures the messages of this leg and what answers them (as4.md 38)."""
    four_corner: bool = False
    """originalSender and finalRecipient are mandatory (as4.md 35)."""
    properties: tuple[Property, ...] = ()
    """Message properties that every message of this leg carries with exactly these values."""
    mep_binding: str = PUSH
    """``push`` (also as a leg of ``pushAndPush``), or ``pull``: the responder fetches (as4.md 36)."""
    receipt: ReceiptReply = ReceiptReply.RESPONSE
    """How the signed non-repudiation receipt comes back (as4.md 1); always by callback for a pull."""
    endpoint: str = ""
    """Id of the configured URL of the responder; not an address."""

    def __post_init__(self) -> None:
        if not self.sign:
            raise ValueError("an unsigned P-Mode is not offered: nothing unsigned is ever accepted")
        if self.mep not in _MEPS:
            raise ValueError("the MEP is oneWay or twoWay")
        if self.reply and self.mep != TWO_WAY:
            raise ValueError("only a two-way exchange has a reply")
        if self.mep_binding not in _BINDINGS:
            raise ValueError("the MEP binding is push, pull or pushAndPush")
        if self.pulled and self.mpc in {None, DEFAULT_MPC}:
            raise ValueError("a pulled P-Mode has an MPC of its own, never the default one")
        if self.pulled and self.receipt is not ReceiptReply.CALLBACK:
            raise ValueError("the receipt of a pulled message comes by callback")

    @property
    def pulled(self) -> bool:
        """The responder fetches these messages with a PullRequest; they are never pushed."""
        return self.mep_binding == PULL

    @property
    def is_ping(self) -> bool:
        """A connectivity test: receipt returned, nothing delivered (as4.md 33)."""
        return self.service == PING_SERVICE and self.action == PING_ACTION

    def for_ping(self) -> PMode:
        """The same parties and security for the ping service (ebMS core 5.2.2.8)."""
        return replace(
            self,
            id=f"{self.id}.ping",
            service=PING_SERVICE,
            service_type=None,
            action=PING_ACTION,
            mep=ONE_WAY,
            mep_binding=PUSH,
            mpc=None,
            receipt=ReceiptReply.RESPONSE,
            reply=False,
            four_corner=False,
            properties=(),
        )

    def new_message(
        self,
        *,
        message_id: str,
        timestamp: dt.datetime,
        conversation_id: str,
        ref_to_message_id: str | None = None,
        properties: tuple[Property, ...] = (),
    ) -> UserMessage:
        """A header of this leg; ``properties`` come after the P-Mode's own."""
        return UserMessage(
            message_id=message_id,
            timestamp=timestamp,
            ref_to_message_id=ref_to_message_id,
            conversation_id=conversation_id,
            from_party=self.initiator,
            to_party=self.responder,
            service=self.service,
            service_type=self.service_type,
            action=self.action,
            agreement_ref=self.agreement_ref,
            agreement_type=self.agreement_type,
            mpc=self.mpc,
            properties=(*self.properties, *properties),
        )

    def check_header(self, message: UserMessage) -> None:
        """Compare a header with this leg, whether we send it or have verified it.

        Raises ProcessingModeMismatch when parties, roles, service, action or agreement differ, and
        ValueInconsistent for a wrong MPC, missing RefToMessageId, or missing properties.
        """
        if _key_of_message(message) != self._key():
            raise ProcessingModeMismatch("the header does not match its P-Mode")
        if (message.mpc or DEFAULT_MPC) != (self.mpc or DEFAULT_MPC):
            raise ValueInconsistent("the message partition channel is not that of the P-Mode")
        if self.reply and message.ref_to_message_id is None:
            raise ValueInconsistent("a reply carries no RefToMessageId")
        if self.four_corner and None in {message.value(ORIGINAL_SENDER), message.value(FINAL_RECIPIENT)}:
            raise ValueInconsistent("originalSender or finalRecipient is missing")
        for wanted in self.properties:
            if [p.value for p in message.properties if p.name == wanted.name] != [wanted.value]:
                raise ValueInconsistent("a message property is not that of the P-Mode")

    def check_verified(self, message: UserMessage, *, signing_party: str) -> None:
        """The comparison after verification (as4.md 37): the signed header, and who signed it.

        ``signing_party`` is the party id that the trust store binds to the signing certificate.
        Raises as ``check_header``, and ValueInconsistent when another known party signed.
        """
        self.check_header(message)
        if signing_party != self.initiator.id:
            raise ValueInconsistent("the message was signed by another party than the one it names")

    def _key(self) -> _Key:
        return (
            self.initiator,
            self.responder,
            self.service,
            self.service_type,
            self.action,
            self.agreement_ref,
            self.agreement_type,
        )


class PModes:
    """The agreed P-Modes, found by what a header says (as4.md 5).

    Raises ValueError when two P-Modes cannot be told apart on the wire, or share an id.
    """

    def __init__(self, pmodes: Iterable[PMode]) -> None:
        by_key: dict[_Key, PMode] = {}
        by_id: dict[str, PMode] = {}
        for pmode in pmodes:
            if pmode.id in by_id or pmode._key() in by_key:  # noqa: SLF001 — same module
                raise ValueError(f"P-Mode {pmode.id} cannot be told apart from another")
            by_id[pmode.id] = pmode
            by_key[pmode._key()] = pmode  # noqa: SLF001 — same module
        self._by_id: Mapping[str, PMode] = by_id
        self._by_key: Mapping[_Key, PMode] = by_key

    def __iter__(self) -> Iterator[PMode]:
        return iter(self._by_id.values())

    @property
    def profiles(self) -> frozenset[SecurityProfile]:
        """The security profiles in use; that of 1.15 where there is no P-Mode at all."""
        return frozenset(p.security for p in self) or frozenset({SecurityProfile.EDELIVERY_1_15})

    def get(self, pmode_id: str) -> PMode:
        """By id, from our own configuration. Raises LookupError."""
        return self._by_id[pmode_id]

    def find(self, claim: UserMessage) -> PMode:
        """The P-Mode that an unverified header claims; a ping matches any P-Mode of its two parties.

        ``AgreementRef/@pmode`` is optional: an unknown one is ignored, one that names another of our
        P-Modes is refused. Raises ProcessingModeMismatch (EBMS:0010).
        """
        found = self._by_key.get(_key_of_message(claim)) or self._ping(claim)
        if found is None:
            raise ProcessingModeMismatch("no P-Mode matches parties, roles, service, action and agreement")
        hinted = None if claim.agreement_pmode is None else self._by_id.get(claim.agreement_pmode)
        if hinted is not None and hinted.id != found.id and not found.is_ping:
            raise ProcessingModeMismatch("the message names another P-Mode than the one it matches")
        return found

    def _ping(self, claim: UserMessage) -> PMode | None:
        if (claim.service, claim.action) != (PING_SERVICE, PING_ACTION):
            return None
        for pmode in self._by_id.values():
            ping = pmode.for_ping()
            # A ping may leave the agreement out: it belongs to the parties, not to one exchange.
            bare = replace(ping, agreement_ref=None, agreement_type=None)
            for candidate in (ping, bare):
                if candidate._key() == _key_of_message(claim):  # noqa: SLF001 — same module
                    return candidate
        return None


def _key_of_message(message: UserMessage) -> _Key:
    return (
        message.from_party,
        message.to_party,
        message.service,
        message.service_type,
        message.action,
        message.agreement_ref,
        message.agreement_type,
    )
