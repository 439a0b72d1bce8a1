"""Every answer of a running gateway against the OpenAPI document that it publishes itself."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
import yaml

from gateway.core.jws import verify_detached
from tests.fixtures.uk_gateway import simple_request
from tests.integration.cases.steps import READMISSIONS
from tests.integration.contract.recorder import DOCUMENT, OPERATIONS, Exchange, Recorder

pytestmark = pytest.mark.asyncio(loop_scope="module")

PER_ANSWER = {"x-correlation-id", "ratelimit", "ratelimit-policy", "date"}
"""Headers that belong to the request, not to the stored answer."""


def resolve(node: dict[str, Any]) -> dict[str, Any]:
    """A node of the document, its local reference followed."""
    while "$ref" in node:
        found: Any = DOCUMENT
        for step in node["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        node = found
    return node


def errors_of(schema: dict[str, Any], value: Any) -> list[str]:
    whole = {**schema, "components": DOCUMENT["components"]}
    validator = jsonschema_rs.Draft202012Validator(whole, validate_formats=True)
    return [f"{list(e.instance_path)} {e.message}"[:200] for e in validator.iter_errors(value)]


def complaints(seen: Exchange) -> Iterator[str]:
    """What about one answer is not as documented: status, media type, headers, body, surplus members."""
    methods = [m for m, t in OPERATIONS if t == seen.template]
    operation = OPERATIONS[(seen.method if seen.method in methods else methods[0], seen.template)]
    answer = seen.answer
    if str(answer.status) not in operation["responses"]:
        yield f"status {answer.status}"
        return
    response = resolve(operation["responses"][str(answer.status)])
    media_type = answer.headers["content-type"].split(";")[0]
    if media_type not in response["content"]:
        yield f"media type {media_type}"
        return
    for name, header in response.get("headers", {}).items():
        value: Any = answer.headers.get(name.lower())
        schema = resolve(header)["schema"]
        if value is None:
            if name in {"X-Correlation-Id", "Location", "Allow", "WWW-Authenticate", "x-jws-signature"}:
                yield f"{answer.status}: header {name} is missing"
        else:
            shown = int(value) if schema.get("type") == "integer" else value
            yield from (f"header {name}: {e}" for e in errors_of(schema, shown))
    if media_type.endswith("json"):
        closed = {**response["content"][media_type]["schema"], "unevaluatedProperties": False}
        yield from (f"{answer.status} {e}" for e in errors_of(closed, json.loads(answer.body)))


async def test_every_answer_is_documented(recorded: Recorder) -> None:
    """Status, media type, headers and body of all answers are those of the document, without surplus."""
    found = {f"{s.method} {s.template}: {text}" for s in recorded.seen for text in complaints(s)}
    assert found == set()
    assert len(recorded.seen) > 200


async def test_every_operation_was_called_well_and_badly(recorded: Recorder) -> None:
    """No operation is left out: each answered with a success, and each with a problem."""
    statuses: dict[tuple[str, str], set[int]] = defaultdict(set)
    for seen in recorded.seen:
        for method, template in OPERATIONS:
            if template == seen.template and seen.method in {method, "delete"}:
                statuses[(method, template)].add(seen.answer.status)
    for operation in OPERATIONS:
        assert min(statuses[operation]) < 300, operation
        assert 405 in statuses[operation], operation
    posts = {t: s for (m, t), s in statuses.items() if m == "post" and t.startswith("/v1/")}
    for template, answered in posts.items():
        assert {202, 400, 401, 405, 406, 413, 415, 422} <= answered, (template, answered)
        assert 404 in answered or not template.endswith("withdrawals")


async def test_answers_below_v1_are_signed(recorded: Recorder) -> None:
    """Every answer of the API, good or bad, carries a signature of a published key over its very bytes."""
    keys = await recorded.keys()
    for seen in recorded.seen:
        if seen.template.startswith("/v1/"):
            verify_detached(seen.answer.body, seen.answer.headers.get("x-jws-signature"), keys=keys)


async def test_links_work(recorded: Recorder) -> None:
    """Problem types, Locations and every link of the pages lead somewhere."""
    seen = [s.answer for s in recorded.seen]
    links = {a.json()["type"] for a in seen if a.headers["content-type"].startswith("application/problem")}
    assert len(links) > 8
    links |= {"/docs", "/docs/problems"}
    pages: dict[str, str] = {}
    todo = sorted(links)
    while todo:
        path, _, anchor = todo.pop().partition("#")
        if path not in pages:
            answer = await recorded.request("GET", path)
            assert answer.status == 200, path
            pages[path] = answer.body.decode()
            if path.startswith("/docs"):
                hrefs = re.findall(r'(?:href|src)="([^"]+)"', pages[path])
                todo += [href if href[0] == "/" else path + href for href in hrefs]
        assert not anchor or f'id="{anchor}"' in pages[path], (path, anchor)
    for location in {a.headers["location"] for a in seen if "location" in a.headers}:
        assert (await recorded.get(location)).status == 200


async def test_published_document_is_the_contract(recorded: Recorder) -> None:
    """/openapi.yaml is the document that the answers were judged by."""
    answer = await recorded.request("GET", "/openapi.yaml")
    assert yaml.load(answer.body, Loader=yaml.CSafeLoader) == DOCUMENT


async def test_replay_is_byte_identical(recorded: Recorder) -> None:
    """The first answer to an Idempotency-Key again: status, body, signature, every header of the answer."""
    body = json.dumps(simple_request()).encode()
    first = await recorded.post_raw(READMISSIONS, body, key="once")
    again = await recorded.post_raw(READMISSIONS, body, key="once")
    assert (first.status, first.body) == (202, again.body)
    assert again.status == first.status

    def kept(headers: Any) -> dict[str, str]:
        return {name: value for name, value in headers.items() if name not in PER_ANSWER}

    assert kept(again.headers) == kept(first.headers)
    other = await recorded.post_raw(READMISSIONS, body.replace(b"false", b"true", 1), key="once")
    assert (other.status, other.json()["code"]) == (422, "idempotency_key_reused")
