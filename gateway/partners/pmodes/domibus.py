"""A whole Domibus 5.x P-Mode configuration for the ministry.

Structure after Domibus' own ``domibus-pmode.xsd``: references by name, sections in a fixed order, only the
root in the namespace. No payload profile: Domibus would match Content-IDs with it, and ours are opaque.
"""

from __future__ import annotations

from typing import Final

from lxml import etree

from gateway.partners.line import RETRY_ATTEMPTS, RETRY_MINUTES, Leg, Line, alias
from gateway.partners.metadata import KeyReference

NAMESPACE: Final = "http://domibus.eu/configuration"
FILE: Final = "domibus-pmode.xml"
POLICIES: Final = {
    KeyReference.BST: "eDeliveryAS4Policy_BST.xml",
    KeyReference.SKI: "eDeliveryAS4Policy.xml",
    KeyReference.ISSUER_SERIAL: "eDeliveryAS4Policy_IS.xml",
}
"""Security policy files that come with Domibus, by how they refer to the signing certificate."""
PROFILE: Final = "RSA"
"""Security profile: apart from it Domibus takes one certificate of a party for both purposes."""
_MPC, _SECURITY, _AWARENESS, _ONCE, _RELIABILITY = "mpc", "securite", "reprises", "une-fois", "accuse-nrr"
_ERRORS, _PROPERTIES, _AGREEMENT, _PARTY_TYPE = "erreurs", "quatre-coins", "accord", "type-partie"
_SERVICE, _TEST_SERVICE, _TEST_ACTION, _MEP, _BINDING = "service", "service-essai", "essai", "oneway", "push"


def files(line: Line) -> dict[str, bytes]:
    """The configuration, to be uploaded in the administration console."""
    return {
        FILE: etree.tostring(_configuration(line), pretty_print=True, xml_declaration=True, encoding="UTF-8")
    }


def _configuration(line: Line) -> etree._Element:
    root = etree.Element(
        f"{{{NAMESPACE}}}configuration", {"party": alias(line.they)}, nsmap={"db": NAMESPACE}
    )
    root.append(
        etree.Comment(
            " Passerelle: configuration for Domibus 5.1.1 or later, made from the agreement file. "
            "Adapt: the endpoints, the retention of the mpc, and the retries. "
        )
    )
    first = line.legs[0]
    mpcs = _add(root, "mpcs")
    for uri, name in _mpc_names(line).items():
        _add(
            mpcs,
            "mpc",
            name=name,
            qualifiedName=uri,
            enabled="true",
            default="true",
            retention_downloaded="0",
            retention_undownloaded="14400",
            retention_sent="14400",
        )
    processes = _add(root, "businessProcesses")
    roles = _add(processes, "roles")
    for name, value in (("initiateur", first.initiator_role), ("destinataire", first.responder_role)):
        _add(roles, "role", name=name, value=value)
    _parties(processes, line)
    meps = _add(processes, "meps")
    _add(meps, "mep", name=_MEP, value=first.mep)
    _add(meps, "binding", name=_BINDING, value=first.mep_binding)
    _properties(processes)
    _add(
        _add(processes, "securities"),
        "security",
        name=_SECURITY,
        policy=POLICIES[line.key_reference],
        profile=PROFILE,
    )
    _add(
        _add(processes, "errorHandlings"),
        "errorHandling",
        name=_ERRORS,
        errorAsResponse="true",
        businessErrorNotifyProducer="true",
        businessErrorNotifyConsumer="true",
        deliveryFailureNotifyProducer="true",
    )
    _add(_add(processes, "agreements"), "agreement", name=_AGREEMENT, value=first.agreement_ref, type="")
    _services_and_actions(processes, line)
    as4 = _add(processes, "as4")
    retry = f"{RETRY_MINUTES};{RETRY_ATTEMPTS};CONSTANT"
    _add(as4, "receptionAwareness", name=_AWARENESS, retry=retry, duplicateDetection="true")
    _add(as4, "receptionAwareness", name=_ONCE, retry="0;0;SEND_ONCE", duplicateDetection="true")
    _add(as4, "reliability", name=_RELIABILITY, nonRepudiation="true", replyPattern="response")
    _legs(processes, line)
    for name, we_send in (("uk-vers-fr", True), ("fr-vers-uk", False)):
        _process(processes, line, name, [leg for leg in line.legs if leg.we_send is we_send])
    return root


