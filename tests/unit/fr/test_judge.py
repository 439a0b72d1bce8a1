"""Two validators, one verdict; and hostile documents cost bounded time."""

from __future__ import annotations

import random
import re
import time
from pathlib import Path

import pytest

import contracts
from adapters.fr.judge import MAX_PROBLEMS, Judge, _hidden
from contracts.ports import InvalidDocument
from contracts.xml import XmlRefused, parse_xml
from tests.fixtures.xml_mutations import mutate, places

EXAMPLES = Path(contracts.__file__).parent / "fr/v1/examples"
VALID = sorted(EXAMPLES.glob("valid/*.xml"))
ALL = [*VALID, *sorted(EXAMPLES.glob("invalid/*.xml"))]
SAMPLE = 90
"""Mutations tried per example; the choice is fixed by the example's name."""


@pytest.fixture(scope="module")
def judge() -> Judge:
    return Judge()


@pytest.mark.parametrize("path", ALL, ids=lambda p: p.stem)
def test_both_validators_agree_on_every_example(path: Path, judge: Judge) -> None:
    """The same verdict on valid and on invalid examples, but those refused before either is asked."""
    try:
        root = parse_xml(path.read_bytes())
    except XmlRefused:
        assert path.parent.name == "invalid"
        return
    if any(_hidden(root)):
        assert path.stem.startswith(("xml-", "xsi-"))
        return
    verdict = judge.fast_verdict(root)
    assert judge.slow_verdict(root) is verdict
    assert verdict or path.parent.name == "invalid"


@pytest.mark.parametrize("path", VALID, ids=lambda p: p.stem)
def test_both_validators_agree_on_mutations(path: Path, judge: Judge) -> None:
    """The same verdict on deleted, doubled, renamed, moved elements, bad values and attributes."""
    root = parse_xml(path.read_bytes())
    candidates = list(places(root))
    verdicts = set()
    for index, mutation in random.Random(path.stem).sample(candidates, min(SAMPLE, len(candidates))):
        mutated = parse_xml(mutate(root, index, mutation))
        verdict = judge.fast_verdict(mutated)
        assert judge.slow_verdict(mutated) is verdict, (index, mutation)
        verdicts.add(verdict)
    assert False in verdicts


@pytest.mark.parametrize("path", VALID[::4], ids=lambda p: p.stem)
def test_every_refused_mutation_is_explained_twice(path: Path, judge: Judge) -> None:
    """Whatever is refused has a path and a code of its own, from either explanation."""
    root = parse_xml(path.read_bytes())
    for index, mutation in random.Random(path.stem).sample(list(places(root)), 40):
        mutated = parse_xml(mutate(root, index, mutation))
        if judge.fast_verdict(mutated):
            continue
        for explain in (judge._slow_problems, judge._fast_problems):
            problems = list(explain(mutated))
            assert problems
            assert all(p.path.startswith("/") and p.code.startswith("xsd.") for p in problems)
            assert "xsd.invalid" not in {p.code for p in problems}


def _receipt(tag: str, value: str) -> bytes:
    text = (EXAMPLES / "valid/TransferReceipt.xml").read_text("utf-8")
    return re.sub(f"<{tag}>[^<]*", f"<{tag}>{value}", text).encode()


NASTY = (
    "9" * 5_000,
    "-" + "9" * 5_000,
    "9" * 30 + "-01-01T00:00:00Z",
    "-0001-01-01T00:00:00Z",
    "0000-01-01T00:00:00Z",
    "NaN",
    "&#x85;",
    "&#13;",
    "1_0",
)


@pytest.mark.parametrize("tag", ["nombrePersonnes", "prisEnChargeLe", "lieu", "identifiant"])
@pytest.mark.parametrize("value", NASTY, ids=lambda v: v[:8] + str(len(v)))
def test_nasty_values_are_refused_and_never_crash(tag: str, value: str, judge: Judge) -> None:
    """Numbers and years beyond any machine type are refused like any other bad value."""
    with pytest.raises(InvalidDocument) as caught:
        judge.judge(_receipt(tag, value))
    assert all(p.path.endswith(f"p:{tag}") for p in caught.value.problems)


def _padded(inner: str) -> bytes:
    return f'<AccuseReception xmlns="urn:passerelle:fr:v1">{inner}</AccuseReception>'.encode()


HOSTILE = {
    "elements": _padded("<a/>" * 45_000),
    "elements in the header": _padded("<Entete>" + "<a/>" * 45_000 + "</Entete>"),
    "comments": _padded("<!---->" * 100_000),
    "namespaces": _padded("".join(f'<n{i}:a xmlns:n{i}="u{i}"/>' for i in range(20_000))),
    "nested": _padded("<Entete><identifiant>" + "<a><b><c/></b></a>" * 12_000 + "</identifiant></Entete>"),
    "long value": _receipt("lieu", "A" * 4_000_000),
    "long number": _receipt("nombrePersonnes", "9" * 190_000),
    "many errors": _padded('<traiteLe note="x"/>' * 40_000),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_documents_cost_bounded_time(name: str, judge: Judge) -> None:
    """A refusal comes within seconds and lists a bounded number of problems."""
    started = time.perf_counter()
    with pytest.raises(InvalidDocument) as caught:
        judge.judge(HOSTILE[name])
    assert time.perf_counter() - started < 5
    assert 1 <= len(caught.value.problems) <= MAX_PROBLEMS


def test_a_large_document_is_explained_with_a_path(judge: Judge) -> None:
    """Beyond the size that xmlschema explains, libxml2's log gives path and code."""
    with pytest.raises(InvalidDocument) as caught:
        judge.judge(_receipt("lieu", "A" * 300_000))
    assert [(p.path, p.code) for p in caught.value.problems] == [("/p:PriseEnCharge/p:lieu", "xsd.pattern")]


@pytest.mark.parametrize("prefix", ["é", "a.b", "div", "𐀀"])
def test_odd_prefixes_in_a_large_document(prefix: str, judge: Judge) -> None:
    """A prefix that libxml2's own XPath cannot read back costs the path, not the refusal."""
    inner = f'<{prefix}:Entete xmlns:{prefix}="urn:passerelle:fr:v1">x</{prefix}:Entete>'
    with pytest.raises(InvalidDocument) as caught:
        judge.judge(_padded(inner + "<a/>" * 3_000))
    expected = "" if prefix == "𐀀" else "/p:AccuseReception/p:Entete"
    assert caught.value.problems[0].path == expected
    assert caught.value.problems[0].code == "xsd.unexpected_element"


def test_too_large_a_document_is_refused(judge: Judge) -> None:
    """Above the parser's limit nothing is parsed."""
    with pytest.raises(InvalidDocument, match=r"xml\.malformed"):
        judge.judge(b"<a/>" + b" " * 5_000_000)


def test_comments_cost_linear_time(judge: Judge) -> None:
    """A document full of comments (lxml's walk with comment events is quadratic) is refused at once."""
    started = time.perf_counter()
    with pytest.raises(InvalidDocument, match=r"xml\.comment"):
        judge.judge(_padded("<!---->" * 600_000))
    assert time.perf_counter() - started < 5
