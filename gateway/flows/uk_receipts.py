"""The answer to an accepted POST: signed receipt, stored answer, and the evidence of both."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable
from typing import Final

from contracts.ports import Problem
from gateway.core.jws import VerifiedBody, public_jwk, sign_compact, sign_detached
from gateway.core.records import Evidence, EvidenceKind, MessageRecord, StoredAnswer
from gateway.flows.exchange import Exchange
from gateway.flows.ports import Transaction

RECEIPT_TYPE: Final = "receipt+jwt"


def instant(value: dt.datetime) -> str:
    """ISO 8601, UTC, milliseconds, ``Z``."""
    return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def make_receipt(exchange: Exchange, record: MessageRecord) -> str:
    """The signed receipt: compact JWS, typ ``receipt+jwt``; released only after commit."""
    claims = {
        "iss": exchange.issuer,
        "sub": record.client_id,
        "iat": int(record.received_at.timestamp()),
        "jti": record.message_id,
        "message_id": record.message_id,
        "reference": record.reference,
        "type": record.type.value,
        "status": record.status.value,
        "body_sha256": record.body_sha256,
        "received_at": instant(record.received_at),
    }
    return sign_compact(claims, exchange.signer, typ=RECEIPT_TYPE)


def make_answer(
    exchange: Exchange, record: MessageRecord, *, holds: Iterable[Problem], warnings: Iterable[Problem]
) -> StoredAnswer:
    """202 with the receipt; stored, so that a repeated Idempotency-Key gets the same bytes."""
    document = {
        "message_id": record.message_id,
        "reference": record.reference,
        "conversation_id": record.conversation_id,
        "type": record.type.value,
        "status": record.status.value,
        "code": record.code,
        "received_at": instant(record.received_at),
        "receipt": make_receipt(exchange, record),
        "holds": _notes(holds),
        "warnings": _notes(warnings),
    }
    body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    headers = {
        "Content-Type": "application/json",
        "Location": f"/v1/messages/{record.message_id}",
        "x-jws-signature": sign_detached(body, exchange.signer),
    }
    return StoredAnswer(status=202, headers=headers, body=body)


def _notes(problems: Iterable[Problem]) -> list[dict[str, object]]:
    return [
        {"pointer": p.path, "code": p.code, "message": {"en": p.message_en, "fr": p.message_fr}}
        for p in problems
    ]


async def add_evidence(
    tx: Transaction, body: VerifiedBody, record: MessageRecord, answer: StoredAnswer, now: dt.datetime
) -> None:
    """Keep what proves the request without its content: JWS, digest of its signing input, public key."""
    proof = {
        "jws": body.jws,
        "body_sha256": body.sha256,
        "signing_input_sha256": body.signing_input_sha256,
        "key": public_jwk(body.key, kid=body.kid),
    }
    receipt = json.loads(answer.body)["receipt"]
    for kind, media_type, content in (
        (EvidenceKind.UK_REQUEST_JWS, "application/json", json.dumps(proof, sort_keys=True).encode()),
        (EvidenceKind.UK_RECEIPT_JWS, "application/jose", receipt.encode()),
    ):
        await tx.add_evidence(
            Evidence(
                message_id=record.message_id,
                kind=kind,
                media_type=media_type,
                content=content,
                created_at=now,
            )
        )
