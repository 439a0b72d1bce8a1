"""The agreement as a frozen typed view of ``contracts/agreement/uk-fr.toml``.

Every table is closed: an unknown key is an error, so that no setting can be written and silently ignored.
Days are calendar days in the named IANA zone; sizes are bytes.
"""

from __future__ import annotations

import datetime as dt
import tomllib
import zoneinfo
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from contracts import codes
from gateway.core.as4.namespaces import DEFAULT_MPC, PULL, PUSH
from gateway.core.as4.profiles import SecurityProfile
from gateway.core.errors import ConfigError
from gateway.core.treaty.clock_tables import Clocks, DeadlineTerms, check_clocks
from gateway.core.treaty.clock_tables import Table as _Table

Positive = Annotated[int, Meta(ge=1)]
Natural = Annotated[int, Meta(ge=0)]
Words = Annotated[str, Meta(min_length=1)]


class Title(_Table, frozen=True, kw_only=True):
    id: Words
    version: Words
    name_en: Words
    name_fr: Words
    publication: Words
    signed_on: dt.date
    in_force_on: dt.date
    pilot: bool


class Party(_Table, frozen=True, kw_only=True):
    """One access point; ``id`` and ``id_type`` are the AS4 PartyId and its type."""

    id: Words
    id_type: str
    country: Annotated[str, Meta(pattern=r"^[A-Z]{3}$")]
    service_code: Words
    name_en: Words
    name_fr: Words


class Parties(_Table, frozen=True, kw_only=True):
    uk: Party
    fr: Party


class Exchange(_Table, frozen=True, kw_only=True):
    """What all P-Modes share; ``corner_uk`` and ``corner_fr`` are originalSender / finalRecipient.

    ``security``: the profile that secures messages and what answers them; there is no fall-back.
    """

    service: Words
    service_type: str
    agreement_ref: Words
    mep: Words
    mep_binding: Words
    mpc: Words
    initiator_role: Words
    responder_role: Words
    security: SecurityProfile = SecurityProfile.EDELIVERY_1_15
    corner_type: str
    corner_uk: Words
    corner_fr: Words


class _PModeEntry(_Table, frozen=True, kw_only=True):
    """``mep_binding``, ``mpc`` and ``security`` replace those of [exchange] for this row; ``receipt``:
    "response", or "callback" (always so for a pull)."""

    message_type: codes.MessageType
    direction: codes.Direction
    action: Words
    mep_binding: Words | None = None
    mpc: Words | None = None
    receipt: Literal["response", "callback"] | None = None
    security: SecurityProfile | None = None


class Limits(_Table, frozen=True, kw_only=True):
    attachments_total_bytes: Positive
    """All attachments of one message together."""
    attachments_count: Positive
    persons: Positive
    future_tolerance_seconds: Natural
    """How far an ``issued_at`` may lie ahead of our clock."""


class Silence(_Table, frozen=True, kw_only=True):
    """Art 8 [U]. Only ``escalate`` exists: silence is never acceptance."""

    effect: Literal["escalate"]


class Quotas(_Table, frozen=True, kw_only=True):
    period: Literal["week"]
    zone: Words
    readmissions: Natural
    nominations: Natural
    excess: Literal["hold"]
    priority_first: bool = False
    """Whether priority cases wait before the others, not only among themselves."""
    frees: Literal["never", "unsent", "ended"] = "unsent"
    """Which places are given back within their week (``gateway.core.treaty.quotas.frees``)."""


class Criterion(_Table, frozen=True, kw_only=True):
    code: codes.Art3Criterion
    article: Words
    enabled: bool


class EvidenceLists(_Table, frozen=True, kw_only=True):
    minimum_items: Positive
    list_a: tuple[codes.EvidenceKind, ...]
    list_b: tuple[codes.EvidenceKind, ...]


class Grounds(_Table, frozen=True, kw_only=True):
    refusal: tuple[codes.RefusalGround, ...]
    objection: tuple[codes.ObjectionGround, ...]


class NominationTerms(_Table, frozen=True, kw_only=True):
    identity_document_types: tuple[codes.DocumentType, ...]
    weak_identity_document_types: tuple[codes.DocumentType, ...]
    """Accepted with a warning when the person has nothing better."""
    identity_document_roles: tuple[codes.PersonRole, ...]
    """Which persons of a nomination must have one."""
    photo_travels: bool
    excluded_nationalities: tuple[Annotated[str, Meta(pattern=r"^[A-Z]{3}$")], ...]


