"""The log of a real gateway process: JSON lines, each traceable, none with personal data."""

from __future__ import annotations

import json
from typing import Any

from gateway.core.trace import trace_id
from gateway.logs import FIELDS
from tests.fixtures.world import make_world, nomination, parts_of, post, readmission_request, until


def _personal(body: dict[str, Any]) -> set[str]:
    """Names and numbers of the persons of a body."""
    found: set[str] = set()
    for person in body["persons"]:
        for name in (person["name"], *(other["name"] for other in person["other_names"])):
            found |= {value for value in name.values() if value}
        found |= {document["number"] for document in person["documents"] if document["number"]}
    assert len(found) >= 3
    return found


async def test_every_line_of_a_play_can_be_traced() -> None:
    """A request, its message, its attempts on another side of an outage and the answers of France."""
    bodies = [readmission_request(), nomination()]
    with make_world(settings={"log": {"level": "debug"}}) as world:
        world.control(down={"requests": 2})
        async with world.client() as client:
            receipts = [
                await post(client, "/v1/readmission-requests", bodies[0]),
                await post(client, "/v1/nominations", bodies[1]),
            ]
            name = bodies[0]["persons"][0]["name"]["family_name"]
            refused = await client.post_raw(
                "/v1/nominations", json.dumps({"type": name}).encode(), attachments=parts_of(bodies[0])
            )
            await client.request("GET", f"/v1/messages/{name}", headers={"X-Correlation-Id": name})

            async def delivered() -> bool:
                pages = [await client.get(f"/v1/messages/{r.message_id}") for r in receipts]
                return all(p.json()["receipt_verified"] for p in pages)

            await until(delivered, seconds=40, what="both receipts")
        assert world.stop_gateway() == 0
        text = world.log("gateway")
    lines = [json.loads(line) for line in text.splitlines()]
    assert len(lines) > 15
    assert all(set(line) <= FIELDS for line in lines)
    for line in lines:
        assert {"event", "level", "timestamp"} <= set(line)
        if line["event"] in {"http.request", "as4.request", "as4.refused"}:
            assert len(line["correlation_id"]) == 36
        if line.get("message_id"):
            assert line["trace_id"] == trace_id(line["message_id"])
        if line["event"] == "delivery":
            assert line["message_id"]
            assert line["attempt"] >= 1
    assert refused.headers["x-correlation-id"] in {
        line["correlation_id"] for line in lines if line["event"] == "http.request"
    }
    for receipt in receipts:
        about = [line["event"] for line in lines if line.get("message_id") == receipt.message_id]
        assert about[0] == "http.request"
        assert "delivery" in about[1:]
    values = _personal(bodies[0]) | _personal(bodies[1])
    assert [value for value in values if value in text] == []
