"""One world for the tests of a module; each test has cases of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fixtures.world import World, make_world


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with make_world() as made:
        yield made
        for name in ("gateway", "ministry"):  # shown by pytest when a test of the module failed
            for line in made.log(name).splitlines():
                if '"level": "error"' in line or "Traceback" in line:
                    print(name, line)
