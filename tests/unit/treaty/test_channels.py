"""How messages travel as the agreement says it: pushed or pulled, receipts in the response or by callback."""

from __future__ import annotations

import pytest

from contracts.codes import Direction
from gateway.core.as4.namespaces import DEFAULT_MPC, PULL, PUSH
from gateway.core.as4.pmode import ReceiptReply
from gateway.core.errors import ConfigError
from gateway.core.treaty.agreement import load_agreement
from gateway.flows.access_point import pmode_of
from tests.fixtures.agreements import CALLBACK, PULLED_FR, PULLED_UK, UK_CHANNEL, agreement, agreement_text

pytestmark = pytest.mark.as4(36)


def test_the_shipped_agreement_pushes_with_receipts_in_the_response() -> None:
    """Both ways, on the default channel, for every message type."""
    for row in agreement().pmode_rows:
        pmode = pmode_of(row)
        assert (pmode.mep_binding, pmode.mpc, pmode.receipt) == (PUSH, DEFAULT_MPC, ReceiptReply.RESPONSE)


def test_a_direction_can_be_pulled() -> None:
    """Its rows then have the channel, and receipts by callback without a word; the other way stays."""
    for row in agreement(uk_to_fr=PULLED_UK).pmode_rows:
        pmode = pmode_of(row)
        if row.direction is Direction.UK_TO_FR:
            assert pmode.pulled
            assert (pmode.mpc, pmode.receipt) == (UK_CHANNEL, ReceiptReply.CALLBACK)
        else:
            assert not pmode.pulled


def test_a_direction_can_have_receipts_by_callback() -> None:
    """Pushed still, on the default channel."""
    rows = [r for r in agreement(fr_to_uk=CALLBACK).pmode_rows if r.direction is Direction.FR_TO_UK]
    assert {(r.mep_binding, r.receipt) for r in rows} == {(PUSH, "callback")}


def one_row(lines: str) -> str:
    """The shipped agreement with these lines in the first row of UK_TO_FR alone."""
    return agreement_text().replace('direction = "UK_TO_FR"\n', f'direction = "UK_TO_FR"\n{lines}', 1)


WRONG = {
    "one row pulled, the rest pushed": (one_row(PULLED_UK), "same mep_binding"),
    "one row by callback": (one_row(CALLBACK), "same mep_binding"),
    "the default channel": (agreement_text(uk_to_fr=f'mep_binding = "{PULL}"\n'), "not the default"),
    "one channel for two receivers": (
        agreement_text(uk_to_fr=PULLED_UK, fr_to_uk=PULLED_UK),
        "mpc of its own",
    ),
    "a receipt in no response": (
        agreement_text(fr_to_uk=PULLED_FR + 'receipt = "response"\n'),
        'receipt is "callback"',
    ),
    "an unknown binding": (agreement_text(uk_to_fr='mep_binding = "urn:x"\n'), "push or pull"),
    "an unknown reply pattern": (agreement_text(uk_to_fr='receipt = "never"\n'), "receipt"),
}


@pytest.mark.parametrize("name", WRONG)
def test_agreements_that_could_not_work(name: str) -> None:
    """Refused when loaded, with the reason."""
    text, reason = WRONG[name]
    with pytest.raises(ConfigError, match=reason):
        load_agreement(text.encode())
