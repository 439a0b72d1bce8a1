"""openapi.yaml is valid, complete, and says what the schemas and the error tree say."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
import yaml
from openapi_spec_validator import validate

from adapters.uk import UkAdapter
from contracts.codes import SENDERS, Direction, MessageType
from contracts.uk.v1 import bundle
from gateway.core import errors
from gateway.core.tokens import SCOPES
from gateway.flows.message_search import NAMES, ZONES

RAW = bundle.load_openapi()
BUNDLED = bundle.bundled_openapi()
ADAPTER = UkAdapter()
METHODS = {"get", "post", "put", "patch", "delete"}
R, N = "/v1/readmission-requests", "/v1/nominations"
ROUTES = {
    ("post", R): "ReadmissionRequest",
    ("post", f"{R}/{{reference}}/transfer-notices"): "TransferNotice",
    ("post", f"{R}/{{reference}}/transfer-outcomes"): "TransferOutcome",
    ("post", f"{R}/{{reference}}/withdrawals"): "Withdrawal",
    ("post", f"{R}/{{reference}}/corrections"): "Correction",
    ("post", f"{R}/{{reference}}/documents"): "SupplementaryDocument",
    ("post", f"{R}/{{reference}}/status-updates"): "StatusUpdate",
    ("post", N): "Nomination",
    ("post", f"{N}/{{reference}}/outcomes"): "NominationOutcome",
    ("post", f"{N}/{{reference}}/admissions"): "AdmissionOutcome",
    ("post", f"{N}/{{reference}}/withdrawals"): "Withdrawal",
    ("post", f"{N}/{{reference}}/status-updates"): "StatusUpdate",
    ("post", "/v1/inbox/{id}/acknowledgements"): "Acknowledgement",
}
DEFAULTS = {
    "type": "Acknowledgement",
    "of_message": "019a8c52-4e1f-7c33-a4d8-6b2e9f0c7a15",
    "code": None,
    "at": "2026-11-23T13:10:00Z",
}
"""What the gateway adds to an inbox acknowledgement: path and clock say it."""
OTHER_ROUTES = {
    ("get", f"{R}/{{reference}}"),
    ("get", f"{N}/{{reference}}"),
    ("get", "/v1/messages"),
    ("get", "/v1/messages/{id}"),
    ("get", "/v1/messages/{id}/events"),
    ("get", "/v1/messages/{id}/evidence"),
    ("get", "/v1/inbox"),
    ("get", "/v1/deadlines"),
    ("get", "/v1/balance"),
    ("get", "/v1/holds"),
    ("get", "/v1/holds/{id}"),
    ("get", "/v1/rules"),
    ("post", "/oauth/token"),
    ("get", "/.well-known/jwks.json"),
    ("get", "/openapi.yaml"),
    ("get", "/docs"),
    ("get", "/livez"),
    ("get", "/readyz"),
    ("get", "/metrics"),
}


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, path and operation of the bundled document."""
    for path, item in BUNDLED["paths"].items():
        for method, operation in item.items():
            if method in METHODS:
                yield method, path, operation


OPERATIONS = list(operations())
IDS = [o["operationId"] for *_, o in OPERATIONS]


