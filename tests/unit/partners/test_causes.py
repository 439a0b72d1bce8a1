"""Each way in which the connection test can fail says what was seen, why, and what helps."""

from __future__ import annotations

import ssl

import pytest

from gateway.core import errors
from gateway.partners import causes
from gateway.partners.causes import Trouble


def _tls(reason: str) -> Trouble:
    error = ssl.SSLError(1, "x")
    error.reason = reason
    return causes.tls_failed(error, ssl.TLSVersion.TLSv1_3)


def _untrusted(code: int) -> Trouble:
    error = ssl.SSLCertVerificationError(1, "x")
    error.verify_code, error.verify_message = code, "OpenSSL's own words"
    return causes.tls_untrusted(error, "ministere.example", {})


TROUBLES = {
    "dns unknown": causes.dns_unknown("h"),
    "dns silent": causes.dns_silent("h"),
    "tcp refused": causes.tcp_refused("h", 1),
    "tcp silent": causes.tcp_silent("h", 1, 2.0),
    "tcp unreachable": causes.tcp_unreachable("h", 1),
    **{f"certificate {code}": _untrusted(code) for code in (9, 10, 20, 62, 64, 99)},
    **{
        reason: _tls(reason)
        for reason in (
            "TLSV1_ALERT_PROTOCOL_VERSION",
            "WRONG_VERSION_NUMBER",
            "SSLV3_ALERT_HANDSHAKE_FAILURE",
            "TLSV13_ALERT_CERTIFICATE_REQUIRED",
            "SOMETHING_ELSE",
        )
    },
    "tls silent": causes.tls_silent(),
    "tls closed": causes.tls_closed(),
    "tls ended": causes.tls_ended(),
    "not sealed": causes.not_sealed(errors.PolicyNoncompliance("a certificate has ended")),
    "timed out": causes.not_posted(errors.PeerTimedOut("late")),
    "broke": causes.not_posted(errors.ConnectionFailed("the connection broke")),
    "too large": causes.not_posted(errors.PeerUnavailable("too large")),
    **{f"http {status}": causes.no_signal(status, "", b"") for status in (200, 302, 401, 404, 405, 500)},
    "json": causes.no_signal(200, "application/json", b"{}"),
    "error": causes.error_signal(["EBMS:0010"]),
    "unknown error": causes.error_signal(["EBMS:9999"]),
    "claimed": causes.claimed_error(["EBMS:0101"], errors.FailedAuthentication("unsigned")),
    **{
        f"unverified {error.__name__}": causes.unverified(error("the reason why"))
        for error in (
            errors.PolicyNoncompliance,
            errors.FailedAuthentication,
            errors.ValueInconsistent,
            errors.InvalidHeader,
            errors.MimeInconsistency,
            errors.InvalidReceipt,
        )
    },
    "wrong receipt": causes.wrong_receipt(errors.InvalidReceipt("it is another one")),
    "no test P-Mode": causes.no_test_pmode(),
}


@pytest.mark.parametrize("name", TROUBLES)
def test_every_trouble_has_cause_and_cure(name: str) -> None:
    """Three different texts, none empty, none a bare code."""
    trouble = TROUBLES[name]
    texts = {trouble.result, trouble.cause, trouble.cure}
    assert len(texts) == 3
    assert all(" " in text for text in texts)


def test_different_troubles_are_told_apart() -> None:
    """An operator can tell the HTTP answers and the TLS failures from each other by their first line."""
    for prefix in ("http ", "certificate 1", "certificate 6"):
        found = [t.result for name, t in TROUBLES.items() if name.startswith(prefix)]
        assert len(found) - len(set(found)) <= 1  # 62 and 64 are one matter: a name or an address


def test_the_minimum_of_the_settings_is_named() -> None:
    """With ``tls.minimum = "1.3"`` the operator reads 1.3."""
    assert "1.3 or newer" in TROUBLES["TLSV1_ALERT_PROTOCOL_VERSION"].result
