"""After a rotation what earlier keys signed still verifies: they stay published."""

from pathlib import Path

from gateway.cli.setup import make_instance
from gateway.core.jws import Alg, public_jwk, signer_of
from gateway.instance import Instance
from gateway.keys import rotate
from gateway.store import open_store
from gateway.web.rest.clients import ClientRegistry
from gateway.web.services import SERVICES
from gateway.wiring import make_uk_app


def test_earlier_keys_stay_in_use_for_verification(tmp_path: Path) -> None:
    """The new key signs; the rotated ones are among those that verify answers and tokens."""
    make_instance(tmp_path / "gateway")
    before = Instance.load(tmp_path / "gateway")
    for purpose in ("jws", "token"):
        rotate(tmp_path / "gateway", purpose, now=before.clock.now())
    after = Instance.load(tmp_path / "gateway")
    store = open_store(f"sqlite:///{tmp_path}/test.db", keyring=after.keyring, create=True)
    clients = ClientRegistry(clients={})
    services = make_uk_app(after, after.exchange(store, clients), clients)[SERVICES]
    old = {public_jwk_of(k)["x"] for k in (before.keyring.jws[0], before.keyring.token[0])}
    signers = (*services.exchange.earlier_signers, *services.earlier_token_signers)
    assert {public_jwk(s.verification_key)["x"] for s in signers} == old
    assert public_jwk(services.exchange.signer.verification_key)["x"] not in old


def public_jwk_of(key: object) -> dict[str, str]:
    """The public JWK of a private key of the key ring."""
    return public_jwk(signer_of(key, Alg.ES256).verification_key)  # type: ignore[arg-type]