def resolve(node: dict[str, Any]) -> dict[str, Any]:
    """Follows a local reference."""
    while "$ref" in node:
        target: Any = BUNDLED
        for step in node["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        node = target
    return node


def validator(schema: dict[str, Any]) -> jsonschema_rs.Draft202012Validator:
    """A schema of the bundled document, with its components in reach."""
    whole = {"$id": "urn:bundle", "components": BUNDLED["components"], **schema}
    return jsonschema_rs.Draft202012Validator(whole, validate_formats=True)


def test_written_and_bundled_documents_are_valid_openapi() -> None:
    """Both the file with its relative references and the bundle satisfy OpenAPI 3.1."""
    validate(RAW, base_uri=(bundle.HERE / "openapi.yaml").as_uri())
    validate(BUNDLED)
    assert BUNDLED["openapi"] == "3.1.0"


def test_bundle_is_self_contained_and_can_be_served_as_yaml() -> None:
    """No reference leaves the bundle, each resolves, and its YAML reads back equal."""
    refs = re.findall(r'"\$ref": "([^"]+)"', json.dumps(BUNDLED))
    assert len(refs) > 100
    for ref in set(refs):
        assert ref.startswith("#/components/")
        assert resolve({"$ref": ref})
    assert yaml.safe_load(bundle.bundled_yaml()) == BUNDLED


def test_bundling_loses_no_definition() -> None:
    """No name of a schema hides another one."""
    schemas = bundle.load_schemas()
    own = set(RAW["components"]["schemas"])
    shared, types = set(schemas["common"]["$defs"]), {t.value for t in MessageType}
    assert not own & shared
    assert not (own | shared) & types
    assert set(BUNDLED["components"]["schemas"]) == own | shared | types | {"Message"}


def test_routes_are_those_of_the_design() -> None:
    """Every route of the design, and no other."""
    assert {(method, path) for method, path, _ in OPERATIONS} == set(ROUTES) | OTHER_ROUTES


def test_every_type_that_the_uk_sends_has_a_route() -> None:
    """Nothing that the UK may send lacks its POST."""
    assert set(ROUTES.values()) == {t.value for t, ways in SENDERS.items() if Direction.UK_TO_FR in ways}


@pytest.mark.parametrize(("route", "message_type"), ROUTES.items(), ids=lambda v: str(v))
def test_posts_take_their_type_signed_and_once(route: tuple[str, str], message_type: str) -> None:
    """Body schema, signature, idempotency key and 202 answer are declared for every message."""
    method, path = route
    operation = BUNDLED["paths"][path][method]
    content = operation["requestBody"]["content"]
    name = "InboxAcknowledgement" if message_type == "Acknowledgement" else message_type
    reference = {"$ref": f"#/components/schemas/{name}"}
    assert content["application/json"]["schema"] == reference
    if "multipart/form-data" in content:
        assert content["multipart/form-data"]["schema"]["properties"]["message"] == reference
    has_files = "attachments" in resolve(reference)["properties"]
    assert has_files == ("multipart/form-data" in content)
    parameters = {p["name"]: p for p in map(resolve, operation["parameters"])}
    assert parameters["Idempotency-Key"]["required"]
    assert parameters["x-jws-signature"]["required"]
    assert parameters["dry_run"]["schema"]["enum"] == ["true", "false"]
    assert "DryRunVerdict" in json.dumps(resolve(operation["responses"]["200"]))
    answer = operation["responses"]["202"]
    said = answer["content"]["application/json"]["schema"]
    for schema in said.get("anyOf", [said]):  # a message or, where the inbox is acknowledged, an event
        assert set(resolve(schema)["required"]) >= {
            "message_id",
            "reference",
            "conversation_id",
            "status",
            "received_at",
            "receipt",
            "holds",
            "warnings",
        }
    assert {"x-jws-signature", "RateLimit", "RateLimit-Policy"} <= set(answer["headers"])


@pytest.mark.parametrize(("route", "message_type"), ROUTES.items(), ids=lambda v: str(v))
def test_examples_of_posts_are_accepted_by_the_adapter(route: tuple[str, str], message_type: str) -> None:
    """What the description shows is what the gateway takes."""
    method, path = route
    examples = BUNDLED["paths"][path][method]["requestBody"]["content"]["application/json"]["examples"]
    assert examples
    for example in examples.values():
        whole = {**DEFAULTS, **example["value"]} if message_type == "Acknowledgement" else example["value"]
        content = json.dumps(whole).encode()
        assert ADAPTER.validate_body(content, message_type).message_type == message_type


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS, ids=IDS)
def test_path_parameters_are_declared(method: str, path: str, operation: dict[str, Any]) -> None:
    """Every placeholder of a path has its parameter."""
    declared = {p["name"] for p in map(resolve, operation.get("parameters", [])) if p["in"] == "path"}
    assert declared == set(re.findall(r"\{(\w+)\}", path)), method


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS, ids=IDS)
def test_every_answer_has_examples_that_fit_its_schema(
    method: str, path: str, operation: dict[str, Any]
) -> None:
    """Each operation shows a success and each of its errors, and each example fits."""
    assert operation["summary"], (method, path)
    assert operation["description"]
    for response in map(resolve, operation["responses"].values()):
        for media in response["content"].values():
            judge = validator(media["schema"])
            assert media["examples"]
            for example in media["examples"].values():
                assert [e.message for e in judge.iter_errors(example["value"])] == []


