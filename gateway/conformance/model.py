"""The values of a conformance run: whom we test, what each case demands, what was seen, how it was judged.

What a report shows never holds a private key, a payload or the text of a peer: sizes, digests and codes only.
"""

from __future__ import annotations

import datetime as dt
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from gateway.core.as4.keys import SigningKey
from gateway.core.as4.pmode import PMode
from gateway.core.as4.policy import SecurityPolicy
from gateway.core.as4.trust import TrustStore
from gateway.core.as4.wss.reference import SignedReference
from gateway.core.errors import ConfigError
from gateway.flows.ports import Clock

Language = Literal["en", "fr"]
LANGUAGES: tuple[Language, ...] = ("en", "fr")


@dataclass(frozen=True, kw_only=True, slots=True)
class Text:
    """One text in both languages; neither is ever empty."""

    en: str
    fr: str

    def __post_init__(self) -> None:
        if not (self.en.strip() and self.fr.strip()):
            raise ValueError("a text is missing in one of the languages")

    def say(self, language: Language) -> str:
        return self.fr if language == "fr" else self.en


class Expectation(StrEnum):
    """What a conforming access point does with a case's message."""

    RECEIPT = "receipt"
    """Accepts it: a signed receipt that proves this message."""
    RECEIPT_PREFERRED = "receipt-preferred"
    """Should accept it; a proper ebMS error is noted, not failed."""
    REFUSAL = "refusal"
    """Refuses it. A receipt is a serious failure."""
    REFUSAL_PREFERRED = "refusal-preferred"
    """Should refuse it; a receipt is noted, not failed."""
    SAME_RECEIPT = "same-receipt"
    """A duplicate: the receipt of the first one again; an ebMS error is noted."""
    NO_NEW_RECEIPT = "no-new-receipt"
    """Another message under a used MessageId: never acknowledged as it is."""
    NO_USER_MESSAGE = "no-user-message"
    """A pull that was not agreed: no user message comes out."""
    FACET = "facet"
    """One property of the answer to another case (``Case.of``)."""
    PROBE = "probe"
    """Looks at the connection, sends no message."""


class Need(StrEnum):
    """What a case needs besides the two certificates; without it the case is not run."""

    TLS = "tls"
    ENCRYPTION = "encryption"
    FOUR_CORNER = "four-corner"
    RSA = "rsa"
    """Bends an RSA signature by hand: not with a profile 2.0 key."""
    EXPIRED = "expired"
    REVOKED = "revoked"
    OTHER_PARTY = "other-party"


class Verdict(StrEnum):
    PASS = "pass"  # noqa: S105 — a verdict, no password
    NOTE = "note"
    """Allowed, but other than recommended: peers differ here."""
    FAIL = "fail"
    NOT_RUN = "not-run"


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One case of the table (``cases.toml``)."""

    id: str
    group: str
    requirements: tuple[int, ...]
    """Numbers of as4.md; empty for an attack that only its list of attacks names."""
    assertions: tuple[str, ...]
    """Common Profile test assertions: ``TA08``, ``TA39–43``, ``4CT_TA01–03``."""
    expect: Expectation
    codes: tuple[str, ...]
    """Recommended EBMS codes of a refusal; empty: any code."""
    signal: bool
    """A refusal must be an ebMS error signal; False where the message cannot be read as ebMS at all."""
    unpacks: bool
    """The defect is inside a payload: a ping, which delivers nothing, need not look there."""
    needs: frozenset[Need]
    of: str | None
    """FACET: the case whose answer is looked at."""
    title: Text
    why: Text
    sent: Text


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """The access point under test and how we speak to it. Raises ConfigError for a URL that cannot be."""

    url: str
    pmode: PMode
    """The test P-Mode, whose initiator we are; by default the ping service of an agreed one."""
    signer: SigningKey = field(repr=False)
    recipient: x509.Certificate = field(repr=False)
    """The partner's encryption certificate."""
    trust: TrustStore = field(repr=False)
    policy: SecurityPolicy = field(repr=False)
    domain: str
    """Ends our MessageIds."""
    make_tls: Callable[[], ssl.SSLContext] = field(repr=False)
    """A new client context at each call: some cases narrow its versions."""
    clock: Clock = field(repr=False)
    product: str = ""
    """What the partner says it runs, for the report's heading."""
    timeout_s: float = 30.0
    unsafe_plain_http: bool = False
    """Allows ``http:`` towards loopback, for a test set-up without TLS."""
    expired: SigningKey | None = field(default=None, repr=False)
    """A key of ours with an expired certificate from a CA that the partner trusts."""
    revoked: SigningKey | None = field(default=None, repr=False)
    other_party: SigningKey | None = field(default=None, repr=False)
    """A key that the partner trusts for another party than us (as4.md 37)."""

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.username or parts.password or not parts.hostname:
            raise ConfigError("give the URL of the access point, with a host and without a password")
        loopback = parts.hostname in {"127.0.0.1", "::1", "localhost"}
        if parts.scheme == "http" and not (self.unsafe_plain_http and loopback):
            raise ConfigError("AS4 needs https; plain http only with --unsafe-http, to this machine itself")
        if parts.scheme not in {"https", "http"}:
            raise ConfigError("the URL of an access point begins with https://")

    @property
    def partner(self) -> str:
        """Party id that must have signed the answers."""
        return self.pmode.responder.id

    @property
    def uses_tls(self) -> bool:
        return urlsplit(self.url).scheme == "https"

    def has(self, need: Need) -> bool:
        """Whether this run can give what a case needs."""
        given = {
            Need.TLS: self.uses_tls,
            Need.ENCRYPTION: self.pmode.encrypt,
            Need.FOUR_CORNER: self.pmode.four_corner,
            Need.RSA: isinstance(self.signer.private_key, rsa.RSAPrivateKey),
            Need.EXPIRED: self.expired is not None,
            Need.REVOKED: self.revoked is not None,
            Need.OTHER_PARTY: self.other_party is not None,
        }
        return given[need]


