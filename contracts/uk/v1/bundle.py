"""Reads the contract's files, and makes one self-contained OpenAPI document of them."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import yaml

from contracts.codes import MessageType

HERE = Path(__file__).parent
BASE_URI = "https://contracts.passerelle.example/uk/v1/schemas/"
"""Names the schemas; nothing is ever fetched from it."""
_COMMON = "common.json#/$defs/"
_FOLDER = "schemas/"

Json = dict[str, Any]


def load_schemas() -> dict[str, Json]:
    """Every schema file by its stem: ``common``, ``message`` and one per message type."""
    return {p.stem: json.loads(p.read_text("utf-8")) for p in sorted((HERE / "schemas").glob("*.json"))}


def load_openapi() -> Json:
    """``openapi.yaml`` as written, with its relative references."""
    document: Json = yaml.load((HERE / "openapi.yaml").read_text("utf-8"), Loader=yaml.CSafeLoader)
    return document


def bundled_openapi() -> Json:
    """The OpenAPI document with every schema inlined under ``components.schemas``.

    Names there are those of the message types and of ``common.json``'s ``$defs``; ``Message`` is the whole
    message. All references are local, so any OpenAPI 3.1 tool can read it alone.
    """
    document = copy.deepcopy(load_openapi())
    schemas = load_schemas()
    components = document["components"]["schemas"]
    components.update(schemas["common"]["$defs"])
    components["Message"] = schemas["message"]
    components.update({kind.value: schemas[kind] for kind in MessageType})
    localised: Json = _localise(document)
    return localised


def bundled_yaml() -> str:
    """``bundled_openapi`` as YAML text (UTF-8), in the order of the files."""
    return yaml.dump(bundled_openapi(), Dumper=_NoAliases, allow_unicode=True, sort_keys=False, width=120)


class _NoAliases(yaml.SafeDumper):
    """Writes repeated values out: readers of an API description do not expect anchors."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _localise(node: Any) -> Any:
    if isinstance(node, dict):
        return {
            key: _local_ref(value) if key == "$ref" and isinstance(value, str) else _localise(value)
            for key, value in node.items()
            if key not in ("$id", "$schema")
        }
    if isinstance(node, list):
        return [_localise(item) for item in node]
    return node


def _local_ref(ref: str) -> str:
    ref = ref.removeprefix(_FOLDER)
    if ref.startswith(_COMMON):
        return "#/components/schemas/" + ref.removeprefix(_COMMON)
    if ref.endswith(".json"):
        name = ref.removesuffix(".json")
        return "#/components/schemas/" + ("Message" if name == "message" else name)
    return ref
