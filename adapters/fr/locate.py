"""XPath of an element, made of the contract's vocabulary alone: a foreign name could be a datum."""

from __future__ import annotations

import functools

from lxml import etree

from adapters.fr import mapping
from adapters.fr.shapes import Choice, Items, Kind, Record
from contracts.codelists import to_french
from contracts.codes import MessageType

PREFIX = "p"
"""Prefix of ``mapping.NAMESPACE`` in every path."""


def _collect(kind: Kind, names: set[str]) -> None:
    if isinstance(kind, Items):
        names.add(kind.tag)
        _collect(kind.of, names)
    elif isinstance(kind, Record):
        for entry in kind.entries:
            if isinstance(entry, Choice):
                names.update(to_french(entry.enum).values())
                names.update(d.tag for d in entry.details.values())
            else:
                names.add(entry.tag)
                _collect(entry.kind, names)


@functools.cache
def vocabulary() -> frozenset[str]:
    """Local names of every element (and attribute) of the contract."""
    names = {mapping.HEADER_TAG, "nom", "nomOrigine", "prenoms", "prenomsOrigine", "codeCOG", "codeOACI"}
    names.update(field.tag for field in mapping.HEADER)
    names.update(to_french(MessageType).values())
    for record in mapping.BODIES.values():
        _collect(record, names)
    return frozenset(names)


def _known(element: etree._Element) -> str | None:
    tag = element.tag
    if not isinstance(tag, str) or not tag.startswith(f"{{{mapping.NAMESPACE}}}"):
        return None
    local = tag.rpartition("}")[2]
    return local if local in vocabulary() else None


def _step(element: etree._Element) -> str:
    local = _known(element)
    parent = element.getparent()
    if local is None:
        position = 1 if parent is None else parent.index(element) + 1
        return f"*[{position}]"
    if parent is None:
        return f"{PREFIX}:{local}"
    twins = [child for child in parent if child.tag == element.tag]
    return f"{PREFIX}:{local}" + (f"[{twins.index(element) + 1}]" if len(twins) > 1 else "")


def locate(element: etree._Element) -> str:
    """For example ``/p:DemandeReadmission/p:personnes/p:personne[2]/p:sexe``.

    An element that the contract does not know is ``*[n]``, n counting all its siblings from 1.
    """
    steps = [_step(element)]
    steps.extend(_step(ancestor) for ancestor in element.iterancestors())
    return "/" + "/".join(reversed(steps))
