"""How long a look at personal data lasts: the setting arrives where reveals are made, within its bounds."""

from __future__ import annotations

import dataclasses
import datetime as dt
from pathlib import Path

import pytest

from gateway.cli.setup import make_instance
from gateway.config import make_settings
from gateway.core.errors import ConfigError
from gateway.core.reveal import LONGEST, SHORTEST
from gateway.instance import Instance
from gateway.store import open_store
from tests.fixtures.databases import PlainKeys


def test_the_bounds_are_those_of_the_rule() -> None:
    """5 to 15 minutes, as ``gateway.core.reveal`` says; anything else is refused."""
    for seconds in (SHORTEST.total_seconds(), LONGEST.total_seconds()):
        assert make_settings({"console": {"reveal_s": seconds}}).console.reveal().total_seconds() == seconds
    for seconds in (SHORTEST.total_seconds() - 1, LONGEST.total_seconds() + 1):
        with pytest.raises(ConfigError):
            make_settings({"console": {"reveal_s": seconds}})


def test_it_arrives_where_reveals_are_made(tmp_path: Path) -> None:
    """The use cases get the value that is set."""
    make_instance(tmp_path / "gw")
    instance = Instance.load(tmp_path / "gw")
    store = open_store(f"sqlite:///{tmp_path}/x.db", keyring=PlainKeys(), create=True)
    assert instance.exchange(store).reveal == dt.timedelta(minutes=10)
    changed = dataclasses.replace(instance, settings=make_settings({"console": {"reveal_s": 420}}))
    assert changed.exchange(store).reveal == dt.timedelta(minutes=7)
