"""P-Modes: found by claim, compared after verification, never ambiguous (as4.md 5, 37)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.core.as4 import namespaces as ns
from gateway.core.as4.message import Property
from gateway.core.as4.pmode import PModes
from gateway.core.errors import ProcessingModeMismatch, ValueInconsistent
from tests.fixtures import pki
from tests.fixtures.as4 import FOUR_CORNER, PLAIN, PMODES, REPLY, REQUEST, header


@pytest.mark.as4(5)
@pytest.mark.parametrize("pmode", list(PMODES), ids=lambda p: p.id)
def test_each_pmode_is_found_by_its_own_header(pmode):
    """Party ids, roles, Service, Action and AgreementRef choose exactly one."""
    assert PMODES.find(header(pmode)) is pmode
    assert PMODES.get(pmode.id) is pmode


def test_an_unknown_id_is_a_lookup_error():
    """By id we only ask for what we configured."""
    with pytest.raises(LookupError):
        PMODES.get("nothing")


@pytest.mark.parametrize("other", [replace(REQUEST, id="same-values"), replace(REQUEST, action="same-id")])
def test_pmodes_that_cannot_be_told_apart_are_refused(other):
    """Two P-Modes of one id, or of one set of values, are a mistake in the configuration."""
    with pytest.raises(ValueError, match="told apart"):
        PModes((REQUEST, other))


@pytest.mark.parametrize(
    "changes",
    [{"sign": False}, {"mep": ns.EB + "pull"}, {"mep": ns.ONE_WAY, "reply": True}],
    ids=["unsigned", "pull", "reply-one-way"],
)
def test_a_pmode_that_could_not_be_enforced_is_refused(changes):
    """No setting is accepted and then ignored."""
    with pytest.raises(ValueError, match=r"P-Mode|MEP|two-way"):
        replace(REQUEST, **changes)


@pytest.mark.as4(37)
def test_verification_compares_the_signing_party():
    """The initiator's own signature passes; any other known party's does not."""
    REQUEST.check_verified(header(), signing_party=pki.UK)
    for party in (pki.FR, pki.OTHER, ""):
        with pytest.raises(ValueInconsistent):
            REQUEST.check_verified(header(), signing_party=party)


@pytest.mark.as4(37)
def test_verification_compares_the_signed_header():
    """A header of another P-Mode does not pass this one's check."""
    with pytest.raises(ProcessingModeMismatch):
        REQUEST.check_verified(header(PLAIN), signing_party=pki.UK)


FIXED = replace(PLAIN, properties=(Property(name="environment", value="test"),))


@pytest.mark.parametrize(
    "properties",
    [(), (Property(name="environment", value="live"),), (*FIXED.properties, *FIXED.properties)],
    ids=["missing", "other", "twice"],
)
def test_fixed_properties_must_be_there_once(properties):
    """A property that the P-Mode fixes is neither missing, different nor doubled."""
    with pytest.raises(ValueInconsistent):
        FIXED.check_header(replace(header(FIXED), properties=properties))
    FIXED.check_header(header(FIXED))


def test_a_new_message_is_a_message_of_its_pmode():
    """What new_message makes passes check_header, with extra properties after the fixed ones."""
    extra = Property(name="n", value="v")
    message = FIXED.new_message(message_id="m@x", timestamp=pki.NOW, conversation_id="c", properties=(extra,))
    FIXED.check_header(message)
    assert message.properties == (*FIXED.properties, extra)


@pytest.mark.as4(33)
@pytest.mark.parametrize(
    "pmode", [REQUEST, REPLY, FOUR_CORNER, FIXED], ids=["two-way", "reply", "4c", "fixed"]
)
def test_a_ping_needs_nothing_of_its_pmode_but_parties_and_security(pmode):
    """Pings are one-way, without properties, with the parties' signing and encryption."""
    ping = PModes((pmode,)).find(header(pmode.for_ping()))
    assert ping.is_ping
    assert (ping.initiator, ping.responder, ping.encrypt) == (pmode.initiator, pmode.responder, pmode.encrypt)
    ping.check_verified(header(ping), signing_party=pmode.initiator.id)
