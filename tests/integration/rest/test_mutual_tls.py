"""Certificate-bound tokens over real mutual TLS (RFC 8705): token and certificate belong together."""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import hashlib
import ipaddress
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.uk_client import Refused, UkClient
from gateway.web.rest.clients import make_registry
from tests.fixtures.uk_gateway import Gateway, client_of, es256, running_gateway, simple_request

SIGNER = es256()


@dataclass(frozen=True)
class Pair:
    """A self-signed certificate with its key, as one PEM file."""

    path: Path
    thumbprint: str


def self_signed(folder: Path, label: str) -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, label)])
    start = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + dt.timedelta(days=36_500))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{label}.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    digest = hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).digest()
    return Pair(path=path, thumbprint=base64.urlsafe_b64encode(digest).rstrip(b"=").decode())


@dataclass(frozen=True)
class Line:
    """A gateway on TLS, and the certificates around it."""

    gateway: Gateway
    server: Pair
    mine: Pair
    other: Pair

    def client(self, certificate: Pair | None) -> UkClient:
        context = ssl.create_default_context(cafile=str(self.server.path))
        if certificate is not None:
            context.load_cert_chain(certificate.path)
        return self.gateway.client(signer=SIGNER, connector=aiohttp.TCPConnector(ssl=context))


@pytest.fixture
async def line(tmp_path: Path, sqlite_template: Path) -> AsyncIterator[Line]:
    server, mine, other = (self_signed(tmp_path, label) for label in ("server", "mine", "other"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(server.path)
    context.verify_mode = ssl.CERT_OPTIONAL
    for pair in (mine, other):
        context.load_verify_locations(pair.path)
    client = dataclasses.replace(client_of(SIGNER), certificate_sha256=mine.thumbprint)
    registry = make_registry([client])
    async with running_gateway(tmp_path, sqlite_template, registry=registry, tls=context) as gateway:
        yield Line(gateway=gateway, server=server, mine=mine, other=other)


async def test_bound_token_works_with_its_certificate(line: Line) -> None:
    """With the registered certificate token and message are accepted."""
    async with line.client(line.mine) as client:
        receipt = await client.send("/v1/readmission-requests", simple_request())
    assert receipt.status == "accepted"


@pytest.mark.parametrize("which", ["none", "other"])
async def test_token_needs_the_registered_certificate(line: Line, which: str) -> None:
    """Without the certificate, or with another, the client gets no token."""
    async with line.client(None if which == "none" else line.other) as client:
        with pytest.raises(Refused) as caught:
            await client.token()
    assert (caught.value.status, caught.value.problem["error"]) == (401, "invalid_client")


@pytest.mark.parametrize("which", ["none", "other"])
async def test_stolen_token_is_useless_without_the_certificate(line: Line, which: str) -> None:
    """A token taken from its owner is refused on a connection with another certificate or none."""
    async with line.client(line.mine) as owner:
        token = await owner.token()
    async with line.client(None if which == "none" else line.other) as thief:
        answer = await thief.request("GET", "/v1/messages", headers={"Authorization": f"Bearer {token}"})
    assert (answer.status, answer.json()["code"]) == (401, "unauthorized")
