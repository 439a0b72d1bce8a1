"""The commands by name, each with its place and the line that ``passerelle --help`` shows.

Together the modules of the commands import nearly the whole gateway, which takes two seconds on a small
machine. So a module is imported when a command of it is called, and help is made from this table alone; a
test holds its lines to what the commands say of themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any, Final

import typer
from typer.core import TyperCommand, TyperGroup


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the table."""

    place: str
    """``module:name`` in this package: a function is a command, a Typer a group of them."""
    says: str
    hidden: bool = False
    also: tuple[str, ...] = ()
    """Modules that add commands to the group."""


ENTRIES: Final[Mapping[str, Entry]] = {
    "demo": Entry(
        "demo_command:demo",
        "Start everything on this machine and play the whole story on real, signed and encrypted messages.",
    ),
    "init": Entry(
        "instance:init",
        "Make an instance: keys, certificates, settings, folders. Never overwrites anything.",
    ),
    "check": Entry(
        "instance:check",
        "Tell what is wrong, weak or about to expire in the instance; exit status 1 on any error.",
    ),
    "serve": Entry(
        "running:serve", "Run the gateway: UK API and console on one port, the AS4 endpoint on another."
    ),
    "worker": Entry("running:worker", "Deliver only: one more node on the same database."),
    "sandbox": Entry(
        "running:sandbox",
        "Run the simulated French ministry: a real AS4 access point with keys and a store of its own.",
    ),
    "send": Entry(
        "send:send",
        "Send one message through the running gateway, as a registered UK client, and check its receipt.",
    ),
    "balance": Entry(
        "balance:balance",
        "Show how many people were readmitted and admitted, the weeks, quotas and what is to come.",
    ),
    "watch": Entry("watch:watch", "Watch deliveries, routes, circuits and time limits live. Ctrl-C ends it."),
    "bench": Entry(
        "bench:bench",
        "Measure messages per second, CPU per message and the ratio to the cryptographic floor.",
    ),
    "conformance": Entry(
        "conformance:conformance",
        "Test a partner's AS4 access point: send good and bad messages, judge each answer, write a report.",
    ),
    "client": Entry("send:client", "UK clients: register, get a token, sign a body (for curl), an example."),
    "overview": Entry(
        "search:overview", "Show what needs action and how both routes stand: the console's first page."
    ),
    "reveal": Entry(
        "showing:reveal",
        "Print the content of one message, once, for a reason: audited like the console's reveal.",
    ),
    "messages": Entry(
        "listing:messages",
        "Messages: list, show, counts, export, replay, release, cancel.",
        also=("search", "showing"),
    ),
    "cases": Entry("listing:cases", "Cases: list, show.", also=("showing",)),
    "filters": Entry("search:filters", "Kept filters of messages: list, save, remove."),
    "search": Entry("search:finding", "Find a person by an exact identifier."),
    "deadlines": Entry("deadlines:deadlines", "Time limits: list, clocks."),
    "holds": Entry("holds:holds", "Held messages: list, show, release, refuse."),
    "batches": Entry(
        "batches:batches",
        "Send many messages again, or stop them: list, preview, create, show, approve, start, pause, stop.",
    ),
    "users": Entry("users:app", "Users: who may sign in, roles, second factors, sessions."),
    "operators": Entry(  # its name in the first releases
        "users:app", "Users: who may sign in, roles, second factors, sessions.", hidden=True
    ),
    "returned": Entry("returned:returned", "People returned before go-live: import, count."),
    "alerts": Entry("alerts:alerts", "Alerts: list, show, acknowledge, test."),
    "endpoints": Entry(
        "endpoints:endpoints", "Where we deliver to, and whether it works: list, pause, resume."
    ),
    "evidence": Entry("evidence:evidence", "Evidence: export a bundle, show and verify proofs."),
    "audit": Entry("proof:audit_log", "The hash-chained audit log: verify, list, export."),
    "quotas": Entry("balance:quotas", "Weekly quotas: list, set."),
    "ledger": Entry("balance:ledger", "The ledger of persons: list, correct."),
    "report": Entry("balance:report", "Reports for the joint committee: weekly."),
    "keys": Entry("keys:keys", "Keys: list with fingerprints, add, rotate."),
    "partner": Entry("partner:partner", "The partner's access point: add, list, show, test, retire, pmode."),
    "rules": Entry("rules:rules", "The rules of the Agreement: list, explain, try."),
    "settings": Entry("settings:settings", "Settings of the instance: show."),
    "agreement": Entry("settings:agreement", "The agreement as it is in force here: show."),
}


@cache
def _load(name: str) -> Any:
    """The command or group as Typer makes it."""
    entry = ENTRIES[name]
    module, _, attribute = entry.place.partition(":")
    for other in entry.also:
        import_module(f"gateway.cli.{other}")
    found = getattr(import_module(f"gateway.cli.{module}"), attribute)
    around = typer.Typer(add_completion=False)
    if isinstance(found, typer.Typer):
        around.add_typer(found, name=name, hidden=entry.hidden)
    else:
        around.command(name, hidden=entry.hidden)(found)
    return typer.main.get_group(around).commands[name]


class _Loaded(Mapping[str, Any]):
    """The commands by name, each imported when it is asked for."""

    def __getitem__(self, name: str) -> Any:
        if name not in ENTRIES:
            raise KeyError(name)
        return _load(name)

    def __iter__(self) -> Iterator[str]:
        return iter(ENTRIES)

    def __len__(self) -> int:
        return len(ENTRIES)


class Commands(TyperGroup):
    """The group of all commands: imports one when it is called, none to show help."""

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        self.commands = _Loaded()  # type: ignore[assignment]  # only read: nobody adds commands to it

    def format_help(self, ctx: Any, formatter: Any) -> None:
        lines = [TyperCommand(name, help=e.says, hidden=e.hidden) for name, e in ENTRIES.items()]
        shown = TyperGroup(
            name=self.name,
            help=self.help,
            params=self.params,
            commands=lines,
            rich_markup_mode=self.rich_markup_mode,
        )
        shown.format_help(ctx, formatter)
