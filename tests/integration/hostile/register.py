"""The register of attacks: what each must be answered with, and how to bend an honest message."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lxml import etree

from contracts import model
from tests.fixtures.as4 import one
from tests.integration.hostile.line import Case, Line

OTHER, INCONSISTENT, MIME, HEADER = "EBMS:0004", "EBMS:0003", "EBMS:0007", "EBMS:0009"
PMODE, EXTERNAL, AUTHENTICATION, DECRYPTION = "EBMS:0010", "EBMS:0011", "EBMS:0101", "EBMS:0102"
POLICY, DECOMPRESSION = "EBMS:0103", "EBMS:0303"
Wire = tuple[str, bytes]
Attack = Callable[[Line, Case], Wire]
ATTACKS: dict[str, tuple[str, str, Attack]] = {}
"""Name → (EBMS code, action of the audit entry, how it is made)."""


def attack(code: str, *, action: str = "message.refused") -> Callable[[Attack], Attack]:
    def register(make: Attack) -> Attack:
        ATTACKS[make.__name__] = (code, action, make)
        return make

    return register


def bend(line: Line, case: Case, **changes: Any) -> Wire:
    return line.forgery(line.decision(case), **changes).wire()


def remove(root: etree._Element, path: str) -> None:
    element = one(root, path)
    element.getparent().remove(element)


def document(line: Line, case: Case) -> tuple[model.Message, bytes]:
    message = line.decision(case)
    return message, line.adapter.from_canonical(message).content
