"""``passerelle endpoints``: the circuit of each endpoint; pause and resume."""

from __future__ import annotations

from typing import Any

import typer

from gateway.cli.common import JsonOption, ReasonOption, show, with_exchange
from gateway.cli.identity import booked_on
from gateway.core.records import Breaker
from gateway.core.roles import Permission
from gateway.flows import endpoints as flow

endpoints = typer.Typer(
    no_args_is_help=True, help="Where we deliver to, and whether it works: list, pause, resume."
)

NameArgument = typer.Argument(..., metavar="NAME", help="As in: passerelle endpoints list.")


def endpoint_row(breaker: Breaker) -> dict[str, Any]:
    return {
        "endpoint": breaker.endpoint,
        "circuit": flow.state_of(breaker),
        "failures_in_a_row": breaker.consecutive_failures,
        "open_since": breaker.opened_at,
        "next_probe": breaker.probe_at,
    }


def _line(row: dict[str, Any]) -> dict[str, Any]:
    """What a table shows; --json gives all."""
    kept = ("endpoint", "circuit", "failures_in_a_row", "waiting", "last_success", "last_outcome")
    return {name.replace("_", " "): row[name] for name in kept}


@endpoints.command("list")
def list_endpoints(as_json: bool = JsonOption) -> None:
    """List the French access point and each webhook: closed (works), open (fails, is probed) or paused."""

    found = with_exchange(flow.endpoint_list)
    rows = found if as_json else [_line(row) for row in found]
    show(rows, as_json=as_json, title="Endpoints", empty="No endpoint.")


def _switch(command: str, *, paused: bool, done: str, says: str) -> None:
    """Adds the command that pauses, or the one that resumes."""

    @endpoints.command(command, help=says)
    @booked_on(Permission.PAUSE)
    def switch(
        actor: str, endpoint: str = NameArgument, reason: str = ReasonOption, as_json: bool = JsonOption
    ) -> None:
        after = with_exchange(
            lambda exchange: flow.set_paused(exchange, endpoint, paused=paused, actor=actor, reason=reason)
        )
        show([endpoint_row(after)], as_json=as_json, title=done, empty="")


_switch(
    "pause",
    paused=True,
    done="Paused",
    says="Send nothing there until it is resumed. Messages to France wait; webhook events are dropped.",
)
_switch(
    "resume",
    paused=False,
    done="Resumed",
    says="Go on sending; a webhook that answered 410 is taken up again, an open circuit probes at once.",
)
