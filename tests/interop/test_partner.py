"""``passerelle partner test`` against phase4 in the place of the ministry."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from gateway.cli.main import app
from tests.interop.gateway_plays import Ministry

pytestmark = pytest.mark.interop


@pytest.mark.as4(33)
def test_the_connection_to_phase4_passes(ministry: Ministry) -> None:
    """DNS to TLS, and a signed ping that phase4 answers with an NRR receipt; nothing is delivered there."""
    result = CliRunner().invoke(app, ["-C", str(ministry.world.uk), "partner", "test", "--json"])
    report = json.loads(result.stdout)
    assert (result.exit_code, report["ok"]) == (0, True), report
    receipt = report["steps"][-1]
    assert (receipt["name"], receipt["facts"]["party"]) == ("receipt", "FR-MI-AS4")
    assert ministry.peer.received() == []
