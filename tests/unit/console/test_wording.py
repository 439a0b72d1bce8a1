"""Every text of the console has a French wording, and no French wording lost its text."""

from __future__ import annotations

import re
from pathlib import Path

from contracts.codes import CaseKind
from gateway.core.records import MessageStatus
from gateway.core.treaty.clocks import DeadlineState
from gateway.core.treaty.states import NominationStatus, Readmission
from gateway.web.console import app, i18n

KINDS = (MessageStatus, CaseKind, Readmission, NominationStatus, DeadlineState)
CONSOLE = Path(app.__file__).parent
TEXT = re.compile(r"""_\(\s*(?:"([^"]+)"|'([^']+)')\s*\)""")


def used() -> set[str]:
    """Texts named in templates, and those that pages show as values."""
    found = {
        a or b
        for template in (CONSOLE / "templates").glob("*.html")
        for a, b in TEXT.findall(template.read_text("utf-8"))
    }
    found |= {str(v) for kind in KINDS for v in kind}
    found |= set(app.PROOF_NAMES.values())
    return found | {"Too many attempts: wait fifteen minutes.", "The name or the password is wrong."}


def test_every_text_is_translated() -> None:
    """An operator who reads French never meets English words."""
    assert used() - set(i18n.french()) == set()


def test_no_translation_is_left_over() -> None:
    """A wording that nothing shows any more is removed."""
    assert set(i18n.french()) - used() == set()


def test_english_is_shown_as_written() -> None:
    """English texts are the keys."""
    assert i18n.translate("Messages", "en") == "Messages"
    assert i18n.translate("Attempts", "fr") == "Tentatives"
