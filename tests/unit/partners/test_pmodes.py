"""P-Mode files for other products: complete, in their structure, and with the agreement's values."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from lxml import etree

from contracts.xml import parse_xml
from gateway.core.as4.namespaces import PING_ACTION, PING_SERVICE
from gateway.core.as4.policy import SecurityPolicy
from gateway.core.errors import ConfigError
from gateway.core.treaty.agreement import uk_fr
from gateway.partners.line import Line, make_line
from gateway.partners.metadata import KeyReference
from gateway.partners.pmodes import Product, domibus, holodeck, pmode_files

OURS, THEIRS = "https://as4.uk.example/as4", "https://as4.ministere.example/as4"
AGREEMENT = uk_fr()
POLICY = SecurityPolicy()


def line(reference: KeyReference = KeyReference.BST) -> Line:
    return make_line(AGREEMENT, our_url=OURS, their_url=THEIRS, policy=POLICY, key_reference=reference)


def the_domibus(reference: KeyReference = KeyReference.BST) -> etree._Element:
    (content,) = pmode_files(Product.DOMIBUS, line(reference)).values()
    return parse_xml(content)


ROWS = Counter(
    (r.initiator.id, r.responder.id, r.service, r.service_type, r.action) for r in AGREEMENT.pmode_rows
) + Counter(
    (a.id, b.id, PING_SERVICE, "", PING_ACTION)
    for a, b in (
        (AGREEMENT.parties.uk, AGREEMENT.parties.fr),
        (AGREEMENT.parties.fr, AGREEMENT.parties.uk),
    )
)
"""(from, to, service, type, action) of every message that may travel."""


# ---- Domibus --------------------------------------------------------------------------------------

SECTIONS = [
    "roles", "parties", "meps", "properties", "securities", "errorHandlings", "agreements", "services",
    "actions", "as4", "legConfigurations", "process", "process",
]  # fmt: skip
"""Order of ``businessProcesses`` in Domibus' own schema, without the two sections that we leave out."""
LEG_ATTRIBUTES = {
    "service": "services/service",
    "action": "actions/action",
    "security": "securities/security",
    "receptionAwareness": "as4/receptionAwareness",
    "reliability": "as4/reliability",
    "errorHandling": "errorHandlings/errorHandling",
    "propertySet": "properties/propertySet",
}


def test_domibus_has_its_structure() -> None:
    """Root in the namespace, children outside it, sections in the order of the schema."""
    root = the_domibus()
    assert root.tag == f"{{{domibus.NAMESPACE}}}configuration"
    assert [e.tag for e in root if isinstance(e.tag, str)] == ["mpcs", "businessProcesses"]
    assert [e.tag for e in root.iterfind("businessProcesses/*")] == SECTIONS


def test_domibus_references_resolve() -> None:
    """Every name that an element refers to is defined, once."""
    root = the_domibus()
    processes = root.find("businessProcesses")
    assert processes is not None

    def named(path: str) -> set[str | None]:
        found = [e.get("name") for e in processes.iterfind(path)]  # type: ignore[union-attr]
        assert len(found) == len(set(found)), path
        return set(found)

    parties = named("parties/party")
    assert root.get("party") in parties
    for leg in processes.iterfind("legConfigurations/legConfiguration"):
        for attribute, path in LEG_ATTRIBUTES.items():
            if attribute in leg.attrib:
                assert leg.get(attribute) in named(path)
        assert leg.get("defaultMpc") in {e.get("name") for e in root.iterfind("mpcs/mpc")}
    for process in processes.iterfind("process"):
        assert {process.get("initiatorRole"), process.get("responderRole")} == named("roles/role")
        assert process.get("agreement") in named("agreements/agreement")
        assert process.get("mep") in named("meps/mep")
        assert process.get("binding") in named("meps/binding")
        assert {e.get("name") for e in process.iterfind("legs/leg")} <= named(
            "legConfigurations/legConfiguration"
        )
        assert {e.get("name") for e in process.iterfind("*/initiatorParty")} <= parties
        assert {e.get("name") for e in process.iterfind("*/responderParty")} <= parties


