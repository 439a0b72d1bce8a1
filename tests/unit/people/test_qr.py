"""The QR code holds what it should, and nothing that the page's policy forbids."""

from __future__ import annotations

import segno

from gateway.web.console.qr import qr_svg


def test_a_drawing_without_style() -> None:
    """An SVG that scales, without inline style, script or the text itself."""
    uri = "otpauth://totp/Passerelle:nadia?secret=ABC&issuer=%3Cscript%3E"
    svg = qr_svg(uri)
    assert svg.startswith("<svg")
    assert "viewBox=" in svg
    for word in ("style", "script", "otpauth"):
        assert word not in svg
    size = segno.make(uri, error="m").symbol_size(border=4)
    assert f'viewBox="0 0 {size[0]} {size[1]}"' in svg
