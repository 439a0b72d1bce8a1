"""UK bytes → strict JSON → judged by the schemas → canonical. No value of a document enters an error."""

from __future__ import annotations

import datetime as dt
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, NoReturn

import jsonschema_rs
import msgspec

from adapters.uk import mapping
from contracts.codes import MessageType
from contracts.model import Message
from contracts.ports import InvalidDocument, Problem, Unmappable, ValidDocument

MAX_BYTES: Final = 2_000_000
"""Largest JSON document, attachments not counted; a full request for 20 persons stays below it."""
MAX_DEPTH: Final = 32
MAX_NUMBER_LENGTH: Final = 400
"""Characters of one number: far beyond every limit of the contract, far below any cost."""
MAX_ITEMS: Final = 50
"""Longest list that any schema allows (tested)."""
MAX_PROBLEMS: Final = 50
"""Complaints returned for one document; more help nobody."""

Json = dict[str, Any]

_SURROGATE_ESCAPE: Final = re.compile(r"\\u[dD][89a-fA-F]")
_NULL: Final = ["null"]


class _Malformed(Exception):
    """Why the bytes are no strict JSON, in English and French."""

    def __init__(self, en: str, fr: str) -> None:
        super().__init__(en)
        self.en = en
        self.fr = fr


# ---- strict JSON --------------------------------------------------------------------------------


def parse_json(content: bytes) -> Any:
    """One JSON value (RFC 8259, I-JSON): UTF-8, no duplicate names, no NaN, no lone surrogate, bounded.

    Raises InvalidDocument with the single code ``malformed_json`` and an empty pointer.
    """
    try:
        return _parse(content)
    except _Malformed as exc:
        problem = Problem(path="", code=mapping.MALFORMED, message_en=exc.en, message_fr=exc.fr)
        raise InvalidDocument((problem,)) from None


def _parse(content: bytes) -> Any:
    # (1) bounds first, so that nothing later costs more than they allow
    if len(content) > MAX_BYTES:
        raise _Malformed(f"larger than {MAX_BYTES} bytes", f"plus de {MAX_BYTES} octets")
    # (2) UTF-8 without byte order mark (RFC 8259 section 8.1)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise _Malformed("not UTF-8", "pas en UTF-8") from None
    # (3) syntax, duplicate names and numbers
    try:
        value = _DECODER.decode(text)
    except RecursionError:
        _too_deep()
    except ValueError:  # JSONDecodeError; its text would quote the document
        raise _Malformed("not well-formed JSON", "JSON mal formé") from None
    # (4) depth: a document with fewer brackets than the limit cannot pass it
    if text.count("{") + text.count("[") > MAX_DEPTH:
        _check_depth(value)
    # (5) lone surrogates can only come from escapes
    if _SURROGATE_ESCAPE.search(text) and not all(map(_encodable, _strings(value))):
        raise _Malformed("a lone surrogate is no character", "un demi-codet isolé n'est pas un caractère")
    return value


def _too_deep() -> NoReturn:
    raise _Malformed(
        f"nested deeper than {MAX_DEPTH}", f"plus de {MAX_DEPTH} niveaux d'imbrication"
    ) from None


def _unique(pairs: list[tuple[str, Any]]) -> Json:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise _Malformed("a name occurs twice in one object", "un nom figure deux fois dans un objet")
    return result


def _int(text: str) -> int:
    if len(text) > MAX_NUMBER_LENGTH:
        _out_of_range()
    return int(text)


def _float(text: str) -> int | float:
    value = float(text) if len(text) <= MAX_NUMBER_LENGTH else math.inf
    if not math.isfinite(value):
        _out_of_range()
    return int(value) if value.is_integer() else value  # JSON has one kind of number: 2.0 is 2


def _out_of_range() -> NoReturn:
    raise _Malformed("a number is out of range", "un nombre est hors limites")


def _constant(_: str) -> NoReturn:
    raise _Malformed("NaN and Infinity are no JSON", "NaN et Infinity ne sont pas du JSON")


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_unique, parse_float=_float, parse_int=_int, parse_constant=_constant
)


def _children(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [child for item in level for child in _children(item)]
        if not level:
            return
    _too_deep()


def _strings(value: Any) -> Iterator[str]:
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict):
            yield from item
        stack.extend(_children(item))


def _encodable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


# ---- judgement ----------------------------------------------------------------------------------


def problems_of(
    errors: Iterable[jsonschema_rs.ValidationError], vocabulary: frozenset[str], prefix: str = ""
) -> tuple[Problem, ...]:
    """The schema's complaints as pointer and keyword, without repetition, in document order.

    A name that the contract does not know may itself be personal data: then the pointer is its parent's.
    """
    found: dict[tuple[str, str], Problem] = {}
    for error in errors:
        for path, keyword, reason in _complaints(error, vocabulary):
            pointer = prefix + "".join(f"/{_escape(str(step))}" for step in path)
            en, fr = mapping.TEXTS.get(reason, mapping.OTHER_TEXT)
            problem = Problem(path=pointer, code=keyword, message_en=en, message_fr=fr)
            found.setdefault((pointer, keyword), problem)
            if len(found) == MAX_PROBLEMS:
                return tuple(found.values())
    return tuple(found.values())


