"""The loop of a simulation: events in order of simulated time, and what both administrations do."""

from __future__ import annotations

import datetime as dt
import heapq
import itertools
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

from bench.simulate_shape import DAY, HOUR, Admission, Answer, End, Plan, Raise, Return, whole
from bench.simulate_tally import Tally, week_figures
from bench.simulate_world import World
from contracts import codes, model
from gateway.core.records import Channel
from gateway.core.treaty.quotas import QuotaKind
from gateway.core.treaty.weeks import bounds_of, week_of
from gateway.flows.deadlines import next_sweep
from gateway.flows.deadlines import sweep as sweep_once
from gateway.flows.deliver import deliver
from gateway.flows.ledger import report_zone
from gateway.flows.quotas import release_waiting, set_quota
from gateway.uk_client import Receipt, Refused
from tests.fixtures.uk_gateway import example_body, simple_request
from tests.fixtures.world import nomination, parts_of, supplementary_document

R, N = "/v1/readmission-requests", "/v1/nominations"
TICK: Final = dt.timedelta(hours=6)
"""How often releases and retries are looked at; deadlines are swept at the very instant they ask for."""
_MS = dt.timedelta(milliseconds=1)
_LEASE = dt.timedelta(hours=1)
_SYLLABLES = ["ba", "ko", "mer", "tal", "zin", "rud", "sha", "lem", "gor", "nav", "fis", "hul", "dar", "wen"]
Action = Callable[[], Awaitable[None]]


