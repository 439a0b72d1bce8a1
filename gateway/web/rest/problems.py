"""RFC 9457 problems: every refusal of the UK API, in English and French, without a value of the message."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from contracts.ports import ContractError, InvalidDocument, Problem
from gateway.core import errors
from gateway.core.errors import PasserelleError

MEDIA_TYPE: Final = "application/problem+json"


@dataclass(frozen=True, kw_only=True, slots=True)
class ProblemText:
    """Title and cure of one code, for people; clients match the code."""

    title_en: str
    title_fr: str


TEXTS: Final[Mapping[str, ProblemText]] = {
    code: ProblemText(title_en=en, title_fr=fr)
    for code, en, fr in (
        ("malformed_body", "The body cannot be read", "Le corps de la requête est illisible"),
        ("schema_violation", "The body breaks the contract", "Le corps ne respecte pas le contrat"),
        ("rule_violation", "A rule of the agreement refuses it", "Une règle de l'accord s'y oppose"),
        ("attachment_mismatch", "An attachment does not match", "Une pièce jointe ne correspond pas"),
        ("too_large", "Too large", "Trop volumineux"),
        ("unsupported_media_type", "Media type not supported", "Type de contenu non pris en charge"),
        ("unauthorized", "Not authenticated", "Non authentifié"),
        ("insufficient_scope", "The token lacks a scope", "Le jeton n'a pas la portée requise"),
        ("signature_missing", "The body is not signed", "Le corps n'est pas signé"),
        ("signature_invalid", "The signature does not hold", "La signature n'est pas valide"),
        ("idempotency_key_missing", "Idempotency-Key is missing", "L'en-tête Idempotency-Key manque"),
        ("idempotency_key_reused", "Idempotency-Key was used before", "Idempotency-Key a déjà servi"),
        ("idempotency_key_running", "The first request is running", "La première requête est en cours"),
        ("invalid_parameter", "A parameter is not allowed", "Un paramètre n'est pas admis"),
        ("bad_cursor", "The cursor is not ours", "Le curseur n'est pas valable ici"),
        ("not_acceptable", "No acceptable media type", "Aucun type de contenu acceptable"),
        ("out_of_sequence", "Not possible in this state of the case", "Impossible dans cet état du dossier"),
        ("not_found", "Not found", "Introuvable"),
        ("method_not_allowed", "Method not allowed", "Méthode non admise"),
        ("conflict", "Not possible in the present state", "Impossible dans l'état actuel"),
        ("rate_limited", "Too many requests", "Trop de requêtes"),
        ("unavailable", "For the moment not available", "Momentanément indisponible"),
        ("internal", "Internal error", "Erreur interne"),
    )
}
_INTERNAL = "An unexpected error: it is logged under the correlation id. Nothing was accepted."


def all_error_classes() -> Iterator[type[PasserelleError]]:
    """The classes that the UK API may answer with (documentation and tests)."""
    for value in vars(errors).values():
        if isinstance(value, type) and issubclass(value, errors.ApiError | errors.Unavailable):
            yield value


def problem_of(exc: Exception) -> PasserelleError:
    """The error as one of ours: contract refusals become SchemaViolation or MalformedBody."""
    if isinstance(exc, PasserelleError):
        return exc
    if isinstance(exc, ContractError):
        return contract_error(exc)
    return PasserelleError(_INTERNAL)


def contract_error(exc: ContractError) -> PasserelleError:
    """Not JSON at all is 400 ``malformed_body``; every other refusal is 422 with a pointer for each place."""
    if isinstance(exc, InvalidDocument) and any(p.code in _MALFORMED for p in exc.problems):
        return errors.MalformedBody(
            "the body is not one well-formed JSON object in UTF-8", problems=exc.problems
        )
    count = len(exc.problems)
    return errors.SchemaViolation(
        f"the body breaks the contract in {count} place{'s' if count != 1 else ''}", problems=exc.problems
    )


_MALFORMED: Final = frozenset(
    {"malformed", "malformed_json", "malformed_body", "not_json", "not_utf8", "duplicate_key", "too_deep"}
)


def problem_document(exc: PasserelleError, *, correlation_id: str) -> dict[str, object]:
    """The members of RFC 9457 plus ``code``, ``errors`` and ``correlation_id``."""
    text = TEXTS.get(exc.code, TEXTS["internal"])
    return {
        "type": f"/docs/problems#{exc.code}",
        "title": text.title_en,
        "title_fr": text.title_fr,
        "status": exc.http_status,
        "detail": exc.detail,
        "instance": f"urn:uuid:{correlation_id}",
        "code": exc.code,
        "errors": [error_item(p) for p in exc.problems],
        "correlation_id": correlation_id,
    }


def error_item(problem: Problem) -> dict[str, object]:
    return {
        "pointer": problem.path,
        "code": problem.code,
        "message": {"en": problem.message_en, "fr": problem.message_fr},
    }


def problem_body(exc: PasserelleError, *, correlation_id: str) -> bytes:
    document = problem_document(exc, correlation_id=correlation_id)
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
