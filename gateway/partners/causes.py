"""Why a step of the connection test failed, and what helps: one function for each way to fail."""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from typing import Any, Final

from gateway.core.errors import (
    As4Error,
    ConnectionFailed,
    FailedAuthentication,
    InvalidHeader,
    MimeInconsistency,
    PasserelleError,
    PeerTimedOut,
    PolicyNoncompliance,
    ValueInconsistent,
)

SEE_CERTIFICATES: Final = "compare SHA-256 fingerprints by phone: passerelle partner show, and show --ours"
_CODES: Final = {
    "EBMS:0001": "the partner does not know one of our party ids, the service or the action",
    "EBMS:0003": "the partner finds header values that contradict each other or our certificate",
    "EBMS:0004": "the partner reports an error of its own",
    "EBMS:0008": "the partner does not offer the test service",
    "EBMS:0009": "the partner could not read our header",
    "EBMS:0010": "no P-Mode of the partner matches the ping: parties, roles, service, action, agreement",
    "EBMS:0101": "the partner does not trust our signing certificate",
    "EBMS:0102": "the partner could not decrypt, or (phase4) refuses our signature",
    "EBMS:0103": "the partner demands other security than the agreement",
    "EBMS:0301": "the partner did not make a receipt",
}
_CURES: Final = {
    "EBMS:0101": "send the partner our signing certificate: passerelle partner show --ours --export DIR",
    "EBMS:0102": "send the partner our current certificates: passerelle partner show --ours --export DIR",
    "EBMS:0103": "the partner sets the algorithms of docs/partners; for Domibus also the security profile",
}
_PMODE: Final = "give the partner its P-Mode: passerelle partner pmode --for domibus (phase4, holodeck)"
_EXPIRED, _NOT_YET, _NAME, _ADDRESS = 10, 9, 62, 64  # X509_V_ERR_… of OpenSSL
_UNKNOWN_CA: Final = frozenset({2, 18, 19, 20, 21})


class Trouble(Exception):
    """A step failed: what was seen, why, and what helps."""

    def __init__(self, result: str, *, cause: str, cure: str, facts: Mapping[str, Any] | None = None) -> None:
        super().__init__(result)
        self.result = result
        self.cause = cause
        self.cure = cure
        self.facts = facts or {}


# ---- DNS and TCP ----------------------------------------------------------------------------------


def dns_unknown(host: str) -> Trouble:
    return Trouble(
        f"{host} has no address",
        cause="the name is wrong, not published yet, or this machine's resolver does not see it",
        cure="check france.url with the partner; then ask the network team which DNS knows the name",
    )


def dns_silent(host: str) -> Trouble:
    return Trouble(
        f"no answer about {host} in time",
        cause="this machine's name server does not answer",
        cure="ask the network team whether this machine may use DNS",
    )


def tcp_refused(host: str, port: int) -> Trouble:
    return Trouble(
        f"{host} port {port} refuses connections",
        cause="nothing listens there: the access point is down, or the port is another one",
        cure="ask the partner whether it runs and on which port; correct france.url",
    )


def tcp_silent(host: str, port: int, seconds: float) -> Trouble:
    return Trouble(
        f"no answer from {host} port {port} within {seconds:g} s",
        cause="a firewall on the way drops our packets, or the machine is off",
        cure=f"ask both network teams to open this machine to {host} port {port}",
    )


def tcp_unreachable(host: str, port: int) -> Trouble:
    return Trouble(
        f"{host} port {port} cannot be reached",
        cause="there is no route to that network from here",
        cure="ask the network team for a route, or whether a proxy is needed (none is supported)",
    )


# ---- TLS ------------------------------------------------------------------------------------------


def tls_untrusted(exc: ssl.SSLCertVerificationError, host: str, seen: Mapping[str, Any]) -> Trouble:
    """The handshake ended because of the certificate; ``seen`` describes the one that was shown."""
    until = seen.get("valid_until")
    if exc.verify_code in {_NAME, _ADDRESS}:
        names = ", ".join(seen.get("names", ())) or "none"
        return Trouble(
            f"the certificate is not for {host}",
            cause=f"it names: {names}",
            cure="use one of these names in france.url, or ask the partner for a certificate with this name",
            facts=seen,
        )
    if exc.verify_code == _EXPIRED:
        return Trouble(
            "the TLS certificate has expired",
            cause=f"it ended on {until:%Y-%m-%d}" if until else "it is past its end, or this clock is wrong",
            cure="the partner renews it; check this machine's clock too",
            facts=seen,
        )
    if exc.verify_code == _NOT_YET:
        return Trouble(
            "the TLS certificate is not valid yet",
            cause="it begins in the future, or this machine's clock is behind",
            cure="check this machine's clock; else ask the partner",
            facts=seen,
        )
    if exc.verify_code in _UNKNOWN_CA:
        return Trouble(
            "the TLS certificate is from a CA that is not trusted here",
            cause=f"its issuer is {seen.get('issuer', 'unknown')}",
            cure="ask the partner for that CA, confirm it by phone: passerelle partner add … --tls-ca FILE",
            facts=seen,
        )
    return Trouble(
        "the TLS certificate is refused",
        cause=f"OpenSSL says: {exc.verify_message}",
        cure="send this to the partner; its server certificate needs to be replaced",
        facts=seen,
    )


