"""Statements of SQLAlchemy, compiled once and then run on ``sqlite3`` itself.

On an embedded database SQLAlchemy's execution layer costs ten times what the database does: cache keys,
contexts, cursors, events, some 0.2 ms for each of the forty statements of a message. So a statement object
that is used again keeps its SQL, its order of parameters and its type conversions (all of them SQLAlchemy's
own), and later runs only convert, execute and fetch. What this cannot do (expanding lists, statements built
for one use, Python-side defaults) goes through SQLAlchemy on the same connection, in the same transaction.
"""

from __future__ import annotations

import sqlite3
from collections import namedtuple
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Connection
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import DBAPIError, MultipleResultsFound, NoResultFound
from sqlalchemy.sql.compiler import SQLCompiler

Convert = Callable[[Any], Any] | None
Values = Mapping[str, Any]


class Result:
    """The part of SQLAlchemy's result that the store uses; all rows are read at once."""

    __slots__ = ("_rows", "rowcount")

    def __init__(self, rows: list[Any], rowcount: int) -> None:
        self._rows, self.rowcount = rows, rowcount

    def __iter__(self) -> Iterator[Any]:
        return iter(self._rows)

    def all(self) -> list[Any]:
        return self._rows

    def first(self) -> Any:
        return self._rows[0] if self._rows else None

    def one_or_none(self) -> Any:
        if len(self._rows) > 1:
            raise MultipleResultsFound("one row was expected")
        return self.first()

    def one(self) -> Any:
        if not self._rows:
            raise NoResultFound("a row was expected")
        return self.one_or_none()

    def scalar_one_or_none(self) -> Any:
        row = self.one_or_none()
        return None if row is None else row[0]

    def scalar_one(self) -> Any:
        return self.one()[0]

    def scalars(self) -> Result:
        return Result([row[0] for row in self._rows], self.rowcount)

    def mappings(self) -> Result:
        return Result([row._asdict() for row in self._rows], self.rowcount)


@dataclass(frozen=True, slots=True)
class _Plan:
    """``inputs``: (name, conversion) of each ``?``; the name None marks a constant in the second place."""

    sql: str
    inputs: tuple[tuple[str | None, Any], ...]
    outputs: tuple[Convert, ...]
    row: Any

    def parameters(self, values: Values) -> list[Any]:
        return [
            convert if name is None else values[name] if convert is None else convert(values[name])
            for name, convert in self.inputs
        ]

    def rows(self, found: list[Any]) -> list[Any]:
        make, outputs = self.row, self.outputs
        return [make(*[v if c is None else c(v) for v, c in zip(row, outputs, strict=True)]) for row in found]


def _plan(statement: Any, names: frozenset[str], dialect: Dialect) -> _Plan | None:
    """How to run it, or None when SQLAlchemy has to."""
    if not hasattr(statement, "exported_columns"):
        return None  # plain text: its columns are not known
    compiled = statement.compile(dialect=dialect, column_keys=sorted(names))
    if (
        not isinstance(compiled, SQLCompiler)
        or compiled.positiontup is None
        or compiled.post_compile_params
        or compiled.insert_prefetch
        or compiled.update_prefetch
    ):
        return None
    inputs: list[tuple[str | None, Any]] = []
    for position in compiled.positiontup:
        bind = compiled.binds[position]
        convert = bind.type.dialect_impl(dialect).bind_processor(dialect)
        if bind.callable is not None:
            return None
        if bind.key in names:
            inputs.append((bind.key, convert))
        elif bind.required:
            return None  # SQLAlchemy says what is missing
        else:
            inputs.append((None, bind.value if convert is None else convert(bind.value)))
    columns = tuple(statement.exported_columns)
    return _Plan(
        sql=str(compiled),
        inputs=tuple(inputs),
        outputs=tuple(c.type.dialect_impl(dialect).result_processor(dialect, None) for c in columns),
        row=namedtuple("Row", [str(c.key) for c in columns], rename=True),
    )


class Plans:
    """Plans of the statements that one database runs again and again; those that are gone are forgotten."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._known: WeakKeyDictionary[Any, dict[frozenset[str], _Plan | None]] = WeakKeyDictionary()

    def find(self, statement: Any, names: frozenset[str]) -> _Plan | None:
        """None at first sight: a statement built for one use is not worth a plan."""
        known = self._known.get(statement)
        if known is None:
            self._known[statement] = {}
            return None
        if names not in known:
            known[names] = _plan(statement, names, self._dialect)
        return known[names]


class PreparedConnection:
    """Stands in for ``sqlalchemy.Connection`` inside an open transaction on SQLite."""

    __slots__ = ("_connection", "_plans", "_raw", "dialect")

    def __init__(self, connection: Connection, plans: Plans) -> None:
        raw = connection.connection.driver_connection
        assert isinstance(raw, sqlite3.Connection)  # noqa: S101 — narrows the driver's type
        self._raw, self._connection, self._plans = raw, connection, plans
        self.dialect = connection.dialect

    def execute(self, statement: Any, parameters: Any = None) -> Any:
        """As ``Connection.execute``: raises the same errors."""
        rows: Sequence[Values] = (
            parameters if parameters and isinstance(parameters, list) else [parameters or {}]
        )
        plan = self._plans.find(statement, frozenset(rows[0]))
        if plan is None:
            return self._connection.execute(statement, parameters)
        try:
            if len(rows) != 1:
                raw = self._raw.executemany(plan.sql, [plan.parameters(values) for values in rows])
                return Result([], raw.rowcount)
            cursor = self._raw.execute(plan.sql, plan.parameters(rows[0]))
            found = cursor.fetchall() if cursor.description is not None else []
        except sqlite3.Error as error:
            raise self._translated(plan.sql, error) from error
        return Result(plan.rows(found) if found else found, cursor.rowcount)

    def execute_sql(self, sql: str) -> None:
        """A command without parameters and answer: BEGIN, COMMIT, PRAGMA."""
        try:
            self._raw.execute(sql).close()
        except sqlite3.Error as error:
            raise self._translated(sql, error) from error

    def end(self) -> None:
        """Rolls back what was not committed."""
        if self._raw.in_transaction:
            self._raw.rollback()

    def _translated(self, sql: str, error: sqlite3.Error) -> BaseException:
        return DBAPIError.instance(
            sql, None, error, sqlite3.Error, hide_parameters=True, dialect=self.dialect
        )
