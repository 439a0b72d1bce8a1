"""eDelivery AS4 2.0 with phase4: Ed25519 with X25519, and its alternative of ECDSA with ECDH-ES (38)."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from gateway.core.as4.policy import SecurityPolicy, TokenReference
from gateway.core.errors import PolicyNoncompliance
from tests.interop import agreement as a
from tests.interop.bent import Bent, find, swap_first
from tests.interop.plays import send_in, send_out
from tests.interop.scenario import IN, OUT, Ends, binary, scenario, text, xml

SUITES = {
    "ed25519": "Ed25519, X25519, HKDF, AES key wrap",
    "ecdsa": "ECDSA P-256, ECDH-ES, HKDF, AES key wrap",
}


def _by(ends: Ends, suite: str) -> Ends:
    """The same exchange with our end of that suite."""
    return replace(ends, ours=ends.suites[suite])


def _out(ends: Ends, *, suite: str) -> None:
    docs = [xml(), text(compress=False), binary(30_000, compress=False), binary(1, content_id="one")]
    send_out(_by(ends, suite), a.of_suite(a.REQUEST, suite), docs, suite=suite)


def _in(ends: Ends, *, suite: str) -> None:
    docs = [xml(), text(compress=False), binary(30_000, compress=False), binary(1, content_id="one")]
    send_in(_by(ends, suite), a.of_suite(a.NOTICE, suite), docs, suite=suite)


def _large_out(ends: Ends, *, suite: str) -> None:
    send_out(_by(ends, suite), a.of_suite(a.REQUEST, suite), [ends.large(10 << 20)], suite=suite)


def _large_in(ends: Ends, *, suite: str) -> None:
    send_in(_by(ends, suite), a.of_suite(a.NOTICE, suite), [ends.large(10 << 20)], suite=suite)


def _references_out(ends: Ends, *, suite: str) -> None:
    for kind in (TokenReference.ISSUER_SERIAL, TokenReference.KEY_IDENTIFIER):
        ends.peer.reset()
        policy = a.SUITES[suite].policy(SecurityPolicy(send_token_reference=kind))
        send_out(_by(ends, suite), a.of_suite(a.REQUEST, suite), [xml()], suite=suite, policy=policy)


def _references_in(ends: Ends, *, suite: str) -> None:
    for kind in ("issuer-serial", "ski"):
        ends.suites[suite].reset()
        pmode = a.of_suite(a.NOTICE, suite)
        send_in(_by(ends, suite), pmode, [xml()], suite=suite, sign_reference=kind, encrypt_reference=kind)


def _duplicate(ends: Ends, *, suite: str) -> None:
    answer = send_in(_by(ends, suite), a.of_suite(a.NOTICE, suite), [xml()], suite=suite, repeat=2)
    assert len(set(answer["bodies"])) == 1


def _tampered_out(ends: Ends, *, suite: str) -> None:
    ours = ends.suites[suite]
    bent = Bent(
        pmode=a.of_suite(a.REQUEST, suite),
        docs=[xml()],
        after_signing=lambda tree: swap_first(find(tree, "//ds:SignatureValue")),
    )
    sent = bent.send(ours, ends.peer.url(suite))
    assert sent.codes == ["EBMS:0102"], (sent.errors, sent.refused)
    assert ends.peer.received() == []


def _tampered_in(ends: Ends, *, suite: str) -> None:
    ours = ends.suites[suite]
    payloads = [xml().json(ends.folder)]
    answer = ends.peer.send(
        a.of_suite(a.NOTICE, suite), ours.url, suite=suite, payloads=payloads, mutate="digest"
    )
    assert [e["code"] for e in answer["errors"]] == ["EBMS:0101"]
    assert answer["signed"] is True
    assert ours.received == []


def _no_fall_back_out(ends: Ends, *, suite: str) -> None:
    sent = ends.ours.send(ends.peer.url(suite), a.REQUEST, [xml().payload()])
    assert not sent.proven
    assert ends.peer.received() == []


def _no_fall_back_in(ends: Ends, *, suite: str) -> None:
    ours = ends.suites[suite]
    payloads = [xml().json(ends.folder)]
    ends.peer.send(a.NOTICE, ours.url, payloads=payloads)
    assert ours.received == []
    (refusal,) = ours.refused
    assert isinstance(refusal, PolicyNoncompliance)


PLAYS = (
    (OUT, "message", "XML, text and binaries, signed and encrypted; receipt verified", _out),
    (IN, "message", "XML, text and binaries, signed and encrypted; our receipt matched", _in),
    (OUT, "10-mb", "10 MB from a file", _large_out),
    (IN, "10-mb", "10 MB to a file", _large_in),
    (OUT, "references", "certificates named by issuer and serial number, and by SKI", _references_out),
    (IN, "references", "certificates named by issuer and serial number, and by SKI", _references_in),
    (IN, "duplicate", "the same bytes twice: the stored receipt again", _duplicate),
    (
        OUT,
        "tampered",
        "a signature value changed: phase4 answers EBMS:0102, signed in the same profile",
        _tampered_out,
    ),
    (IN, "tampered", "a digest changed: we answer EBMS:0101, signed in the same profile", _tampered_in),
    (OUT, "no-fall-back", "an RSA message where this suite is agreed: phase4 refuses", _no_fall_back_out),
    (IN, "no-fall-back", "an RSA message where this suite is agreed: we answer EBMS:0103", _no_fall_back_in),
)
for _suite, _words in SUITES.items():
    for _direction, _id, _what, _play in PLAYS:
        scenario.add(
            f"{_direction}.2-0.{_suite}.{_id}",
            _direction,
            (38,),
            f"profile 2.0 ({_words}): {_what}",
            partial(_play, suite=_suite),
        )
