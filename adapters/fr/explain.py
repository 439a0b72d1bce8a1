"""Why a French document breaks its schema, told by xmlschema.

The only module that imports it, and itself imported at the first refusal (``judge``): a start, or a command
that refuses nothing, does not wait for it.
"""

from __future__ import annotations

from collections.abc import Iterator

import xmlschema
from lxml import etree
from xmlschema.validators.exceptions import XMLSchemaChildrenValidationError, XMLSchemaValidationError

from adapters.fr.locate import locate
from adapters.fr.mapping import NIL

_FACETS = {
    "XsdPatternFacets": "xsd.pattern",
    "XsdEnumerationFacets": "xsd.enumeration",
    "XsdLengthFacet": "xsd.length",
    "XsdMinLengthFacet": "xsd.length",
    "XsdMaxLengthFacet": "xsd.length",
    "XsdMinInclusiveFacet": "xsd.range",
    "XsdMaxInclusiveFacet": "xsd.range",
    "XsdAttributeGroup": "xsd.attribute",
    "XsdAttribute": "xsd.attribute",
    "function": "xsd.range",
    "XsdAtomicBuiltin": "xsd.datatype",
    "XsdUnion": "xsd.datatype",
    "XsdGroup": "xsd.unexpected_element",
    "XsdElement": "xsd.unexpected_element",
}
"""Class of the xmlschema validator that complained → our code."""


class Explainer:
    """Holds the schema (bytes of an XSD) in its slow form."""

    def __init__(self, source: bytes) -> None:
        self._schema = xmlschema.XMLSchema10(source, allow="none", use_fallback=False)

    def knows(self, root: etree._Element) -> bool:
        """Whether the schema has such a root element."""
        return isinstance(root.tag, str) and root.tag in self._schema.maps.elements

    def complaints(self, root: etree._Element) -> Iterator[tuple[str, str]]:
        """(code, path) of each. Raises ArithmeticError or ValueError for years and numbers that xmlschema's
        own types cannot hold."""
        for error in self._schema.iter_errors(root, use_location_hints=False):
            yield _code(error), _place(error, root)


def _code(error: XMLSchemaValidationError) -> str:
    if isinstance(error, XMLSchemaChildrenValidationError):
        return "xsd.missing_element" if error.invalid_child is None else "xsd.unexpected_element"
    if (error.reason or "").startswith("duplicated value"):
        return "xsd.duplicate"
    name = type(error.validator).__name__
    if name.endswith("XsdElement") and etree.iselement(error.elem) and NIL in error.elem.attrib:
        return "xsd.nil"
    return next((code for prefix, code in _FACETS.items() if name.endswith(prefix)), "xsd.invalid")


def _place(error: XMLSchemaValidationError, root: etree._Element) -> str:
    element = error.elem
    if isinstance(error, XMLSchemaChildrenValidationError) and error.invalid_child is not None:
        element = error.invalid_child
    return locate(element if etree.iselement(element) else root)
