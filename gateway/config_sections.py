"""The sections of ``passerelle.toml``: every setting with its default, its bounds and its meaning.

Durations are seconds (``_s``), sizes bytes (``_bytes``); paths are relative to the instance folder. What
weakens the house is called ``unsafe_…`` and is off.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, model_validator

from gateway.core.as4.policy import SecurityPolicy

_TIMESTAMP_WINDOW = SecurityPolicy().timestamp_window
Port = Annotated[int, Field(ge=0, le=65535)]
Seconds = Annotated[float, Field(gt=0, le=31_536_000)]
Bytes = Annotated[int, Field(ge=1024, le=1_000_000_000)]
Rate = Annotated[float, Field(ge=1, le=1e12)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def is_loopback(host: str) -> bool:
    """True for ``localhost`` and loopback addresses of either IP version."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_plain(*, host: str, tls: bool, allowed: bool) -> None:
    """Raises ValueError for a listener without TLS that others than this machine can reach."""
    if not tls and not allowed and not is_loopback(host):
        raise ValueError("without TLS only a loopback address is allowed; set tls = true")


def check_url(url: str, *, allowed: bool) -> None:
    """Raises ValueError for what is no https address (http on loopback, or where ``allowed``)."""
    parts = urlsplit(url)
    if parts.scheme not in {"https", "http"} or not parts.hostname or parts.username or parts.fragment:
        raise ValueError("give an https address such as https://as4.example.fr/as4")
    if parts.scheme == "http" and not allowed and not is_loopback(parts.hostname):
        raise ValueError("give an https address; plain http is allowed on loopback only")


class ClientCertificates(StrEnum):
    """What the AS4 listener asks of callers during the TLS handshake (as4.md 34)."""

    NONE = "none"
    OPTIONAL = "optional"
    REQUIRED = "required"


class UkApi(_Section):
    """Listener of the UK API and the console."""

    host: str = Field(default="127.0.0.1", description="an address of this machine, for example 0.0.0.0")
    port: Port = Field(default=8440, description="a TCP port, 0 to let the system choose")
    tls: bool = Field(default=True, description="true or false")
    client_certificates: ClientCertificates = Field(
        default=ClientCertificates.NONE, description='"none", "optional" or "required"'
    )
    client_anchors: Path = Field(
        default=Path("trust/uk"), description="a folder with the CA certificates (*.pem) of clients"
    )
    rate_per_second: float = Field(default=50, gt=0, le=100_000, description="requests a client may send")
    rate_burst: int = Field(default=200, ge=1, le=1_000_000, description="requests at once, above the rate")
    longest_wait_s: Seconds = Field(default=60, description="upper bound of GET /v1/inbox?wait=")
    events_kept_days: Annotated[float, Field(ge=0, le=36_500)] = Field(
        default=90, description="days that an acknowledged event of the inbox is kept, 0 for ever"
    )
    public_url: str | None = Field(default=None, description="the address under which clients reach the API")
    unsafe_plain_http: bool = Field(default=False, description="true only behind a proxy that ends TLS")

    @property
    def events_kept(self) -> dt.timedelta | None:
        """None: for ever."""
        return dt.timedelta(days=self.events_kept_days) if self.events_kept_days else None

    @model_validator(mode="after")
    def _plain_only_on_loopback(self) -> Self:
        check_plain(host=self.host, tls=self.tls, allowed=self.unsafe_plain_http)
        if not self.tls and self.client_certificates is not ClientCertificates.NONE:
            raise ValueError("client certificates need tls = true")
        if self.public_url is not None:
            check_url(self.public_url, allowed=self.unsafe_plain_http)
        return self


