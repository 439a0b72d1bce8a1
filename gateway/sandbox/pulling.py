"""The ministry's side of pull and of receipts by callback, where the agreement says so.

What is pulled from it is leased for a moment and waits for its receipt; what it pulls itself goes the way
of a push, and its receipt is POSTed back until the gateway has taken it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from aiohttp import web

from gateway.core.as4.verified import VerifiedError, VerifiedPullRequest, VerifiedReceipt
from gateway.core.errors import As4Error, EmptyChannel, PasserelleError
from gateway.flows.deliver import PASSING, error_code
from gateway.logs import get_logger

if TYPE_CHECKING:
    from gateway.sandbox.server import Ministry

LEASE_S: Final = 2.0
"""A message that was pulled and not acknowledged is given out again after this."""
_PAUSE_S: Final = 0.1
_TRIES: Final = 50
_WAIT_S: Final = 0.2


def give_out(ministry: Ministry, request: VerifiedPullRequest) -> web.Response:
    """The oldest message that waits, or EBMS:0006. Raises As4Error for a request that may not."""
    now = ministry.clock.now()
    try:
        ministry.access_point.may_pull(request)
        waiting = ministry.memory.due(now.timestamp(), 1, frozenset())
        if not waiting:
            raise EmptyChannel("nothing waits in this MPC")
    except As4Error as exc:
        exc.ref_to_message_id, exc.security_profile = request.message_id, request.profile
        raise
    wire, wire_type, _ = ministry.sealed(waiting[0])
    message_id = waiting[0].queued.message_id
    ministry.memory.try_later(message_id, now.timestamp() + LEASE_S, "pulled")
    return web.Response(body=wire, headers={"Content-Type": wire_type})


def settle(ministry: Ministry, signal: VerifiedReceipt | VerifiedError) -> web.Response:
    """A receipt or error by callback. Raises As4Error for a receipt that proves nothing."""
    message_id = (signal.ref_to_message_id or "").partition("@")[0]
    item = ministry.memory.waiting(message_id)
    if item is not None and item.envelope is not None and signal.party_id == ministry.access_point.partner:
        if isinstance(signal, VerifiedReceipt):
            ministry.access_point.check_receipt(item.envelope, signal, message_id=message_id)
            ministry.memory.finish(message_id, status="delivered", code=None, receipt_verified=True)
        elif (code := error_code(signal, ministry.access_point.as4_message_id(message_id))) not in PASSING:
            ministry.memory.finish(message_id, status="refused", code=code, receipt_verified=False)
    return web.Response(status=202)


async def pull_forever(ministry: Ministry) -> None:
    """Pulls from the gateway; returns at once when the agreement says that the gateway pushes."""
    mpc = ministry.access_point.incoming.mpc
    if not ministry.access_point.incoming.pulled or mpc is None:
        return
    while True:
        try:
            taken = await _pull(ministry, mpc)
        except PasserelleError as exc:
            get_logger().warning("sandbox.pull", code=exc.code)
            taken = False
        if not taken:
            await asyncio.sleep(_PAUSE_S)


async def _pull(ministry: Ministry, mpc: str) -> bool:
    """False when nothing came."""
    access_point, clock = ministry.access_point, ministry.clock
    request = access_point.pull_request(mpc, signal_id=clock.new_id(), now=clock.now())
    answer = await ministry.transport.post(
        ministry.gateway_url, content_type=request.content_type, body=request.body
    )
    opened = access_point.open_pulled(answer.content_type, answer.body, mpc=mpc, now=clock.now())
    if isinstance(opened, VerifiedError):
        return False
    try:
        reply = await ministry.take_in(opened)
    except As4Error as exc:
        reply = ministry.refuse(exc, opened)
    if reply is not None and reply.status == web.HTTPOk.status_code:
        await call_back(ministry, reply)
    return True


async def call_back(ministry: Ministry, reply: web.Response) -> None:
    """POSTs a receipt or error until the gateway takes it."""
    body = reply.body
    if not isinstance(body, bytes):
        raise TypeError("a signal is bytes")
    for _ in range(_TRIES):
        try:
            answer = await ministry.transport.post(
                ministry.gateway_url, content_type=reply.headers["Content-Type"], body=body
            )
        except PasserelleError:
            await asyncio.sleep(_WAIT_S)
            continue
        if answer.status < web.HTTPInternalServerError.status_code:
            return
        await asyncio.sleep(_WAIT_S)
