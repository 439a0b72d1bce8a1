"""The cryptographic floor: what one message needs in cryptography alone (design.md, Speed).

RSA-2048: one JWS verify (PS256), one XML signature, one key transport, one receipt verify, one receipt
signature. Measured as CPU seconds, in the same run as what is compared with it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

ROUNDS = 400


@dataclass(frozen=True, kw_only=True, slots=True)
class Floor:
    """CPU seconds of each operation and of one message."""

    operations: dict[str, float]

    @property
    def per_message(self) -> float:
        return sum(self.operations.values())


def _cpu_seconds(action: Callable[[], object]) -> float:
    action()
    start = time.process_time()
    for _ in range(ROUNDS):
        action()
    return (time.process_time() - start) / ROUNDS


def measure() -> Floor:
    """Takes about two seconds."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key()
    data = b"x" * 2048
    pkcs1 = padding.PKCS1v15()
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
    oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
    sha256 = hashes.SHA256()
    signed = key.sign(data, pkcs1, sha256)
    jws = key.sign(data, pss, sha256)
    return Floor(
        operations={
            "jws_verify": _cpu_seconds(lambda: public.verify(jws, data, pss, sha256)),
            "xml_signature": _cpu_seconds(lambda: key.sign(data, pkcs1, sha256)),
            "key_transport": _cpu_seconds(lambda: public.encrypt(b"k" * 16, oaep)),
            "receipt_verify": _cpu_seconds(lambda: public.verify(signed, data, pkcs1, sha256)),
            "receipt_signature": _cpu_seconds(lambda: key.sign(data, pkcs1, sha256)),
        }
    )
