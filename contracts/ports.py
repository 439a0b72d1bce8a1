"""The port that each national side implements, and the errors it may raise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from contracts.model import Message


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One precise complaint: where, which code, why (English and French)."""

    path: str
    """JSON pointer (UK) or XPath (French); never holds a value from the message."""
    code: str
    message_en: str
    message_fr: str


class ContractError(Exception):
    """A document that the contract refuses, or a value that has no counterpart on the other side.

    ``problems`` is never empty. Texts carry no values from the message (no personal data).
    """

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("; ".join(f"{p.code} at {p.path or '/'}" for p in problems))
        self.problems = problems


class InvalidDocument(ContractError):
    """The document does not match the national contract: refused, nothing stored."""


class Unmappable(ContractError):
    """Valid, but with a value the other contract cannot carry: held for an operator, not dropped."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ValidDocument:
    """A document that its national contract accepted; only ``Adapter.validate`` makes one."""

    message_type: str
    content: bytes
    parsed: object
    """The parsed form that the judge saw; translation reads this, never the bytes again."""


class Adapter(Protocol):
    """National document ⇄ canonical message. Pure: no I/O after construction, no clock."""

    def validate(self, content: bytes) -> ValidDocument:
        """Parse within limits and judge against the contract. Raises InvalidDocument."""
        ...

    def to_canonical(self, document: ValidDocument) -> Message:
        """Raises Unmappable when a code has no canonical counterpart."""
        ...

    def from_canonical(self, message: Message) -> ValidDocument:
        """Raises Unmappable. The result has passed ``validate``'s rules."""
        ...
