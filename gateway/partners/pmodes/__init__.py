"""The agreement as P-Mode files of the products a ministry runs: Domibus, phase4, Holodeck B2B."""

from __future__ import annotations

from enum import StrEnum

from gateway.partners.line import Line
from gateway.partners.pmodes import domibus, holodeck, phase4


class Product(StrEnum):
    """Products that we write P-Modes for."""

    DOMIBUS = "domibus"
    PHASE4 = "phase4"
    HOLODECK = "holodeck"


def pmode_files(product: Product, line: Line) -> dict[str, bytes]:
    """File name → content; one file, or for Holodeck B2B one for each P-Mode."""
    if product is Product.DOMIBUS:
        return domibus.files(line)
    if product is Product.PHASE4:
        return phase4.files(line)
    return holodeck.files(line)