@dataclass(frozen=True, kw_only=True, slots=True)
class Wire:
    """One message as it leaves. ``references``: what its signature covers, for the receipt."""

    content_type: str
    body: bytes = field(repr=False)
    message_id: str
    references: tuple[SignedReference, ...] = field(repr=False)


class Kind(StrEnum):
    """What came back, before it is judged."""

    RECEIPT = "receipt"
    ERROR = "error"
    USER_MESSAGE = "user-message"
    FAULT = "fault"
    """A SOAP Fault without an ebMS signal."""
    EMPTY = "empty"
    OTHER = "other"
    NO_ANSWER = "no-answer"
    """The connection failed, broke or stayed silent: ``Seen.trouble`` says how."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reason:
    """A finding in words, still without a language: a key of ``texts.toml`` and its values."""

    key: str
    values: tuple[tuple[str, str], ...] = ()


def reason(key: str, **values: object) -> Reason:
    """``values`` are codes, numbers and our own error texts; never text of a peer."""
    return Reason(key=key, values=tuple((name, str(value)) for name, value in values.items()))


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """One answer, without its content."""

    kind: Kind
    status: int | None = None
    content_type: str = ""
    size: int = 0
    sha256: str | None = None
    """Of the HTTP body."""
    codes: tuple[str, ...] = ()
    """EBMS codes of the errors, in order."""
    has_signature: bool = False
    verified: bool = False
    """The signature holds and is the partner's."""
    defect: str | None = None
    """Why it could not be verified: our own text."""
    proves: bool = False
    """A verified receipt that proves exactly the message sent (as4.md 29)."""
    mismatch: str | None = None
    """Why a verified receipt proves nothing: our own text."""
    signal_id: str | None = None
    ref_to: str | None = None
    receipt_children: int = 0
    acknowledged: int = 0
    fraction_digits: int | None = None
    algorithms: tuple[str, ...] = ()
    """Signature and digest algorithms of the answer's own signature, without repetition."""
    trouble: Reason | None = None
    elapsed_ms: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Exchange:
    """One message and its answer."""

    wire: Wire
    seen: Seen


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """A verdict with its reasons; ``cure``: what usually helps; ``serious``: a bad message was accepted."""

    verdict: Verdict
    reasons: tuple[Reason, ...]
    cure: Reason | None = None
    serious: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """A case, its outcome and what it rests on."""

    case: Case
    outcome: Outcome
    exchanges: tuple[Exchange, ...] = ()

    @property
    def verdict(self) -> Verdict:
        return self.outcome.verdict


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """A whole run. ``results`` in the order of the table."""

    target: Target
    started_at: dt.datetime
    finished_at: dt.datetime
    results: tuple[Result, ...]

    def count(self, verdict: Verdict) -> int:
        return sum(r.verdict is verdict for r in self.results)

    @property
    def serious(self) -> tuple[Result, ...]:
        """Bad messages that were accepted."""
        return tuple(r for r in self.results if r.outcome.serious)

    @property
    def ok(self) -> bool:
        """Something ran, and nothing failed."""
        ran = any(r.verdict is not Verdict.NOT_RUN for r in self.results)
        return ran and not self.count(Verdict.FAIL)
