"""The exact values in ``docs/partners``, written by ``python -m gateway.partners.guide``; a test compares.

Each page has blocks between ``<!-- values: NAME -->`` and ``<!-- end -->``: what is between them is made
here, from the agreement file and the default policy. The pages for the ministry are in French, as are these.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from gateway.core.as4.namespaces import PING_ACTION, PING_SERVICE
from gateway.core.as4.policy import SecurityPolicy
from gateway.core.treaty.agreement import uk_fr
from gateway.partners.line import Line, alias, make_line
from gateway.partners.pmodes import Product, domibus, holodeck, phase4, pmode_files

FOLDER: Final = Path("docs/partners")
OUR_URL: Final = "https://passerelle.example/as4"
THEIR_URLS: Final = {
    Product.DOMIBUS: "https://ministere.example/domibus/services/msh",
    Product.PHASE4: "https://ministere.example/as4",
    Product.HOLODECK: "https://ministere.example/holodeckb2b/as4",
}
_BLOCK: Final = re.compile(r"(<!-- values: (?P<name>[\w-]+) -->\n).*?(\n<!-- end -->)", re.DOTALL)


def line(product: Product = Product.DOMIBUS) -> Line:
    """The exchange with invented addresses."""
    return make_line(uk_fr(), our_url=OUR_URL, their_url=THEIR_URLS[product], policy=SecurityPolicy())


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return "\n".join(lines + [f"| {' | '.join(row)} |" for row in rows])


def _code(value: str) -> str:
    return f"`{value}`"


def common() -> str:
    """Header values and algorithms, whatever the product."""
    shown, policy = line(), SecurityPolicy()
    first = shown.legs[0]
    transport = policy.send_key_transport
    rows = [
        ("partie britannique (nous)", shown.we.id),
        ("partie française (vous)", shown.they.id),
        ("type des deux identifiants", shown.they.id_type),
        ("rôle de l'initiateur (qui envoie)", first.initiator_role),
        ("rôle du destinataire", first.responder_role),
        ("AgreementRef, sans type", first.agreement_ref),
        ("Service", first.service),
        ("type du service", first.service_type),
        ("MEP", first.mep),
        ("liaison", first.mep_binding),
        ("MPC", first.mpc),
        ("originalSender, UK → FR (finalRecipient dans l'autre sens)", first.original_sender),
        ("finalRecipient, UK → FR (originalSender dans l'autre sens)", first.final_recipient),
        ("type des deux propriétés", first.corner_type),
        ("essai de liaison : Service, sans type", PING_SERVICE),
        ("essai de liaison : Action", PING_ACTION),
        ("signature", policy.send_signature),
        ("empreinte", policy.send_digest),
        ("chiffrement des parties", policy.send_content_encryption),
        ("transport de clé", transport.algorithm),
    ]
    for name, attribute in (("empreinte OAEP", "digest"), ("MGF", "mgf")):
        value = getattr(transport, attribute, None)
        if value is not None:
            rows.append((name, value))
    return _table(("paramètre", "valeur exacte"), [(name, _code(value)) for name, value in rows])


def actions() -> str:
    """Which action travels which way."""
    shown = line()
    ways: dict[str, set[bool]] = {}
    for leg in shown.legs:
        if not leg.ping:
            ways.setdefault(leg.action, set()).add(leg.we_send)
    rows = [
        (_code(action), "oui" if True in found else "", "oui" if False in found else "")
        for action, found in ways.items()
    ]
    return _table(("Action", f"{shown.we.id} → {shown.they.id}", f"{shown.they.id} → {shown.we.id}"), rows)


def domibus_stores() -> str:
    """Aliases, as Domibus makes them of the party name, the profile and the purpose."""
    shown = line()
    profile = domibus.PROFILE.lower()
    us, them = alias(shown.we), alias(shown.they)
    rows = [
        ("truststore", f"{us}_{profile}_sign", "`as4-sign.crt.pem` : notre certificat de signature"),
        ("truststore", f"{us}_{profile}_encrypt", "`as4-decrypt.crt.pem` : notre certificat de chiffrement"),
        ("truststore", f"{us}-ca", "`ca.crt.pem` : notre autorité (alias libre)"),
        ("keystore", f"{them}_{profile}_sign", "votre clé de signature et son certificat"),
        ("keystore", f"{them}_{profile}_decrypt", "votre clé de déchiffrement et son certificat"),
    ]
    return _table(("magasin", "alias", "contenu"), [(store, _code(name), what) for store, name, what in rows])


def domibus_policies() -> str:
    """Policy file by key reference."""
    rows = [(_code(reference.value), _code(policy)) for reference, policy in domibus.POLICIES.items()]
    return _table(("`--key-reference`", "`policy` de l'élément `security`"), rows)


def domibus_pmode() -> str:
    """The whole configuration."""
    return f"```xml\n{pmode_files(Product.DOMIBUS, line())[domibus.FILE].decode().strip()}\n```"


def phase4_values() -> str:
    """Setter by setter, for who builds P-Modes in Java."""
    shown = line(Product.PHASE4)
    policy = shown.policy
    rows = [
        ("`EMEP`, `EMEPBinding`", "`ONE_WAY`, `PUSH`"),
        ("`PModeLegProtocol`", "adresse du destinataire, SOAP 1.2"),
        ("`PModeLegBusinessInformation`", "`Service`, type, `Action`, MPC des tables de la page commune"),
        ("`setX509SignatureAlgorithm`", f"`RSA_SHA_256` (`{phase4.SIGNATURES[policy.send_signature]}`)"),
        ("`setX509SignatureHashFunction`", f"`DIGEST_SHA_256` (`{phase4.DIGESTS[policy.send_digest]}`)"),
        (
            "`setX509EncryptionAlgorithm`",
            f"`AES_128_GCM` (`{phase4.ENCRYPTIONS[policy.send_content_encryption]}`)",
        ),
        ("`setSendReceipt`, `setSendReceiptNonRepudiation`", "`true`, `true`"),
        ("`setSendReceiptReplyPattern`", "`RESPONSE`"),
        ("`setPModeAuthorize`", "`false`"),
        ("`PModePayloadService`", "`GZIP`"),
        ("`PModeReceptionAwareness`", "reprises et détection des doublons"),
    ]
    return _table(("phase4", "valeur"), rows)


def phase4_pmode() -> str:
    """One P-Mode of the file."""
    pmodes = json.loads(pmode_files(Product.PHASE4, line(Product.PHASE4))[phase4.FILE])
    wanted = next(p for p in pmodes if p["id"].endswith("FR_TO_UK.ReadmissionDecision"))
    return f"```js\n{json.dumps(wanted, ensure_ascii=False, indent=2)}\n```"


def holodeck_stores() -> str:
    """Aliases that the P-Mode files name."""
    shown = line(Product.HOLODECK)
    rows = [
        ("`PrivateKeys`", holodeck.signing_alias(shown.they), "votre clé de signature"),
        ("`PrivateKeys`", holodeck.encryption_alias(shown.they), "votre clé de déchiffrement"),
        (
            "`TradingPartnerCertificates`",
            holodeck.encryption_alias(shown.we),
            "`as4-decrypt.crt.pem` : pour chiffrer vers nous",
        ),
        (
            "`TradingPartnerCertificates`",
            holodeck.signing_alias(shown.we),
            "`as4-sign.crt.pem` : notre signature",
        ),
        ("`TrustedCertificates`", f"{alias(shown.we)}-ca", "`ca.crt.pem` : notre autorité (alias libre)"),
    ]
    return _table(("magasin", "alias", "contenu"), [(store, _code(name), what) for store, name, what in rows])


def _holodeck(name: str) -> str:
    content = pmode_files(Product.HOLODECK, line(Product.HOLODECK))[f"uk-fr.{name}.xml"]
    return f"```xml\n{content.decode().strip()}\n```"


BLOCKS: Final[dict[str, Callable[[], str]]] = {
    "common": common,
    "actions": actions,
    "domibus-stores": domibus_stores,
    "domibus-policies": domibus_policies,
    "domibus-pmode": domibus_pmode,
    "phase4-values": phase4_values,
    "phase4-pmode": phase4_pmode,
    "holodeck-stores": holodeck_stores,
    "holodeck-receiving": lambda: _holodeck("UK_TO_FR.ReadmissionRequest"),
    "holodeck-sending": lambda: _holodeck("FR_TO_UK.ReadmissionDecision"),
}
"""Name of a block → what stands in it."""


def current(text: str) -> str:
    """The page with every block as it should be. Raises KeyError for a block of an unknown name."""
    return _BLOCK.sub(lambda found: f"{found[1]}{BLOCKS[found['name']]()}{found[3]}", text)


def names(text: str) -> tuple[str, ...]:
    """Blocks of a page, in order."""
    return tuple(found["name"] for found in _BLOCK.finditer(text))


if __name__ == "__main__":
    for page in sorted(FOLDER.glob("*.md")):
        page.write_text(current(page.read_text("utf-8")), "utf-8")
