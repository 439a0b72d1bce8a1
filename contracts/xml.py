"""The one way raw XML becomes a tree: no DTD, no entities, no network; bounded size, depth and memory."""

from __future__ import annotations

from lxml import etree

from contracts.xml_names import NAMES, apart

MAX_BYTES = 5_000_000
MAX_DEPTH = 64
MAX_ELEMENTS = 50_000
MAX_ATTRIBUTES = 256


class XmlRefused(Exception):
    """Not well-formed, or beyond the limits. The text holds no content of the document."""


def _check_shape(root: etree._Element) -> None:
    count = 0
    depth = 0
    # without comment events: with them lxml takes quadratic time in the number of sibling comments
    for event, element in etree.iterwalk(root, events=("start", "end")):
        if event == "start":
            depth += 1
            count += 1
            if depth > MAX_DEPTH:
                raise XmlRefused(f"elements are nested deeper than {MAX_DEPTH}")
            if count > MAX_ELEMENTS:
                raise XmlRefused(f"more than {MAX_ELEMENTS} elements")
            if len(element.attrib) > MAX_ATTRIBUTES:
                raise XmlRefused(f"an element has more than {MAX_ATTRIBUTES} attributes")
        elif event == "end":
            depth -= 1


def _parse(content: bytes) -> etree._Element:
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        attribute_defaults=False,
        huge_tree=False,
        remove_blank_text=False,
        remove_comments=False,
        remove_pis=False,
        strip_cdata=False,
    )
    return etree.fromstring(content, parser)  # noqa: TID251 — this is the bounded parser


def parse_xml(content: bytes, *, max_bytes: int = MAX_BYTES) -> etree._Element:
    """Parse one document. A UTF-8 byte order mark is accepted (as4.md 11).

    Raises XmlRefused for anything with a DOCTYPE, an entity reference, or beyond the limits.
    """
    if len(content) > max_bytes:
        raise XmlRefused(f"document is larger than {max_bytes} bytes")
    try:
        root = _parse(content) if NAMES.admit(content) else apart(lambda: _parse(content))
    except (etree.XMLSyntaxError, ValueError) as exc:
        raise XmlRefused("not well-formed XML") from exc
    if root.getroottree().docinfo.doctype:  # type: ignore[attr-defined]  # lxml-stubs does not know it
        raise XmlRefused("a DOCTYPE is not allowed")
    _check_shape(root)
    return root