class Simulation:
    def __init__(self, plan: Plan, world: World, seed: int) -> None:
        self.plan, self.world, self.life = plan, world, world.life
        self.rng = random.Random(seed)
        self.tally = Tally()
        self.returns: dict[str, Return] = {}
        self.admissions: dict[str, Admission] = {}
        self.asked: set[str] = set()
        self.gone: list[dict[str, Any]] = []
        """Persons who were returned."""
        self.persons: dict[str, dict[str, Any]] = {}
        self._queue: list[tuple[dt.datetime, int, Action]] = []
        self._numbers = itertools.count()
        world.france.read = self._france_reads
        world.france.down = lambda now: any(a <= now < b for a, b in plan.outages)

    @property
    def now(self) -> dt.datetime:
        return self.life.now

    def later(self, when: dt.datetime, action: Action) -> None:
        heapq.heappush(self._queue, (whole(max(when, self.now)), next(self._numbers), action))

    def after(self, low: float, high: float) -> dt.datetime:
        """Between so many hours from now."""
        return self.now + self.rng.uniform(low, high) * HOUR

    # ---- the loop

    async def run(self, progress: Callable[[float], None] = lambda share: None) -> None:
        self._schedule()
        while self._queue and self._queue[0][0] <= self.plan.end:
            when, _, action = heapq.heappop(self._queue)
            await self._sweep_until(when)
            self.life.wait_until(when)
            await action()
            progress((when - self.plan.start) / (self.plan.end - self.plan.start))
        await self._sweep_until(self.plan.end)
        self.life.wait_until(self.plan.end)
        await self._tick()

    def _schedule(self) -> None:
        plan = self.plan
        for one in plan.returns:
            self.later(one.request, partial(self._request, one))
        for other in plan.admissions:
            self.later(other.nominated, partial(self._nominate, other))
        for change in plan.raises:
            self.later(change.at, partial(self._raise, change))
        when = plan.start
        while when < plan.end:
            when += TICK
            self.later(when, self._tick)
        zone = report_zone(self.life.exchange.agreement)
        _, monday = bounds_of(week_of(plan.start, zone), zone)
        while monday <= plan.end:
            self.later(monday - _MS, self._week)
            _, monday = bounds_of(week_of(monday, zone), zone)

    async def _sweep_until(self, until: dt.datetime) -> None:
        """As ``gateway.sweeper`` does: asleep until the next deadline wants to be looked at."""
        while (due := await next_sweep(self.life.exchange)) is not None and due <= until:
            self.life.wait_until(max(due, self.now))
            events = await sweep_once(self.life.exchange)
            if not events:
                raise AssertionError("a deadline that is due has nothing to tell")
            for event in events:
                self.tally.told.append((event.told.value, event.row.clock, event.row.deadline_id, self.now))

    async def _tick(self) -> None:
        self.tally.released += await release_waiting(self.life.exchange)
        await self._deliver()
        for event in await self.life.webhooks():
            self.tally.webhooks[event["id"]] += 1

    async def _deliver(self) -> None:
        ends = self.life.ends
        while True:
            async with ends.store.begin() as tx:
                entries = await tx.claim_due(
                    now=self.now, limit=50, lease=_LEASE, skip_channels=(Channel.WEBHOOK,)
                )
            if not entries:
                return
            for entry in entries:
                await deliver(entry, ends.delivery)
            if self.world.france.down(self.now):
                return  # the clock stands: what is due again at once would be tried for ever

    # ---- the UK

    async def _accepted_post(self, path: str, body: dict[str, Any], parts: Any) -> Receipt | None:
        """The signed receipt, or None when the gateway refused it."""
        try:
            receipt = await self.life.client.send(path, body, attachments=parts)
        except Refused as exc:
            places = sorted({e["code"] for e in exc.problem.get("errors", ())})
            self.tally.refused[f"{body['type']}: {' '.join(places) or exc.problem.get('code')}"] += 1
            return None
        self.tally.accepted[receipt.message_id] = body["type"]
        return receipt

    async def _post(self, path: str, body: dict[str, Any], parts: Any = ()) -> bool:
        """Whether the gateway accepted it; then it goes to France."""
        accepted = await self._accepted_post(path, body, parts) is not None
        await self._deliver()
        return accepted

    def _person(self, like: dict[str, Any]) -> dict[str, Any]:
        """Somebody invented: name, birth date and passport are nobody's."""
        rng = self.rng
        born = dt.date(1970, 1, 2) + rng.randrange(13_000) * DAY
        name = {
            "family_name": "".join(rng.choices(_SYLLABLES, k=4)).capitalize(),
            "given_names": "".join(rng.choices(_SYLLABLES, k=3)).capitalize(),
        }
        passport = {
            "type": "passport",
            "number": f"S{rng.randrange(10**9):09d}",
            "issuing_country": "AFG",
            "issuing_authority": "Passport Office",
            "issued_on": "2024-01-15",
            "expires_on": "2029-01-14",
        }
        return {
            **like,
            "name": name,
            "other_names": [],
            "birth_date": {"precision": "day", "value": born.isoformat()},
            "documents": [passport],
        }

    async def _request(self, one: Return) -> None:
        body, rng = simple_request(), self.rng
        body["persons"] = [self._person(body["persons"][0])]
        body["arrival"] = {**body["arrival"], "at": _text(one.arrival)}
        body["unique_application_number"] = "-".join(f"{rng.randrange(10_000):04d}" for _ in range(4))
        await self._open(R, body, (), one)

    async def _nominate(self, one: Admission) -> None:
        body, rng = nomination(), self.rng
        again = one.returned_before and self.gone
        body["persons"] = [rng.choice(self.gone) if again else self._person(body["persons"][0])]
        body["located_in_france_at"] = _text(self.now - 40 * DAY)
        body["biometrics_enrolled_at"] = _text(self.now - 10 * DAY)
        number = rng.randrange(10**8)
        body["expression_of_interest"] = f"EOI-{number:08d}"
        body["gwf"] = f"GWF{rng.randrange(10**9):09d}"
        body["biometrics_reference"] = f"VAC-PAR-{number:08d}"
        if not await self._open(N, body, parts_of(body), one) and again:
            self.tally.matched += 1

    async def _open(self, path: str, body: dict[str, Any], parts: Any, one: Return | Admission) -> bool:
        """The case is known here before its message leaves: France may answer at once."""
        receipt = await self._accepted_post(path, body, parts)
        if receipt is None:
            return False
        if isinstance(one, Return):
            self.returns[receipt.reference] = one
            self.persons[receipt.reference] = body["persons"][0]
        else:
            self.admissions[receipt.reference] = one
        await self._deliver()
        return True

    async def _acknowledge(self, message_id: str) -> None:
        body = b'{"status": "taken_into_account", "code": null}'
        answer = await self.life.client.post_raw(f"/v1/inbox/{message_id}/acknowledgements", body)
        if answer.status != 202:
            self.tally.refused[f"Acknowledgement: {answer.json().get('code')}"] += 1
            return
        self.tally.accepted[answer.json()["message_id"]] = "Acknowledgement"
        await self._deliver()

    async def _accepted(self, reference: str) -> None:
        """The UK has France's yes."""
        one = self.returns[reference]
        if one.end is End.WITHDRAWN:
            self.later(self.after(24, 96), lambda: self._withdraw(reference))
            return
        flight = one.flight
        while flight < self.now + 5 * DAY or flight.weekday() > 4:
            flight += DAY
        self.later(max(self.now + 4 * HOUR, flight - 6 * DAY), lambda: self._notice(reference, flight))

    async def _withdraw(self, reference: str) -> None:
        body = {"type": "Withdrawal", "reason": "litigation", "at": _text(self.now)}
        await self._post(f"{R}/{reference}/withdrawals", body)

    async def _notice(self, reference: str, flight: dt.datetime) -> None:
        body = example_body("TransferNotice")
        body |= {
            "departure_at": _text(flight),
            "arrival_at": _text(flight + 1.5 * HOUR),
            "confirmations": dict.fromkeys(body["confirmations"], True),
        }
        body["travel_document"] = {
            **body["travel_document"],
            "expires_on": (flight + 60 * DAY).date().isoformat(),
        }
        if await self._post(f"{R}/{reference}/transfer-notices", body):
            self.later(flight + self.rng.uniform(2, 5) * HOUR, lambda: self._flown(reference))

    async def _flown(self, reference: str) -> None:
        went = self.returns[reference].end is End.TRANSFERRED
        body = {
            "type": "TransferOutcome",
            "outcome": "carried_out" if went else "failed",
            "reason": None if went else "court_order",
            "at": _text(self.now),
            "persons_transferred": int(went),
        }
        if await self._post(f"{R}/{reference}/transfer-outcomes", body) and went:
            self.tally.readmitted += 1
            self.gone.append(self.persons[reference])

    async def _document(self, reference: str) -> None:
        body = supplementary_document()
        await self._post(f"{R}/{reference}/documents", body, parts_of(body))

    async def _visa(self, reference: str) -> None:
        body = {
            "type": "NominationOutcome",
            "outcome": "visa_granted",
            "visa_valid_until": (self.now + 80 * DAY).date().isoformat(),
            "decided_at": _text(self.now),
        }
        if await self._post(f"{N}/{reference}/outcomes", body):
            arrival = max(self.admissions[reference].arrival, self.now + 2 * DAY)
            self.later(arrival, lambda: self._arrive(reference))

    async def _arrive(self, reference: str) -> None:
        body = {
            "type": "AdmissionOutcome",
            "outcome": "arrived",
            "at": _text(self.now),
            "persons_admitted": 1,
        }
        if await self._post(f"{N}/{reference}/admissions", body):
            self.tally.admitted += 1

    async def _raise(self, change: Raise) -> None:
        for kind, persons in (
            (QuotaKind.READMISSIONS, change.readmissions),
            (QuotaKind.NOMINATIONS, change.nominations),
        ):
            if persons is not None:
                who = {"actor": "operator:simulation", "reason": change.reason}
                await set_quota(self.life.exchange, kind, persons, **who)
        await self._tick()

    # ---- France

    def _france_reads(self, message: model.Message) -> None:
        """The French administration has a message; it answers when it is ready."""
        if isinstance(message.body, model.Acknowledgement):
            return
        of, reference = message, message.reference
        if self.rng.random() > 0.02:  # now and then nobody acknowledges
            self._says(self.after(1, 20), of, lambda: self._taken(of))
        match message.body:
            case model.ReadmissionRequest():
                self._decides(of, self.returns[reference])
            case model.SupplementaryDocument() if reference in self.asked:
                self._says(self.after(24, 144), of, lambda: self.life.decision("accepted"))
            case model.TransferNotice():
                self._says(self.after(2, 24), of, self.life.confirmation)
            case model.TransferOutcome(outcome=codes.TransferOutcomeCode.CARRIED_OUT):
                self._says(self.after(1, 12), of, self.life.receipt)
            case model.Nomination():
                one = self.admissions[reference]
                self._says(self.now + one.response_after, of, self.life.no_objection)
            case _:
                pass

    def _decides(self, of: model.Message, one: Return) -> None:
        when = self.now + one.answer_after
        match one.answer:
            case Answer.SILENT:
                return
            case Answer.EXTENSION:
                until = (self.now + 28 * DAY).date()
                self._says(when, of, lambda: self.life.decision("extension", extended_until=until))
                final = when + self.rng.uniform(3, 12) * DAY
                self._says(final, of, lambda: self.life.decision("accepted"))
            case Answer.INFORMATION:
                self.asked.add(of.reference)
                self._says(when, of, lambda: self.life.decision("information_needed"))
            case Answer.ACCEPTED | Answer.REFUSED:
                self._says(when, of, lambda: self.life.decision(one.answer.value))

    def _taken(self, of: model.Message) -> model.Acknowledgement:
        return model.Acknowledgement(
            of_message=of.message_id, status=codes.AckStatus.TAKEN_INTO_ACCOUNT, code=None, at=self.now
        )

    def _says(self, when: dt.datetime, of: model.Message, body: Callable[[], model.Body]) -> None:
        self.later(when, lambda: self._come(of, body))

    async def _come(self, of: model.Message, make: Callable[[], model.Body]) -> None:
        """France sends it; the UK's caseworkers find it in the inbox and go on."""
        body, reference = make(), of.reference
        record = await self.life.ends.record(of.message_id)
        if await self.life.status(reference) in {"withdrawn", "rejected"} and not _is_ack(body):
            self.tally.not_sent[type(body).__name__] += 1
            return
        message_id = await self.life.come(body, record)
        self.tally.from_france.append(message_id)
        if _is_ack(body):
            return
        self.later(self.after(1, 20), lambda: self._acknowledge(message_id))
        match body:
            case model.ReadmissionDecision(decision=codes.ReadmissionDecisionCode.ACCEPTED):
                await self._accepted(reference)
            case model.ReadmissionDecision(decision=codes.ReadmissionDecisionCode.INFORMATION_NEEDED):
                self.later(self.after(24, 120), lambda: self._document(reference))
            case model.NominationResponse():
                self.later(self.after(48, 144), lambda: self._visa(reference))
            case _:
                pass

    # ---- figures

    async def _week(self) -> None:
        begins = self.tally.weeks[-1]["until"] if self.tally.weeks else self.plan.start
        told = Counter((kind, clock) for kind, clock, _, at in self.tally.told if begins < at <= self.now)
        self.tally.weeks.append(await week_figures(self.life.exchange, told))


def _is_ack(body: model.Body) -> bool:
    return isinstance(body, model.Acknowledgement)


def _text(instant: dt.datetime) -> str:
    return whole(instant).isoformat(timespec="milliseconds").replace("+00:00", "Z")
