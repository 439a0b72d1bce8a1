"""The one error tree. Each class carries its wire code on either side, whether a retry helps, whose side.

Library errors are translated once, at the border, ``from`` their cause. No text of an error ever holds
a value out of a message (no personal data). An exception outside this tree (and ``contracts.ports``)
is a bug.
"""

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


# ---- AS4 / ebMS (as4.md 30). Severity and text differ between peers: match on the code alone. ----

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


class As4Error(PasserelleError):
    """An incoming AS4 message that we refuse. Subclasses fix the EBMS code."""

    http_status = 400
    side = Side.FR
    ref_to_message_id: str | None = None
    """MessageId that the error signal refers to, where it could be read."""
    security_profile: str | None = None
    """Name of the security profile in which the error signal is to be signed, where it is known."""
    of_signal: bool = False
    """The refused message is a receipt or an error: no signal answers it."""


class ValueNotRecognized(As4Error):
    """A header value we do not know (unknown party, for example)."""

    ebms = EBMS["EBMS:0001"]
    code = "as4.value_not_recognized"


class ValueInconsistent(As4Error):
    """Header values that contradict each other or the signing certificate (as4.md 37)."""

    ebms = EBMS["EBMS:0003"]
    code = "as4.value_inconsistent"


class PayloadRefused(As4Error):
    """The message is genuine, but its business content is invalid, not allowed or over a limit."""

    ebms = EBMS["EBMS:0004"]
    code = "as4.payload_refused"


class PrivacyBreach(PayloadRefused):
    """Art 16: France sent personal data. Refused before storing; recorded without the content."""

    code = "privacy.personal_data"


class EmptyChannel(As4Error):
    """Nothing waits in the MPC that was pulled: a warning, nobody's fault (core 6.7.1)."""

    ebms = EBMS["EBMS:0006"]
    code = "as4.empty_channel"


class MimeInconsistency(As4Error):
    """Broken MIME, or parts that do not match PartInfo."""

    ebms = EBMS["EBMS:0007"]
    code = "as4.mime_inconsistency"


class As4FeatureNotSupported(As4Error):
    """A feature that we do not support."""

    ebms = EBMS["EBMS:0008"]
    code = "as4.feature_not_supported"


class InvalidHeader(As4Error):
    """Not well-formed SOAP/ebMS, or against the ebMS schema."""

    ebms = EBMS["EBMS:0009"]
    code = "as4.invalid_header"


class ProcessingModeMismatch(As4Error):
    """No P-Mode matches parties, roles, service, action and agreement."""

    ebms = EBMS["EBMS:0010"]
    code = "as4.processing_mode_mismatch"


class ExternalPayload(As4Error):
    """A payload href that points outside the message."""

    ebms = EBMS["EBMS:0011"]
    code = "as4.external_payload"


class FailedAuthentication(As4Error):
    """The signature does not hold, or its certificate is not trusted for this party."""

    ebms = EBMS["EBMS:0101"]
    code = "as4.failed_authentication"


class FailedDecryption(As4Error):
    """A part could not be decrypted."""

    ebms = EBMS["EBMS:0102"]
    code = "as4.failed_decryption"


class PolicyNoncompliance(As4Error):
    """Unsigned, unencrypted or weaker than the policy demands."""

    ebms = EBMS["EBMS:0103"]
    code = "as4.policy_noncompliance"


class InvalidReceipt(As4Error):
    """A receipt that does not prove what was sent (as4.md 29)."""

    ebms = EBMS["EBMS:0302"]
    code = "as4.invalid_receipt"
    retry_helps = True


class DecompressionFailure(As4Error):
    """Corrupt gzip, or a bomb."""

    ebms = EBMS["EBMS:0303"]
    code = "as4.decompression_failure"


# ---- delivery -----------------------------------------------------------------------------------


class DeliveryError(PasserelleError):
    """An attempt to deliver failed."""

    retry_helps = True
    side = Side.FR


class ConnectionFailed(DeliveryError):
    """No connection, TLS failure or reset."""

    code = "delivery.connection_failed"
    ebms = EBMS["EBMS:0005"]


class PeerTimedOut(DeliveryError):
    code = "delivery.timed_out"
    ebms = EBMS["EBMS:0301"]


class PeerUnavailable(DeliveryError):
    """HTTP 5xx or 429 without an ebMS signal."""

    code = "delivery.unavailable"


class PeerRefused(DeliveryError):
    """A genuine ebMS error signal says that a retry cannot help."""

    code = "delivery.refused"
    retry_helps = False


class ReceiptMissing(DeliveryError):
    """2xx without a receipt."""

    code = "delivery.receipt_missing"
    ebms = EBMS["EBMS:0301"]


