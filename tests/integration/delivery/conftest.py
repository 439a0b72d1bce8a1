"""One world for the tests of a module; each test has cases of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fixtures.world import World, make_world


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with make_world() as made:
        yield made
