"""The peer, our end and the table of results: once per session."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.register_assert_rewrite(
    "tests.interop.plays", "tests.interop.scenarios_good", "tests.interop.scenarios_bad"
)

from tests.interop.certificates import Certificates  # noqa: E402 — their asserts are rewritten first
from tests.interop.ours import OurEnd, our_end  # noqa: E402 — their asserts are rewritten first
from tests.interop.phase4 import PeerMissing, Phase4, running  # noqa: E402 — their asserts are rewritten first


@pytest.fixture(scope="session")
def certificates() -> Certificates:
    return Certificates()


@pytest.fixture(scope="session")
def session_peer(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[Phase4]:
    try:
        with running(tmp_path_factory.mktemp("phase4"), certificates) as peer:
            yield peer
    except PeerMissing as exc:
        pytest.skip(f"interop not run: {exc}")


@pytest.fixture
def peer(session_peer: Phase4) -> Phase4:
    """phase4 with nothing received, no MessageId known and nothing configured."""
    session_peer.reset()
    return session_peer


@pytest.fixture(scope="session")
def session_end(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[OurEnd]:
    with our_end(tmp_path_factory.mktemp("ours"), certificates) as end:
        yield end


@pytest.fixture
def ours(session_end: OurEnd) -> OurEnd:
    """Our end with nothing received."""
    session_end.reset()
    return session_end


@pytest.fixture
def payload_folder(tmp_path: Path) -> Path:
    return tmp_path
