"""Bending bytes and XML trees, by a seeded random source: the same seed bends the same way."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Final

from lxml import etree

from gateway.core.as4 import namespaces as ns
from gateway.core.as4 import policy

_URIS: Final = tuple(
    sorted(
        {
            value
            for module in (ns, policy)
            for name, value in vars(module).items()
            if name.isupper() and isinstance(value, str)
        }
    )
)
TEXTS: Final = (
    *_URIS,
    "", " ", "0", "-1", "1e999", "99999999999999999999", "true", "false", "null", "2026-02-30T00:00:00Z",
    "2026-03-29T01:30:00", "0001-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999+14:00", "..%2f..%2f", "cid:",
    "cid:a b", "#", "#id", "#xpointer(id('x'))", "http://[::1]/", "file:///etc/passwd", "é\u202e\u0301\ud7ff",
    "A" * 300, "A" * 70_000, "<!--", "]]>", "&#13;", "\t\n", "gzip", "application/gzip", "EBMS:0001",
    "===", "AA",
)  # fmt: skip
_BYTES: Final = (
    b"", b"\r\n", b"\n", b"\r", b"--", b"\0", b"\xff", b"\xef\xbb\xbf", b";", b":", b'"', b"<", b">",
    b"\r\n\r\n", b"Content-ID: <x>\r\n", b"Content-Transfer-Encoding: base64\r\n", b"&b;",
    b"<!DOCTYPE a [<!ENTITY b 'c'>]>",
    b" " * 5000, b"A" * 10_000, b"\x1f\x8b\x08", b"boundary=", b"--\r\n",
)  # fmt: skip
_MANY: Final = 400

ByteStep = Callable[[random.Random, bytearray], None]
TreeStep = Callable[[random.Random, etree._Element], None]


# ---- bytes --------------------------------------------------------------------------------------


def _span(rng: random.Random, data: bytearray) -> tuple[int, int]:
    begin = rng.randrange(len(data) + 1)
    return begin, min(len(data), begin + int(rng.expovariate(1 / 20)))


def _flip(rng: random.Random, data: bytearray) -> None:
    if data:
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _overwrite(rng: random.Random, data: bytearray) -> None:
    if data:
        data[rng.randrange(len(data))] = rng.choice((0, 9, 10, 13, 32, 34, 45, 60, 127, 128, 255))


def _delete(rng: random.Random, data: bytearray) -> None:
    begin, end = _span(rng, data)
    del data[begin:end]


def _repeat(rng: random.Random, data: bytearray) -> None:
    begin, end = _span(rng, data)
    data[begin:begin] = data[begin:end] * rng.choice((1, 1, 2, 50))


def _move(rng: random.Random, data: bytearray) -> None:
    begin, end = _span(rng, data)
    piece = data[begin:end]
    del data[begin:end]
    at = rng.randrange(len(data) + 1)
    data[at:at] = piece


def _insert(rng: random.Random, data: bytearray) -> None:
    at = rng.randrange(len(data) + 1)
    data[at:at] = rng.choice(_BYTES)


def _truncate(rng: random.Random, data: bytearray) -> None:
    if rng.random() < 0.2:
        del data[rng.randrange(len(data) + 1) :]


_BYTE_STEPS: Final[Sequence[ByteStep]] = (_flip, _overwrite, _delete, _repeat, _move, _insert, _truncate)


def bend_bytes(rng: random.Random, data: bytes) -> bytes:
    """A few random changes."""
    bent = bytearray(data)
    for _ in range(1 + int(rng.expovariate(0.7))):
        rng.choice(_BYTE_STEPS)(rng, bent)
    return bytes(bent)


# ---- trees --------------------------------------------------------------------------------------


def _elements(root: etree._Element) -> list[etree._Element]:
    return [element for element in root.iter() if isinstance(element.tag, str)]


def _pick(rng: random.Random, root: etree._Element) -> etree._Element:
    return rng.choice(_elements(root))


def _below(rng: random.Random, root: etree._Element) -> etree._Element | None:
    below = _elements(root)[1:]
    return rng.choice(below) if below else None


def _copy(element: etree._Element) -> etree._Element:
    return element.__copy__()


def _remove(rng: random.Random, root: etree._Element) -> None:
    element = _below(rng, root)
    if element is not None and (parent := element.getparent()) is not None:
        parent.remove(element)


def _relocate(rng: random.Random, root: etree._Element) -> None:
    element, place = _below(rng, root), _pick(rng, root)
    if element is not None and place not in set(element.iter()):
        place.insert(rng.randrange(len(place) + 1), element)


def _duplicate(rng: random.Random, root: etree._Element) -> None:
    element, place = _pick(rng, root), _pick(rng, root)
    copy = _copy(element)
    if rng.random() < 0.3:
        bend_tree(rng, copy)
    place.insert(rng.randrange(len(place) + 1), copy)


def _wrap(rng: random.Random, root: etree._Element) -> None:
    element = _below(rng, root)
    if element is None or (parent := element.getparent()) is None:
        return
    around = etree.Element(rng.choice((element.tag, _pick(rng, root).tag, "x")))
    parent.replace(element, around)
    around.append(element)


def _rename(rng: random.Random, root: etree._Element) -> None:
    element = _pick(rng, root)
    other = rng.choice((_pick(rng, root).tag, "x", f"{{urn:x}}{etree.QName(element).localname}"))
    element.tag = other


def _text(rng: random.Random, root: etree._Element) -> None:
    element = _pick(rng, root)
    if rng.random() < 0.3 and element.text:
        element.text = bend_bytes(rng, element.text.encode()).decode("ascii", "replace").replace("\0", "")
    else:
        element.text = rng.choice(TEXTS)


def _attribute(rng: random.Random, root: etree._Element) -> None:
    element = _pick(rng, root)
    names = [*element.attrib, ns.q(ns.WSU, "Id"), "Id", "ID", "URI", "Algorithm", "type", "x"]
    taken = [value for other in _elements(root) for value in other.attrib.values()]
    element.set(rng.choice(names), rng.choice((*TEXTS, *taken)))


def _drop_attribute(rng: random.Random, root: etree._Element) -> None:
    element = _pick(rng, root)
    if element.attrib:
        del element.attrib[rng.choice(list(element.attrib))]


def _noise(rng: random.Random, root: etree._Element) -> None:
    place = _pick(rng, root)
    node: etree._Element = rng.choice((etree.Comment("x"), etree.PI("x", "y")))
    node.tail = rng.choice((None, "tail", " "))
    place.insert(rng.randrange(len(place) + 1), node)


def _crowd(rng: random.Random, root: etree._Element) -> None:
    if rng.random() < 0.1:
        place, element = _pick(rng, root), _pick(rng, root)
        copies = [_copy(element) for _ in range(_MANY // max(1, len(_elements(element))))]
        place.extend(copies)


def _deepen(rng: random.Random, root: etree._Element) -> None:
    if rng.random() < 0.1:
        place = _pick(rng, root)
        for _ in range(rng.choice((5, 45, 300))):
            place = etree.SubElement(place, place.tag)


_TREE_STEPS: Final[Sequence[TreeStep]] = (
    _remove, _relocate, _duplicate, _wrap, _rename, _text, _text, _attribute, _attribute, _drop_attribute,
    _noise, _crowd, _deepen,
)  # fmt: skip


def bend_tree(rng: random.Random, root: etree._Element) -> None:
    """A few random changes, in place. What lxml itself cannot hold (a NUL in a text) is left as it was."""
    for _ in range(1 + int(rng.expovariate(0.8))):
        try:
            rng.choice(_TREE_STEPS)(rng, root)
        except ValueError:
            continue
