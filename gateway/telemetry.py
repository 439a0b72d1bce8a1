"""Metrics and traces of one process, made from its instance; both end with it."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from cryptography import x509

from gateway.certificates import own
from gateway.core.errors import ConfigError
from gateway.flows.watch import Watch, Watches
from gateway.instance import Instance
from gateway.metrics import Metrics
from gateway.tracing import Tracing, make_tracing
from gateway.worker import Worker


@dataclass(frozen=True, kw_only=True, slots=True)
class Telemetry:
    """``watch`` is what the use cases tell their facts to."""

    metrics: Metrics
    tracing: Tracing | None
    token: str | None
    """What callers of ``/metrics`` show."""

    @property
    def watch(self) -> Watch:
        return self.metrics if self.tracing is None else Watches((self.metrics, self.tracing))

    def follow(self, worker: Worker) -> None:
        """Shows whether the worker still goes round: a round may take as long as an unreachable database."""
        self.metrics.watch_worker(
            lambda: worker.last_round, longest_s=3 * worker.plan.poll_s + _SLOW_DATABASE_S
        )


_SLOW_DATABASE_S = 45.0


def _token(instance: Instance) -> str | None:
    """Raises ConfigError."""
    token = instance.secret("metrics.token_file", instance.settings.metrics.token_file)
    if token is not None and len(token) < _SHORTEST_TOKEN:
        raise ConfigError(f"metrics.token_file: the token needs {_SHORTEST_TOKEN} characters or more")
    return token


_SHORTEST_TOKEN = 20


def certificate_ends(instance: Instance) -> Mapping[str, dt.datetime]:
    """When each certificate that this process uses expires; of several with one name the first to expire."""
    ends: dict[str, dt.datetime] = {}
    for name, certificate in _certificates(instance):
        end = certificate.not_valid_after_utc
        ends[name] = min(end, ends.get(name, end))
    return ends


def _certificates(instance: Instance) -> Iterator[tuple[str, x509.Certificate]]:
    for item in own(instance):
        yield item.use.value if item.kind is None else f"{item.use}-{item.kind}", item.certificate
    try:
        partner = instance.load_partner()
    except ConfigError:
        return  # said at start, where it is needed
    for certificate in partner.recipients.values():
        yield "partner-encryption", certificate
    for certificate in partner.signing:
        yield "partner-signature", certificate


@asynccontextmanager
async def telemetry_of(instance: Instance) -> AsyncIterator[Telemetry]:
    """Raises ConfigError. At the end the spans that are left are sent, for a few seconds at most."""
    metrics, tracing = Metrics(), make_tracing(instance.settings.tracing)
    ends = certificate_ends(instance)
    metrics.watch_certificates(lambda: ends)
    try:
        yield Telemetry(metrics=metrics, tracing=tracing, token=_token(instance))
    finally:
        if tracing is not None:
            await asyncio.to_thread(tracing.close)
