"""Two instances: as ``init`` makes them, and with the keys of every security profile."""

from __future__ import annotations

import shutil

import pytest

from gateway.keys import (
    FR,
    UK,
    add_profile,
    generate_instance,
)
from tests.fixtures import profile2 as p2
from tests.fixtures.profile_world import NOW, World


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Two instances as ``init`` makes them."""
    folder = tmp_path_factory.mktemp("bare")
    world = World(folder / "uk", folder / "fr")
    generate_instance(world.uk, identity=UK, now=NOW)
    generate_instance(world.fr, identity=FR, now=NOW)
    world.trust_again()
    return world


@pytest.fixture(scope="module")
def world(bare: World, tmp_path_factory: pytest.TempPathFactory) -> World:
    """Two instances with the keys of every profile."""
    folder = tmp_path_factory.mktemp("full")
    world = World(
        shutil.copytree(bare.uk, folder / "uk"),
        shutil.copytree(bare.fr, folder / "fr"),
    )
    for end in (world.uk, world.fr):
        for profile in p2.NEW:
            add_profile(end, profile, now=NOW)
    world.trust_again()
    return world
