"""The test agreement of the interop runs: one table of P-Modes for our end and for the peer.

United Kingdom = our end, France = phase4. The names are neutral: nothing here is of the treaty.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gateway.core.as4 import namespaces as ns
from gateway.core.as4.message import Party
from gateway.core.as4.pmode import PMode, PModes
from gateway.core.as4.profiles import SecurityProfile
from tests.interop.certificates import FR, UK

PARTY_TYPE = "urn:oasis:names:tc:ebcore:partyid-type:unregistered"
UK_PARTY = Party(id=UK, type=PARTY_TYPE, role=ns.ROLE_INITIATOR)
FR_PARTY = Party(id=FR, type=PARTY_TYPE, role=ns.ROLE_RESPONDER)

REQUEST = PMode(
    id="interop.request",
    initiator=UK_PARTY,
    responder=FR_PARTY,
    service="urn:test:interop:service",
    service_type="urn:test:interop:service-type",
    action="Request",
    agreement_ref="urn:test:interop:agreement",
    endpoint="fr",
)
NOTICE = replace(
    REQUEST, id="interop.notice", initiator=FR_PARTY, responder=UK_PARTY, action="Notice", endpoint="uk"
)
TWO_WAY_OUT = replace(REQUEST, id="interop.two-way.out", action="Ask", mep=ns.TWO_WAY)
TWO_WAY_BACK = replace(NOTICE, id="interop.two-way.back", action="Answer", mep=ns.TWO_WAY, reply=True)
TWO_WAY_IN = replace(NOTICE, id="interop.two-way.in", action="AskBack", mep=ns.TWO_WAY)
TWO_WAY_REPLY = replace(REQUEST, id="interop.two-way.reply", action="AnswerBack", mep=ns.TWO_WAY, reply=True)
PLAIN_OUT = replace(REQUEST, id="interop.plain.out", action="PlainRequest", encrypt=False)
PLAIN_IN = replace(NOTICE, id="interop.plain.in", action="PlainNotice", encrypt=False)
CORNERS_OUT = replace(REQUEST, id="interop.corners.out", action="CornersRequest", four_corner=True)
CORNERS_IN = replace(NOTICE, id="interop.corners.in", action="CornersNotice", four_corner=True)
_UNTYPED = {"service_type": None, "agreement_ref": None, "service": "urn:test:interop:untyped"}
UNTYPED_OUT = replace(
    REQUEST,
    id="interop.untyped.out",
    initiator=replace(UK_PARTY, type=None),
    responder=replace(FR_PARTY, type=None),
    **_UNTYPED,
)
UNTYPED_IN = replace(
    NOTICE,
    id="interop.untyped.in",
    initiator=replace(FR_PARTY, type=None),
    responder=replace(UK_PARTY, type=None),
    **_UNTYPED,
)
RSA_PMODES = (
    REQUEST, NOTICE, TWO_WAY_OUT, TWO_WAY_BACK, TWO_WAY_IN, TWO_WAY_REPLY, PLAIN_OUT, PLAIN_IN, CORNERS_OUT,
    CORNERS_IN, UNTYPED_OUT, UNTYPED_IN, REQUEST.for_ping(), NOTICE.for_ping(),
)  # fmt: skip
ALL = PModes(RSA_PMODES)
SUITES = {
    "rsa": SecurityProfile.EDELIVERY_1_15,
    "ed25519": SecurityProfile.EDELIVERY_2_0,
    "ecdsa": SecurityProfile.EDELIVERY_2_0_EC,
}
"""The peer's name of a suite → ours."""


def of_suite(pmode: PMode, suite: str) -> PMode:
    """The same leg, secured by another profile."""
    return replace(pmode, security=SUITES[suite])


def party_json(party: Party) -> dict[str, Any]:
    return {"id": party.id, "type": party.type, "role": party.role}


def pmode_json(pmode: PMode, suite: str = "rsa") -> dict[str, Any]:
    """A P-Mode as peer.json wants it."""
    return {
        "id": pmode.id,
        "from": party_json(pmode.initiator),
        "to": party_json(pmode.responder),
        "service": pmode.service,
        "action": pmode.action,
        "agreement": pmode.agreement_ref,
        "suite": suite,
        "encrypt": pmode.encrypt,
        "mpc": pmode.mpc,
    }


def header_json(pmode: PMode) -> dict[str, Any]:
    """The header values of a message that phase4 sends by this P-Mode."""
    return {
        "from": party_json(pmode.initiator),
        "to": party_json(pmode.responder),
        "service": pmode.service,
        "service_type": pmode.service_type,
        "action": pmode.action,
        "agreement": pmode.agreement_ref,
        "encrypt": pmode.encrypt,
    }
