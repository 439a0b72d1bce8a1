"""``passerelle evidence``, ``messages show``, ``cases show`` as a user runs them, above real proofs."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.core.jws import public_jwk
from gateway.core.proofs import bundle
from gateway.flows.exchange import Exchange
from tests.fixtures.ends import Ends, make_ends
from tests.fixtures.proofs import exchange_of, outbound
from tests.fixtures.uk_gateway import es256

PROGRAM = Path(sys.executable).parent / "passerelle"


@dataclass
class Delivered:
    """One delivered message in an instance folder, and the octets that were posted."""

    ends: Ends
    exchange: Exchange
    message_id: str
    reference: str
    body: bytes

    async def run(self, *words: str | Path, folder: Path | None = None, ok: bool = True) -> Any:
        """The command in its own process; its exit status must fit."""
        where = folder or self.ends.instance.folder
        command = [str(PROGRAM), "-C", str(where), *map(str, words)]

        def call() -> subprocess.CompletedProcess[str]:
            return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

        done = await asyncio.to_thread(call)
        assert (done.returncode == 0) is ok, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        return done


@pytest.fixture
async def delivered() -> AsyncIterator[Delivered]:
    signer = es256()
    async with make_ends() as ends:
        exchange = exchange_of(ends, signer)
        record, body = await outbound(ends, exchange, signer)
        yield Delivered(ends, exchange, record.message_id, record.reference, body)


def trusted(exchange: Exchange, folder: Path) -> Path:
    """What somebody gets by another way than the bundle: certificates and keys."""
    folder.mkdir()
    for n, (certificate, _) in enumerate(exchange.known.certificates):
        (folder / f"{n}.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    for n, certificate in enumerate(exchange.known.anchors):
        (folder / f"ca{n}.crt").write_bytes(certificate.public_bytes(Encoding.PEM))
    jwks = {"keys": [public_jwk(exchange.signer.verification_key)]}
    (folder / "gateway.json").write_text(json.dumps(jwks), "utf-8")
    return folder


async def test_a_bundle_is_verified_without_a_gateway(delivered: Delivered, tmp_path: Path) -> None:
    """Exported, carried away, verified with given certificates alone; changed bundles exit with 1."""
    file, nowhere = tmp_path / "evidence.zip", tmp_path / "empty"
    nowhere.mkdir()
    await delivered.run("evidence", "export", delivered.message_id, "--to", file)
    trust = trusted(delivered.exchange, tmp_path / "trust")
    done = await delivered.run("evidence", "verify", file, "--trust", trust, "--json", folder=nowhere)
    report = json.loads(done.stdout)
    assert report["ok"]
    assert report["message"]["message_id"] == delivered.message_id
    body = tmp_path / "body.json"
    body.write_bytes(delivered.body)
    await delivered.run("evidence", "verify", file, "--trust", trust, "--body", body, folder=nowhere)
    body.write_bytes(delivered.body + b"\n")
    await delivered.run(
        "evidence", "verify", file, "--trust", trust, "--body", body, folder=nowhere, ok=False
    )

    files = bundle.unpack(file.read_bytes())
    name = next(n for n in files if "as4-receipt" in n)
    file.write_bytes(bundle.pack({**files, name: files[name].replace(b"DigestValue>", b"DigestValue>A", 1)}))
    done = await delivered.run("evidence", "verify", file, "--trust", trust, folder=nowhere, ok=False)
    assert "✗" in done.stdout


async def test_somebody_must_be_trusted(delivered: Delivered, tmp_path: Path) -> None:
    """With an instance its own certificates are used; without any source the command refuses, unless it is
    told to believe the bundle, which its name says is unsafe."""
    file, nowhere = tmp_path / "evidence.zip", tmp_path / "empty"
    nowhere.mkdir()
    await delivered.run("evidence", "export", delivered.message_id, "--to", file)
    await delivered.run("evidence", "verify", file)
    done = await delivered.run("evidence", "verify", file, folder=nowhere, ok=False)
    assert "--trust" in done.stderr
    await delivered.run("evidence", "verify", file, "--unsafe-trust-bundle", folder=nowhere)
    await delivered.run("evidence", "verify", file, "--trust", nowhere, folder=nowhere, ok=False)
    await delivered.run("evidence", "verify", tmp_path / "none.zip", ok=False)


async def test_show_gives_what_the_pages_show(delivered: Delivered) -> None:
    """Message and case as JSON with the keys of the pages, masked; as text with holder and proofs."""
    shown = json.loads((await delivered.run("messages", "show", delivered.message_id, "--json")).stdout)
    assert shown["holding"]["holder"] == "french_system"
    assert shown["evidence"]["ok"]
    assert any(row["masked"] for row in shown["content"]["rows"])
    text = (await delivered.run("messages", "show", delivered.message_id)).stdout
    assert "the French system" in text
    assert "never sent again as new" in text
    case = json.loads((await delivered.run("cases", "show", delivered.reference, "--json")).stdout)
    assert case["line"][0]["status"] == "requested"
    assert "The life of the case" in (await delivered.run("cases", "show", delivered.reference)).stdout
    proofs = json.loads((await delivered.run("evidence", "show", delivered.message_id, "--json")).stdout)
    assert proofs["ok"]
