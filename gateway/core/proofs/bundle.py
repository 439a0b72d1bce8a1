"""The evidence bundle: its files, its manifest, and the judgement of all of it.

A ZIP with ``manifest.json`` (version 2: the message's summary without content, and name, kind, media type,
size and SHA-256 of every file), ``manifest.jws`` (the gateway's detached signature over it),
``gateway-jwks.json`` and ``certificates.pem``. The last two only *name* keys: whether they are believed
is decided by ``Known``, which comes from elsewhere.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any, Final

from cryptography import x509

from gateway.core.as4.keys import CERTIFICATE_ERRORS
from gateway.core.errors import PasserelleError
from gateway.core.jws import VerificationKey
from gateway.core.proofs import as4, jws
from gateway.core.proofs.known import GATEWAY, Known, UnsafeBundleKnown, thumbprint
from gateway.core.proofs.report import Check, CheckCode, Proof, Report, check
from gateway.core.records import EvidenceKind

VERSION: Final = 2
MANIFEST: Final = "manifest.json"
MANIFEST_JWS: Final = "manifest.jws"
KEYS: Final = "gateway-jwks.json"
CERTIFICATES: Final = "certificates.pem"
MAX_FILES: Final = 200
MAX_FILE_BYTES: Final = 8_000_000
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)


class NoBundle(PasserelleError):
    """The file is no evidence bundle, or none of this version."""

    code = "evidence.no_bundle"
    http_status = 422


def pack(files: Mapping[str, bytes]) -> bytes:
    """A ZIP; the same files make the same octets."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, date_time=_ZIP_TIME), content, zipfile.ZIP_DEFLATED)
    return target.getvalue()


