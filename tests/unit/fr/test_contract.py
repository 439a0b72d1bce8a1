"""The XSD itself: documented, in step with the mapping table and the code lists, closed for Art 16."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest
import xmlschema
from lxml import etree

import contracts
from adapters.fr import mapping
from adapters.fr.shapes import Choice, Code, Count, Detail, Field, Items, Kind, Record, Simple, Special, Str
from contracts import codelists, codes
from contracts.codelists import to_french
from contracts.codes import Direction, MessageType
from contracts.xml import parse_xml

PATH = Path(contracts.__file__).parent / "fr/v1/passerelle-fr-v1.xsd"
XS = "{http://www.w3.org/2001/XMLSchema}"
TREE = parse_xml(PATH.read_bytes())
FROM_FRANCE = [kind for kind in MessageType if Direction.FR_TO_UK in codes.SENDERS[kind]]


@functools.cache
def _types() -> dict[str, etree._Element]:
    return {t.get("name", ""): t for t in TREE if t.tag in (f"{XS}complexType", f"{XS}simpleType")}


def _reference(element: etree._Element, attribute: str = "type") -> str | None:
    value = element.get(attribute)
    return value.removeprefix("p:") if value else None


def test_namespace_and_qualified_elements() -> None:
    """One namespace per contract version; every element is in it."""
    assert TREE.get("targetNamespace") == mapping.NAMESPACE
    assert TREE.get("elementFormDefault") == "qualified"


def test_every_element_attribute_and_type_is_documented_in_french() -> None:
    """No heading without its French explanation."""
    named = TREE.xpath(
        "//xs:element[@name] | //xs:attribute | //xs:complexType[@name] | //xs:simpleType[@name]",
        namespaces={"xs": XS[1:-1]},
    )
    assert len(named) > 200
    for node in named:
        texts = node.findall(f"{XS}annotation/{XS}documentation")
        assert len(texts) == 1, node.get("name")
        assert texts[0].text, node.get("name")
        assert texts[0].get("{http://www.w3.org/XML/1998/namespace}lang") == "fr"


def test_every_message_names_its_article() -> None:
    """Each message type cites the Agreement."""
    for element in TREE.findall(f"{XS}element"):
        assert "Accord, article" in (element.findtext(f"{XS}annotation/{XS}documentation") or "")


def test_names_are_french_and_without_accents() -> None:
    """Names of elements and types are ASCII letters and digits."""
    names = [n for n in TREE.xpath("//@name") if isinstance(n, str)]
    assert all(n.isascii() and n.isalnum() for n in names)
    roots = {e.get("name") for e in TREE.findall(f"{XS}element")}
    assert roots == set(to_french(MessageType).values())


def _check_kind(node: etree._Element, kind: Kind) -> None:
    if isinstance(kind, Items):
        child = node.find(f"{XS}complexType/{XS}sequence/{XS}element")
        assert child is not None
        assert (child.get("name"), child.get("minOccurs"), child.get("maxOccurs")) == (
            kind.tag,
            str(kind.minimum),
            str(kind.maximum),
        )
        _check_kind(child, kind.of)
        return
    name = _reference(node)
    assert name in _types()
    if isinstance(kind, Record):
        assert name == kind.xsd
        _check_record(_types()[name], kind.entries)
    elif isinstance(kind, Code):
        _check_codes(name, kind)
    elif isinstance(kind, Str | Count):
        assert name == kind.xsd
    else:
        assert isinstance(kind, Simple | Special)
        assert name == kind.value


def _check_codes(type_name: str, kind: Code) -> None:
    values = [e.get("value") for e in _types()[type_name].iter(f"{XS}enumeration")]
    assert values == list(to_french(kind.enum).values())


def _check_detail(option: etree._Element, detail: Detail | None) -> None:
    if detail is None:
        assert _reference(option) == "SansContenu"
    elif detail.items:
        _check_kind(option.findall(f".//{XS}element")[0], detail.kind)
    else:
        attribute = option.find(f"{XS}complexType/{XS}attribute")
        assert attribute is not None
        assert attribute.get("name") == detail.tag
        assert (attribute.get("use") == "required") is detail.required
        _check_kind(attribute, detail.kind)


def _check_record(
    type_node: etree._Element, entries: tuple[Field | Choice, ...], *, header: bool = False
) -> None:
    sequence = type_node.find(f"{XS}sequence")
    assert sequence is not None
    nodes = list(sequence)
    if header:
        assert nodes.pop(0).get("name") == mapping.HEADER_TAG
    for node, entry in zip(nodes, entries, strict=True):
        if isinstance(entry, Choice):
            assert node.tag == f"{XS}choice"
            for option, member in zip(node, entry.enum, strict=True):
                assert option.get("name") == to_french(entry.enum)[member]
                _check_detail(option, entry.details.get(member))
        else:
            assert node.get("name") == entry.tag
            assert (node.get("nillable") == "true") is entry.nillable, entry
            _check_kind(node, entry.kind)


@pytest.mark.parametrize("kind", list(MessageType))
def test_table_and_schema_agree(kind: MessageType) -> None:
    """Every entry of the mapping is the element at its place: name, type, nillable, occurrence, codes."""
    record = mapping.BODIES[kind]
    root = next(e for e in TREE.findall(f"{XS}element") if e.get("name") == to_french(MessageType)[kind])
    assert _reference(root) == record.xsd
    _check_record(_types()[record.xsd], record.entries, header=True)


def test_header_table_and_schema_agree() -> None:
    """The header too."""
    _check_record(_types()["TypeEntete"], mapping.HEADER)


def test_constants_and_facets_agree() -> None:
    """Length limit, ICAO codes, precisions and country table version stand in both."""
    form = _types()["TexteTranslittere"].find(f".//{XS}maxLength")
    assert form is not None
    assert form.get("value") == str(mapping.NAME_MAX)
    icao = {e.get("value") for e in _types()["CodeOACI"].iter(f"{XS}enumeration")}
    assert icao == mapping.ICAO_CODES
    precisions = [e.get("value") for e in _types()["PrecisionDate"].iter(f"{XS}enumeration")]
    assert precisions == list(mapping.PRECISIONS.values())
    assert codelists.COUNTRIES_VERSION in "".join(_types()["CodeCOG"].itertext())


@functools.cache
def _schema() -> xmlschema.XMLSchema10:
    return xmlschema.XMLSchema10(PATH.read_bytes(), allow="none")


def test_no_wildcard_and_no_mixed_content_anywhere() -> None:
    """Nothing in the contract takes "any": no element, attribute, simple or mixed content."""
    for tag in ("any", "anyAttribute"):
        assert TREE.find(f".//{XS}{tag}") is None
    assert not TREE.xpath("//@mixed | //*[@type='xs:anyType' or @type='xs:anySimpleType']")


def _is_closed(simple: xmlschema.validators.XsdSimpleType) -> bool:
    """Enumerated, patterned, or bounded to nothing."""
    return bool(simple.enumeration or simple.patterns)


@pytest.mark.parametrize("kind", FROM_FRANCE)
def test_what_france_sends_has_no_free_text(kind: MessageType) -> None:
    """Art 16: every value and attribute of a French message is a code, pattern, date or count."""
    root = _schema().elements[to_french(MessageType)[kind]]
    seen = 0
    for element in root.iter():
        kind_of = element.type
        for attribute in kind_of.attributes.values() if kind_of.is_complex() else ():
            assert _is_closed(attribute.type), (element.name, attribute.name)
        simple = kind_of if kind_of.is_simple() else kind_of.simple_type
        if simple is not None:
            seen += 1
            assert _is_closed(simple), element.name
    assert seen >= 6


def test_the_closed_check_can_fail() -> None:
    """The check above sees free text where there is some: in a request of the UK."""
    free = [
        element.local_name
        for element in _schema().elements["DemandeReadmission"].iter()
        if element.type.is_simple() and not _is_closed(element.type)
    ]
    assert "libelle" in free
    assert "nomOrigine" in free
