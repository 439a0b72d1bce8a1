"""A client that remembers every answer with the operation of the OpenAPI document that it belongs to."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from contracts.uk.v1.bundle import bundled_openapi
from gateway.uk_client import Answer, UkClient
from tests.fixtures.uk_gateway import CLIENT, ISSUER, Gateway, example_body, parts_for
from tests.integration.cases.steps import NOMINATIONS, READMISSIONS, carry_to_transfer, written

DOCUMENT = bundled_openapi()
METHODS = ("get", "post")
OPERATIONS = {
    (method, template): operation
    for template, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
    if method in METHODS
}
_TEMPLATES = [(re.compile(re.sub(r"{\w+}", "[^/]+", t)), t) for t in DOCUMENT["paths"]]


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """One request (without its body) and its answer."""

    method: str
    template: str
    path: str
    answer: Answer


class Recorder(UkClient):
    """Records what ``request`` sees; ``template`` is the path of the OpenAPI document."""

    def __init__(self, base: str, **settings: Any) -> None:
        super().__init__(base, **settings)
        self.seen: list[Exchange] = []

    @classmethod
    def of(cls, gateway: Gateway) -> Recorder:
        return cls(
            gateway.base, client_id=CLIENT, signer=gateway.signer, clock=gateway.clock, audience=ISSUER
        )

    async def request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        data: Any = None,
        size: int = 0,
    ) -> Answer:
        answer = await super().request(method, path, headers=headers, data=data, size=size)
        bare = path.split("?")[0]
        template = next((t for pattern, t in _TEMPLATES if pattern.fullmatch(bare)), None)
        if template is not None:
            self.seen.append(Exchange(method=method.lower(), template=template, path=path, answer=answer))
        return answer

    async def good(self, path: str, body: Any, status: int = 202) -> Any:
        """Post and expect ``status``."""
        content = json.dumps(body, ensure_ascii=False).encode()
        answer = await self.post_raw(path, content, attachments=parts_for(body))
        assert answer.status == status, (path, answer.body)
        return answer.json()


async def play(gateway: Gateway, client: Recorder) -> None:
    """Every operation at least once as it should be called and once as it should not."""
    readmission = await _readmission(gateway, client)
    nomination = await _nomination(gateway, client)
    await _inbox(gateway, client, readmission)
    await _read(client, readmission, nomination)
    await _badly(client, readmission, nomination)


async def _readmission(gateway: Gateway, client: Recorder) -> Any:
    body = example_body("ReadmissionRequest")
    opened = await client.good(READMISSIONS, body)
    path = f"{READMISSIONS}/{opened['reference']}"
    await client.good(f"{path}/documents", example_body("SupplementaryDocument-unprompted"))
    correction = {
        "type": "Correction",
        "corrects": opened["message_id"],
        "persons": body["persons"],
        "arrival": None,
    }
    await client.good(f"{path}/corrections", correction)
    since = written(gateway.clock.now())
    await client.good(f"{path}/status-updates", {"type": "StatusUpdate", "code": "medical", "since": since})
    await carry_to_transfer(gateway, client, opened["reference"])
    second = await client.good(READMISSIONS, body)
    withdrawal = {"type": "Withdrawal", "reason": "litigation", "at": since}
    await client.good(f"{READMISSIONS}/{second['reference']}/withdrawals", withdrawal)
    return opened


async def _nomination(gateway: Gateway, client: Recorder) -> Any:
    body = example_body("Nomination")
    opened = await client.good(NOMINATIONS, body)
    path = f"{NOMINATIONS}/{opened['reference']}"
    since = written(gateway.clock.now())
    await client.good(f"{path}/status-updates", {"type": "StatusUpdate", "code": "medical", "since": since})
    response = {
        "type": "NominationResponse",
        "response": "no_objection",
        "ground": None,
        "decided_at": since,
    }
    await gateway.from_france(response, reference=opened["reference"], in_reply_to=None)
    await client.good(f"{path}/outcomes", example_body("NominationOutcome"))
    await client.good(f"{path}/admissions", {**example_body("AdmissionOutcome"), "at": since})
    second = await client.good(NOMINATIONS, body)
    withdrawal = {"type": "Withdrawal", "reason": "litigation", "at": since}
    await client.good(f"{NOMINATIONS}/{second['reference']}/withdrawals", withdrawal)
    returned = example_body("ReadmissionRequest")["persons"][0]
    alike = {**body["persons"][0], **{key: returned[key] for key in ("name", "birth_date")}}
    held = await client.good(NOMINATIONS, {**body, "persons": [alike, *body["persons"][1:]]})
    assert held["status"] == "held"
    return opened


async def _inbox(gateway: Gateway, client: Recorder, readmission: Any) -> None:
    items = (await client.inbox())["items"]
    assert len(items) >= 3
    path = f"/v1/inbox/{items[0]['message_id']}/acknowledgements"
    await client.good(path, {"status": "taken_into_account", "code": None})
    answer = await client.post_raw(path, b'{"status": "taken_into_account", "code": null}')
    assert answer.status == 409


async def _read(client: Recorder, readmission: Any, nomination: Any) -> None:
    message = f"/v1/messages/{readmission['message_id']}"
    for path in (
        f"{READMISSIONS}/{readmission['reference']}",
        f"{NOMINATIONS}/{nomination['reference']}",
        "/v1/messages?limit=2",
        message,
        f"{message}/events",
        f"{message}/evidence",
        "/v1/inbox?wait=0&limit=1",
        "/v1/balance",
        "/v1/rules",
    ):
        assert (await client.get(path)).status == 200
    holds = (await client.get("/v1/holds?limit=1")).json()["items"]
    assert (await client.get(f"/v1/holds/{holds[0]['message_id']}")).json()["reasons"]
    assert (await client.get(f"{message}/evidence", accept="application/zip")).status == 200
    for path in ("/.well-known/jwks.json", "/openapi.yaml", "/docs", "/livez", "/readyz", "/metrics"):
        assert (await client.request("GET", path)).status == 200


async def _badly(client: Recorder, readmission: Any, nomination: Any) -> None:
    """Wrong method, no token, wrong Accept, query, key, signature, type, schema, unknown case: everywhere."""
    values = {"reference": readmission["reference"], "id": readmission["message_id"]}
    for method, template in OPERATIONS:
        if template.startswith(NOMINATIONS):
            values["reference"] = nomination["reference"]
        path = template.format(**values)
        await client.request("DELETE", path)
        if template.startswith("/v1/"):
            await client.request(method, path)
            await client.request(method, path, headers={"Authorization": "Bearer x.y.z"})
            if method == "get":
                await client.get(path, accept="text/html")
                await client.get(f"{path}?surplus=1")
                await client.get(template.format(reference="GB01-000000000000", id=_NO_ID))
            else:
                await _bad_posts(client, template, path)
        elif method == "post":
            await client.request("POST", path, data={"grant_type": "password"})
            await client.request("POST", path, data={"grant_type": "client_credentials"})
            await client.request("POST", path, data=b"{}", headers={"Content-Type": "application/json"})


_WITHDRAWAL = b'{"type": "Withdrawal", "reason": "litigation", "at": "2026-11-18T09:00:00Z"}'
_NO_ID = "01a06000-0000-7000-8000-000000000000"


async def _bad_posts(client: Recorder, template: str, path: str) -> None:
    await client.post_raw(path, b"{}")
    await client.post_raw(path, b"{")
    await client.post_raw(path, b"{}", signature="x")
    await client.post_raw(path, b"{}", key="\u00e9")
    await client.post_raw(path, b"{}", headers={"Content-Type": "text/plain"})
    await client.post_raw(path, b"{}", headers={"Accept": "text/html"})
    await client.post_raw(path, b" " * 300_000)
    await client.post_raw(template.format(reference="GB01-000000000000", id=_NO_ID), _WITHDRAWAL)
    assert (await client.post_raw(f"{path}?dry_run=true", b"{}")).status in {200, 404}
    assert (await client.post_raw(f"{path}?dry_run=1", b"{}")).status == 400
