"""Commands given what they cannot use: one error with its cure, the right exit status, never a traceback."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli.main import app, main
from gateway.core.people import LANGUAGES
from tests.fixtures.people import PASSWORD

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An instance with a viewer whose password is known."""
    folder = tmp_path_factory.mktemp("wrong") / "uk"
    for words, typed in (
        (["init", str(folder), "--client", "ours"], ""),
        (
            ["-C", str(folder), "users", "add", "vera", "--role", "viewer", "--password-stdin"],
            f"{PASSWORD}\n",
        ),
    ):
        done = CliRunner().invoke(app, words, input=typed)
        assert done.exit_code == 0, done.output
    return folder


@pytest.fixture
def folder(template: Path, tmp_path: Path) -> Path:
    shutil.copytree(template, tmp_path / "uk")
    return tmp_path / "uk"


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Runs the program as its entry point does: exit status, standard output, standard error."""
    monkeypatch.setenv("PASSERELLE_CONSOLE__UNSAFE_OPTIONAL_SECOND_FACTOR", "true")

    def called(folder: Path, *words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["passerelle", "-C", str(folder), *words])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, printed.out, " ".join(printed.err.split())

    return called


@pytest.mark.parametrize(
    "words",
    [
        ("messages", "list"),
        ("deadlines", "clocks"),
        ("settings", "show"),
        ("keys", "list"),
        ("keys", "rotate", "jws"),
        ("partner", "show"),
        ("client", "register", "somebody"),
    ],
)
def test_a_folder_that_is_none(call: Call, tmp_path: Path, words: tuple[str, ...]) -> None:
    """The error names the folder and how to name another; nothing is written there."""
    code, _, said = call(tmp_path, *words)
    assert code == 1
    assert f"{tmp_path} is no instance folder: name one with -C DIR or PASSERELLE_FOLDER" in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "where"),
    [
        (("messages", "show", "[/nothing]"), "messages list"),
        (("messages", "replay", "nothing", "--reason", "test"), "messages list"),
        (("messages", "list", "--endpoint", "nothing"), "endpoints list"),
        (("cases", "show", "nothing"), "cases list"),
        (("deadlines", "list", "--reference", "nothing"), "cases list"),
        (("holds", "show", "nothing"), "holds list"),
        (("batches", "show", "nothing"), "batches list"),
        (("alerts", "show", "nothing"), "alerts list"),
        (("endpoints", "pause", "nothing", "--reason", "test"), "endpoints list"),
        (("users", "show", "nothing"), "users list"),
        (("evidence", "show", "nothing"), "messages list"),
    ],
)
def test_an_unknown_id_names_the_list(call: Call, template: Path, words: tuple[str, ...], where: str) -> None:
    """Where ids are found is the cure of every id that is not there."""
    code, out, said = call(template, *words)
    assert (code, out) == (1, "")
    assert "error: no such" in said
    assert said.endswith(f"cure: see: passerelle {where}")


@pytest.mark.parametrize(
    ("words", "known"),
    [
        (("messages", "list", "--status", "lost"), "'rejected'"),
        (("deadlines", "list", "--owed-by", "nobody"), "uk, fr, both"),
        (("deadlines", "list", "--before", "tomorrow"), "2026-11-23 14:30:00Z"),
        (("audit", "list", "--from", "tomorrow"), "2026-11-23 14:30:00Z"),
        (("report", "weekly", "--format", "pdf"), "json, csv, html"),
        (("report", "weekly", "--lang", "de"), ", ".join(LANGUAGES)),
        (("users", "change", "vera", "--language", "de"), ", ".join(LANGUAGES)),
        (("holds", "release", "nothing", "--reason", "test"), "--as"),
        (("rules", "list", "--place", "Art 99"), "Art 8, Art 12"),
    ],
)
def test_a_word_that_is_not_understood(
    call: Call, template: Path, words: tuple[str, ...], known: str
) -> None:
    """Exit status 2, and what would be understood."""
    code, out, said = call(template, *words)
    assert (code, out) == (2, "")
    assert known in said.replace(" │ │ ", " ")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("cases", "list", "--status", "lost"), "cure: one of: requested"),
        (("ledger", "list", "--week", "48"), "a week is written YYYY-Www"),
        (("client", "token", "--client", "nobody"), "cure: passerelle client register"),
    ],
)
def test_a_value_that_cannot_be(call: Call, template: Path, words: tuple[str, ...], text: str) -> None:
    """A list that stays empty would look like good news."""
    code, out, said = call(template, *words)
    assert (code, out) == (1, "")
    assert text in said


@pytest.mark.parametrize(
    "words",
    [
        ("rules", "try", "FILE"),
        ("evidence", "verify", "FILE"),
        ("returned", "import", "FILE", "--reason", "test"),
        ("send", "FILE"),
        ("client", "sign", "FILE"),
        ("users", "import", "FILE"),
    ],
)
def test_a_file_that_is_not_there(call: Call, template: Path, tmp_path: Path, words: tuple[str, ...]) -> None:
    """Its name and the system's reason, in one form everywhere."""
    file = str(tmp_path / "missing")
    code, out, said = call(template, *(file if word == "FILE" else word for word in words))
    assert (code, out) == (1, "")
    assert said.startswith(f"error: {file} cannot be read: No such file or directory")


