"""What every error carries, the sides that may be at fault, and the ebMS codes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from contracts.ports import Problem


class Side(StrEnum):
    """Whose fault it is, as an operator sees it."""

    UK = "uk"
    FR = "fr"
    GATEWAY = "gateway"


@dataclass(frozen=True, kw_only=True, slots=True)
class Ebms:
    """An ebMS error code with its OASIS short description, category and severity."""

    code: str
    short: str
    category: str
    severity: str = "failure"


class PasserelleError(Exception):
    """Base. ``code`` is the stable machine code; ``http_status`` and ``ebms`` the wire forms."""

    code: ClassVar[str] = "internal"
    http_status: ClassVar[int] = 500
    ebms: ClassVar[Ebms | None] = None
    retry_helps: ClassVar[bool] = False
    side: ClassVar[Side] = Side.GATEWAY
    remarks: tuple[tuple[str, Problem], ...] = ()
    """(severity, problem) of what was found beside the reason: told by a dry run, not by the error itself."""

    def __init__(self, detail: str, *, problems: tuple[Problem, ...] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.problems = problems


EBMS: dict[str, Ebms] = {
    e.code: e
    for e in (
        Ebms(code="EBMS:0001", short="ValueNotRecognized", category="Content"),
        Ebms(code="EBMS:0002", short="FeatureNotSupported", category="Content", severity="warning"),
        Ebms(code="EBMS:0003", short="ValueInconsistent", category="Content"),
        Ebms(code="EBMS:0004", short="Other", category="Content"),
        Ebms(code="EBMS:0005", short="ConnectionFailure", category="Communication"),
        Ebms(
            code="EBMS:0006",
            short="EmptyMessagePartitionChannel",
            category="Communication",
            severity="warning",
        ),
        Ebms(code="EBMS:0007", short="MimeInconsistency", category="Unpackaging"),
        Ebms(code="EBMS:0008", short="FeatureNotSupported", category="Unpackaging"),
        Ebms(code="EBMS:0009", short="InvalidHeader", category="Unpackaging"),
        Ebms(code="EBMS:0010", short="ProcessingModeMismatch", category="Processing"),
        Ebms(code="EBMS:0011", short="ExternalPayloadError", category="Content"),
        Ebms(code="EBMS:0101", short="FailedAuthentication", category="Processing"),
        Ebms(code="EBMS:0102", short="FailedDecryption", category="Processing"),
        Ebms(code="EBMS:0103", short="PolicyNoncompliance", category="Processing"),
        Ebms(code="EBMS:0201", short="DysfunctionalReliability", category="Processing"),
        Ebms(code="EBMS:0202", short="DeliveryFailure", category="Communication"),
        Ebms(code="EBMS:0301", short="MissingReceipt", category="Communication"),
        Ebms(code="EBMS:0302", short="InvalidReceipt", category="Communication"),
        Ebms(code="EBMS:0303", short="DecompressionFailure", category="Communication"),
    )
}
"""By code (as4.md 30). Severity and text differ between peers: match on the code alone."""
