"""What is fuzzed: each target makes one input from a random source, runs it, and says what came of it.

A target returns a short word for the outcome (an EBMS code, ``accepted``, ``unbuildable``) and raises
``Finding`` when something other than the documented errors came out, or when a bent message was taken for a
whole one. The oracle is strong wherever a message is bent *after* it was signed: then either it is refused,
or what comes out is exactly what was signed.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Final

from lxml import etree

from adapters.fr import FrAdapter
from adapters.uk import UkAdapter
from contracts.ports import InvalidDocument, Unmappable
from contracts.xml import XmlRefused, parse_xml
from gateway.core.as4 import soap
from gateway.core.as4.content import whole
from gateway.core.as4.keys import DecryptionKey
from gateway.core.as4.message import Payload, Sealed
from gateway.core.as4.mime import build_multipart, parse_multipart
from gateway.core.as4.open import open_message
from gateway.core.as4.receipts import build_receipt, match_receipt
from gateway.core.as4.signals import build_error
from gateway.core.as4.verified import VerifiedError, VerifiedReceipt, VerifiedUserMessage
from gateway.core.as4.wss.sign import sign_envelope
from gateway.core.errors import As4Error, MimeInconsistency, ValueInconsistent
from tests.fixtures import as4, pki
from tests.fuzz.mutate import TEXTS, bend_bytes, bend_tree

ROOT: Final = Path(__file__).parents[2]
Wire = tuple[str, bytes]
_SEALINGS: Final = 8
_BOTH_WAYS: Final = 0.25


class Finding(AssertionError):
    """Something that must not happen; ``__cause__`` is the exception, when one escaped."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    name: str
    what: str
    run: Callable[[random.Random], str]
    weight: int = 1
    """Share of a run's time."""


def _code(exc: As4Error) -> str:
    if exc.ebms is None:
        raise Finding("an error without an EBMS code") from exc
    str(exc)
    return exc.ebms.code


# ---- honest material, made once per process ------------------------------------------------------


@cache
def _sealed(number: int) -> Any:
    """Honest messages of several shapes: encrypted or not, compressed or not, none to five parts."""
    pmode = (as4.REQUEST, as4.PLAIN, as4.FOUR_CORNER)[number % 3]
    extra = tuple(
        Payload(
            content_id=f"part-{n}@uk.test",
            mime_type="text/plain" if n % 2 else "application/octet-stream",
            content=b"line\nline\r\n" * n,
            compress=bool(n % 3),
        )
        for n in range(number % 4)
    )
    payloads = () if number == _SEALINGS - 1 else (as4.DOCUMENT, as4.PHOTO, *extra)
    message = as4.header(pmode)
    if pmode.four_corner:
        corners = (
            as4.Property(name="originalSender", value="a"),
            as4.Property(name="finalRecipient", value="b"),
        )
        message = replace(message, properties=corners)
    return as4.seal(message, payloads, pmode=pmode)


@cache
def _opened(number: int) -> VerifiedUserMessage:
    return as4.open_user(_sealed(number))


@cache
def _receipt(number: int) -> Sealed:
    return build_receipt(
        _opened(number),
        signer=pki.party(pki.FR).signing,
        message_id="r-1@fr.test",
        now=pki.NOW,
        policy=as4.POLICY,
    )


@cache
def _error() -> Sealed:
    error = ValueInconsistent("for the fuzzer")
    return build_error(
        error,
        signer=pki.party(pki.FR).signing,
        message_id="e-1@fr.test",
        ref_to_message_id="m-1@uk.test",
        now=pki.NOW,
        policy=as4.POLICY,
    )


@cache
def _vectors() -> tuple[Wire, ...]:
    """Real messages of other products (data); their keys are not ours, their grammar is."""
    found: list[Wire] = []
    for path in sorted((ROOT / "tests" / "fixtures" / "as4_vectors").iterdir()):
        data = path.read_bytes()
        for line in data.splitlines()[:60]:
            if line.lower().startswith(b"content-type: multipart"):
                found.append((line.partition(b":")[2].decode("ascii", "replace").strip(), data))
                break
            if line.startswith(b"--"):
                boundary = line[2:].decode("ascii", "replace")
                found.append((f'multipart/related; boundary="{boundary}"; type="application/soap+xml"', data))
                break
        else:
            found.append(("application/soap+xml", data))
    return tuple(found)


def _any_sealed(rng: random.Random) -> tuple[int, Any]:
    number = rng.randrange(_SEALINGS)
    return number, _sealed(number)


def _wire(rng: random.Random) -> Wire:
    kind = rng.randrange(4)
    if kind == 0:
        return rng.choice(_vectors())
    sealed: Any = _receipt(rng.randrange(3)) if kind == 1 else _any_sealed(rng)[1]
    return sealed.content_type, whole(sealed.body)


