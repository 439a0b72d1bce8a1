"""The task that pulls from France, beside the worker and in its process.

It holds no state that matters: any number of nodes may pull at the same time, since the partner hands a
message to one of them, and a duplicate is found by its MessageId. After a new message it asks again at
once; with nothing new there, or nobody answering, it waits longer and longer up to a bound.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from gateway.core.errors import PasserelleError
from gateway.flows.pull_fetch import Fetched, Result
from gateway.logs import get_logger


@dataclass(frozen=True, kw_only=True, slots=True)
class PullPlan:
    """Seconds between two PullRequests that brought nothing: doubled each time from the first to the last."""

    interval_s: float = 5
    longest_wait_s: float = 60


@dataclass(kw_only=True)
class Puller:
    """``run`` until ``stop``; a pull under way then ends first."""

    fetch: Callable[[], Awaitable[Result]]
    """One PullRequest and its consequences (``flows.pull_fetch.fetch``)."""
    plan: PullPlan = field(default_factory=PullPlan)

    def __post_init__(self) -> None:
        self._stopped = asyncio.Event()
        self._last: Fetched | None = None

    def stop(self) -> None:
        self._stopped.set()

    async def run(self) -> None:
        wait = self.plan.interval_s
        while not self._stopped.is_set():
            fetched = await self._fetch()
            if fetched is Fetched.TAKEN:
                wait = self.plan.interval_s
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._stopped.wait()
            wait = min(wait * 2, self.plan.longest_wait_s)

    async def _fetch(self) -> Fetched:
        try:
            result = await self.fetch()
        except PasserelleError as exc:
            result = Result(fetched=Fetched.FAILED, code=exc.code)
        except Exception:  # noqa: BLE001 — a bug here must not end all pulling: logged, tried again
            get_logger().exception("pull.bug")
            result = Result(fetched=Fetched.FAILED, code=PasserelleError.code)
        # an empty channel is asked every few seconds: only what is new is worth a line
        if result.fetched is Fetched.TAKEN or result.fetched is not self._last:
            get_logger().info("pull", status=result.fetched.value, code=result.code)
        self._last = result.fetched
        return result.fetched