def prune(value: Any) -> Any:
    """The document with every list cut after one item more than any list may have.

    Explaining costs time for each complaint. A list this long is refused whatever it holds, so what is cut
    away cannot turn a refusal into an acceptance.
    """
    if isinstance(value, dict):
        return {name: prune(item) for name, item in value.items()}
    return [prune(item) for item in value[: MAX_ITEMS + 1]] if isinstance(value, list) else value


def _escape(step: str) -> str:
    return step.replace("~", "~0").replace("/", "~1")


def _complaints(
    error: jsonschema_rs.ValidationError, vocabulary: frozenset[str]
) -> Iterator[tuple[tuple[str | int, ...], str, str]]:
    """Path, keyword, and the key of the text that explains it."""
    kind, path = error.kind, tuple(error.instance_path)
    if isinstance(kind, jsonschema_rs.ValidationErrorKind.Required):
        yield (*path, kind.property), kind.name, kind.name
    elif isinstance(kind, jsonschema_rs.ValidationErrorKind.AdditionalProperties):
        for name in kind.unexpected:
            yield ((*path, name) if name in vocabulary else path), kind.name, kind.name
    elif isinstance(kind, jsonschema_rs.ValidationErrorKind.AnyOf):
        # Every anyOf of the contract is "this or null": the complaints about "this" are the useful ones.
        branches = [branch for branch in kind.context if not _is_null_branch(branch)]
        for inner in (e for branch in branches for e in branch):
            yield from _complaints(inner, vocabulary)
    elif isinstance(kind, jsonschema_rs.ValidationErrorKind.Type) and list(kind.types) == _NULL:
        yield path, kind.name, mapping.MUST_BE_NULL
    elif isinstance(kind, jsonschema_rs.ValidationErrorKind.Type) and error.instance is None:
        yield path, kind.name, mapping.MUST_NOT_BE_NULL
    else:
        yield path, kind.name, kind.name


def _is_null_branch(branch: list[jsonschema_rs.ValidationError]) -> bool:
    kind = branch[0].kind if len(branch) == 1 else None
    return isinstance(kind, jsonschema_rs.ValidationErrorKind.Type) and list(kind.types) == _NULL


# ---- canonical ----------------------------------------------------------------------------------


def to_message(document: Mapping[str, Any]) -> Message:
    """A judged full document as canonical message. Raises Unmappable when the model is narrower."""
    body = _copy(document["body"])
    message_type = MessageType(body["type"])
    for path in mapping.INSTANTS[message_type]:
        apply(body, path, read_instant)
    for path in mapping.BIRTH_DATES.get(message_type, ()):
        apply(body, path, read_birth_date)
    whole = {**document, "body": body}
    for name in mapping.HEADER_INSTANTS:
        whole[name] = read_instant(whole[name])
    try:
        return msgspec.convert(whole, Message)
    except (msgspec.ValidationError, ValueError):
        # The schemas are at least as strict as the model (tested); the library's text may quote values.
        raise Unmappable((_no_counterpart(),)) from None


def require(document: ValidDocument, key: str) -> Json:
    """The parsed form of a judged document; ``key`` tells a whole message from a body."""
    parsed = document.parsed
    if not isinstance(parsed, dict) or key not in parsed:
        raise TypeError(f"not a document of this adapter with {key!r}")
    return parsed


def apply(node: Any, path: mapping.Path, change: Callable[[Any], Any]) -> None:
    """Replaces the non-null values at ``path`` in place; nullable parents are passed over."""
    step, rest = path[0], path[1:]
    if step == mapping.EACH:
        for item in node:
            apply(item, rest, change)
    elif (value := node[step]) is None:
        return
    elif rest:
        apply(value, rest, change)
    else:
        node[step] = change(value)


def read_instant(value: str) -> dt.datetime:
    """UTC, whole milliseconds; the schema has refused naive and finer instants."""
    return dt.datetime.fromisoformat(value).astimezone(dt.UTC)


def read_birth_date(value: Json) -> dict[str, int | None]:
    """Year, month and day as far as the precision goes."""
    parts = [int(part) for part in value["value"].split("-")] if value["value"] is not None else []
    padded: list[int | None] = [*parts, None, None, None]
    return dict(zip(("year", "month", "day"), padded, strict=False))


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list) else value


def _no_counterpart() -> Problem:
    return Problem(
        path="",
        code="no_canonical_counterpart",
        message_en="a value has no counterpart in the canonical model",
        message_fr="une valeur n'a pas d'équivalent dans le modèle canonique",
    )