@pytest.mark.parametrize(
    "words", [("report", "weekly", "--output", "FILE"), ("messages", "export", "-o", "FILE")]
)
def test_a_place_that_cannot_be_written(
    call: Call, template: Path, tmp_path: Path, words: tuple[str, ...]
) -> None:
    """The same for what is written."""
    file = str(tmp_path / "missing" / "file")
    code, out, said = call(template, *(file if word == "FILE" else word for word in words))
    assert (code, out) == (1, "")
    assert said.startswith(f"error: {file} cannot be written: No such file or directory cure: ")


def test_a_database_that_is_away(call: Call, folder: Path) -> None:
    """Reading and acting say so, and where to look; the check goes on and tells it as an error."""
    for file in folder.glob("passerelle.db*"):
        file.unlink()
    (folder / "passerelle.db").mkdir()
    for words in (("messages", "list"), ("overview",), ("users", "list"), ("audit", "verify")):
        code, out, said = call(folder, *words)
        assert (code, out) == (1, "")
        assert said.startswith("error: The database cannot be reached")
        assert "cure: see: passerelle check --database" in said
    code, out, said = call(folder, "check", "--database", "--json")
    assert code == 1
    assert {"database": "error"}.items() <= {row["setting"]: row["level"] for row in json.loads(out)}.items()


def test_who_may_not_is_told_what_helps(
    call: Call, template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong password, and the right one of somebody without the role."""
    given = tmp_path / "password"
    monkeypatch.setenv("PASSERELLE_PASSWORD_FILE", str(given))
    words = ("endpoints", "pause", "FR-MI-AS4", "--reason", "test", "--as", "vera")
    given.write_text("wrong\n", "utf-8")
    code, _, said = call(template, *words)
    assert code == 1
    assert "the name or the password is wrong (signin.refused) cure: see: passerelle users list" in said
    given.write_text(f"{PASSWORD}\n", "utf-8")
    code, _, said = call(template, *words)
    assert code == 1
    assert "this needs the permission pause, which none of your roles gives (forbidden) cure: " in said


@pytest.mark.parametrize("text", ["2000-01-02", "2000-01-02 13:30:20Z", "2000-01-02T14:30:20.000+01:00"])
def test_times_are_taken_as_they_are_printed(call: Call, template: Path, text: str) -> None:
    """From tables, from JSON, from the other side's mail."""
    assert call(template, "audit", "list", "--to", text, "--json")[:2] == (0, "[]\n")
    code, out, _ = call(template, "audit", "list", "--limit", "1", "--from", text, "--json")
    assert (code, len(json.loads(out))) == (0, 1)