class As4(_Section):
    """Listener of the AS4 endpoint, and how our own messages are named."""

    host: str = Field(default="127.0.0.1", description="an address of this machine, for example 0.0.0.0")
    port: Port = Field(default=8441, description="a TCP port, 0 to let the system choose")
    tls: bool = Field(default=True, description="true or false")
    client_certificates: ClientCertificates = Field(
        default=ClientCertificates.NONE, description='"none", "optional" or "required"'
    )
    client_anchors: Path = Field(
        default=Path("trust/fr/anchors"), description="a folder with the CA certificates (*.pem) of callers"
    )
    message_id_domain: str = Field(
        default="passerelle.uk",
        pattern=r"^[a-z0-9-]+(\.[a-z0-9-]+)+$",
        description="a domain name in lower case",
    )
    agreement: Path | None = Field(
        default=None, description="a file in place of the agreement shipped with the gateway"
    )
    refusals_per_second: float = Field(
        default=5, gt=0, le=10_000, description="signed errors to one address for what nobody vouches for"
    )
    refusals_burst: int = Field(
        default=500, ge=1, le=1_000_000, description="such errors at once; above it HTTP 429 answers"
    )
    refusals_audited: int = Field(
        default=60, ge=1, le=1_000_000, description="such refusals written into the audit chain per minute"
    )
    unsafe_plain_http: bool = Field(default=False, description="true only behind a proxy that ends TLS")

    @model_validator(mode="after")
    def _plain_only_on_loopback(self) -> Self:
        check_plain(host=self.host, tls=self.tls, allowed=self.unsafe_plain_http)
        if not self.tls and self.client_certificates is not ClientCertificates.NONE:
            raise ValueError("client certificates need tls = true")
        return self


class France(_Section):
    """The French access point as we call it."""

    url: str = Field(
        default="https://127.0.0.1:9443/as4", description="the https address of the access point"
    )
    anchors: Path = Field(
        default=Path("trust/fr/anchors"),
        description="a folder with the CA certificates (*.pem) of its TLS server",
    )
    present_client_certificate: bool = Field(default=False, description="true to show our TLS certificate")
    connect_timeout_s: Seconds = Field(default=10, description="seconds, more than 0")
    total_timeout_s: Seconds = Field(default=60, description="seconds, more than 0")
    least_rate: Rate = Field(
        default=100_000, description="bytes per second: a large message may take that much longer"
    )
    connections: int = Field(default=8, ge=1, le=256, description="1 to 256 connections kept open")
    unsafe_plain_http: bool = Field(default=False, description="true only inside a protected network")

    @model_validator(mode="after")
    def _https(self) -> Self:
        check_url(self.url, allowed=self.unsafe_plain_http)
        return self


class Pull(_Section):
    """Messages fetched with PullRequests, and receipts by callback, where the agreement says so."""

    lease_s: Annotated[float, Field(ge=1, le=86_400)] = Field(
        default=600, description="seconds after which a fetched message without a receipt is given again"
    )
    receipt_timeout_s: Annotated[float, Field(ge=1, le=86_400)] = Field(
        default=600, description="seconds that a receipt by callback may take before we send again"
    )
    interval_s: Annotated[float, Field(ge=0.05, le=86_400)] = Field(
        default=5, description="seconds between two of our PullRequests while nothing waits"
    )
    longest_wait_s: Seconds = Field(default=60, description="cap of that wait, which doubles each time")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.longest_wait_s < self.interval_s:
            raise ValueError("longest_wait_s must not be below interval_s")
        return self


class Tls(_Section):
    """TLS of every listener and of every call that we make."""

    minimum: Literal["1.2", "1.3"] = Field(
        default="1.2", description='"1.2" or "1.3"; older versions are refused'
    )


class Database(_Section):
    """Where everything is kept: SQLite in the folder, or PostgreSQL shared by several nodes."""

    url: str | None = Field(
        default=None,
        pattern=r"^(sqlite|postgresql)(\+[a-z0-9]+)?://",
        description="sqlite:///file or postgresql://…; nothing for passerelle.db in the folder",
    )
    password_file: Path | None = Field(
        default=None, description="a file with the password for url, which then names none"
    )


class Keys(_Section):
    """Our keys, the certificates of the French side, the registered UK clients."""

    folder: Path = Field(default=Path("keys"), description="the folder of the key files")
    trust: Path = Field(default=Path("trust/fr"), description="the folder with anchors/ and party/")
    clients: Path = Field(default=Path("clients"), description="the folder of the registered UK clients")


