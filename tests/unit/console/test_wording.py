"""Every text of the console has a French wording, and no French wording lost its text."""

from __future__ import annotations

import re
from pathlib import Path

from babel.messages.pofile import read_po

from contracts.codes import CaseKind
from gateway.core.records import MessageStatus
from gateway.core.treaty.clocks import DeadlineState
from gateway.core.treaty.states import NominationStatus, Readmission
from gateway.web.console import app, i18n

KINDS = (MessageStatus, CaseKind, Readmission, NominationStatus, DeadlineState)
"""Values that pages show as words."""
CONSOLE = Path(app.__file__).parent
TEXT = r"""(?:"((?:[^"\\]|\\.)+)"|'([^']+)')"""
MARKED = re.compile(rf"""\b(?:_|N_)\(\s*{TEXT}\s*\)""")
COUNTED = re.compile(rf"""\bn_\(\s*{TEXT}\s*,\s*{TEXT}\s*,""")


def texts(path: Path) -> set[str]:
    """The English texts that one template or module names."""
    source = path.read_text("utf-8")
    found = [*MARKED.findall(source), *COUNTED.findall(source)]
    return {text for groups in found for text in groups if text}


def used() -> set[str]:
    """Texts named in templates and pages, and those that pages show as values."""
    files = [*(CONSOLE / "templates").rglob("*.html"), *CONSOLE.rglob("*.py")]
    return {t for file in files for t in texts(file)} | {str(v) for kind in KINDS for v in kind}


def test_every_text_is_translated() -> None:
    """An operator who reads French never meets English words."""
    assert used() - set(i18n.french()) == set()


def test_no_translation_is_left_over() -> None:
    """A wording that nothing shows any more is removed."""
    assert set(i18n.french()) - used() == set()


def test_one_text_has_one_wording() -> None:
    """Two areas do not say the same thing in different words."""
    seen: dict[str, str] = {}
    for path in sorted(i18n.FRENCH.glob("*.po")):
        with path.open("rb") as file:
            for entry in read_po(file, locale="fr"):
                if entry.id:
                    assert seen.setdefault(str(entry.id), str(entry.string)) == entry.string, entry.id


def test_english_is_shown_as_written() -> None:
    """English texts are the keys."""
    assert i18n.translate("Messages", "en") == "Messages"
    assert i18n.translate("Attempts", "fr") == "Tentatives"


def test_numbers_and_plurals() -> None:
    """French counts zero as one and sets thousands apart with a narrow space; English uses a comma."""
    assert i18n.number(1305, "en") == "1,305"
    assert i18n.number(-1305, "fr") == "\N{MINUS SIGN}1\N{NARROW NO-BREAK SPACE}305"
    assert i18n.plural("{n} message", "{n} messages", 0, "en") == "0 messages"
    assert i18n.plural("{n} message", "{n} messages", 0, "fr").startswith("0 message")
    assert i18n.plural("{n} message", "{n} messages", 1, "en") == "1 message"