def _parties(parent: etree._Element, line: Line) -> None:
    parties = _add(parent, "parties")
    types = _add(parties, "partyIdTypes")
    names: dict[str, str] = {}
    for party in (line.we, line.they):
        if party.id_type and party.id_type not in names:
            names[party.id_type] = _PARTY_TYPE if not names else f"{_PARTY_TYPE}-{len(names) + 1}"
            _add(types, "partyIdType", name=names[party.id_type], value=party.id_type)
    for party, url in ((line.we, line.our_url), (line.they, line.their_url)):
        element = _add(parties, "party", name=alias(party), endpoint=url)
        identifier = _add(element, "identifier", partyId=party.id)
        if party.id_type:
            identifier.set("partyIdType", names[party.id_type])


def _properties(parent: etree._Element) -> None:
    """Both corners are mandatory (as4.md 35); Domibus refuses any property that is not listed here."""
    properties = _add(parent, "properties")
    rows = (("originalSender", "true"), ("finalRecipient", "true"), ("trackingIdentifier", "false"))
    for key, required in rows:
        _add(properties, "property", name=key, key=key, datatype="string", required=required)
    listed = _add(properties, "propertySet", name=_PROPERTIES)
    for key, _ in rows:
        _add(listed, "propertyRef", property=key)


def _services_and_actions(parent: etree._Element, line: Line) -> None:
    services, actions = _add(parent, "services"), _add(parent, "actions")
    first = line.legs[0]
    service = _add(services, "service", name=_SERVICE, value=first.service)
    if first.service_type:
        service.set("type", first.service_type)
    test = next(leg for leg in line.legs if leg.ping)
    _add(services, "service", name=_TEST_SERVICE, value=test.service)
    for action in dict.fromkeys(leg.action for leg in line.legs if not leg.ping):
        _add(actions, "action", name=action, value=action)
    _add(actions, "action", name=_TEST_ACTION, value=test.action)


def _mpc_names(line: Line) -> dict[str, str]:
    """MPC URI → its name in the file."""
    uris = dict.fromkeys(leg.mpc for leg in line.legs)
    return {uri: _MPC if number == 1 else f"{_MPC}-{number}" for number, uri in enumerate(uris, start=1)}


def _action_name(leg: Leg) -> str:
    return _TEST_ACTION if leg.ping else leg.action


def _leg_name(line: Line, leg: Leg) -> str:
    """The action alone, unless both directions have an MPC of their own."""
    mpc = _mpc_names(line)[leg.mpc]
    return _action_name(leg) if mpc == _MPC else f"{_action_name(leg)}-{mpc}"


def _legs(parent: etree._Element, line: Line) -> None:
    """A leg is a service and an action; both directions share those that both send."""
    legs = _add(parent, "legConfigurations")
    for name, leg in {_leg_name(line, leg): leg for leg in line.legs}.items():
        _add(
            legs,
            "legConfiguration",
            name=name,
            service=_TEST_SERVICE if leg.ping else _SERVICE,
            action=_action_name(leg),
            defaultMpc=_mpc_names(line)[leg.mpc],
            reliability=_RELIABILITY,
            security=_SECURITY,
            receptionAwareness=_ONCE if leg.ping else _AWARENESS,
            propertySet=_PROPERTIES,
            errorHandling=_ERRORS,
            compressPayloads="true",
        )
        if leg.ping:  # Domibus' own test messages name corners of their own, ours name none
            del legs[-1].attrib["propertySet"]


def _process(parent: etree._Element, line: Line, name: str, legs: list[Leg]) -> None:
    process = _add(
        parent,
        "process",
        name=name,
        agreement=_AGREEMENT,
        mep=_MEP,
        binding=_BINDING,
        initiatorRole="initiateur",
        responderRole="destinataire",
    )
    initiator, responder = (line.we, line.they) if legs[0].we_send else (line.they, line.we)
    _add(_add(process, "initiatorParties"), "initiatorParty", name=alias(initiator))
    _add(_add(process, "responderParties"), "responderParty", name=alias(responder))
    listed = _add(process, "legs")
    for leg in legs:
        _add(listed, "leg", name=_leg_name(line, leg))


def _add(parent: etree._Element, tag: str, /, **attributes: str) -> etree._Element:
    return etree.SubElement(parent, tag, attributes)