def _bent_type(rng: random.Random, content_type: str) -> str:
    if rng.random() < 0.6:
        return content_type
    return bend_bytes(rng, content_type.encode()).decode("latin-1")


# ---- MIME ---------------------------------------------------------------------------------------


def mime(rng: random.Random) -> str:
    content_type, body = _wire(rng)
    try:
        package = parse_multipart(_bent_type(rng, content_type), bend_bytes(rng, body), as4.POLICY)
    except MimeInconsistency as exc:
        return _code(exc)
    build_multipart(whole(package.root.content), [p for p in package.parts if p.content_id])
    return "accepted"


def wire(rng: random.Random) -> str:
    content_type, body = _wire(rng)
    return _judge(rng, (_bent_type(rng, content_type), bend_bytes(rng, body)), originals=True)


# ---- opening ------------------------------------------------------------------------------------


def _shown(verified: VerifiedUserMessage) -> object:
    return verified.message, tuple((p.content_id, p.mime_type, whole(p.content)) for p in verified.payloads)


@cache
def _decryption_keys() -> tuple[DecryptionKey, ...]:
    return pki.party(pki.UK).decryption, pki.party(pki.FR).decryption


@cache
def _honest() -> Mapping[object, int]:
    return {repr(_shown(_opened(n))): n for n in range(_SEALINGS)}


def prepare() -> None:
    """Make the honest material; a fault in it is no finding. Raises whatever is wrong with it."""
    _honest()
    for number in range(4):
        _receipt(number)
    _error()


def _open(rng: random.Random, bent: Wire) -> as4.Opened:
    """As bytes; one time in four also as a Content in odd pieces, which must give the same."""
    if rng.random() < _BOTH_WAYS:
        return as4.open_any(*bent)
    return open_message(
        *bent,
        pmodes=as4.PMODES,
        trust=pki.trust_store(),
        decryption_keys=_decryption_keys(),
        policy=as4.POLICY,
        now=pki.NOW,
    )


def _judge(rng: random.Random, bent: Wire, *, originals: bool) -> str:
    """Open; with ``originals`` a message that is accepted is one that was sealed, whole and unchanged."""
    try:
        opened = _open(rng, bent)
    except As4Error as exc:
        return _code(exc)
    if isinstance(opened, VerifiedUserMessage):
        if originals and repr(_shown(opened)) not in _honest():
            raise Finding("a bent message was taken for a whole one")
        if not originals:
            build_receipt(
                opened,
                signer=pki.party(pki.FR).signing,
                message_id="r@fr.test",
                now=pki.NOW,
                policy=as4.POLICY,
            )
    return "accepted"


def _repacked(sealed: Any, envelope: etree._Element, contents: Mapping[str, bytes] | None = None) -> Wire:
    package = parse_multipart(sealed.content_type, whole(sealed.body), as4.POLICY)
    parts = [
        replace(p, content=(contents or {}).get(str(p.content_id), whole(p.content))) for p in package.parts
    ]
    return build_multipart(etree.tostring(envelope), parts)


def signature(rng: random.Random) -> str:
    """The tree is bent after signing: every form of wrapping that the steps can build."""
    _, sealed = _any_sealed(rng)
    envelope = parse_xml(sealed.envelope)
    bend_tree(rng, envelope)
    return _judge(rng, _repacked(sealed, envelope), originals=True)


def header(rng: random.Random) -> str:
    """The ebMS header is bent before it is signed with the sender's true key: what a faulty peer sends."""

    def bend(envelope: etree._Element) -> None:
        bend_tree(rng, as4.one(envelope, "//eb:Messaging"))

    try:
        bent = as4.Forgery(encrypt=rng.random() < 0.3, before_signing=bend).wire()
    except ValueError:
        return "unbuildable"  # nothing is left to sign
    return _judge(rng, bent, originals=False)


def encryption(rng: random.Random) -> str:
    """EncryptedKey, EncryptedData and ciphertexts are bent; nothing of why may show."""
    number = rng.choice((0, 3, 6))
    sealed = _sealed(number)
    envelope = parse_xml(sealed.envelope)
    security = as4.one(envelope, "//wsse:Security")
    package = parse_multipart(sealed.content_type, whole(sealed.body), as4.POLICY)
    contents = {str(p.content_id): whole(p.content) for p in package.parts}
    if rng.random() < 0.7:
        chosen = [e for e in security if "xmlenc" in str(e.tag)]
        bend_tree(rng, rng.choice(chosen))
    else:
        content_id = rng.choice(sorted(contents))
        contents[content_id] = bend_bytes(rng, contents[content_id])
    return _judge(rng, _repacked(sealed, envelope, contents), originals=True)


# ---- signals ------------------------------------------------------------------------------------


