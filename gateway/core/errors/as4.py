"""What we refuse of AS4 messages that come in (as4.md 30)."""

from __future__ import annotations

from gateway.core.errors.base import EBMS, PasserelleError, Side


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
