"""The judge of French documents: libxml2 says yes fast; xmlschema explains every no.

Numbered steps of ``judge``: (1) parse within limits; (2) refuse what would let a document hide or
fetch something: comments, processing instructions, every ``xsi:`` attribute but ``xsi:nil="true"``;
(3) the schema; (4) what XSD 1.0 cannot say. Problems carry paths and codes, never values.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from importlib import resources
from typing import TYPE_CHECKING, Any

from lxml import etree

from adapters.fr.locate import locate
from adapters.fr.mapping import NAMESPACE, NIL, XSI
from adapters.fr.read import is_nil
from contracts.ports import InvalidDocument, Problem
from contracts.xml import XmlRefused, parse_xml

if TYPE_CHECKING:
    from adapters.fr.explain import Explainer

_NODES: tuple[tuple[Any, str], ...] = (
    (etree.Comment, "xml.comment"),
    (etree.ProcessingInstruction, "xml.processing_instruction"),
    (etree.Entity, "xml.entity"),
)
_DASHES: dict[str, int | None] = {"jour": 2, "mois": 1, "annee": 0, "inconnue": None}
MAX_PROBLEMS = 20
"""An explanation stops here: bounded time for hostile documents."""
MAX_EXPLAINED_BYTES = 200_000
MAX_EXPLAINED_ELEMENTS = 2_000
"""Above these, libxml2's own log explains: xmlschema is some fifty times slower, and worse than linear."""

_TEXTS = {
    "xml.malformed": (
        "not well-formed XML, or beyond the limits (DOCTYPE, entities, size, depth)",
        "XML mal formé, ou hors limites (DOCTYPE, entités, taille, profondeur)",
    ),
    "xml.comment": ("comments are not allowed", "les commentaires ne sont pas admis"),
    "xml.processing_instruction": (
        "processing instructions are not allowed",
        "les instructions de traitement ne sont pas admises",
    ),
    "xml.entity": ("entity references are not allowed", "les références d'entité ne sont pas admises"),
    "xml.xsi_attribute": (
        'of the xsi attributes only xsi:nil="true" is allowed',
        'parmi les attributs xsi, seul xsi:nil="true" est admis',
    ),
    "xsd.unknown_message": ("unknown message type or namespace", "type de message ou espace de noms inconnu"),
    "xsd.unexpected_element": (
        "an element or text stands here that the contract does not allow",
        "un élément ou un texte non prévu par le contrat se trouve ici",
    ),
    "xsd.missing_element": ("a required element is missing here", "un élément obligatoire manque ici"),
    "xsd.attribute": (
        "an attribute is missing, not allowed, or has a wrong value",
        "un attribut manque, n'est pas admis ou a une valeur incorrecte",
    ),
    "xsd.nil": ("wrong use of xsi:nil", "emploi incorrect de xsi:nil"),
    "xsd.pattern": ("the value does not have the agreed form", "la valeur n'a pas la forme convenue"),
    "xsd.enumeration": (
        "the value is not in the agreed code list",
        "la valeur n'est pas dans la liste de codes convenue",
    ),
    "xsd.length": ("the value is too short or too long", "la valeur est trop courte ou trop longue"),
    "xsd.range": ("the value is out of range", "la valeur est hors bornes"),
    "xsd.datatype": ("the value is not of the agreed type", "la valeur n'est pas du type convenu"),
    "xsd.duplicate": ("the same value stands twice", "la même valeur figure deux fois"),
    "xsd.invalid": ("the document breaks the contract", "le document enfreint le contrat"),
    "semantic.birth_date_precision": (
        "the birth date does not have the stated precision",
        "la date de naissance n'a pas la précision annoncée",
    ),
    "semantic.name_forms": (
        "the transliterated and the original name must both be given or both be nil",
        "le nom translittéré et le nom d'origine doivent être tous deux présents ou tous deux sans objet",
    ),
    "semantic.name_missing": ("a person needs a name", "une personne doit avoir un nom"),
    "semantic.correction_empty": (
        "a correction must replace the persons or the arrival",
        "une rectification doit remplacer les personnes ou l'arrivée",
    ),
    "semantic.sex_origin": (
        "the origin must accompany exactly the value NP",
        "l'origine accompagne exactement la valeur NP",
    ),
}

_LIBXML2 = {
    "SCHEMAV_CVC_PATTERN_VALID": "xsd.pattern",
    "SCHEMAV_CVC_ENUMERATION_VALID": "xsd.enumeration",
    "SCHEMAV_CVC_MINLENGTH_VALID": "xsd.length",
    "SCHEMAV_CVC_MAXLENGTH_VALID": "xsd.length",
    "SCHEMAV_CVC_MAXINCLUSIVE_VALID": "xsd.range",
    "SCHEMAV_CVC_DATATYPE_VALID_1_2_1": "xsd.datatype",
    "SCHEMAV_ELEMENT_CONTENT": "xsd.unexpected_element",
    "SCHEMAV_CVC_COMPLEX_TYPE_2_1": "xsd.unexpected_element",
    "SCHEMAV_CVC_COMPLEX_TYPE_2_2": "xsd.unexpected_element",
    "SCHEMAV_CVC_COMPLEX_TYPE_2_3": "xsd.unexpected_element",
    "SCHEMAV_CVC_TYPE_3_1_2": "xsd.unexpected_element",
    "SCHEMAV_CVC_TYPE_3_1_1": "xsd.attribute",
    "SCHEMAV_CVC_ELT_1": "xsd.unknown_message",
    "SCHEMAV_CVC_DATATYPE_VALID_1_2_3": "xsd.datatype",
    "SCHEMAV_CVC_COMPLEX_TYPE_3_2_1": "xsd.attribute",
    "SCHEMAV_CVC_COMPLEX_TYPE_4": "xsd.attribute",
    "SCHEMAV_CVC_ELT_3_1": "xsd.nil",
    "SCHEMAV_CVC_ELT_3_2_1": "xsd.nil",
    "SCHEMAV_CVC_IDC": "xsd.duplicate",
}
"""libxml2's name of the broken rule → our code."""