class Retry(_Section):
    """Waits between attempts; after the last one the message waits for an operator."""

    schedule_s: Annotated[tuple[Annotated[float, Field(ge=0, le=604_800)], ...], Field(min_length=1)] = Field(
        default=(0, 5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400),
        description="a list of seconds, one per attempt, the first usually 0",
    )
    jitter: float = Field(default=0.1, ge=0, le=1, description="a share between 0 and 1 of the wait")
    retry_after_max_s: Seconds = Field(default=21_600, description="the longest Retry-After that is honoured")
    max_age_s: Seconds = Field(default=604_800, description="no attempt follows so long after the first")

    @model_validator(mode="after")
    def _within_the_timestamp_window(self) -> Self:
        # A retry keeps its eb:Timestamp (as4.md 31): a peer with our window refuses it for ever afterwards.
        longest = (_TIMESTAMP_WINDOW - dt.timedelta(days=1)).total_seconds()
        if self.max_age_s > longest:
            raise ValueError(
                f"max_age_s must not exceed {longest:.0f}: a peer refuses an eb:Timestamp older than "
                f"{_TIMESTAMP_WINDOW.days} days, and a retry keeps it; lower max_age_s"
            )
        return self


class Breaker(_Section):
    """The circuit breaker of each endpoint: after failures in a row, one attempt at a time probes it."""

    failures: int = Field(default=5, ge=1, le=1000, description="failures in a row that open the circuit")
    first_wait_s: Seconds = Field(default=30, description="seconds until one attempt probes the endpoint")
    longest_wait_s: Seconds = Field(default=600, description="cap of the wait, which doubles each time")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.longest_wait_s < self.first_wait_s:
            raise ValueError("longest_wait_s must not be below first_wait_s")
        return self


class Limits(_Section):
    """What is larger is refused before it is read to its end."""

    as4_message_bytes: Bytes = Field(default=5_000_000, description="largest AS4 message taken in")
    as4_answer_bytes: Bytes = Field(default=1_000_000, description="largest answer read from France")
    uk_body_bytes: Bytes = Field(default=262_144, description="largest JSON body taken in")
    attachment_bytes: Bytes = Field(default=20_000_000, description="one attachment")
    attachments_bytes: Bytes = Field(default=20_000_000, description="all attachments of a message together")
    attachments: int = Field(
        default=27, ge=0, le=27, description="attachments of one message; AS4 peers take no more than 27"
    )
    read_s: Seconds = Field(default=60, description="seconds that a request body may let us wait")
    least_rate: Rate = Field(
        default=100_000, description="bytes per second: a large body may let us wait that much longer"
    )


class Worker(_Section):
    """The part that delivers, in the gateway's process or in one of its own."""

    concurrency: int = Field(default=4, ge=1, le=256, description="deliveries at the same time")
    large_concurrency: int = Field(
        default=1, ge=1, le=16, description="deliveries of large messages at the same time, beside the others"
    )
    poll_s: Seconds = Field(default=5, description="longest sleep when nothing wakes the worker")
    lease_s: Annotated[float, Field(ge=1, le=86_400)] = Field(
        default=120, description="seconds after which another node may take a delivery over"
    )
    drain_s: Annotated[float, Field(ge=0, le=600)] = Field(
        default=20, description="seconds that running work may take when stopping"
    )


class Webhooks(_Section):
    """Thin calls to UK systems that registered for them."""

    timeout_s: Seconds = Field(default=10, description="seconds for one webhook call")
    unsafe_private_targets: bool = Field(
        default=False, description="true to call private or loopback addresses"
    )
    unsafe_plain_http: bool = Field(default=False, description="true to call http targets")


class Holds(_Section):
    """Decisions about messages that are held. Near matches (``row9.``) need two persons in any case."""

    two_persons: tuple[Annotated[str, Field(pattern=r"^[a-z0-9_]+(\.[a-z0-9_.]*)?$")], ...] = Field(
        default=(),
        description="beginnings of codes (row7., quota.) whose release needs two operators",
    )


class Log(_Section):
    """One line per event on standard output; never a value out of a message."""

    level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="a level")
    format: Literal["json", "console"] = Field(default="json", description='"json" or "console"')
