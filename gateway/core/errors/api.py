"""What the UK API answers with: RFC 9457 problems, and those of OAuth (RFC 6749)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.core.errors.base import PasserelleError, Side


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


# ---- as our own client gets them ----------------------------------------------------------------


class Refused(PasserelleError):
    """The gateway answered with a problem; ``problem`` is its document."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        places = " ".join(f"{e['code']}@{e['pointer']}" for e in problem.get("errors", ()))
        super().__init__(f"{status} {problem.get('code') or problem.get('error')} {places}".rstrip())
        self.status = status
        self.problem = problem