class Priorities(_Table, frozen=True, kw_only=True):
    priority_nationalities: tuple[str, ...]
    restricted_nationalities: tuple[str, ...]


class Biometrics(_Table, frozen=True, kw_only=True):
    travel: Literal[False]
    """Biometrics never travel in this contract version; references and times do."""


class SexHandling(_Table, frozen=True, kw_only=True):
    not_specified: tuple[codes.Sex, ...]
    handling: Literal["non_precise", "hold"]


class Retention(_Table, frozen=True, kw_only=True):
    content_days_after_close: Positive
    evidence_years: Positive


class Balance(_Table, frozen=True, kw_only=True):
    report_zone: Words
    report_period: Literal["week"]
    warn_difference: Positive
    hold_difference: Natural = 0
    """From this difference on, the direction that is ahead waits; 0: never."""
    second_person: bool = True
    """Whether a correction of the ledger needs a second operator."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PModeRow:
    """One P-Mode in plain values: one way from ``initiator`` to ``responder``, pushed or pulled."""

    id: str
    message_type: codes.MessageType
    direction: codes.Direction
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
    receipt: Literal["response", "callback"]
    security: SecurityProfile
    original_sender: str
    final_recipient: str
    corner_type: str
    endpoint: str
    """Key of the receiving endpoint in the configuration: ``fr`` or ``uk``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Unverified:
    """A part of the agreement that the text did not confirm; ``place`` names its table."""

    place: str
    note_en: str
    note_fr: str


class Agreement(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file. Built only by ``load_agreement``, which also checks what spans tables."""

    agreement: Title
    parties: Parties
    exchange: Exchange
    pmodes: tuple[_PModeEntry, ...]
    limits: Limits
    clocks: Clocks
    silence: Silence
    deadlines: tuple[DeadlineTerms, ...]
    quotas: Quotas
    criteria: tuple[Criterion, ...]
    evidence: EvidenceLists
    grounds: Grounds
    nomination: NominationTerms
    priorities: Priorities
    biometrics: Biometrics
    sex: SexHandling
    retention: Retention
    balance: Balance

    @property
    def enabled_criteria(self) -> frozenset[codes.Art3Criterion]:
        """Art 3 criteria on which a request may rest."""
        return frozenset(c.code for c in self.criteria if c.enabled)

    @property
    def pmode_rows(self) -> tuple[PModeRow, ...]:
        """One row per message type and direction."""
        return tuple(self._row(entry) for entry in self.pmodes)

    @property
    def unverified(self) -> tuple[Unverified, ...]:
        """Everything marked [U], in file order, for display."""
        return tuple(_unverified("", self))

    @property
    def arrival_zone(self) -> zoneinfo.ZoneInfo:
        """Zone in which the days since arrival are counted (Art 8)."""
        return zoneinfo.ZoneInfo(self.clocks.arrival_zone)

    @property
    def answer_zone(self) -> zoneinfo.ZoneInfo:
        """Zone in which France's days to answer are counted (Art 8)."""
        return zoneinfo.ZoneInfo(self.clocks.answer_zone)

    def _row(self, entry: _PModeEntry) -> PModeRow:
        outbound = entry.direction is codes.Direction.UK_TO_FR
        shared = self.exchange
        parties = (self.parties.uk, self.parties.fr)
        corners = (shared.corner_uk, shared.corner_fr)
        initiator, responder = parties if outbound else parties[::-1]
        sender, recipient = corners if outbound else corners[::-1]
        binding = entry.mep_binding or shared.mep_binding
        return PModeRow(
            id=f"{self.agreement.id}.{entry.direction}.{entry.message_type}",
            message_type=entry.message_type,
            direction=entry.direction,
            initiator=initiator,
            initiator_role=shared.initiator_role,
            responder=responder,
            responder_role=shared.responder_role,
            service=shared.service,
            service_type=shared.service_type,
            action=entry.action,
            agreement_ref=shared.agreement_ref,
            mep=shared.mep,
            mep_binding=binding,
            mpc=entry.mpc or shared.mpc,
            receipt=entry.receipt or ("callback" if binding == PULL else "response"),
            security=entry.security or shared.security,
            original_sender=sender,
            final_recipient=recipient,
            corner_type=shared.corner_type,
            endpoint="fr" if outbound else "uk",
        )


def _unverified(place: str, value: object) -> Iterator[Unverified]:
    if isinstance(value, _Table) and value.unverified:
        yield Unverified(place=place, note_en=value.note_en, note_fr=value.note_fr)
    if isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from _unverified(f"{place}.{name}" if place else name, getattr(value, name))
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from _unverified(f"{place}[{getattr(item, 'code', getattr(item, 'id', index))}]", item)


def _check_whole(agreement: Agreement) -> None:
    """What one table cannot see of another. Raises ConfigError."""
    listed = [(e.message_type, e.direction) for e in agreement.pmodes]
    expected = {(kind, way) for kind, ways in codes.SENDERS.items() for way in ways}
    if len(set(listed)) != len(listed) or set(listed) != expected:
        raise ConfigError("agreement: pmodes must list every message type and direction exactly once")
    seen = [c.code for c in agreement.criteria]
    if len(set(seen)) != len(seen):
        raise ConfigError("agreement: criteria lists a criterion twice")
    kinds = agreement.evidence.list_a + agreement.evidence.list_b
    if len(set(kinds)) != len(kinds):
        raise ConfigError("agreement: evidence lists a kind twice")
    if not set(agreement.nomination.weak_identity_document_types) <= set(
        agreement.nomination.identity_document_types
    ):
        raise ConfigError("agreement: nomination.weak_identity_document_types must be accepted types")
    _check_channels(agreement)
    if agreement.parties.uk.id == agreement.parties.fr.id:
        raise ConfigError("agreement: parties.uk.id and parties.fr.id are the same")
    if agreement.clocks.answer_extended_days < agreement.clocks.answer_days:
        raise ConfigError("agreement: clocks.answer_extended_days is shorter than answer_days")
    check_clocks(agreement.clocks, agreement.deadlines)
    for place, zone in (
        ("clocks.arrival_zone", agreement.clocks.arrival_zone),
        ("clocks.answer_zone", agreement.clocks.answer_zone),
        ("quotas.zone", agreement.quotas.zone),
        ("balance.report_zone", agreement.balance.report_zone),
    ):
        try:
            zoneinfo.ZoneInfo(zone)
        except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError) as exc:
            raise ConfigError(f"agreement: {place} is not an IANA time zone") from exc


