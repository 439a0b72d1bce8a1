"""The agreement file: what it says, that every table is closed, and that faults are told with their place."""

from __future__ import annotations

import dataclasses
import tomllib
from importlib import resources

import pytest

from contracts.codes import SENDERS, Art3Criterion, Direction, EvidenceKind, ObjectionGround, RefusalGround
from gateway.core.errors import ConfigError
from gateway.core.treaty.agreement import load_agreement, uk_fr

CONTENT = resources.files("contracts").joinpath("agreement/uk-fr.toml").read_bytes()
AGREEMENT = uk_fr()


def test_clocks_of_the_text() -> None:
    """Art 1, 8, 12: days, months and the zones in which they are counted."""
    clocks = AGREEMENT.clocks
    assert (clocks.request_days, clocks.answer_days, clocks.answer_extended_days) == (14, 14, 28)
    assert (clocks.procedure_months, clocks.visa_months) == (3, 3)
    assert (AGREEMENT.arrival_zone.key, AGREEMENT.answer_zone.key) == ("Europe/London", "Europe/Paris")


def test_what_is_enabled() -> None:
    """Art 3(a) to (c) are in use, the announced fourth basis is not; biometrics stay home; 20 MB."""
    assert set(Art3Criterion) - AGREEMENT.enabled_criteria == {Art3Criterion.REENTRY_AFTER_RETURN}
    assert AGREEMENT.biometrics.travel is False
    assert AGREEMENT.limits.attachments_total_bytes == 20_000_000


def test_every_code_has_its_place() -> None:
    """Every evidence kind stands on one list, and all grounds are listed."""
    assert set(AGREEMENT.evidence.list_a) ^ set(AGREEMENT.evidence.list_b) == set(EvidenceKind)
    assert set(AGREEMENT.grounds.refusal) == set(RefusalGround)
    assert set(AGREEMENT.grounds.objection) == set(ObjectionGround)


def test_pmode_rows() -> None:
    """One row per type and direction; parties, corners and endpoint follow the direction."""
    rows = AGREEMENT.pmode_rows
    assert len({row.id for row in rows}) == len(rows) == sum(len(ways) for ways in SENDERS.values())
    for row in rows:
        out = row.direction is Direction.UK_TO_FR
        assert row.initiator.country == ("GBR" if out else "FRA")
        assert row.responder.country == ("FRA" if out else "GBR")
        assert (row.original_sender == AGREEMENT.exchange.corner_uk) is out
        assert (row.final_recipient == AGREEMENT.exchange.corner_fr) is out
        assert row.endpoint == ("fr" if out else "uk")
        assert row.action == row.message_type.value
        assert all(value != "" for value in dataclasses.astuple(row))


def test_unverified_is_listed_with_notes() -> None:
    """Everything that domain.md marks [U] is listed for operators in both languages."""
    listed = {u.place: u for u in AGREEMENT.unverified}
    assert {"criteria[reentry_after_return]", "evidence", "silence", "quotas", "retention"} <= set(listed)
    assert all(u.note_en and u.note_fr for u in listed.values())
    marks = CONTENT.count(b"unverified = true\n")
    assert len(listed) == marks


FAULTS = [
    (b"request_days = 14", b"request_days = 0", "clocks.request_days"),
    (b"request_days = 14", b"request_day = 14", "request_day"),
    (b"[limits]", b"[limits]\nfast = true", "fast"),
    (b"[silence]", b"[quiet]", "quiet"),
    (b'effect = "escalate"', b'effect = "acceptance"', "silence.effect"),
    (b"travel = false", b"travel = true", "biometrics.travel"),
    (b'"own_statement",', b'"own_word",', "evidence.list_b"),
    (b'"own_statement",', b'"visa_or_entry_stamp",', "evidence"),
    (b'arrival_zone = "Europe/London"', b'arrival_zone = "Europe/Londres"', "clocks.arrival_zone"),
    (b'report_zone = "Europe/Paris"', b'report_zone = "../etc/passwd"', "balance.report_zone"),
    (b"answer_extended_days = 28", b"answer_extended_days = 7", "answer_extended_days"),
    (b'message_type = "Nomination"\n', b'message_type = "Withdrawal"\n', "pmodes"),
    (b'code = "apprehended"', b'code = "protection_claim"', "criteria"),
    (
        b'weak_identity_document_types = ["asylum_receipt"]',
        b'weak_identity_document_types = ["other"]',
        "weak",
    ),
    (b'id = "FR-MI-AS4"', b'id = "GB-HO-PASSERELLE"', "parties"),
    (b'note_en = "Party identifier to be agreed."\n', b"", "parties"),
    (b"[agreement]", b"[agreement", "TOML"),
    (b"[agreement]", b"[agreement]\xff", "TOML"),
]


@pytest.mark.parametrize(("old", "new", "place"), FAULTS)
def test_a_fault_is_told_with_its_place(old: bytes, new: bytes, place: str) -> None:
    """A wrong, missing or unknown setting raises ConfigError that names it."""
    assert old in CONTENT
    with pytest.raises(ConfigError) as caught:
        load_agreement(CONTENT.replace(old, new, 1))
    assert place in caught.value.detail


def test_every_table_is_closed() -> None:
    """An unknown key in any table is refused, so no setting is silently ignored."""
    for name, value in tomllib.loads(CONTENT.decode()).items():
        header = f"[[{name}]]" if isinstance(value, list) else f"[{name}]"
        if header.encode() not in CONTENT:
            header = f"[{name}.uk]"
        text = CONTENT.replace(header.encode(), f"{header}\nunknown_key = 1".encode(), 1)
        with pytest.raises(ConfigError, match="unknown_key"):
            load_agreement(text)