def test_domibus_allows_exactly_what_was_agreed() -> None:
    """Resolved to values, its processes and legs are the rows of the agreement and the pings."""
    processes = the_domibus().find("businessProcesses")
    assert processes is not None

    def of(path: str) -> dict[str | None, etree._Element]:
        return {e.get("name"): e for e in processes.iterfind(path)}  # type: ignore[union-attr]

    services, actions, legs = of("services/service"), of("actions/action"), of("legConfigurations/*")
    ids = {name: e[0].get("partyId") for name, e in of("parties/party").items()}
    found: Counter[tuple[Any, ...]] = Counter()
    for process in processes.iterfind("process"):
        initiator = process.find("initiatorParties/initiatorParty")
        responder = process.find("responderParties/responderParty")
        assert initiator is not None
        assert responder is not None
        for leg in process.iterfind("legs/leg"):
            entry = legs[leg.get("name")]
            service = services[entry.get("service")]
            action = actions[entry.get("action")].get("value")
            pair = (ids[initiator.get("name")], ids[responder.get("name")])
            found[(*pair, service.get("value"), service.get("type") or "", action)] += 1
    assert found == ROWS


def test_domibus_has_the_other_values_of_the_agreement() -> None:
    """Addresses, party types, roles, MPC, agreement, corners."""
    root, exchange = the_domibus(), AGREEMENT.exchange
    values = {v for e in root.iter() for v in map(str, e.attrib.values())}
    assert {OURS, THEIRS, exchange.mpc, exchange.agreement_ref, exchange.mep, exchange.mep_binding} <= values
    assert {exchange.initiator_role, exchange.responder_role, AGREEMENT.parties.fr.id_type} <= values
    required = {e.get("key") for e in root.iterfind(".//property") if e.get("required") == "true"}
    assert required == {"originalSender", "finalRecipient"}
    assert root.find(".//payloadProfiles") is None


@pytest.mark.parametrize(
    ("reference", "policy"),
    [
        (KeyReference.BST, "eDeliveryAS4Policy_BST.xml"),
        (KeyReference.SKI, "eDeliveryAS4Policy.xml"),
        (KeyReference.ISSUER_SERIAL, "eDeliveryAS4Policy_IS.xml"),
    ],
)
def test_domibus_names_the_policy_of_the_key_reference(reference: KeyReference, policy: str) -> None:
    """The three policy files that come with Domibus, and the profile that takes two certificates."""
    security = the_domibus(reference).find(".//security")
    assert security is not None
    assert (security.get("policy"), security.get("profile")) == (policy, "RSA")


# ---- phase4 ---------------------------------------------------------------------------------------


def test_phase4_has_every_pmode_with_its_values() -> None:
    """One object for each row, in the names of phase4's own converter."""
    (content,) = pmode_files(Product.PHASE4, line()).values()
    pmodes = json.loads(content)
    found = Counter(
        (
            p["Initiator"]["IDValue"],
            p["Responder"]["IDValue"],
            p["Leg1"]["BusinessInfo"]["Service"],
            p["Leg1"]["BusinessInfo"].get("ServiceType", ""),
            p["Leg1"]["BusinessInfo"]["Action"],
        )
        for p in pmodes
    )
    assert found == ROWS
    assert len({p["id"] for p in pmodes}) == len(pmodes)
    for p in pmodes:
        assert set(p) == {
            "id", "Initiator", "Responder", "Agreement", "MEP", "MEPBinding", "Leg1", "Leg2",
            "PayloadServices", "RecepetionAwareness",
        }  # fmt: skip
        # phase4 takes leg 2 for what has a RefToMessageId
        assert p["Leg2"] == p["Leg1"]
        ministry_receives = p["Responder"]["IDValue"] == AGREEMENT.parties.fr.id
        assert p["Leg1"]["Protocol"]["Address"] == (THEIRS if ministry_receives else OURS)
        assert (p["MEP"], p["MEPBinding"], p["Agreement"]) == (
            "oneway",
            "push",
            AGREEMENT.exchange.agreement_ref,
        )
        security = p["Leg1"]["Security"]
        assert security["X509SignatureAlgorithm"] == "rsa-sha-256"
        assert security["X509EncryptionAlgorithm"] == "aes128-gcm"
        assert security["SendReceiptNonRepudiation"] is True


