"""The gateway's process with another agreement than the shipped one: France pulls, or profile 2.0."""

from __future__ import annotations

import asyncio
from typing import Any

from contracts.codes import Direction
from gateway.core.as4.namespaces import DEFAULT_MPC
from tests.fixtures.world import parts_of, readmission_request, until
from tests.interop.gateway_plays import NEWER, PATH, PULLED, Ministry, accepted, ask, delivered
from tests.interop.scenario import IN, OUT, scenario

# ---- pull: France fetches its messages ----------------------------------------------------------------


async def pull(ministry: Ministry, **options: Any) -> dict[str, Any]:
    """phase4 sends a signed PullRequest to the gateway."""
    pmode = ministry.pmodes["ReadmissionRequest", Direction.UK_TO_FR]
    return await asyncio.to_thread(ministry.peer.pull, pmode, ministry.url, **options)


async def waiting(ministry: Ministry, number: int) -> str:
    """A message for France that waits in its channel; returns its id."""
    body = readmission_request(number=number)
    receipt = await ministry.uk.send(PATH, body, attachments=parts_of(body))
    return str(receipt.message_id)


@scenario(
    "out.pull.message",
    OUT,
    28, 36,
    what="phase4 pulls a message with attachments, POSTs its receipt back; the gateway verifies it",
    gateway=PULLED,
)  # fmt: skip
async def _(ministry: Ministry) -> None:
    message_id = await waiting(ministry, 20)
    answer = await pull(ministry)
    assert answer.get("exception") is None, answer["exception"]
    assert answer["kind"] == "user-message"
    record = answer["user_message"]
    assert record["message_id"].startswith(message_id)
    assert record["signed"]
    assert record["decrypted"]
    assert len(record["parts"]) > 1
    assert answer["receipt"]["status"] == 202
    assert answer["receipt"]["bytes"] == 0
    await delivered(ministry, message_id)


@scenario(
    "out.pull.empty",
    OUT,
    36,
    what="nothing waits: the signed warning EBMS:0006, which phase4 verifies",
    gateway=PULLED,
)
async def _(ministry: Ministry) -> None:
    answer = await pull(ministry)
    assert [(e["code"], e["severity"]) for e in answer["errors"]] == [("EBMS:0006", "warning")]
    assert answer["signed"] is True
    assert answer["ref_to_message_id"] == answer["message_id"]


@scenario(
    "out.pull.again",
    OUT,
    31, 36,
    what="pulled without a receipt: the next pull brings the same message, the one after its receipt nothing",
    gateway=PULLED,
)  # fmt: skip
async def _(ministry: Ministry) -> None:
    message_id = await waiting(ministry, 21)
    first = await pull(ministry, receipt=False)
    assert first["user_message"]["message_id"].startswith(message_id)

    async def once_more() -> Any:
        again = await pull(ministry)
        return again if again["kind"] == "user-message" else None

    second = await until(once_more, seconds=20, what="the same message again")
    assert second["user_message"]["message_id"] == first["user_message"]["message_id"]
    assert second["user_message"]["parts"] == first["user_message"]["parts"]
    await delivered(ministry, message_id)
    assert (await pull(ministry))["kind"] == "error"


@scenario(
    "out.pull.two-in-order",
    OUT,
    36,
    what="two messages wait: the oldest comes first",
    gateway=PULLED,
)
async def _(ministry: Ministry) -> None:
    ids = [await waiting(ministry, 22), await waiting(ministry, 23)]
    got = [(await pull(ministry))["user_message"]["message_id"].split("@")[0] for _ in ids]
    assert got == ids
    for message_id in ids:
        await delivered(ministry, message_id)


@scenario("out.pull.unsigned", OUT, 17, 36, what="a PullRequest without signature: EBMS:0103", gateway=PULLED)
async def _(ministry: Ministry) -> None:
    answer = await pull(ministry, sign=False)
    assert [e["code"] for e in answer["errors"]] == ["EBMS:0103"]


@scenario(
    "out.pull.other-channel",
    OUT,
    36,
    what="a PullRequest for the default MPC, and for one that does not exist: EBMS:0010",
    gateway=PULLED,
)
async def _(ministry: Ministry) -> None:
    for mpc in (DEFAULT_MPC, "urn:test:mpc:nobody"):
        answer = await pull(ministry, mpc=mpc)
        assert [e["code"] for e in answer["errors"]] == ["EBMS:0010"]
        assert answer["signed"] is True


# ---- profile 2.0 -------------------------------------------------------------------------------------


@scenario(
    "out.2-0.gateway",
    OUT,
    1, 29, 38,
    what="by profile 2.0 a readmission request with attachments reaches phase4, its receipt is verified",
    gateway=NEWER,
)  # fmt: skip
async def _(ministry: Ministry) -> None:
    asked = await ask(ministry, 30)
    assert asked.record["decrypted"]
    assert len(asked.record["parts"]) > 1
    assert ministry.peer.errors() == []


@scenario(
    "in.2-0.gateway",
    IN,
    1, 28, 38,
    what="by profile 2.0 phase4 pushes acknowledgement and decision; an altered one gets a signed EBMS:0101",
    gateway=NEWER,
)  # fmt: skip
async def _(ministry: Ministry) -> None:
    asked = await ask(ministry, 31)
    accepted(await ministry.answer(asked.acknowledgement))
    refused = await ministry.answer(asked.decision, mutate="digest")
    assert [e["code"] for e in refused["errors"]] == ["EBMS:0101"]
    assert refused["signed"] is True
    accepted(await ministry.answer(asked.decision))
