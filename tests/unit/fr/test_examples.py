"""The published French examples: valid ones translate, invalid ones are refused exactly so."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

import contracts
from adapters.fr import FrAdapter
from adapters.uk import UkAdapter
from contracts.codes import MessageType
from contracts.ports import InvalidDocument

ROOT = Path(contracts.__file__).parent
VALID = sorted((ROOT / "fr/v1/examples/valid").glob("*.xml"))
INVALID = sorted((ROOT / "fr/v1/examples/invalid").glob("*.xml"))
EXPECTED: dict[str, Any] = tomllib.loads((ROOT / "fr/v1/examples/invalid/expected.toml").read_text("utf-8"))


@pytest.fixture(scope="module")
def french() -> FrAdapter:
    return FrAdapter()


@pytest.fixture(scope="module")
def british() -> UkAdapter:
    return UkAdapter()


def test_examples_come_in_pairs_and_cover_every_type() -> None:
    """Each UK example has its French twin and the other way round; no message type is missing."""
    twins = {path.stem for path in (ROOT / "uk/v1/examples/valid").glob("*.json")}
    assert {path.stem for path in VALID} == twins
    assert {path.stem.partition("-")[0] for path in VALID} == {kind.value for kind in MessageType}


@pytest.mark.parametrize("path", VALID, ids=lambda p: p.stem)
def test_a_valid_example_says_the_same_as_its_twin(path: Path, french: FrAdapter, british: UkAdapter) -> None:
    """XML and JSON of one name are the same canonical message, in both directions."""
    document = french.validate(path.read_bytes())
    twin = british.validate((ROOT / f"uk/v1/examples/valid/{path.stem}.json").read_bytes())
    message = french.to_canonical(document)
    assert message == british.to_canonical(twin)
    assert document.message_type == twin.message_type == message.type
    assert french.from_canonical(message, pretty=True).content == path.read_bytes()


def test_every_invalid_example_has_its_expectation() -> None:
    """Files and table are the same set."""
    assert {path.stem for path in INVALID} == set(EXPECTED)


@pytest.mark.parametrize("path", INVALID, ids=lambda p: p.stem)
def test_an_invalid_example_is_refused_exactly_so(path: Path, french: FrAdapter) -> None:
    """Exactly the expected XPaths and codes, with a text in both languages."""
    with pytest.raises(InvalidDocument) as caught:
        french.validate(path.read_bytes())
    assert [[p.path, p.code] for p in caught.value.problems] == EXPECTED[path.stem]["problems"]
    assert all(p.message_en and p.message_fr for p in caught.value.problems)


@pytest.mark.parametrize("path", INVALID, ids=lambda p: p.stem)
def test_a_refusal_repeats_nothing_of_the_document(path: Path, french: FrAdapter) -> None:
    """No value and no foreign name of the document appears in the refusal (Art 16)."""
    with pytest.raises(InvalidDocument) as caught:
        french.validate(path.read_bytes())
    told = repr(caught.value) + repr(caught.value.problems)
    for secret in ("9903221447", "DUPONT", "dupont", "texte libre", "numeroAGDREF", "Paix", "parce_que"):
        assert secret not in told