def _error_classes() -> list[type[errors.PasserelleError]]:
    return [
        value
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, errors.ApiError | errors.Unavailable)
    ]


def test_problem_codes_are_those_of_the_error_tree() -> None:
    """Neither a code that is never given nor one that is not described (internal: a defect of ours)."""
    found = {c.code for c in _error_classes() if not issubclass(c, errors.OAuthError)} | {"internal"}
    assert set(BUNDLED["components"]["schemas"]["ProblemCode"]["enum"]) == found
    oauth = {c.code for c in _error_classes() if issubclass(c, errors.OAuthError)} - {"internal"}
    assert set(BUNDLED["components"]["schemas"]["OAuthErrorCode"]["enum"]) == oauth


def test_each_problem_has_an_example_under_its_status() -> None:
    """Every code is shown once at least, with the status of its class."""
    status = {c.code: c.http_status for c in _error_classes()} | {"internal": 500}
    shown: set[str] = set()
    for _, _, operation in OPERATIONS:
        for code, response in operation["responses"].items():
            media = resolve(response)["content"].get("application/problem+json", {"examples": {}})
            for name, example in media["examples"].items():
                assert example["value"]["code"] == name
                assert status[name] == example["value"]["status"] == int(code)
                shown.add(name)
    assert shown == set(BUNDLED["components"]["schemas"]["ProblemCode"]["enum"])


def test_scopes_are_those_of_the_tokens() -> None:
    """The description offers the scopes that the gateway knows, and operations use only these."""
    flow = BUNDLED["components"]["securitySchemes"]["oauth2"]["flows"]["clientCredentials"]
    assert set(flow["scopes"]) == set(SCOPES)
    used = {scope for *_, o in OPERATIONS for s in o.get("security", []) for scope in s.get("oauth2", [])}
    assert used == set(SCOPES)


def test_the_listing_takes_every_word_of_a_query() -> None:
    """What the console and the command line can ask for; type and status may be given several times."""
    operation = BUNDLED["paths"]["/v1/messages"]["get"]
    parameters = {p["name"]: p["schema"] for p in map(resolve, operation["parameters"])}
    assert set(parameters) == {*NAMES, "cursor", "limit"}
    several = {name for name, schema in parameters.items() if schema.get("type") == "array"}
    assert several == {"type", "status"}
    assert tuple(parameters["zone"]["enum"]) == ZONES


def test_inbox_acknowledgement_has_the_fields_of_the_message() -> None:
    """The short form may leave fields away, but knows the same ones, and the same rule about the code."""
    schemas = BUNDLED["components"]["schemas"]
    short, whole = schemas["InboxAcknowledgement"], schemas["Acknowledgement"]
    assert set(short["properties"]) == set(whole["properties"])
    judge = validator({"$ref": "#/components/schemas/InboxAcknowledgement"})
    assert judge.is_valid({"status": "taken_into_account"})
    assert not judge.is_valid({"status": "rejected"})
    assert not judge.is_valid({"status": "rejected", "code": None})
    assert not judge.is_valid({"status": "taken_into_account", "code": "unknown_case"})
    assert not judge.is_valid({"status": "taken_into_account", "comment": "free text"})
