"""The database password comes from a file, never from the settings."""

from pathlib import Path

import pytest

from gateway.cli.setup import make_instance
from gateway.core.errors import ConfigError
from gateway.instance import Instance


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("instance") / "gateway"
    database = {"url": "postgresql://passerelle@db.example/passerelle", "password_file": "secret.txt"}
    make_instance(path, {"database": database})
    return path


def test_the_password_of_the_file_is_in_the_address(folder: Path) -> None:
    """The file's text, without its line end, is the password of the connection."""
    (folder / "secret.txt").write_text("s3cr:t/@\n", "utf-8")
    url = Instance.load(folder).database_url
    assert url == "postgresql://passerelle:s3cr%3At%2F%40@db.example/passerelle"


def test_a_missing_file_is_named_with_its_cure(folder: Path) -> None:
    """No file, no silent connection without a password."""
    (folder / "secret.txt").unlink(missing_ok=True)
    with pytest.raises(ConfigError, match=r"database\.password_file: .* cannot be read"):
        _ = Instance.load(folder).database_url
