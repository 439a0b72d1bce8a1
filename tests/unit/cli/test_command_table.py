"""The table that help is made from agrees with the commands, and help imports none of them."""

from __future__ import annotations

import json
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType
from typing import Any

import pytest
import typer

import gateway.cli
from gateway.cli.commands import ENTRIES
from gateway.cli.main import app

HEAVY = ("aiohttp", "cryptography", "lxml", "pydantic", "sqlalchemy", "structlog")
HELP = """
import contextlib, io, json, sys
from gateway.cli import main
sys.argv = ["passerelle", "--help"]
with contextlib.redirect_stdout(io.StringIO()) as said, contextlib.suppress(SystemExit):
    main()
print(json.dumps({"said": said.getvalue(), "modules": sorted(sys.modules)}))
"""
MODULES = tuple(m.name for m in pkgutil.iter_modules(gateway.cli.__path__) if not m.ispkg)


def module(name: str) -> ModuleType:
    return import_module(f"gateway.cli.{name}")


def found(name: str) -> tuple[ModuleType, Any]:
    place, _, attribute = ENTRIES[name].place.partition(":")
    return module(place), getattr(module(place), attribute)


GROUPS = tuple(name for name in ENTRIES if isinstance(found(name)[1], typer.Typer))


def inside(group: typer.Typer) -> Iterator[typer.Typer]:
    """The group and those within it."""
    yield group
    for row in group.registered_groups:
        assert row.typer_instance is not None
        yield from inside(row.typer_instance)


@pytest.mark.parametrize("name", ENTRIES)
def test_the_line_is_what_the_command_says(name: str) -> None:
    """The first paragraph of its own help, to the letter; hidden where the table says so."""
    root: Any = typer.main.get_command(app)
    command = root.commands[name]
    assert command.name == name
    assert (command.help or "").partition("\n\n")[0].replace("\n", " ") == ENTRIES[name].says
    assert command.hidden is ENTRIES[name].hidden


@pytest.mark.parametrize("name", GROUPS)
def test_a_group_has_all_its_commands(name: str) -> None:
    """Each stands in a module that the table names, or is imported by the one that holds the group."""
    home, group = found(name)
    known = {home.__name__, *(f"gateway.cli.{other}" for other in ENTRIES[name].also)}
    for row in (row for part in inside(group) for row in part.registered_commands):
        assert row.callback is not None
        where = row.callback.__module__
        assert where in known or row.callback in vars(home).values(), f"{name}: {row.callback.__name__}"


def test_no_group_is_left_out() -> None:
    """Whatever group a module of the command line makes can be called."""
    called = [
        part for n in ENTRIES if isinstance(group := found(n)[1], typer.Typer) for part in inside(group)
    ]
    made = {
        f"{name}.{key}": value
        for name in MODULES
        for key, value in vars(module(name)).items()
        if isinstance(value, typer.Typer) and value is not app
    }
    assert len(made) >= 20
    assert [name for name, value in made.items() if all(value is not group for group in called)] == []


def test_help_imports_no_command() -> None:
    """It lists them all, and neither their modules nor the large libraries are imported for it."""
    done = subprocess.run([sys.executable, "-c", HELP], capture_output=True, text=True, check=True)
    seen = json.loads(done.stdout)
    shown = [name for name, entry in ENTRIES.items() if not entry.hidden]
    assert [name for name in shown if f" {name} " not in seen["said"]] == []
    assert " operators " not in seen["said"]
    places = {f"gateway.cli.{entry.place.partition(':')[0]}" for entry in ENTRIES.values()}
    assert places.isdisjoint(seen["modules"])
    assert set(HEAVY).isdisjoint(seen["modules"])
