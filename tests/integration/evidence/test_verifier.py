"""The stand-alone verifier: genuine bundles hold, tampering is found, retention changes nothing."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import AsyncIterator, Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from gateway.core.jws import Alg, JwsSigner, public_jwk, sign_detached, signer_of
from gateway.core.proofs import bundle
from gateway.core.proofs.bundle import NoBundle
from gateway.core.proofs.report import CheckCode, Mark, Report
from gateway.core.records import EvidenceKind
from gateway.flows.evidence import evidence_bundle, evidence_report, verify
from gateway.flows.exchange import Exchange
from tests.fixtures.ends import Ends, make_ends
from tests.fixtures.proofs import exchange_of, inbound, outbound, strangers

Files = dict[str, bytes]
SIGNERS: dict[Alg, Callable[[], JwsSigner]] = {
    Alg.ES256: lambda: signer_of(ec.generate_private_key(ec.SECP256R1()), Alg.ES256),
    Alg.PS256: lambda: signer_of(rsa.generate_private_key(65537, 2048), Alg.PS256),
    Alg.EDDSA: lambda: signer_of(ed25519.Ed25519PrivateKey.generate(), Alg.EDDSA),
}


@pytest.fixture
async def ends() -> AsyncIterator[Ends]:
    async with make_ends() as made:
        yield made


@pytest.fixture
def signer() -> JwsSigner:
    return SIGNERS[Alg.ES256]()


@pytest.fixture
def exchange(ends: Ends, signer: JwsSigner) -> Exchange:
    return exchange_of(ends, signer)


async def files_of(exchange: Exchange, message_id: str) -> Files:
    return bundle.unpack(await evidence_bundle(exchange, message_id))


def failures(report: Report) -> set[tuple[str, CheckCode]]:
    return {(p.kind, c.code) for p in report.proofs for c in p.checks if c.mark is Mark.FAILS}


def marks(report: Report, kind: EvidenceKind) -> dict[CheckCode, Mark]:
    (proof,) = [p for p in report.proofs if p.kind == kind]
    return {c.code: c.mark for c in proof.checks}


async def test_a_delivered_message_proves_everything(
    ends: Ends, exchange: Exchange, signer: JwsSigner
) -> None:
    """Request, our receipt, envelope and France's receipt all hold, each with what was verified."""
    record, _ = await outbound(ends, exchange, signer)
    report = verify(await evidence_bundle(exchange, record.message_id), known=exchange.known)
    assert report.ok
    assert failures(report) == set()
    receipt = marks(report, EvidenceKind.NRR_RECEIPT)
    for code in ("signature", "match", "message", "signer", "validity", "chain", "party"):
        assert receipt[CheckCode(code)] is Mark.HOLDS, code
    sent = marks(report, EvidenceKind.AS4_USER_MESSAGE)
    assert {sent[CheckCode(c)] for c in ("signature", "message", "signer", "validity", "party")} == {
        Mark.HOLDS
    }
    assert marks(report, EvidenceKind.UK_REQUEST_JWS)[CheckCode.SIGNATURE] is Mark.HOLDS
    assert marks(report, EvidenceKind.UK_RECEIPT_JWS)[CheckCode.BODY] is Mark.HOLDS
    assert (await evidence_report(exchange, record.message_id))["ok"]


async def test_a_message_from_france_proves_both_ways(
    ends: Ends, exchange: Exchange, signer: JwsSigner
) -> None:
    """Its envelope is France's, and our receipt for it matches."""
    opened, _ = await outbound(ends, exchange, signer)
    came = await inbound(ends, opened)
    report = verify(await evidence_bundle(exchange, came.message_id), known=exchange.known)
    assert report.ok
    assert marks(report, EvidenceKind.AS4_USER_MESSAGE)[CheckCode.PARTY] is Mark.HOLDS
    ours = marks(report, EvidenceKind.NRR_RECEIPT)
    assert (ours[CheckCode.MATCH], ours[CheckCode.PARTY]) == (Mark.HOLDS, Mark.HOLDS)


