"""P-Modes for phase4, as the JSON that its ``PModeJsonConverter`` reads (and writes).

Names are phase4's own, with its spelling ``RecepetionAwareness``; algorithm values are its short ids.
"""

from __future__ import annotations

import json
from typing import Any, Final

from gateway.core.as4 import policy as algorithms
from gateway.partners.line import RETRY_ATTEMPTS, RETRY_MINUTES, Leg, Line

FILE: Final = "phase4-pmodes.json"
SIGNATURES: Final = {
    algorithms.RSA_SHA256: "rsa-sha-256",
    algorithms.RSA_SHA384: "rsa-sha-384",
    algorithms.RSA_SHA512: "rsa-sha-512",
}
DIGESTS: Final = {
    algorithms.SHA256: "sha-256",
    algorithms.SHA384: "sha-384",
    algorithms.SHA512: "sha-512",
}
ENCRYPTIONS: Final = {algorithms.AES128_GCM: "aes128-gcm", algorithms.AES256_GCM: "aes256-gcm"}
_MS: Final = 60_000


def files(line: Line) -> dict[str, bytes]:
    """One JSON array with every P-Mode."""
    content = json.dumps([_pmode(line, leg) for leg in line.legs], ensure_ascii=False, indent=2)
    return {FILE: content.encode() + b"\n"}


def _pmode(line: Line, leg: Leg) -> dict[str, Any]:
    how = _leg(line, leg)
    return {
        "id": leg.id,
        "Initiator": _party(leg.initiator.id_type, leg.initiator.id, leg.initiator_role),
        "Responder": _party(leg.responder.id_type, leg.responder.id, leg.responder_role),
        "Agreement": leg.agreement_ref,
        "MEP": "oneway",
        "MEPBinding": "push",
        "Leg1": how,
        # phase4 takes leg 2 for every message with a RefToMessageId, and has no P-Mode for it without one.
        "Leg2": how,
        "PayloadServices": {"CompressionMode": "gzip"},
        "RecepetionAwareness": {
            "ReceptionAwareness": True,
            "Retry": not leg.ping,
            "MaxRetries": 0 if leg.ping else RETRY_ATTEMPTS,
            "RetryIntervalMS": RETRY_MINUTES * _MS // RETRY_ATTEMPTS,
            "DuplicateDetection": True,
        },
    }


def _leg(line: Line, leg: Leg) -> dict[str, Any]:
    return {
        "Protocol": {"Address": line.url_of(leg), "SoapVersion": "1.2"},
        "BusinessInfo": _business(leg),
        "ErrorHandling": {
            "ReportAsResponse": True,
            "ReportProcessErrorNotifyConsumer": True,
            "ReportProcessErrorNotifyProducer": True,
            "ReportDeliveryFailuresNotifyProducer": True,
        },
        "Security": _security(line),
    }


def _party(type_: str, value: str, role: str) -> dict[str, str]:
    return {**({"IDType": type_} if type_ else {}), "IDValue": value, "Role": role}


def _business(leg: Leg) -> dict[str, Any]:
    named = {"Service": leg.service, "ServiceType": leg.service_type, "Action": leg.action, "MPCID": leg.mpc}
    return {name: value for name, value in named.items() if value}


def _security(line: Line) -> dict[str, Any]:
    return {
        "WSSVersion": "1.1.1",
        "X509SignatureHashFunction": DIGESTS[line.policy.send_digest],
        "X509SignatureAlgorithm": SIGNATURES[line.policy.send_signature],
        "X509EncryptionAlgorithm": ENCRYPTIONS[line.policy.send_content_encryption],
        "X509EncryptionMinimumStrength": 128,
        "PModeAuthorize": False,
        "SendReceipt": True,
        "SendReceiptReplyPattern": "response",
        "SendReceiptNonRepudiation": True,
    }
