"""For all tests: each leaves the log as a new process has it; which AS4 requirement it proves is kept."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog

from tests.fixtures.temporary import remove_process_folders
from tests.report import as4_results


def pytest_addoption(parser: pytest.Parser) -> None:
    as4_results.add_option(parser)


def pytest_configure(config: pytest.Config) -> None:
    as4_results.configure(config)


def pytest_unconfigure() -> None:
    remove_process_folders()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    as4_results.note_requirements(items)


@pytest.fixture(autouse=True)
def log_left_as_it_was() -> Iterator[None]:
    """A command that runs inside a test sets the level of the log for the whole process, and a later test
    would miss the entries that it looks for."""
    yield
    structlog.reset_defaults()