async def test_proofs_hold_after_the_content_is_destroyed(
    ends: Ends, exchange: Exchange, signer: JwsSigner
) -> None:
    """Retention destroys the key of the case; a bundle made after that verifies like one made before."""
    record, _ = await outbound(ends, exchange, signer)
    before = verify(await evidence_bundle(exchange, record.message_id), known=exchange.known)
    async with ends.store.begin() as tx:
        await tx.destroy_case_key(record.reference, at=ends.clock.now())
    async with ends.store.begin(read_only=True) as tx:
        with pytest.raises(LookupError):
            await tx.content(record.message_id)
    after = verify(await evidence_bundle(exchange, record.message_id), known=exchange.known)
    assert after.ok
    assert [p.mark for p in after.proofs] == [p.mark for p in before.proofs]


@pytest.mark.parametrize("alg", list(Alg))
async def test_the_request_of_every_algorithm(ends: Ends, alg: Alg) -> None:
    """ES256 and PS256 verify without the body, EdDSA says that it needs it; with the body all do, and
    another body is found."""
    signer = SIGNERS[alg]()
    exchange = exchange_of(ends, signer)
    record, body = await outbound(ends, exchange, signer)
    content = await evidence_bundle(exchange, record.message_id)
    alone = marks(verify(content, known=exchange.known), EvidenceKind.UK_REQUEST_JWS)
    assert alone[CheckCode.SIGNATURE] is (Mark.OPEN if alg is Alg.EDDSA else Mark.HOLDS)
    whole = verify(content, known=exchange.known, body=body)
    assert whole.ok
    assert marks(whole, EvidenceKind.UK_REQUEST_JWS)[CheckCode.BODY] is Mark.HOLDS
    other = verify(content, known=exchange.known, body=body + b" ")
    assert not other.ok
    assert (EvidenceKind.UK_REQUEST_JWS.value, CheckCode.SIGNATURE) in failures(other)


# ---- tampering ----------------------------------------------------------------------------------


def _named(files: Files, part: str) -> str:
    return next(name for name in sorted(files) if part in name)


def _resign(files: Files, signer: JwsSigner) -> Files:
    """As somebody would who has a key of their own: digests and manifest are made to fit."""
    manifest = json.loads(files[bundle.MANIFEST])
    for row in manifest["files"]:
        if row["name"] in files:
            row["sha256"] = hashlib.sha256(files[row["name"]]).hexdigest()
            row["size"] = len(files[row["name"]])
    content = json.dumps(manifest).encode()
    return {**files, bundle.MANIFEST: content, bundle.MANIFEST_JWS: sign_detached(content, signer).encode()}


def _change_digest(text: bytes, tag: bytes) -> bytes:
    """One letter of the first base64 value in elements of that name."""
    start = text.index(tag + b">") + len(tag) + 1
    letter = b"A" if text[start : start + 1] != b"A" else b"B"
    return text[:start] + letter + text[start + 1 :]


Tamper = Callable[[Files], Files]
XML = EvidenceKind.AS4_USER_MESSAGE.value
NRR = EvidenceKind.NRR_RECEIPT.value
JWS = EvidenceKind.UK_REQUEST_JWS.value
OURS = EvidenceKind.UK_RECEIPT_JWS.value


def _edit(part: str, change: Callable[[bytes], bytes]) -> Tamper:
    return lambda files: {**files, (n := _named(files, part)): change(files[n])}


def _request(change: Callable[[dict[str, object]], object]) -> Tamper:
    def work(content: bytes) -> bytes:
        proof = json.loads(content)
        change(proof)
        return json.dumps(proof).encode()

    return _edit("uk-request-jws", work)


def _swap_key(proof: dict[str, object]) -> None:
    key = proof["key"]
    assert isinstance(key, dict)
    proof["key"] = {**public_jwk(SIGNERS[Alg.ES256]().verification_key), "kid": key["kid"]}


