"""Coverage-guided fuzzing of what reads bytes, with atheris (optional: pip install atheris).

    python -m tests.fuzz.guided mime -max_total_time=60

Arguments after the target are libFuzzer's. The first line of an input is the Content-Type, the rest the body.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Final

try:
    import atheris
except ImportError:
    sys.exit("atheris is not installed; it is optional: .venv/bin/pip install atheris")

with atheris.instrument_imports(include=["gateway.core", "contracts", "adapters"]):
    from adapters.fr import FrAdapter
    from adapters.uk import UkAdapter
    from contracts.ports import InvalidDocument, Unmappable
    from contracts.xml import XmlRefused, parse_xml
    from gateway.core.as4.mime import parse_multipart
    from gateway.core.errors import As4Error, MimeInconsistency
    from tests.fixtures import as4

_FR: Final = FrAdapter()
_UK: Final = UkAdapter()


def _split(data: bytes) -> tuple[str, bytes]:
    content_type, _, body = data.partition(b"\n")
    return content_type.decode("latin-1"), body


def _mime(data: bytes) -> None:
    try:
        parse_multipart(*_split(data), as4.POLICY)
    except MimeInconsistency:
        return


def _wire(data: bytes) -> None:
    try:
        as4.open_any(*_split(data))
    except As4Error:
        return


def _xml(data: bytes) -> None:
    try:
        parse_xml(data)
    except XmlRefused:
        return


def _french(data: bytes) -> None:
    try:
        _FR.to_canonical(_FR.validate(data))
    except (InvalidDocument, Unmappable):
        return


def _uk(data: bytes) -> None:
    try:
        _UK.to_canonical(_UK.validate(data))
    except (InvalidDocument, Unmappable):
        return


TARGETS: Final[Mapping[str, Callable[[bytes], None]]] = {
    "mime": _mime,
    "wire": _wire,
    "xml": _xml,
    "french-document": _french,
    "uk-document": _uk,
}


def main(arguments: Sequence[str]) -> None:
    if len(arguments) < 2 or arguments[1] not in TARGETS:
        sys.exit(f"{__doc__}\ntargets: {', '.join(TARGETS)}")
    atheris.Setup([arguments[0], *arguments[2:]], TARGETS[arguments[1]])
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv)
