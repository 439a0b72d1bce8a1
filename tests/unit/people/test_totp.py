"""Time-based codes: the RFC's own vectors, once only, one step to either side."""

from __future__ import annotations

import base64
import datetime as dt

import pytest

from gateway.core import totp

SECRET = base64.b32encode(b"12345678901234567890").decode()
NOW = dt.datetime(2026, 11, 23, 12, 0, 10, tzinfo=dt.UTC)
STEP = int(NOW.timestamp()) // 30


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "287082"),
        (1111111109, "081804"),
        (1111111111, "050471"),
        (1234567890, "005924"),
        (2000000000, "279037"),
    ],
)
def test_vectors_of_the_rfc(seconds: int, code: str) -> None:
    """RFC 6238 appendix B, SHA-1, the last six of its eight digits."""
    at = dt.datetime.fromtimestamp(seconds, dt.UTC)
    assert totp.code_at(SECRET, at) == code
    assert totp.matching_step(SECRET, code, now=at, used=0) == seconds // 30


@pytest.mark.parametrize(("shift", "good"), [(-60, False), (-30, True), (0, True), (30, True), (60, False)])
def test_one_step_to_either_side(shift: int, good: bool) -> None:
    """A clock that is half a minute off works, one that is a minute off does not."""
    code = totp.code_at(SECRET, NOW + dt.timedelta(seconds=shift))
    assert (totp.matching_step(SECRET, code, now=NOW, used=0) is not None) is good


def test_a_code_is_good_once_and_so_is_its_time() -> None:
    """Neither the code that was used nor an earlier one is taken again; the next one is."""
    for shift, good in ((-30, False), (0, False), (30, True)):
        code = totp.code_at(SECRET, NOW + dt.timedelta(seconds=shift))
        assert (totp.matching_step(SECRET, code, now=NOW, used=STEP) is not None) is good


@pytest.mark.parametrize("code", ["", "12345", "1234567", "abcdef", "１２３４５６", "12 34"])
def test_what_is_no_code(code: str) -> None:
    """Only six ASCII digits are compared; blanks between them are not counted."""
    assert totp.matching_step(SECRET, code, now=NOW, used=0) is None
    right = totp.code_at(SECRET, NOW)
    assert totp.matching_step(SECRET, f" {right[:3]} {right[3:]} ", now=NOW, used=0) == STEP


def test_recovery_codes() -> None:
    """Ten different ones, as people read them; blanks, dashes and capitals do not matter."""
    codes = totp.new_recovery_codes()
    assert len(set(codes)) == 10
    assert all(len(totp.normal_recovery_code(code)) == 16 for code in codes)
    assert totp.normal_recovery_code(" ABCD-efgh 2345-jkmn") == "abcdefgh2345jkmn"


def test_what_the_qr_code_says() -> None:
    """The Key Uri Format with our name and theirs."""
    uri = totp.provisioning_uri(SECRET, "nadia")
    assert uri.startswith("otpauth://totp/Passerelle:nadia?")
    assert SECRET in uri