def problem(code: str, path: str) -> Problem:
    """One complaint in both languages."""
    english, french = _TEXTS[code]
    return Problem(path=path, code=code, message_en=english, message_fr=french)


def _refuse(*problems: Problem) -> InvalidDocument:
    return InvalidDocument(problems)


class Judge:
    """Holds both compiled forms of ``passerelle-fr-v1.xsd``. Reads the file at construction only."""

    def __init__(self) -> None:
        self._source = resources.files("contracts").joinpath("fr/v1/passerelle-fr-v1.xsd").read_bytes()
        self._fast = etree.XMLSchema(parse_xml(self._source))
        self._explainer: Explainer | None = None
        self._lock = threading.Lock()

    def judge(self, content: bytes) -> etree._Element:
        """The tree of a valid document. Raises InvalidDocument."""
        try:
            root = parse_xml(content)  # (1)
        except XmlRefused as exc:
            raise _refuse(problem("xml.malformed", "")) from exc
        found = tuple(itertools.islice(_hidden(root), MAX_PROBLEMS))  # (2)
        if found:
            raise InvalidDocument(found)
        if not self._fast.validate(root):  # (3)
            raise InvalidDocument(self._explain(root, len(content)))
        found = tuple(itertools.islice(_semantic(root), MAX_PROBLEMS))  # (4)
        if found:
            raise InvalidDocument(found)
        return root

    def fast_verdict(self, root: etree._Element) -> bool:
        """libxml2's verdict of step 3."""
        return self._fast.validate(root)

    def slow_verdict(self, root: etree._Element) -> bool:
        """xmlschema's verdict of step 3."""
        return next(self._slow_problems(root), None) is None

    def _explain(self, root: etree._Element, size: int) -> tuple[Problem, ...]:
        small = size <= MAX_EXPLAINED_BYTES and sum(1 for _ in root.iter("*")) <= MAX_EXPLAINED_ELEMENTS
        explain = self._slow_problems if small else self._fast_problems
        found = tuple(dict.fromkeys(itertools.islice(explain(root), MAX_PROBLEMS)))
        return found or (problem("xsd.invalid", ""),)

    def _slow_problems(self, root: etree._Element) -> Iterator[Problem]:
        with self._lock:
            if self._explainer is None:  # half a second with its import: only the first refusal needs it
                from adapters.fr.explain import Explainer

                self._explainer = Explainer(self._source)
        if not self._explainer.knows(root):
            yield problem("xsd.unknown_message", locate(root))
            return
        try:
            for code, path in self._explainer.complaints(root):
                yield problem(code, path)
        except (ArithmeticError, ValueError):  # years and numbers that its own types cannot hold
            yield from self._fast_problems(root)

    def _fast_problems(self, root: etree._Element) -> Iterator[Problem]:
        own = etree.XMLSchema(parse_xml(self._source))  # its log is not shared between threads
        own.validate(root)
        prefixes = {key: uri for element in root.iter("*") for key, uri in element.nsmap.items() if key}
        for entry in list(own.error_log):  # type: ignore[call-overload]  # stubs: the log is iterable
            yield problem(_LIBXML2.get(entry.type_name, "xsd.invalid"), _find(entry.path, root, prefixes))


def _find(path: str | None, root: etree._Element, prefixes: dict[str, str]) -> str:
    """Our path for one of libxml2's, which speaks the document's prefixes."""
    try:
        found = root.getroottree().xpath(path or "/*", namespaces=prefixes)
    except etree.XPathError:
        return ""
    return locate(found[0]) if isinstance(found, list) and found and etree.iselement(found[0]) else ""


def _hidden(root: etree._Element) -> Iterator[Problem]:
    """Step 2. A comment would split a value that the judge sees whole; xsi:type and
    xsi:schemaLocation would let the document choose its own judge."""
    for kind, code in _NODES:
        outside = itertools.chain(root.itersiblings(kind, preceding=True), root.itersiblings(kind))
        yield from (problem(code, "") for _ in outside)
        for node in root.iter(kind):
            parent = node.getparent()
            yield problem(code, "" if parent is None else locate(parent))
    for element in root.iter("*"):
        for name, value in element.attrib.items():
            if str(name).startswith(f"{{{XSI}}}") and (name != NIL or value != "true"):
                yield problem("xml.xsi_attribute", locate(element))


def _semantic(root: etree._Element) -> Iterator[Problem]:
    """Step 4, on a tree that the schema accepted."""
    for element in root.iter(f"{{{NAMESPACE}}}dateNaissance"):
        text = (element.text or "").strip()
        if _DASHES[element.get("precision", "")] != (text.count("-") if text else None):
            yield problem("semantic.birth_date_precision", locate(element))
    for element in root.iter(f"{{{NAMESPACE}}}sexe"):
        if (element.text == "NP") != ("origine" in element.attrib):
            yield problem("semantic.sex_origin", locate(element))
    for element in root.iter(f"{{{NAMESPACE}}}identite"):
        family, family_full, given, given_full = (is_nil(child) for child in element)
        if family != family_full or given != given_full:
            yield problem("semantic.name_forms", locate(element))
        elif family and given:
            yield problem("semantic.name_missing", locate(element))
    if root.tag == f"{{{NAMESPACE}}}Rectification" and is_nil(root[-1]) and is_nil(root[-2]):
        yield problem("semantic.correction_empty", locate(root))
