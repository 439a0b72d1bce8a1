"""Damaged bundles: whatever octets change, the verifier answers, and never that all is well."""

from __future__ import annotations

import hashlib
import json
import random

from gateway.core.proofs import bundle
from gateway.core.proofs.bundle import NoBundle
from gateway.flows.evidence import evidence_bundle
from tests.fixtures.ends import make_ends
from tests.fixtures.proofs import exchange_of, outbound
from tests.fixtures.uk_gateway import es256

_ROUNDS = 400


def _damaged(content: bytes, chance: random.Random) -> bytes:
    """One octet changed, a stretch removed or repeated, or the file cut off."""
    at = chance.randrange(max(1, len(content)))
    match chance.randrange(4):
        case 0:
            return content[:at] + bytes([content[at] ^ (1 << chance.randrange(8))]) + content[at + 1 :]
        case 1:
            return content[:at] + content[at + chance.randrange(1, 40) :]
        case 2:
            return content[:at] + content[at : at + 30] * 2 + content[at + 30 :]
        case _:
            return content[:at]


async def test_no_damage_goes_unnoticed() -> None:
    """Every file, hundreds of ways, with digests in the manifest as they were: a report that fails, or the
    error that says that this is no bundle; never another exception."""
    signer, chance = es256(), random.Random(20261123)
    async with make_ends() as ends:
        exchange = exchange_of(ends, signer)
        record, _ = await outbound(ends, exchange, signer)
        files = bundle.unpack(await evidence_bundle(exchange, record.message_id))
    assert bundle.judge(files, known=exchange.known).ok
    names = sorted(files)
    for _ in range(_ROUNDS):
        name = chance.choice(names)
        bad = _damaged(files[name], chance)
        if bad == files[name]:
            continue
        try:
            report = bundle.judge({**files, name: bad}, known=exchange.known)
        except NoBundle:
            continue
        assert not report.ok, name


async def test_damaged_proofs_with_fitting_digests_do_not_crash() -> None:
    """As above, but digests are made to fit, so that every parser meets the damage itself."""
    signer, chance = es256(), random.Random(20261124)
    async with make_ends() as ends:
        exchange = exchange_of(ends, signer)
        record, _ = await outbound(ends, exchange, signer)
        files = bundle.unpack(await evidence_bundle(exchange, record.message_id))
    proofs = [name for name in sorted(files) if name[:2].isdigit()]
    refused = 0
    for _ in range(_ROUNDS):
        name = chance.choice(proofs)
        bad = _damaged(files[name], chance)
        manifest = json.loads(files[bundle.MANIFEST])
        for row in manifest["files"]:
            if row["name"] == name:
                row["sha256"] = hashlib.sha256(bad).hexdigest()
        report = bundle.judge(
            {**files, name: bad, bundle.MANIFEST: json.dumps(manifest).encode()}, known=exchange.known
        )
        (proof,) = [p for p in report.proofs if p.name == name]
        refused += proof.mark.value == "fails"
        assert not report.ok  # the manifest's signature is gone in any case
    # what remains are changes that mean nothing: white space outside signed parts, unread members
    assert refused > _ROUNDS * 0.8
