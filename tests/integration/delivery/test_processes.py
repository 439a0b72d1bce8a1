"""Processes of their own: what they write, workers apart from listeners, several at once."""

from __future__ import annotations

import asyncio
import json
from collections import Counter

import pytest

from tests.fixtures.world import make_world, post, readmission_request, until

PATH = "/v1/readmission-requests"
PATIENT = {
    "france": {"connect_timeout_s": 30, "total_timeout_s": 60},
    "worker": {"lease_s": 120, "drain_s": 30},
}
"""On a busy machine an answer takes long: an attempt that is given up would rightly be made again."""


async def test_workers_apart_from_the_listeners() -> None:
    """Listeners without a worker accept and wait; two worker processes then deliver everything once."""
    with make_world(settings=PATIENT, start=False) as world:
        world.start_ministry()
        world.start_gateway(with_worker=False)
        async with world.client() as client:
            sent = [await post(client, PATH, readmission_request(number=n)) for n in range(6)]
            await asyncio.sleep(0.5)
            assert world.ministry_status()["received"] == []
            workers = [world.start_worker(), world.start_worker()]

            async def all_acknowledged() -> bool:
                pages = [await client.message(receipt.message_id) for receipt in sent]
                return all(page["status"] == "acknowledged" for page in pages)

            await until(all_acknowledged, seconds=90, what="all delivered by the workers")
        received = world.ministry_status()["received"]
        assert Counter(m["message_id"] for m in received) == Counter(r.message_id for r in sent)
        assert {m["deliveries"] for m in received} == {1}
        # one worker alone may have delivered everything while the other was still starting
        await until(lambda: world.log("worker").count("worker.ready") == 2, seconds=90, what="both started")
        for worker in workers:
            worker.terminate()
        assert [worker.wait(timeout=60) for worker in workers] == [0, 0]


async def test_logs_are_json_without_personal_data() -> None:
    """Every line of a normal run is a JSON object; no name, number or text of a message is in it."""
    with make_world() as world:
        body = readmission_request()
        async with world.client() as client:
            opened = await post(client, PATH, body)

            async def acknowledged() -> bool:
                return bool((await client.message(opened.message_id))["status"] == "acknowledged")

            await until(acknowledged, seconds=60, what="acknowledged")
        assert world.stop_gateway() == 0
        text = world.log("gateway")
    events = [json.loads(line)["event"] for line in text.splitlines()]
    assert {"gateway.ready", "delivery", "gateway.stopping"} <= set(events)
    person = body["persons"][0]
    for secret in (
        person["name"]["family_name"],
        person["name"]["given_names"],
        person["documents"][0]["number"],
        body["home_office_reference"],
    ):
        assert secret not in text


async def test_log_settings_are_obeyed() -> None:
    """``log.level`` and ``log.format`` decide what the process writes."""
    with make_world(settings={"log": {"level": "error"}}, start=False) as world:
        world.start_gateway()
        assert world.stop_gateway() == 0
        assert world.log("gateway") == ""
    with make_world(settings={"log": {"format": "console"}}, start=False) as world:
        world.start_gateway()
        assert world.stop_gateway() == 0
        assert "gateway.ready" in world.log("gateway")
        assert not world.log("gateway").startswith("{")


async def test_a_wrong_setting_stops_the_start_with_its_cure() -> None:
    """A gateway that cannot work says which setting, and listens nowhere."""
    with make_world(start=False) as world:
        (world.uk / "trust" / "fr" / "party" / "encrypt.pem").unlink()
        with pytest.raises(AssertionError, match="did not start"):
            world.start_gateway()
        assert "no valid certificate to encrypt to" in world.log("gateway")
