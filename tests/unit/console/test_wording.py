"""Every text of the console has a French wording, and no French wording lost its text."""

from __future__ import annotations

import ast
import datetime as dt
import re
from pathlib import Path

from babel.messages.pofile import read_po

from contracts.codes import CaseKind
from gateway import check
from gateway.config import Settings, section_of
from gateway.core.records import MessageStatus
from gateway.core.treaty.agreement import uk_fr
from gateway.core.treaty.clocks import DeadlineState, clocks_of
from gateway.core.treaty.rules_catalogue import catalogue, coverage
from gateway.core.treaty.states import NominationStatus, Readmission
from gateway.web.console import app, i18n, reasons, times, wording
from gateway.web.console.pages import settings

DESCRIBED = {
    text
    for field in Settings.model_fields.values()
    for text in (
        (section_of(field.annotation).__doc__ or "").strip().replace("``", "").split("\n")[0],
        *(setting.description or "" for setting in section_of(field.annotation).model_fields.values()),
    )
}
"""What the page of the settings says about each section and each setting."""
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
    values = {str(v) for kind in KINDS for v in kind}
    return {t for file in files for t in texts(file)} | values | DESCRIBED


def test_every_text_is_translated() -> None:
    """An operator who reads French never meets English words."""
    assert used() - set(i18n.french()) == set()


def test_no_translation_is_left_over() -> None:
    """A wording that nothing shows any more is removed."""
    assert set(i18n.french()) - used() == set()


def test_every_setting_is_described_in_both_languages() -> None:
    """Each section and each setting has a description, and each description its French."""
    assert "" not in DESCRIBED
    assert DESCRIBED - set(i18n.french()) == set()


def test_every_basis_is_said_in_french() -> None:
    """No article, row or step of a rule or time limit is left in English words."""
    bases = {rule.article for rule in catalogue()} | set(coverage())
    bases |= {clock.terms.article for clock in clocks_of(uk_fr()).values()}
    known = {i18n.translate(word, "fr") for word in wording.BASES}
    for basis in bases:
        assert wording.basis(basis, "en") == basis
        for piece in re.split("[;,:\N{NO-BREAK SPACE}]+ ?", wording.basis(basis, "fr")):
            assert re.sub(r" ?\d.*", "", piece) in known | {""}, basis
    assert wording.basis("procedure, step 6", "fr") == "procédure, étape 6"
    assert wording.basis(None, "fr") == "–"


def test_actors_are_people_and_systems() -> None:
    """A person by name, another system by its kind, a part of the gateway in words; the unknown as it is."""
    assert wording.actor("operator:a.martin", "fr") == "a.martin"
    assert wording.actor("cli", "en") == "Command line"
    assert wording.actor("worker", "fr") == "La passerelle (remise)"
    assert wording.actor("client:ukho", "fr") == "Système britannique ukho"
    assert wording.actor("party:urn:fr", "en") == "Access point urn:fr"
    assert wording.actor("somebody", "en") == "somebody"
    assert wording.actor(None, "en") == "–"


def test_reasons_are_shown_in_words() -> None:
    """The code in the reader's language, the words as they were written; what has no code stays."""
    assert reasons.shown("capacity", "fr") == i18n.translate("More or fewer places are available", "fr")
    assert reasons.shown("planned_work: until noon", "en") == "Planned work: until noon"
    assert reasons.shown("planned_work: avant midi", "fr").endswith("\N{NO-BREAK SPACE}: avant midi")
    assert reasons.shown("other: a typing error", "fr") == "a typing error"
    assert reasons.shown("The access point: down", "fr") == "The access point: down"


def test_every_fixed_finding_of_the_check_is_known() -> None:
    """What ``passerelle check`` says in constant words is said in French on the page of the settings."""
    tree = ast.parse(Path(check.__file__).read_text("utf-8"))
    constant = {
        keyword.value.value
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        for keyword in call.keywords
        if keyword.arg == "text" and isinstance(keyword.value, ast.Constant)
    }
    assert constant
    assert constant - {"answers, and its schema is current"} <= settings.KNOWN
    days = settings.said({"level": "ok", "text": "the certificate is valid for 1 days"}, "fr")
    assert days == {"said": "le certificat est encore valable 1 jour", "detail": ""}
    other = settings.said({"level": "error", "text": "keys/x is missing"}, "fr")
    assert other == {"said": "inutilisable en l’état", "detail": "keys/x is missing"}


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


def test_what_has_happened_is_said_to_be_ago() -> None:
    """Each language says it its own way."""
    now = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
    before = now - dt.timedelta(hours=3, minutes=12)
    assert times.ago(before, now, "en").replace("\N{NO-BREAK SPACE}", " ") == "3 h 12 min ago"
    assert times.ago(before, now, "fr").replace("\N{NO-BREAK SPACE}", " ") == "il y a 3 h 12 min"