# ---- Holodeck B2B ---------------------------------------------------------------------------------

LEG_ORDER = ["Protocol", "Receipt", "ReceptionAwareness", "DefaultDelivery", "UserMessageFlow"]


def _text(root: etree._Element, path: str) -> str | None:
    return root.findtext("/".join(f"{{{holodeck.NAMESPACE}}}{step}" for step in path.split("/")))


def test_holodeck_has_a_file_for_each_leg() -> None:
    """Named after its P-Mode, with exactly the agreed header values."""
    files = pmode_files(Product.HOLODECK, line())
    found: Counter[tuple[Any, ...]] = Counter()
    for name, content in files.items():
        root = parse_xml(content)
        assert root.tag == f"{{{holodeck.NAMESPACE}}}PMode"
        assert name == f"{_text(root, 'id')}.xml"
        flow = "Leg/UserMessageFlow/BusinessInfo"
        found[
            (
                _text(root, "Initiator/PartyId"),
                _text(root, "Responder/PartyId"),
                _text(root, f"{flow}/Service/name"),
                _text(root, f"{flow}/Service/type") or "",
                _text(root, f"{flow}/Action"),
            )
        ] += 1
        order = [e.tag.rpartition("}")[2] for e in root.iterfind(f"{{{holodeck.NAMESPACE}}}Leg/*")]
        assert order == [tag for tag in LEG_ORDER if tag in order]
    assert found == ROWS


@pytest.mark.parametrize(
    ("reference", "method"),
    [
        (KeyReference.BST, "BSTReference"),
        (KeyReference.SKI, "KeyIdentifier"),
        (KeyReference.ISSUER_SERIAL, "IssuerSerial"),
    ],
)
def test_holodeck_signs_as_agreed(reference: KeyReference, method: str) -> None:
    """Key reference, algorithms, and whose keys stand where, on both directions."""
    files = pmode_files(Product.HOLODECK, line(reference))
    sent = parse_xml(files["uk-fr.FR_TO_UK.ReadmissionDecision.xml"])
    signing = "Initiator/SecurityConfiguration/Signing"
    assert _text(sent, f"{signing}/KeyReferenceMethod") == method
    assert _text(sent, f"{signing}/Algorithm") == POLICY.send_signature
    encryption = "Responder/SecurityConfiguration/Encryption"
    assert _text(sent, f"{encryption}/KeystoreAlias") == "gb-ho-passerelle-encrypt"
    assert (
        _text(sent, f"{encryption}/KeyTransport/MGFAlgorithm") == "http://www.w3.org/2009/xmlenc11#mgf1sha256"
    )
    assert _text(sent, "Leg/Protocol/Address") == OURS
    received = parse_xml(files["uk-fr.UK_TO_FR.ReadmissionRequest.xml"])
    assert _text(received, "Responder/SecurityConfiguration/Signing/KeystoreAlias") == "fr-mi-as4-sign"
    assert _text(received, "Responder/SecurityConfiguration/Encryption/KeystoreAlias") == "fr-mi-as4-encrypt"
    assert _text(received, "Leg/Receipt/ReplyPattern") == "RESPONSE"
    assert _text(received, "Leg/Protocol/Address") is None


def test_what_cannot_be_written_is_refused() -> None:
    """Rows that pull, or reply by callback, are told rather than written wrongly."""
    rows = AGREEMENT.pmodes
    changed = type(rows[0])(
        message_type=rows[0].message_type,
        direction=rows[0].direction,
        action=rows[0].action,
        receipt="callback",
    )
    fields = {f: getattr(AGREEMENT, f) for f in AGREEMENT.__struct_fields__}
    agreement = type(AGREEMENT)(**{**fields, "pmodes": (changed, *rows[1:])})
    with pytest.raises(ConfigError, match="enter them by hand"):
        make_line(agreement, our_url=OURS, their_url=None, policy=POLICY)
