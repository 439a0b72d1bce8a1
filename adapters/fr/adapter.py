"""The French side of ``contracts.ports.Adapter``."""

from __future__ import annotations

from lxml import etree

from adapters.fr import read
from adapters.fr.judge import Judge
from adapters.fr.locate import locate
from adapters.fr.write import SexNotSpecified, Writer
from contracts.model import Message
from contracts.ports import InvalidDocument, Problem, Unmappable, ValidDocument


class FrAdapter:
    """French XML (``urn:passerelle:fr:v1``) ⇄ canonical messages.

    ``sex_not_specified``: what becomes of sex X or unknown, which M and F cannot say: ``carry`` writes
    "non précisé" with its origin (lossless), ``hold`` raises Unmappable so that an operator decides.
    """

    def __init__(self, *, sex_not_specified: SexNotSpecified = "carry") -> None:
        self._sex_not_specified: SexNotSpecified = sex_not_specified
        self._judge = Judge()

    def validate(self, content: bytes) -> ValidDocument:
        """Judge a document: see ``adapters.fr.judge``. Raises InvalidDocument with XPaths and no values."""
        root = self._judge.judge(content)
        return ValidDocument(message_type=read.message_type(root).value, content=content, parsed=root)

    def to_canonical(self, document: ValidDocument) -> Message:
        """Read the tree that the judge saw. Raises Unmappable (country_unmapped)."""
        if not etree.iselement(document.parsed):
            raise TypeError("not a document of this adapter")
        return read.message(document.parsed)

    def from_canonical(self, message: Message, *, pretty: bool = False) -> ValidDocument:
        """Write and judge. UTF-8, XML declaration; ``pretty`` indents for readers.

        Raises Unmappable with JSON pointers into the canonical message.
        """
        writer = Writer(self._sex_not_specified)
        root = writer.message(message)
        content = etree.tostring(root, encoding="UTF-8", xml_declaration=True, pretty_print=pretty)
        try:
            return self.validate(content)
        except InvalidDocument as exc:
            places = {locate(element): place for element, place in writer.places}
            raise Unmappable(tuple(_canonical(p, places) for p in exc.problems)) from exc


def _canonical(problem: Problem, places: dict[str, str]) -> Problem:
    """The same complaint at its canonical place."""
    return Problem(
        path=places.get(problem.path, ""),
        code=problem.code,
        message_en=problem.message_en,
        message_fr=problem.message_fr,
    )
