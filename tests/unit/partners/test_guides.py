"""The partner guides hold the values of the agreement, and name files, aliases and commands that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.partners import guide
from gateway.partners.certificates import pem
from gateway.partners.metadata import Metadata, read_metadata
from tests.fixtures import pki
from tests.fixtures.partner_files import PARTY, Ministry

FOLDER = Path(__file__).parents[3] / "docs" / "partners"
PAGES = sorted(FOLDER.glob("*.md"))
PRODUCTS = ("domibus", "phase4", "holodeck")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_values_are_those_of_the_agreement(page: Path) -> None:
    """``python -m gateway.partners.guide`` would write the very page that is there."""
    text = page.read_text("utf-8")
    assert guide.current(text) == text


def test_every_block_stands_in_a_guide() -> None:
    """Nothing is made that no page shows, and no page misses its values."""
    shown = [name for page in PAGES for name in guide.names(page.read_text("utf-8"))]
    assert sorted(shown) == sorted(guide.BLOCKS)


def test_the_common_values_are_complete() -> None:
    """Each value of [exchange] and of the parties stands in the table of the common page."""
    agreement = guide.uk_fr()
    text = (FOLDER / "README.md").read_text("utf-8")
    exchange = agreement.exchange
    for value in (
        agreement.parties.uk.id,
        agreement.parties.fr.id,
        agreement.parties.fr.id_type,
        exchange.service,
        exchange.service_type,
        exchange.agreement_ref,
        exchange.mep,
        exchange.mep_binding,
        exchange.mpc,
        exchange.initiator_role,
        exchange.responder_role,
        exchange.corner_uk,
        exchange.corner_fr,
    ):
        assert f"`{value}`" in text
    for row in agreement.pmode_rows:
        assert f"| `{row.action}` |" in text


@pytest.mark.parametrize("product", PRODUCTS)
def test_commands_use_the_aliases_of_the_tables(product: str) -> None:
    """Every alias in a keytool command stands in the page's table, where there is one."""
    text = (FOLDER / f"{product}.md").read_text("utf-8")
    used = set(re.findall(r"-alias (\S+)", text))
    assert used
    if f"{product}-stores" in guide.BLOCKS:
        assert used <= set(re.findall(r"`([^`\s]+)`", guide.BLOCKS[f"{product}-stores"]()))


def test_the_metadata_example_can_be_read() -> None:
    """The example of the README, with certificates in place of the dots, is valid."""
    (block,) = re.findall(r"```toml\n(.*?)```", (FOLDER / "README.md").read_text("utf-8"), re.DOTALL)
    certificate = pem([Ministry(pki.NOW).both]).decode()
    text = block.replace("-----BEGIN CERTIFICATE-----\n…\n-----END CERTIFICATE-----\n", certificate)
    text = text.replace('"…"', f"'''{certificate}'''")
    found = read_metadata(text.encode(), "README.md", party=PARTY)
    assert found.party == PARTY
    listed = set(Metadata.__struct_fields__)
    assert {line.partition(" = ")[0] for line in block.splitlines() if " = " in line} == listed