def unpack(content: bytes) -> dict[str, bytes]:
    """The files of a ZIP, within limits. Raises NoBundle."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            listed = archive.infolist()
            if len(listed) > MAX_FILES or len({i.filename for i in listed}) != len(listed):
                raise NoBundle("the bundle has too many files, or one of them twice")
            if any(i.file_size > MAX_FILE_BYTES for i in listed):
                raise NoBundle("a file of the bundle is too large")
            return {i.filename: archive.read(i) for i in listed}
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, EOFError, ValueError) as exc:
        raise NoBundle("the file is no ZIP archive, or is damaged") from exc


def read_manifest(files: Mapping[str, bytes]) -> dict[str, Any]:
    """The manifest, its form checked. Raises NoBundle."""
    try:
        manifest: Any = json.loads(files[MANIFEST])
        rows = manifest["files"]
        named = all(isinstance(r[n], str) for r in rows for n in ("name", "kind", "media_type", "sha256"))
        message = manifest["message"]
        good = named and all(isinstance(message[n], str) for n in ("message_id", "conversation_id"))
    except (KeyError, TypeError, ValueError, RecursionError) as exc:
        raise NoBundle("the bundle has no readable manifest") from exc
    if manifest.get("version") != VERSION:
        raise NoBundle(f"the bundle is not of version {VERSION}: export it again")
    if not good or not rows:
        raise NoBundle("the manifest is not in its form, or names nothing")
    return dict(manifest)


def certificates_of(files: Mapping[str, bytes]) -> tuple[x509.Certificate, ...]:
    """Those that the bundle brings along, to resolve names of certificates. Raises NoBundle."""
    pem = files.get(CERTIFICATES, b"")
    try:
        return tuple(x509.load_pem_x509_certificates(pem)) if pem.strip() else ()
    except CERTIFICATE_ERRORS as exc:
        raise NoBundle("the certificates of the bundle are not readable") from exc


def unsafe_known_of(files: Mapping[str, bytes]) -> UnsafeBundleKnown:
    """Believes the bundle itself. Raises NoBundle, SignatureInvalid."""
    keys = jws.load_keys(files.get(KEYS, b"{}"))
    return UnsafeBundleKnown(
        certificates=tuple((c, "") for c in certificates_of(files)),
        keys={thumbprint(key): GATEWAY for key in keys.values()},
    )


def judge(files: Mapping[str, bytes], *, known: Known, body: bytes | None = None) -> Report:
    """Every proof of a bundle. (1) manifest and its signature, (2) digests, nothing missing or added,
    (3) AS4 envelopes, (4) receipts and errors, matched to (3), (5) request and receipt of the UK side.
    ``body``: the request as posted, if somebody has it. Raises NoBundle."""
    manifest = read_manifest(files)
    message, rows = manifest["message"], manifest["files"]
    keys = _keys(files)
    signed = jws.judge_manifest(files[MANIFEST], files.get(MANIFEST_JWS), keys=keys, known=known)  # (1)
    complete = {r["name"] for r in rows} == set(files) - {MANIFEST, MANIFEST_JWS}
    once = len({r["name"] for r in rows}) == len(rows)
    own = Proof(
        name=MANIFEST,
        kind="manifest",
        checks=(*signed, check(CheckCode.COMPLETE, complete and once, files=len(rows))),
    )
    digests = {r["name"]: _digest(r, files) for r in rows}  # (2)
    proofs = {
        **_as4(rows, files, digests, message, known),  # (3), (4)
        **_json(rows, files, digests, message, keys, known, body),  # (5)
    }
    rest = {
        r["name"]: Proof(name=r["name"], kind=r["kind"], checks=(digests[r["name"]],))
        for r in rows
        if r["name"] not in proofs
    }
    ordered = tuple({**rest, **proofs}[r["name"]] for r in rows)
    return Report(message=message, proofs=(own, *ordered))


def _keys(files: Mapping[str, bytes]) -> Mapping[str, VerificationKey]:
    try:
        return jws.load_keys(files.get(KEYS, b"{}"))
    except jws.Unreadable:
        return {}


def _digest(row: Mapping[str, Any], files: Mapping[str, bytes]) -> Check:
    content = files.get(row["name"])
    holds = content is not None and hashlib.sha256(content).hexdigest() == row["sha256"]
    return check(CheckCode.DIGEST, holds, sha256=row["sha256"])


Rows = Sequence[Mapping[str, Any]]


def _of_kind(rows: Rows, files: Mapping[str, bytes], *kinds: EvidenceKind) -> list[Mapping[str, Any]]:
    return [r for r in rows if r["kind"] in set(kinds) and r["name"] in files]


def _as4(
    rows: Rows,
    files: Mapping[str, bytes],
    digests: Mapping[str, Check],
    message: Mapping[str, Any],
    known: Known,
) -> dict[str, Proof]:
    certificates = (*certificates_of(files), *(c for c, _ in known.certificates))
    expected = as4.Expected(
        as4_message_id=message.get("as4_message_id"),
        conversation_id=message["conversation_id"],
        certificates=certificates,
    )
    proofs: dict[str, Proof] = {}
    sent: list[as4.SignedEnvelope] = []
    for row in _of_kind(rows, files, EvidenceKind.AS4_USER_MESSAGE):
        name = row["name"]
        judged = as4.judge_user_message(
            name, row["kind"], files[name], digests[name], expected=expected, known=known
        )
        proofs[name] = judged.proof
        if judged.envelope is not None:
            sent.append(judged.envelope)
    for row in _of_kind(rows, files, EvidenceKind.NRR_RECEIPT, EvidenceKind.AS4_ERROR):
        name = row["name"]
        proofs[name] = as4.judge_signal(
            name,
            row["kind"],
            row["media_type"],
            files[name],
            digests[name],
            sent=sent,
            expected=expected,
            known=known,
        ).proof
    return proofs


def _json(
    rows: Rows,
    files: Mapping[str, bytes],
    digests: Mapping[str, Check],
    message: Mapping[str, Any],
    keys: Mapping[str, VerificationKey],
    known: Known,
    body: bytes | None,
) -> dict[str, Proof]:
    proofs: dict[str, Proof] = {}
    bodies: set[str] = set()
    for row in _of_kind(rows, files, EvidenceKind.UK_REQUEST_JWS):
        name = row["name"]
        proofs[name], named = jws.judge_request(
            name, row["kind"], files[name], digests[name], known=known, body=body
        )
        if named is not None:
            bodies.add(named)
    for row in _of_kind(rows, files, EvidenceKind.UK_RECEIPT_JWS):
        name = row["name"]
        proofs[name] = jws.judge_receipt(
            name,
            row["kind"],
            files[name],
            digests[name],
            message=message,
            bodies=frozenset(bodies),
            keys=keys,
            known=known,
        )
    return proofs