TAMPERINGS: dict[str, tuple[Tamper, str, CheckCode]] = {
    "envelope: another time in the signed header": (
        _edit("as4-user-message", lambda c: c.replace(b"Timestamp>20", b"Timestamp>19", 1)),
        XML,
        CheckCode.SIGNATURE,
    ),
    "envelope: another digest of a part": (
        _edit("as4-user-message", lambda c: _change_digest(c, b"DigestValue")),
        XML,
        CheckCode.SIGNATURE,
    ),
    "envelope: another signature value": (
        _edit("as4-user-message", lambda c: _change_digest(c, b"SignatureValue")),
        XML,
        CheckCode.SIGNATURE,
    ),
    "envelope: something in the Body": (
        _edit("as4-user-message", lambda c: c.replace(b"</S12:Envelope>", b"<x/></S12:Envelope>")),
        XML,
        CheckCode.SIGNATURE,
    ),
    "envelope: no XML": (_edit("as4-user-message", lambda _: b"not XML"), XML, CheckCode.SIGNATURE),
    "receipt: another acknowledged digest": (
        _edit("as4-receipt", lambda c: _change_digest(c, b"DigestValue")),
        NRR,
        CheckCode.SIGNATURE,
    ),
    "receipt: empty": (_edit("as4-receipt", lambda _: b""), NRR, CheckCode.SIGNATURE),
    "request: another digest of the body": (
        _request(lambda p: p.update(body_sha256="0" * 64)),
        OURS,
        CheckCode.BODY,
    ),
    "request: another signing input": (
        _request(lambda p: p.update(signing_input_sha256="0" * 64)),
        JWS,
        CheckCode.SIGNATURE,
    ),
    "request: another key": (_request(_swap_key), JWS, CheckCode.SIGNATURE),
    "request: no digest at all": (
        _request(lambda p: p.update(signing_input_sha256="xyz")),
        JWS,
        CheckCode.SIGNATURE,
    ),
    "request: algorithm none": (
        _request(lambda p: p.update(jws=base64.urlsafe_b64encode(b'{"alg":"none"}').decode() + "..")),
        JWS,
        CheckCode.SIGNATURE,
    ),
    "our receipt: another claim": (
        _edit("uk-receipt", lambda c: b".".join((c.split(b".")[0], b"e30", c.split(b".")[2]))),
        OURS,
        CheckCode.SIGNATURE,
    ),
}


@pytest.mark.parametrize("name", TAMPERINGS)
async def test_tampering_is_found(ends: Ends, exchange: Exchange, signer: JwsSigner, name: str) -> None:
    """A changed file fails by its digest; with manifest and digests made to fit it still fails by itself."""
    tamper, kind, code = TAMPERINGS[name]
    record, _ = await outbound(ends, exchange, signer)
    good = await files_of(exchange, record.message_id)
    bad = tamper(good)
    assert bad != good
    plain = bundle.judge(bad, known=exchange.known)
    assert not plain.ok
    assert CheckCode.DIGEST in {c for _, c in failures(plain)}
    fitted = bundle.judge(_resign(bad, exchange.signer), known=exchange.known)
    assert not fitted.ok
    assert (kind, code) in failures(fitted)


async def test_a_bundle_of_a_stranger_proves_nothing(
    ends: Ends, exchange: Exchange, signer: JwsSigner
) -> None:
    """Consistent, but signed by nobody whom the verifier knows: every signer fails."""
    record, _ = await outbound(ends, exchange, signer)
    content = await evidence_bundle(exchange, record.message_id)
    assert verify(content, known=None).ok  # believed as it is: that is why it is called unsafe
    report = verify(content, known=strangers())
    assert not report.ok
    assert {("manifest", CheckCode.SIGNER), (XML, CheckCode.SIGNER), (NRR, CheckCode.SIGNER)} <= failures(
        report
    )


