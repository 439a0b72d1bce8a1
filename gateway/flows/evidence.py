"""Evidence of one message: listed, bundled, and judged again at any time, also after its content is deleted.

Console, command line and API use the same functions; the judgement itself is ``gateway.core.proofs``, the
same that the stand-alone verifier runs over an exported bundle.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import Sequence
from typing import Any, Final

from cryptography.hazmat.primitives.serialization import Encoding

from gateway.core.errors import NotFound
from gateway.core.jws import public_jwk, sign_detached
from gateway.core.proofs import bundle
from gateway.core.proofs.known import Known
from gateway.core.proofs.report import Report
from gateway.core.records import Evidence, EvidenceKind, MessageRecord
from gateway.flows.exchange import Exchange
from gateway.flows.ports import Transaction
from gateway.flows.uk_receipts import instant
from gateway.flows.view_values import message_summary

Json = dict[str, Any]
EXPORTED: Final = "evidence.exported"
"""Audit action."""
_FILE_NAMES: Final = {
    EvidenceKind.AS4_USER_MESSAGE: ("as4-user-message", "xml"),
    EvidenceKind.NRR_RECEIPT: ("as4-receipt", "xml"),
    EvidenceKind.AS4_ERROR: ("as4-error", "xml"),
    EvidenceKind.UK_REQUEST_JWS: ("uk-request-jws", "json"),
    EvidenceKind.UK_RECEIPT_JWS: ("uk-receipt", "jws"),
}


async def _record(tx: Transaction, message_id: str) -> MessageRecord:
    record = await tx.get_message(message_id)
    if record is None:
        raise NotFound("no such message")
    return record


async def evidence_list(exchange: Exchange, message_id: str) -> list[Json]:
    """Everything that proves the message, the bytes in base64. Raises NotFound."""
    async with exchange.store.begin(read_only=True) as tx:
        await _record(tx, message_id)
        rows = await tx.evidence(message_id)
    return [
        {
            "kind": row.kind.value,
            "media_type": row.media_type,
            "created_at": instant(row.created_at),
            "sha256": hashlib.sha256(row.content).hexdigest(),
            "content": base64.b64encode(row.content).decode(),
        }
        for row in rows
    ]


def bundle_files(exchange: Exchange, record: MessageRecord, rows: Sequence[Evidence]) -> dict[str, bytes]:
    """Digests, signatures, public keys and certificates; never the content of the message. The manifest
    names every file by its digest, and the gateway signs the manifest."""
    files: dict[str, bytes] = {}
    listed: list[Json] = []

    def put(name: str, kind: str, media_type: str, created_at: str, content: bytes) -> None:
        files[name] = content
        listed.append(
            {
                "name": name,
                "kind": kind,
                "media_type": media_type,
                "created_at": created_at,
                "size": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
            }
        )

    for number, row in enumerate(rows, start=1):
        stem, suffix = _FILE_NAMES[row.kind]
        name = f"{number:02d}-{stem}.{suffix}"
        put(name, row.kind.value, row.media_type, instant(row.created_at), row.content)
    now = instant(exchange.clock.now())
    signers = (exchange.signer, *exchange.earlier_signers)
    keys = {"keys": [public_jwk(s.verification_key, kid=s.kid) for s in signers]}
    jwks = json.dumps(keys, indent=2, sort_keys=True).encode()
    put(bundle.KEYS, "gateway_keys", "application/jwk-set+json", now, jwks)
    certificates = (*(c for c, _ in exchange.known.certificates), *exchange.known.anchors)
    pem = b"".join(c.public_bytes(Encoding.PEM) for c in certificates)
    put(bundle.CERTIFICATES, "certificates", "application/x-pem-file", now, pem)
    manifest = {
        "version": bundle.VERSION,
        "issuer": exchange.issuer,
        "message": {**message_summary(record), "as4_message_id": record.as4_message_id},
        "files": listed,
    }
    content = json.dumps(manifest, indent=2, sort_keys=True, ensure_ascii=False).encode()
    files[bundle.MANIFEST] = content
    files[bundle.MANIFEST_JWS] = sign_detached(content, exchange.signer).encode()
    return files


async def evidence_bundle(exchange: Exchange, message_id: str) -> bytes:
    """The bundle as a ZIP. Raises NotFound."""
    async with exchange.store.begin(read_only=True) as tx:
        record = await _record(tx, message_id)
        rows = await tx.evidence(message_id)
    return bundle.pack(bundle_files(exchange, record, rows))


async def export_evidence(exchange: Exchange, message_id: str, *, actor: str) -> bytes:
    """The bundle for somebody, who is written into the audit log with it. Raises NotFound."""
    content = await evidence_bundle(exchange, message_id)
    async with exchange.store.begin() as tx:
        await tx.append_audit(
            at=exchange.clock.now(),
            actor=actor,
            action=EXPORTED,
            subject=message_id,
            data={"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)},
        )
    return content


def verify(content: bytes, *, known: Known | None, body: bytes | None = None) -> Report:
    """A bundle as exported, judged offline. ``known`` None: whatever the bundle brings is believed, which
    shows that it is consistent and not who made it (``UnsafeBundleKnown``). Raises NoBundle."""
    files = bundle.unpack(content)
    return bundle.judge(files, known=bundle.unsafe_known_of(files) if known is None else known, body=body)


def judged(exchange: Exchange, record: MessageRecord, rows: Sequence[Evidence]) -> Report | None:
    """The stored proofs of a message, judged now with what this instance knows; None without any proof.
    Some ten milliseconds of arithmetic: for a thread, where others wait."""
    if not rows:
        return None
    return bundle.judge(bundle_files(exchange, record, rows), known=exchange.known)


async def evidence_report(exchange: Exchange, message_id: str) -> Json:
    """``judged`` as a JSON-ready value. Raises NotFound."""
    async with exchange.store.begin(read_only=True) as tx:
        record = await _record(tx, message_id)
        rows = await tx.evidence(message_id)
    report = await asyncio.to_thread(judged, exchange, record, rows)
    if report is None:
        return {"ok": False, "message": message_summary(record), "proofs": []}
    return report.as_json()
