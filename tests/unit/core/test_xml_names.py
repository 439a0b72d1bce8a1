"""Names of documents never fill the memory: what is learned is bounded, the rest is parsed apart."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from contracts.xml import XmlRefused, parse_xml
from contracts.xml_names import Names, _names, apart

_GROWTH = """
import psutil
from contracts.xml import XmlRefused, parse_xml

KINDS = {
    "element": "<n{}/>", "attribute": "<a n{}='1'/>", "namespace": "<a xmlns:p='u{}'/>",
    "prefix": "<a xmlns:p{}='u'/>", "instruction": "<?p{} x?>", "entity": "&e{};",
}
def parse(text):
    try:
        parse_xml(text.encode())
    except XmlRefused:
        pass
def document(form, number):
    return "".join(form.format(f"{number:06d}{part:04d}") for part in range(2500))
def resident():
    return psutil.Process().memory_info().rss
for form in KINDS.values():
    for number in range(5):
        parse("<a>" + document(form, number) + "</a>")
before = resident()
for number in range(10, 70):
    for form in KINDS.values():
        parse("<a>" + document(form, number) + "</a>")
    parse("<a>" + document("<b{}/>", number) + "<")
    names = document("<!ELEMENT n{} ANY>", number)
    parse("<!DOCTYPE a [" + names + "]><a/>")
print((resident() - before) // 1_000_000)
"""


def test_invented_names_do_not_fill_the_memory() -> None:
    """More than a million names of every kind, in refused and accepted documents: without the bound they
    would take some 60 MB for ever."""
    run = subprocess.run([sys.executable, "-c", _GROWTH], capture_output=True, text=True, check=True)
    assert int(run.stdout) < 15


def test_names_are_learned_up_to_a_bound() -> None:
    """A document that was seen is admitted again; one with too many new names is not, and teaches nothing."""
    names = Names(max_names=6, max_octets=100)
    first = b'<a x="1"><b/></a>'
    assert names.admit(first)
    assert names.admit(b'<a x="another value"><b/></a>')
    assert not names.admit(b"<c1/><c2/><c3/><c4/><c5/>")
    assert names.admit(b"<c1/>")
    assert not names.admit(b"<" + b"d" * 200 + b"/>")
    assert names.admit(first)


@pytest.mark.parametrize(
    "content",
    [
        "<a/>".encode("utf-16"),
        b'<?xml version="1.0" encoding="UTF-7"?><a/>',
        b'<?xml version="1.0" encoding="IBM037"?><a/>',
        b"\x4c\x61\x6e\x6e",
        b'<!DOCTYPE a [<!ELEMENT n1 ANY>]><a b="1"/>',
        b'<a b="x>y" c="1"/>',
        b"<a>" + b" " * 300_000 + b"</a>",
    ],
    ids=["utf-16", "utf-7", "ebcdic-declared", "ebcdic", "doctype", "gt-in-a-value", "large"],
)
def test_what_cannot_be_read_here_is_parsed_apart(content: bytes) -> None:
    """Names that the pattern could miss are never admitted."""
    assert not Names().admit(content)


_NAME = st.text("abcXYZ019-_.é", min_size=1, max_size=6).map(lambda text: "n" + text)
_VALUE = st.text(" ab=<>'\"&/\n", max_size=8)


@st.composite
def _trees(draw: st.DrawFn) -> etree._Element:
    uris = draw(st.lists(st.text("ab=&/", max_size=8), min_size=1, max_size=3))
    spaces = {draw(_NAME): f"urn:{uri}" for uri in uris}
    names = st.one_of(
        _NAME, st.tuples(st.sampled_from(list(spaces.values())), _NAME).map("{{{0[0]}}}{0[1]}".format)
    )
    root = etree.Element(draw(names), nsmap=spaces)
    for _ in range(draw(st.integers(0, 5))):
        child = etree.SubElement(root, draw(names))
        child.text = draw(_VALUE)
        for name in draw(st.lists(names, max_size=3)):
            child.set(name, draw(_VALUE))
        if draw(st.booleans()):
            child.append(etree.ProcessingInstruction(draw(_NAME), "x"))
    return root


@settings(max_examples=200, deadline=None)
@given(_trees())
def test_no_name_is_overlooked(root: etree._Element) -> None:
    """Every name of the tree is among those found, or the document is not readable here."""
    content = etree.tostring(root, encoding="utf-8")
    found = _names(content)
    if b"<" in found:
        return
    text = b"\n".join(found)
    for node in root.iter():
        if isinstance(node.tag, str):
            assert etree.QName(node).localname.encode() in text
            assert all(etree.QName(name).localname.encode() in text for name in node.attrib)
        else:
            assert node.target.encode() in text
    for prefix, uri in root.nsmap.items():
        assert f"{prefix}=".encode() in text
        assert str(uri).replace("&", "&amp;").encode() in text


def test_apart_gives_back_what_the_work_gives() -> None:
    """A result, or the very exception; always in another thread."""
    assert apart(threading.current_thread) is not threading.current_thread()
    with pytest.raises(KeyError, match="x"):
        apart(lambda: {}["x"])


def test_both_ways_give_the_same_tree_and_the_same_refusals() -> None:
    """A large document is parsed apart, and is as good; a broken one is refused as ever."""
    padding = b" " * 300_000
    here, there = parse_xml(b"<a><b c='1'/></a>"), parse_xml(b"<a><b c='1'/></a>" + padding)
    assert etree.tostring(here, method="c14n") == etree.tostring(there, method="c14n")
    for content in (b"<a>", b"<!DOCTYPE a []><a/>", b"<a>&x;</a>"):
        with pytest.raises(XmlRefused):
            parse_xml(content)
        with pytest.raises(XmlRefused):
            parse_xml(content + padding)