def tls_failed(exc: ssl.SSLError, minimum: ssl.TLSVersion) -> Trouble:
    """The handshake ended for another reason; OpenSSL's reason is the fact."""
    reason = exc.reason or "UNKNOWN"
    facts = {"openssl": reason}
    least = minimum.name.removeprefix("TLSv").replace("_", ".")
    if reason in {"TLSV1_ALERT_PROTOCOL_VERSION", "UNSUPPORTED_PROTOCOL", "NO_PROTOCOLS_AVAILABLE"}:
        return Trouble(
            f"no common TLS version: we need {least} or newer",
            cause="the server offers only older versions",
            cure=f"the partner enables TLS 1.2 and 1.3 on its server (our tls.minimum is {least})",
            facts=facts,
        )
    if reason in {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"}:
        return Trouble(
            "the port does not speak TLS",
            cause="it is plain http, or another service",
            cure="ask the partner for the https address; correct france.url",
            facts=facts,
        )
    if reason in {"SSLV3_ALERT_HANDSHAKE_FAILURE", "TLSV1_ALERT_HANDSHAKE_FAILURE", "NO_SHARED_CIPHER"}:
        return Trouble(
            "the server ends the handshake",
            cause="no common cipher (ours: ECDHE with AES-GCM or ChaCha20), or it wants a client certificate",
            cure="the partner enables such ciphers; or set france.present_client_certificate = true",
            facts=facts,
        )
    if "CERTIFICATE" in reason:
        return Trouble(
            "the server refuses our client certificate, or wants one",
            cause=f"it sent the alert {reason}",
            cure="set france.present_client_certificate = true; give the partner keys/tls.crt.pem and its CA",
            facts=facts,
        )
    return Trouble(
        "the TLS handshake failed",
        cause=f"OpenSSL says: {reason}",
        cure="send this to the partner's network team",
        facts=facts,
    )


def tls_silent() -> Trouble:
    return Trouble(
        "the server takes the connection, and then says nothing",
        cause="the port does not speak TLS, or a firewall inspects the handshake",
        cure="ask the partner for the https address, and both network teams about TLS inspection",
    )


def tls_closed() -> Trouble:
    return Trouble(
        "the server closes the connection during the handshake",
        cause="a firewall or load balancer ends it, or the server wants an older TLS version",
        cure="ask the partner whether our address is allowed, and which TLS versions it offers",
    )


def tls_ended() -> Trouble:
    return Trouble(
        "the server ends the connection right after the handshake",
        cause="most likely it wants a client certificate (TLS 1.3 says so only then)",
        cure="set france.present_client_certificate = true; give the partner keys/tls.crt.pem and its CA",
    )


# ---- AS4 ------------------------------------------------------------------------------------------


def not_sealed(exc: As4Error) -> Trouble:
    return Trouble(
        "the ping could not be signed",
        cause=exc.detail,
        cure="look at our own certificates: passerelle check",
    )


def not_posted(exc: PasserelleError) -> Trouble:
    """POST failed although TLS worked a moment ago."""
    inner: BaseException | None = exc
    while inner is not None:
        if isinstance(inner, ssl.SSLError) and "CERTIFICATE" in (inner.reason or ""):
            return tls_failed(inner, ssl.TLSVersion.TLSv1_2)
        inner = inner.__cause__
    if isinstance(exc, PeerTimedOut):
        return Trouble(
            "the partner took the ping and did not answer in time",
            cause="its access point hangs, or answers by callback",
            cure="the partner looks at its log; receipts must come in the same HTTP response",
        )
    if isinstance(exc, ConnectionFailed):
        return Trouble(
            exc.detail,
            cause="the connection broke after the handshake: a proxy, a size limit, or a client certificate",
            cure="the partner looks at the log of its web server at this moment",
        )
    return Trouble(exc.detail, cause="the answer is not one of AS4", cure="check the path in france.url")


def no_signal(status: int, media_type: str, body: bytes) -> Trouble:
    """Something answered, but not with AS4."""
    facts = {"http_status": status, "content_type": media_type}
    page = media_type == "text/html" or body[:200].lstrip().lower().startswith((b"<!doctype html", b"<html"))
    if status in {401, 403}:
        return Trouble(
            f"HTTP {status}: we may not enter",
            cause="the server wants a client certificate, or does not allow our address",
            cure="set france.present_client_certificate = true, or ask the partner to allow our address",
            facts=facts,
        )
    if 300 <= status < 400:
        return Trouble(
            f"HTTP {status}: the server sends us elsewhere",
            cause="the address is not the final one; redirects are not followed",
            cure="ask the partner for the final address of its access point; correct france.url",
            facts=facts,
        )
    if page or status in {404, 405}:
        return Trouble(
            f"HTTP {status} with a web page instead of AS4" if page else f"HTTP {status} instead of AS4",
            cause="the path is not that of the access point, or a proxy answers in its place",
            cure="check the path in france.url (Domibus: /domibus/services/msh; Holodeck: /holodeckb2b/as4)",
            facts=facts,
        )
    if status >= 500:
        return Trouble(
            f"HTTP {status} without an AS4 signal",
            cause="the partner's access point has an error of its own",
            cure="the partner looks at its log at this moment; try again later",
            facts=facts,
        )
    if not body:
        return Trouble(
            f"HTTP {status} without any receipt",
            cause="the partner sends no receipt for a ping, or sends it by callback",
            cure=f"the partner sets receipts to reply in the response; {_PMODE}",
            facts=facts,
        )
    return Trouble(
        f"HTTP {status} with {media_type or 'no content type'} instead of AS4",
        cause="what answers is not an AS4 access point",
        cure="check the address in france.url with the partner",
        facts=facts,
    )


def error_signal(codes: Sequence[str]) -> Trouble:
    """A genuine error signal of the partner."""
    code = codes[0]
    return Trouble(
        f"the partner answers with {', '.join(codes)}",
        cause=_CODES.get(code, "the partner refuses the ping"),
        cure=_CURES.get(code, _PMODE),
        facts={"codes": list(codes), "signed": True},
    )


def claimed_error(codes: Sequence[str], exc: As4Error) -> Trouble:
    """An error signal that does not verify: its code is a hint, and only that."""
    code = codes[0]
    return Trouble(
        f"an error signal, {', '.join(codes)}, that cannot be verified",
        cause=f"{_CODES.get(code, 'the partner refuses the ping')} (a hint: {exc.detail})",
        cure=f"{_CURES.get(code, _PMODE)}; {SEE_CERTIFICATES}",
        facts={"codes": list(codes), "signed": False},
    )


def unverified(exc: As4Error) -> Trouble:
    """A signal that is not proven to be the partner's."""
    facts = {"code": exc.code}
    if isinstance(exc, PolicyNoncompliance):
        return Trouble(
            "the answer is not signed as agreed",
            cause=exc.detail,
            cure="the partner signs its receipts (NRR) with RSA-SHA256, over Messaging and Body",
            facts=facts,
        )
    if isinstance(exc, FailedAuthentication):
        return Trouble(
            "the signature of the answer is not accepted",
            cause=exc.detail,
            cure=SEE_CERTIFICATES,
            facts=facts,
        )
    if isinstance(exc, ValueInconsistent):
        return Trouble(
            "the answer contradicts itself",
            cause=exc.detail,
            cure="check the clocks of both machines; else send this to the partner",
            facts=facts,
        )
    if isinstance(exc, InvalidHeader | MimeInconsistency):
        return Trouble(
            "the answer is no AS4 message that we can read",
            cause=exc.detail,
            cure="check the path in france.url; else send this to the partner",
            facts=facts,
        )
    return Trouble(
        "the answer is not accepted", cause=exc.detail, cure="send this to the partner", facts=facts
    )


def wrong_receipt(exc: As4Error) -> Trouble:
    return Trouble(
        "the receipt does not prove what was sent",
        cause=exc.detail,
        cure="the partner returns every ds:Reference as it got it (non-repudiation of receipt)",
        facts={"code": exc.code},
    )


def no_test_pmode() -> Trouble:
    return Trouble(
        "no test message was sent",
        cause="the agreement has no P-Mode for test messages; any other would start a case at the ministry",
        cure="the ping above is the test; agree on a test P-Mode first if a message must be seen to arrive",
    )
