"""Runs the table against one endpoint: one message at a time, each over a connection of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Final

from gateway.conformance import facets
from gateway.conformance.answers import no_answer, read_answer
from gateway.conformance.cases import BUILDERS, REACH, case_of, chosen
from gateway.conformance.forge import Workshop
from gateway.conformance.judge import judge
from gateway.conformance.model import (
    Case,
    Exchange,
    Expectation,
    Kind,
    Outcome,
    Report,
    Result,
    Target,
    Verdict,
    Wire,
    reason,
)
from gateway.conformance.probes import PROBES, reach
from gateway.core.as4.content import CHUNK
from gateway.core.errors import DeliveryError
from gateway.flows.ports import StreamedBody
from gateway.transport.http import HttpTransport

Progress = Callable[[Result, int, int], None]
"""Called after each case with its result, its number from 1, and how many there are."""
_SILENT: Final = 3
"""After so many cases in a row without any answer, a good message must show that the endpoint still lives."""
_MAX_ANSWER: Final = 4_000_000


async def run_conformance(
    target: Target, *, only: Iterable[str] = (), progress: Progress | None = None
) -> Report:
    """Run the cases (all, or those of ``only``) and judge them. Takes nothing but what is in ``target``.

    Raises ConfigError for an unknown case; whatever the endpoint does ends up in the report.
    """
    return await _Run(target, chosen(only), progress).report()


class _Run:
    """One run: what was exchanged so far, and whether the endpoint still answers."""

    def __init__(self, target: Target, cases: tuple[Case, ...], progress: Progress | None) -> None:
        self._target = target
        self._cases = cases
        self._progress = progress
        self._shop = Workshop(target=target)
        self._exchanged: dict[str, tuple[Exchange, ...]] = {}
        self._silent = 0
        self._stopped: Outcome | None = None

    async def report(self) -> Report:
        started = self._target.clock.now()
        reached = await reach(self._target)
        if reached.verdict is not Verdict.PASS:
            self._stop("unreachable")
        results: list[Result] = []
        for number, case in enumerate(self._cases, 1):
            result = Result(case=case, outcome=reached) if case.id == REACH else await self._run(case)
            results.append(result)
            if self._progress is not None:
                self._progress(result, number, len(self._cases))
        return Report(
            target=self._target,
            started_at=started,
            finished_at=self._target.clock.now(),
            results=tuple(results),
        )

    def _stop(self, key: str) -> None:
        self._stopped = Outcome(verdict=Verdict.NOT_RUN, reasons=(reason(key),))

    async def _run(self, case: Case) -> Result:
        if self._stopped is not None:
            return Result(case=case, outcome=self._stopped)
        missing = sorted(need for need in case.needs if not self._target.has(need))
        if missing:
            why = tuple(reason(f"needs-{need}") for need in missing)
            return Result(case=case, outcome=Outcome(verdict=Verdict.NOT_RUN, reasons=why))
        if case.expect is Expectation.PROBE:
            return Result(case=case, outcome=await PROBES[case.id](self._target))
        exchanges = await self._exchanges(case_of(case.of) if case.of else case)
        if case.expect is Expectation.FACET:
            outcome = facets.look(case, exchanges[-1], self._target)
        else:
            outcome = judge(case, exchanges, self._target)
            await self._watch(exchanges)
        return Result(case=case, outcome=outcome, exchanges=exchanges)

    async def _exchanges(self, case: Case) -> tuple[Exchange, ...]:
        """Sends the messages of a case, once per run."""
        if case.id not in self._exchanged:
            made = await asyncio.to_thread(BUILDERS[case.id], self._shop)
            wires = (made,) if isinstance(made, Wire) else made
            self._exchanged[case.id] = tuple([await self._send(wire) for wire in wires])
        return self._exchanged[case.id]

    async def _send(self, wire: Wire) -> Exchange:
        target = self._target
        clock = asyncio.get_running_loop().time
        begun = clock()
        # A connection of its own: what one case did to a connection must not touch the next.
        transport = HttpTransport(
            clock=target.clock,
            tls=target.make_tls(),
            connect_timeout_s=min(10.0, target.timeout_s),
            total_timeout_s=target.timeout_s,
            max_answer_bytes=_MAX_ANSWER,
        )
        async with transport:
            try:
                answer = await transport.post(
                    target.url, content_type=wire.content_type, body=_streamed(wire.body)
                )
            except DeliveryError as exc:
                return Exchange(wire=wire, seen=no_answer(exc, elapsed_ms=_ms(clock() - begun)))
        elapsed = _ms(clock() - begun)
        seen = await asyncio.to_thread(read_answer, wire, answer, target, elapsed_ms=elapsed)
        return Exchange(wire=wire, seen=seen)

    async def _watch(self, exchanges: tuple[Exchange, ...]) -> None:
        """Stops when the endpoint has fallen silent, rather than failing every case for one reason."""
        if any(e.seen.kind is not Kind.NO_ANSWER for e in exchanges):
            self._silent = 0
            return
        self._silent += 1
        if self._silent >= _SILENT:
            self._silent = 0
            again = await self._send(self._shop.honest(self._shop.payload()))
            if again.seen.kind is Kind.NO_ANSWER:
                self._stop("stopped")


def _streamed(content: bytes) -> StreamedBody:
    """The octets of a message in pieces: large ones must not hold up the event loop."""

    async def pieces() -> AsyncIterator[bytes]:
        for begin in range(0, len(content), CHUNK):
            yield content[begin : begin + CHUNK]

    return StreamedBody(size=len(content), open=pieces)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
