"""We pull from France: one signed PullRequest, and what it brings goes the way of every message (as4.md 36).

(1) the circuit of the partner allows a call; (2) a fresh PullRequest is POSTed; (3) what comes is taken in by
``accept_fr.accept_pulled`` exactly as a push would be, and the receipt waits in the outbox from the same
transaction on; (4) an error that we owe for it is POSTed at once and once: when it is lost, the partner hands
the message out again, and is told again; (5) the circuit hears how it went.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum

from gateway.core import breaker as circuit
from gateway.core.as4.verified import VerifiedError
from gateway.core.errors import EBMS, PasserelleError, PeerUnavailable
from gateway.flows.accept_fr import accept_pulled
from gateway.flows.callback import SIGNALS
from gateway.flows.delivery_record import Delivery, breaker_failure, breaker_success
from gateway.flows.french_inbox import As4Answer, FrenchInbox
from gateway.flows.ports import HttpAnswer, Transport

_EMPTY = EBMS["EBMS:0006"].code


class Fetched(StrEnum):
    """What one PullRequest brought."""

    TAKEN = "taken"
    """A message, stored now."""
    REPEATED = "repeated"
    """A message that was stored before; its receipt is on its way once more."""
    REFUSED = "refused"
    """A message that we refused; the partner was told."""
    EMPTY = "empty"
    """Nothing waits."""
    DENIED = "denied"
    """The partner refuses our request."""
    FAILED = "failed"
    """No usable answer."""
    WAITING = "waiting"
    """Not asked: circuit open or paused."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    fetched: Fetched
    code: str | None = None
    """Why it failed, was denied or refused."""


async def fetch(inbox: FrenchInbox, d: Delivery, *, transport: Transport, mpc: str) -> Result:
    """One PullRequest for ``mpc``. ``transport`` reads answers as large as messages. Raises only for bugs and
    an unreachable store (Unavailable)."""
    if not await _may_ask(d):  # (1)
        return Result(fetched=Fetched.WAITING)
    try:
        answer = await _asked(d, transport, mpc)  # (2)
    except PasserelleError as exc:
        return await _ended(d, Result(fetched=Fetched.FAILED, code=exc.code))
    taken = await accept_pulled(inbox, answer.content_type, answer.body, mpc=mpc)  # (3)
    if isinstance(taken, VerifiedError):
        codes = [entry.code for entry in taken.errors]
        if codes == [_EMPTY]:
            return await _ended(d, Result(fetched=Fetched.EMPTY))
        return await _ended(d, Result(fetched=Fetched.DENIED, code=codes[0]))
    if taken.code is None:
        return await _ended(d, Result(fetched=Fetched.REPEATED if taken.repeated else Fetched.TAKEN))
    await _tell(d, transport, taken)  # (4)
    return await _ended(d, Result(fetched=Fetched.REFUSED, code=taken.code))


async def _may_ask(d: Delivery) -> bool:
    now = d.clock.now()
    endpoint = d.access_point.partner
    async with d.store.begin(read_only=True) as tx:
        breaker = await tx.breaker(endpoint)
        if (await tx.breaker(circuit.pull_of(endpoint))).paused:
            return False
    if not circuit.may_send(breaker, now) or not circuit.is_open(breaker):
        return circuit.may_send(breaker, now)
    async with d.store.begin() as tx:
        breaker = await tx.breaker(endpoint)  # read again: only one call may probe
        if not circuit.may_send(breaker, now):
            return False
        await tx.save_breaker(circuit.start_probe(breaker, now, d.breaker))
    return True


async def _asked(d: Delivery, transport: Transport, mpc: str) -> HttpAnswer:
    """Raises ConnectionFailed, PeerTimedOut, PeerUnavailable."""
    request = d.access_point.pull_request(mpc, signal_id=d.clock.new_id(), now=d.clock.now())
    answer = await transport.post(d.url, content_type=request.content_type, body=request.body)
    media_type = answer.content_type.partition(";")[0].strip().lower()
    if media_type not in SIGNALS or not answer.body:
        raise PeerUnavailable(f"the partner answered a PullRequest with HTTP {answer.status} and no message")
    return answer


async def _tell(d: Delivery, transport: Transport, owed: As4Answer) -> None:
    if not owed.body:
        return
    try:
        await transport.post(d.url, content_type=owed.content_type, body=owed.body)
    except PasserelleError:
        return  # the partner hands the message out again, and is told again


async def _ended(d: Delivery, result: Result) -> Result:
    """(5). An answer that says no is still an answer: the endpoint works."""
    now: dt.datetime = d.clock.now()
    async with d.store.begin() as tx:
        if result.fetched is Fetched.FAILED:
            await breaker_failure(tx, d.access_point.partner, now, d)
        else:
            await breaker_success(tx, d.access_point.partner, now)
    return result
