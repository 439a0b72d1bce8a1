"""Plans against SQLAlchemy itself, on one connection of a real SQLite file."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import bindparam, create_engine, insert, select, text, update
from sqlalchemy.exc import IntegrityError, MultipleResultsFound

from gateway.store import tables as t
from gateway.store.prepared import Plans, PreparedConnection

NOW = dt.datetime(2026, 11, 18, 9, 15, 30, 250_000, tzinfo=dt.UTC)
INSERT = insert(t.breakers)
ALL = select(t.breakers).order_by(t.breakers.c.endpoint)
ONE = select(t.breakers).where(t.breakers.c.endpoint == bindparam("name"), t.breakers.c.paused == 0)
SET = (
    update(t.breakers)
    .where(t.breakers.c.endpoint == bindparam("name"))
    .values(opened_at=bindparam("at"))
    .returning(t.breakers.c.opened_at)
)
LIST = select(t.breakers.c.endpoint).where(t.breakers.c.endpoint.in_(bindparam("names", expanding=True)))


def row(name: str) -> dict[str, object]:
    return {"endpoint": name, "consecutive_failures": 2, "opened_at": NOW, "probe_at": None, "paused": 0}


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[PreparedConnection]:
    engine = create_engine(f"sqlite:///{tmp_path / 'plans.db'}", hide_parameters=True)
    t.breakers.create(engine)
    with engine.connect() as inner:
        prepared = PreparedConnection(inner, Plans(engine.dialect))
        prepared.execute(INSERT, [row("a"), row("b")])
        yield prepared
    engine.dispose()


def test_a_plan_gives_what_sqlalchemy_gives(connection: PreparedConnection) -> None:
    """The first run goes through SQLAlchemy, the later ones through the plan: same rows, types and names."""
    for statement, values in ((ALL, None), (ONE, {"name": "a"}), (LIST, {"names": ["a", "b"]})):
        runs = [connection.execute(statement, values).all() for _ in range(3)]
        assert [[tuple(r) for r in rows] for rows in runs[1:]] == [[tuple(r) for r in runs[0]]] * 2
        assert [r.endpoint for r in runs[2]] == [r.endpoint for r in runs[0]] != []
    assert connection.execute(ONE, {"name": "a"}).mappings().all()[0]["opened_at"] == NOW


def test_writes_count_return_and_convert(connection: PreparedConnection) -> None:
    """Many rows, RETURNING and rowcount, before and after a plan is made."""
    later = NOW + dt.timedelta(hours=1)
    for _ in range(3):
        assert connection.execute(SET, {"name": "b", "at": later}).scalar_one() == later
    connection.execute(INSERT, [row("c"), row("d")])
    connection.execute(INSERT, row("e"))
    assert connection.execute(ALL).scalars().all() == ["a", "b", "c", "d", "e"]


def test_errors_are_those_of_sqlalchemy(connection: PreparedConnection) -> None:
    """A taken key raises IntegrityError without values; two rows where one is expected raise too."""
    for _ in range(2):
        with pytest.raises(IntegrityError) as caught:
            connection.execute(INSERT, row("a"))
        assert "'a'" not in str(caught.value)
    for _ in range(2):
        with pytest.raises(MultipleResultsFound):
            connection.execute(ALL).one_or_none()


def test_plain_text_goes_through_sqlalchemy(connection: PreparedConnection) -> None:
    """Text has no known columns, however often it runs."""
    statement = text(f"SELECT count(*) FROM {t.breakers.name}")  # noqa: S608 — our own table's name
    assert [connection.execute(statement).scalar_one() for _ in range(3)] == [2, 2, 2]
