"""For all tests: which AS4 requirement each one proves is kept with its result."""

from __future__ import annotations

import pytest

from tests.report import as4_results


def pytest_addoption(parser: pytest.Parser) -> None:
    as4_results.add_option(parser)


def pytest_configure(config: pytest.Config) -> None:
    as4_results.configure(config)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    as4_results.note_requirements(items)