class ReceiptAwaited(ReceiptMissing):
    """2xx without a receipt, as agreed: it comes by callback, or the message is sent again."""

    code = "delivery.receipt_awaited"


# ---- UK API (RFC 9457 problems) -----------------------------------------------------------------


class ApiError(PasserelleError):
    http_status = 400
    side = Side.UK


class MalformedBody(ApiError):
    code = "malformed_body"


class SchemaViolation(ApiError):
    """The body breaks the JSON Schema; ``problems`` has a JSON pointer for each place."""

    code = "schema_violation"
    http_status = 422


class RuleViolation(ApiError):
    """A treaty rule refuses the message; ``problems`` has a rule id for each."""

    code = "rule_violation"
    http_status = 422


class TooLarge(ApiError):
    code = "too_large"
    http_status = 413


class UnsupportedMediaType(ApiError):
    code = "unsupported_media_type"
    http_status = 415


class Unauthorized(ApiError):
    code = "unauthorized"
    http_status = 401


class InsufficientScope(ApiError):
    code = "insufficient_scope"
    http_status = 403


class SignatureMissing(ApiError):
    code = "signature_missing"


class SignatureInvalid(ApiError):
    code = "signature_invalid"
    http_status = 401


class IdempotencyKeyMissing(ApiError):
    code = "idempotency_key_missing"


class IdempotencyKeyReused(ApiError):
    code = "idempotency_key_reused"
    http_status = 422


class IdempotencyKeyRunning(ApiError):
    code = "idempotency_key_running"
    http_status = 409
    retry_helps = True


class NotFound(ApiError):
    code = "not_found"
    http_status = 404


class BadCursor(ApiError):
    """A listing's cursor that we did not give, or that belongs to another listing."""

    code = "bad_cursor"


class Conflict(ApiError):
    """Not possible in the present state of the case or message."""

    code = "conflict"
    http_status = 409


class OutOfSequence(Conflict):
    """The state table of the case has no row for this message now (``gateway.core.treaty.states``)."""

    code = "out_of_sequence"


class RateLimited(ApiError):
    code = "rate_limited"
    http_status = 429
    retry_helps = True


class InvalidParameter(ApiError):
    """A query parameter, path segment or header with a value that is not allowed."""

    code = "invalid_parameter"


class AttachmentMismatch(ApiError):
    """A part that is missing, not announced, or not the bytes that the message announces."""

    code = "attachment_mismatch"
    http_status = 422


class MethodNotAllowed(ApiError):
    code = "method_not_allowed"
    http_status = 405


class NotAcceptable(ApiError):
    code = "not_acceptable"
    http_status = 406


class OAuthError(ApiError):
    """POST /oauth/token answers RFC 6749 section 5.2: ``code`` is the ``error`` member."""


class OAuthInvalidRequest(OAuthError):
    code = "invalid_request"


class OAuthInvalidClient(OAuthError):
    code = "invalid_client"
    http_status = 401


class OAuthInvalidScope(OAuthError):
    code = "invalid_scope"


class OAuthUnsupportedGrant(OAuthError):
    code = "unsupported_grant_type"


# ---- people (console and command line; the API never answers with these) --------------------------


class PersonError(PasserelleError):
    http_status = 403
    side = Side.GATEWAY


class Forbidden(PersonError):
    """A person without the permission."""

    code = "forbidden"


class FormRefused(PersonError):
    """A form of the console that is out of date or was sent from elsewhere (CSRF)."""

    code = "form_refused"


class Unavailable(PasserelleError):
    """The database or another part we need is out of reach; nothing was stored."""

    code = "unavailable"
    http_status = 503
    retry_helps = True


class ContentChanged(PasserelleError):
    """A content that is read again (a file, the store) is no longer what was signed or verified before."""

    code = "content_changed"


class AuditChainBroken(PasserelleError):
    """The audit log was changed: ``sequence`` is the first entry that does not hold, ``reason`` a code."""

    code = "audit.chain_broken"

    def __init__(self, sequence: int, reason: str) -> None:
        super().__init__(f"audit entry {sequence}: {reason}")
        self.sequence = sequence
        self.reason = reason


class MailUnavailable(PasserelleError):
    """The mail server cannot be reached, or takes no mail at present."""

    code = "mail.unavailable"
    retry_helps = True


class MailRefused(PasserelleError):
    """The mail server refuses this mail for good (SMTP 5xx for sender, recipient or content)."""

    code = "mail.refused"


class ConfigError(PasserelleError):
    """A setting is wrong: the text names it and the cure."""

    code = "config"


class PartnerRefused(PasserelleError):
    """What a partner gave us cannot be installed; ``problems`` says of each file why, and the cure."""

    code = "partner.refused"
    side = Side.FR
