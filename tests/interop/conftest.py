"""The peer, our end and the table of results: once per session."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import pytest

pytest.register_assert_rewrite(
    "tests.interop.plays",
    "tests.interop.scenarios_good",
    "tests.interop.scenarios_answers",
    "tests.interop.scenarios_refused_in",
    "tests.interop.scenarios_refused_out",
    "tests.interop.gateway_plays",
    "tests.interop.gateway_worlds",
    "tests.interop.scenarios_profile2",
)

# ruff: noqa: E402 — what is imported from here on has its asserts rewritten
from gateway import sandbox
from gateway.clock import SystemClock
from gateway.core.treaty.agreement import load_agreement
from gateway.keys import add_profile
from tests.fixtures.agreements import PULLED_UK, agreement_text
from tests.fixtures.world import make_world
from tests.interop import table
from tests.interop.agreement import SUITES
from tests.interop.certificates import Certificates
from tests.interop.gateway_plays import NEWER, PULLED, PUSHED, Ministry
from tests.interop.line import line
from tests.interop.maven import PeerMissing
from tests.interop.ours import OurEnd, our_end
from tests.interop.phase4 import (
    Phase4,
    french_configuration,
    ministry_configuration,
    ministry_pmodes,
    running,
)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    table.note(report)


def pytest_sessionfinish() -> None:
    """``INTEROP_TABLE=FILE`` (``make interop``) writes the table of all scenarios there."""
    path = os.environ.get("INTEROP_TABLE")
    if path:
        table.write(Path(path))


@pytest.fixture(scope="session")
def certificates() -> Certificates:
    return Certificates()


@contextmanager
def _peer(folder: Path, configure: Callable[[Path], tuple[int, int]]) -> Iterator[Phase4]:
    try:
        with running(folder, configure) as peer:
            table.versions.update(peer.status())
            yield peer
    except PeerMissing as exc:
        pytest.skip(f"interop not run: {exc}")


@pytest.fixture(scope="session")
def session_peer(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[Phase4]:
    folder = tmp_path_factory.mktemp("phase4")
    with _peer(folder, partial(french_configuration, certificates=certificates)) as peer:
        yield peer


@contextmanager
def _ministry(folder: Path, *, suite: str = "rsa", **ways: str) -> Iterator[Ministry]:
    """The real gateway process, and phase4 in the place of the French ministry."""
    settings = {
        "france": {"total_timeout_s": 30},
        "worker": {"lease_s": 40},
        "pull": {"lease_s": 2, "receipt_timeout_s": 2},
    }
    old, new = (f'security = "{SUITES[s].value}"' for s in ("rsa", suite))
    text = agreement_text(**ways).replace(old, new)
    agreed = load_agreement(text.encode())
    with make_world(start=False, settings=settings, agreement=text) as world:
        if suite != "rsa":
            for side in (world.uk, world.fr):
                add_profile(side, SUITES[suite], now=SystemClock().now())
            sandbox.trust_each_other(world.uk, world.fr)
        shipped = suite == "rsa" and not ways
        configure = partial(
            ministry_configuration, world=world, agreement=agreed, suite=suite, exported=shipped
        )
        with _peer(folder, configure) as peer, line(world.french_port, peer.as4_port) as between:
            world.start_gateway()
            pmodes = ministry_pmodes(agreed)
            yield Ministry(world=world, peer=peer, line=between, pmodes=pmodes, suite=suite)


_WORLDS: dict[str, dict[str, str]] = {
    PUSHED: {},
    PULLED: {"uk_to_fr": PULLED_UK},
    NEWER: {"suite": "ed25519"},
}


@pytest.fixture(scope="session")
def session_ministries(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Ministry]]:
    """Each world is started when it is first asked for, and they end with the session."""
    running_ones: dict[str, Ministry] = {}
    with ExitStack() as stack:

        def get(name: str) -> Ministry:
            if name not in running_ones:
                folder = tmp_path_factory.mktemp(name)
                running_ones[name] = stack.enter_context(_ministry(folder, **_WORLDS[name]))
            return running_ones[name]

        yield get


@pytest.fixture
def ministry_of(session_ministries: Callable[[str], Ministry]) -> Callable[[str], Ministry]:
    """World → the gateway and phase4 in it, with nothing received by phase4."""

    def get(name: str) -> Ministry:
        found = session_ministries(name)
        found.peer.reset()
        return found

    return get


@pytest.fixture
def ministry(ministry_of: Callable[[str], Ministry]) -> Ministry:
    return ministry_of(PUSHED)


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


@pytest.fixture(scope="session")
def session_suites(
    tmp_path_factory: pytest.TempPathFactory, certificates: Certificates
) -> Iterator[dict[str, OurEnd]]:
    with ExitStack() as stack:
        yield {
            suite: stack.enter_context(our_end(tmp_path_factory.mktemp(suite), certificates, suite))
            for suite in ("ed25519", "ecdsa")
        }


@pytest.fixture
def suites(session_suites: dict[str, OurEnd]) -> dict[str, OurEnd]:
    """Our end by the suites of profile 2.0, with nothing received."""
    for end in session_suites.values():
        end.reset()
    return session_suites