def _check_channels(agreement: Agreement) -> None:
    """How messages travel: one way per direction, since the messages of a case keep their order, and one MPC
    per receiver, never the default one, for what is pulled (as4.md 36). Raises ConfigError."""
    pulled: set[str] = set()
    for way in codes.Direction:
        rows = [row for row in agreement.pmode_rows if row.direction is way]
        if len({(row.mep_binding, row.mpc, row.receipt) for row in rows}) > 1:
            raise ConfigError(
                "agreement: all pmodes of one direction need the same mep_binding, mpc and receipt, "
                "or the messages of a case could not keep their order"
            )
        if rows[0].mep_binding == PULL and len({row.security for row in rows}) > 1:
            raise ConfigError("agreement: one channel is pulled by one security profile, not by several")
        for row in rows[:1]:
            if row.mep_binding not in {PUSH, PULL}:
                raise ConfigError("agreement: mep_binding is push or pull")
            if row.mep_binding != PULL:
                continue
            if row.mpc == DEFAULT_MPC or row.mpc in pulled:
                raise ConfigError("agreement: a pulled direction needs an mpc of its own, not the default")
            if row.receipt != "callback":
                raise ConfigError('agreement: receipt is "callback" for pulled messages')
            pulled.add(row.mpc)


def load_agreement(content: bytes) -> Agreement:
    """The agreement from the bytes of its TOML file. Raises ConfigError with the place of the fault."""
    try:
        data = tomllib.loads(content.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
        raise ConfigError(f"agreement: not valid TOML: {exc}") from exc
    try:
        agreement = msgspec.convert(data, Agreement)
    except msgspec.ValidationError as exc:
        raise ConfigError(f"agreement: {exc}") from exc
    _check_whole(agreement)
    return agreement


def uk_fr() -> Agreement:
    """The agreement shipped with the package (``contracts/agreement/uk-fr.toml``)."""
    return load_agreement(resources.files("contracts").joinpath("agreement/uk-fr.toml").read_bytes())