async def test_a_forged_manifest_is_found(ends: Ends, exchange: Exchange, signer: JwsSigner) -> None:
    """A forger who brings a key along, in the manifest's signature and in the key set, is not the gateway."""
    record, _ = await outbound(ends, exchange, signer)
    forger = SIGNERS[Alg.ES256]()
    files = await files_of(exchange, record.message_id)
    jwks = {"keys": [public_jwk(forger.verification_key)]}
    forged = _resign({**files, bundle.KEYS: json.dumps(jwks).encode()}, forger)
    assert ("manifest", CheckCode.SIGNER) in failures(bundle.judge(forged, known=exchange.known))
    unsigned = {name: content for name, content in files.items() if name != bundle.MANIFEST_JWS}
    assert ("manifest", CheckCode.MANIFEST) in failures(bundle.judge(unsigned, known=exchange.known))


async def test_what_is_missing_or_added_is_found(ends: Ends, exchange: Exchange, signer: JwsSigner) -> None:
    """A removed receipt and a file that nobody listed both break the bundle."""
    record, _ = await outbound(ends, exchange, signer)
    files = await files_of(exchange, record.message_id)
    fewer = {n: c for n, c in files.items() if "as4-receipt" not in n}
    assert ("manifest", CheckCode.COMPLETE) in failures(bundle.judge(fewer, known=exchange.known))
    more = {**files, "notes.txt": b"trust me"}
    assert ("manifest", CheckCode.COMPLETE) in failures(bundle.judge(more, known=exchange.known))


async def test_proofs_of_another_message_are_found(ends: Ends, exchange: Exchange, signer: JwsSigner) -> None:
    """Genuine proofs of one message, put into the bundle of another, speak of another message."""
    one, _ = await outbound(ends, exchange, signer)
    two, _ = await outbound(ends, exchange, signer)
    files, others = await files_of(exchange, one.message_id), await files_of(exchange, two.message_id)
    swapped = {n: others[n] if n[:2].isdigit() else c for n, c in files.items()}
    report = bundle.judge(_resign(swapped, exchange.signer), known=exchange.known)
    found = failures(report)
    assert {(XML, CheckCode.MESSAGE), (NRR, CheckCode.MESSAGE), (OURS, CheckCode.MESSAGE)} <= found
    receipt = _named(files, "as4-receipt")
    mixed = _resign({**files, receipt: others[receipt]}, exchange.signer)
    assert (NRR, CheckCode.MATCH) in failures(bundle.judge(mixed, known=exchange.known))


async def test_our_own_receipt_is_none_of_france(ends: Ends, exchange: Exchange, signer: JwsSigner) -> None:
    """A receipt signed by the sender itself proves nothing, even with digests that match."""
    record, _ = await outbound(ends, exchange, signer)
    files = await files_of(exchange, record.message_id)
    verified = ends.french.open_request(*_wire(ends), now=ends.clock.now())
    ours = ends.british.receipt(verified, signal_id=ends.clock.new_id(), now=ends.clock.now())
    name = _named(files, "as4-receipt")
    manifest = json.loads(files[bundle.MANIFEST])
    for row in manifest["files"]:
        if row["name"] == name:
            row["media_type"] = ours.content_type
    forged = {**files, name: bundle_bytes(ours.body), bundle.MANIFEST: json.dumps(manifest).encode()}
    report = bundle.judge(_resign(forged, exchange.signer), known=exchange.known)
    assert (NRR, CheckCode.PARTY) in failures(report)
    assert (NRR, CheckCode.MATCH) not in failures(report)


def bundle_bytes(body: object) -> bytes:
    assert isinstance(body, bytes)
    return body


def _wire(ends: Ends) -> tuple[str, bytes]:
    """The last body that was posted, with its content type (the boundary stands in the first line)."""
    body = ends.partner.posted[-1]
    boundary = body[2 : body.index(b"\r\n")].decode()
    return f'multipart/related; boundary="{boundary}"; type="application/soap+xml"', body


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04", bundle.pack({"a": b""}), bundle.pack({bundle.MANIFEST: b'{"version":1}'})]
)
def test_what_is_no_bundle(content: bytes) -> None:
    """It is refused with a clear error, never judged."""
    with pytest.raises(NoBundle):
        verify(content, known=strangers())
