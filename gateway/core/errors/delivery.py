"""What an attempt to deliver may end with."""

from __future__ import annotations

from gateway.core.errors.base import EBMS, PasserelleError, Side


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
