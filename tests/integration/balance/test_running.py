"""Real processes: what waits for a quota reaches the ministry after an operator raises it, and is counted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from tests.fixtures.agreements import roomy
from tests.fixtures.world import World, case_status, make_world, post, readmission_request, until

PATH = "/v1/readmission-requests"


PASSWORD = "correct horse battery staple"


def command(world: World, *arguments: str, stdin: str = "") -> Any:
    """The command line on the running gateway's folder; its JSON."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PASSERELLE_")}
    code = "from gateway.cli.main import main; main()"
    result = subprocess.run(
        [sys.executable, "-c", code, "-C", str(world.uk), *arguments, "--json"],
        capture_output=True,
        check=True,
        env=environment,
        input=f"{stdin}\n".encode(),
    )
    return json.loads(result.stdout)


async def test_a_raised_quota_lets_the_waiting_request_go() -> None:
    """The second of one is held and France hears nothing; raised to two, it is delivered by the worker."""
    settings = {"console": {"unsafe_optional_second_factor": True}}
    with make_world(agreement=roomy(1), settings=settings) as world:
        nadia = ("users", "add", "nadia", "--role", "supervisor", "--password-stdin")
        command(world, *nadia, stdin=PASSWORD)
        async with world.client() as client:
            first, second = [await post(client, PATH, readmission_request(number=n)) for n in (1, 2)]

            async def accepted() -> bool:
                return await case_status(client, first.reference) == "accepted"

            await until(accepted, what="the first is answered")
            assert (await client.message(second.message_id))["status"] == "held"
            assert world.received_by_ministry(second.reference) == []
            more = ("quotas", "set", "readmissions", "2", "--reason", "ramp up", "--as", "nadia")
            command(world, *more, "--password-stdin", stdin=PASSWORD)

            async def also_accepted() -> bool:
                return await case_status(client, second.reference) == "accepted"

            await until(also_accepted, what="the second is answered")
        rows = {row["kind"]: row for row in command(world, "quotas", "list")}
        assert (rows["readmission"]["used"], rows["readmission"]["waiting"]) == (2, 0)
        assert command(world, "balance", "--verify")["ok"] is True