def receipt(rng: random.Random) -> str:
    """Receipts bent before or after signing; one that matches repeats every reference."""
    number = rng.randrange(4)
    sealed, sent = _receipt(number), _sealed(number)
    envelope = parse_xml(sealed.envelope)
    if rng.random() < 0.5:
        bend_tree(rng, envelope)
    else:
        header_ = as4.one(envelope, "/S12:Envelope/S12:Header")
        header_.remove(as4.one(envelope, "//wsse:Security"))
        bend_tree(rng, as4.one(envelope, "//eb:Receipt"))
        try:
            sign_envelope(envelope, {}, signer=pki.party(pki.FR).signing, policy=as4.POLICY)
        except ValueError:
            return "unbuildable"
    try:
        opened = _open(rng, build_multipart(soap.serialise(envelope), []))
        if not isinstance(opened, VerifiedReceipt):
            return "another signal"
        match_receipt(sent.references, opened, message_id="m-1@uk.test", expected_party=pki.FR)
    except As4Error as exc:
        return _code(exc)
    if {r.key for r in sent.references} - {r.key for r in opened.acknowledged}:
        raise Finding("a receipt matched without every reference")
    return "accepted"


def error_signal(rng: random.Random) -> str:
    """Error signals bent and signed again: unsigned or malformed ones never decide anything."""
    envelope = parse_xml(_error().envelope)
    if rng.random() < 0.4:
        bend_tree(rng, envelope)
    else:
        as4.one(envelope, "/S12:Envelope/S12:Header").remove(as4.one(envelope, "//wsse:Security"))
        bend_tree(rng, as4.one(envelope, "//eb:SignalMessage"))
        try:
            sign_envelope(envelope, {}, signer=pki.party(pki.FR).signing, policy=as4.POLICY)
        except ValueError:
            return "unbuildable"
    try:
        opened = _open(rng, build_multipart(soap.serialise(envelope), []))
    except As4Error as exc:
        return _code(exc)
    if isinstance(opened, VerifiedError) and not opened.errors:
        raise Finding("an error signal without errors")
    return "accepted"


# ---- the two contracts --------------------------------------------------------------------------


@cache
def _examples(side: str, suffix: str) -> tuple[bytes, ...]:
    folder = ROOT / "contracts" / side / "v1" / "examples" / "valid"
    return tuple(path.read_bytes() for path in sorted(folder.glob(f"*{suffix}")))


_FR: Final = FrAdapter()
_UK: Final = UkAdapter()


def french_document(rng: random.Random) -> str:
    """A French document, bent as a tree or as bytes, judged by the contract."""
    content = rng.choice(_examples("fr", ".xml"))
    if rng.random() < 0.6:
        tree = parse_xml(content)
        bend_tree(rng, tree)
        content = etree.tostring(tree)
    else:
        content = bend_bytes(rng, content)
    try:
        _FR.to_canonical(_FR.validate(content))
    except (InvalidDocument, Unmappable) as exc:
        return exc.problems[0].code if exc.problems else type(exc).__name__
    return "accepted"


def uk_document(rng: random.Random) -> str:
    """A UK document, bent as bytes or with a value of another kind in it, judged by the contract."""
    content = rng.choice(_examples("uk", ".json"))
    if rng.random() < 0.5:
        values: Sequence[bytes] = (b"null", b"1e999", b"-0", b'""', b"[]", b"{}", b"true", b'"\\ud800"')
        pieces = content.split(b'"')
        spot = rng.randrange(len(pieces))
        text = rng.choice(TEXTS).encode("utf-8", "surrogatepass")
        pieces[spot] = rng.choice((rng.choice(values), text))
        content = b'"'.join(pieces)
    else:
        content = bend_bytes(rng, content)
    try:
        _UK.to_canonical(_UK.validate(content))
    except (InvalidDocument, Unmappable) as exc:
        return exc.problems[0].code if exc.problems else type(exc).__name__
    return "accepted"


def xml(rng: random.Random) -> str:
    """The one XML parser, on bytes near XML."""
    content = bend_bytes(rng, rng.choice((*_examples("fr", ".xml"), _sealed(0).envelope)))
    try:
        parse_xml(content)
    except XmlRefused:
        return "refused"
    return "accepted"


TARGETS: Final = {
    target.name: target
    for target in (
        Target(name="mime", what="multipart/related, bytes bent", run=mime),
        Target(name="wire", what="whole HTTP bodies, bytes bent", run=wire, weight=2),
        Target(name="header", what="ebMS header, bent and then signed", run=header, weight=3),
        Target(name="signature", what="envelope, bent after signing", run=signature, weight=4),
        Target(name="encryption", what="EncryptedKey, EncryptedData, ciphertext", run=encryption, weight=3),
        Target(name="receipt", what="NRR receipts", run=receipt, weight=2),
        Target(name="error-signal", what="ebMS error signals", run=error_signal),
        Target(name="french-document", what="French contract", run=french_document),
        Target(name="uk-document", what="UK contract", run=uk_document),
        Target(name="xml", what="the XML parser", run=xml),
    )
}
