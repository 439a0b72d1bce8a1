"""The sections ``[metrics]`` and ``[tracing]`` of ``passerelle.toml``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from gateway.config_sections import Port, check_plain, check_url


class Metrics(BaseModel):
    """Prometheus metrics: at ``/metrics`` of the UK listener, and on a listener of their own."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    host: str = Field(default="127.0.0.1", description="an address of this machine, for example 0.0.0.0")
    port: Port | None = Field(
        default=None, description="a TCP port of metrics alone (a worker has no other); nothing for none"
    )
    token_file: Path | None = Field(
        default=None, description="a file with the bearer token that callers show; nothing: loopback only"
    )
    cache_s: Annotated[float, Field(ge=5, le=3600)] = Field(
        default=10, description="seconds, 5 or more, for which figures from the database are kept"
    )
    unsafe_plain_http: bool = Field(
        default=False, description="true to serve metrics beyond this machine without TLS"
    )

    @model_validator(mode="after")
    def _closed(self) -> Self:
        if self.port is not None:
            check_plain(host=self.host, tls=False, allowed=self.unsafe_plain_http)
        return self


class Tracing(BaseModel):
    """OpenTelemetry traces (needs the extra ``tracing``)."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    endpoint: str | None = Field(
        default=None,
        description="OTLP/HTTP address such as https://otel.example:4318/v1/traces; nothing: off",
    )
    sample: Annotated[float, Field(ge=0, le=1)] = Field(
        default=1.0, description="the share of messages that are traced, 0 to 1"
    )

    @model_validator(mode="after")
    def _https(self) -> Self:
        if self.endpoint is not None:
            check_url(self.endpoint, allowed=False)
        return self
