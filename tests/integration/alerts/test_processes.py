"""The whole way in real processes: France goes away, the mail comes, France comes back, the end is told."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gateway.bootstrap import serving
from gateway.core.alert_kinds import AlertKind
from gateway.instance import Instance
from tests.fixtures.alerting import PASSWORD, USER, MailServer, anchors, mail_server, server_tls
from tests.fixtures.world import World, make_world, post, readmission_request, until

REQUESTS = "/v1/readmission-requests"


def settings(tmp_path: Path, server: MailServer) -> dict[str, dict[str, Any]]:
    (tmp_path / "smtp.password").write_text(PASSWORD)
    return {
        "alerts": {
            "interval_s": 0.2,
            "calm_s": 0,
            "mail_uk": ("ops@uk.test",),
            "mail_fr": ("exploitation@fr.test",),
            "disk_free_bytes": 0,
        },
        "smtp": {
            "host": "127.0.0.1",
            "port": server.port,
            "username": USER,
            "password_file": str(tmp_path / "smtp.password"),
            "anchors": str(anchors(tmp_path)),
            "sender": "passerelle@gateway.test",
        },
        "retry": {"schedule_s": (0, 0.2, *(0.5,) * 500)},  # no dead letter, however slow the machine is
        "breaker": {"failures": 2, "first_wait_s": 0.2, "longest_wait_s": 0.5},
    }


def passerelle(world: World, *arguments: str, text: str | None = None) -> Any:
    """One command against the instance, its JSON."""
    done = subprocess.run(
        [sys.executable, "-c", "from gateway.cli.main import main; main()", "-C", str(world.uk), *arguments],
        capture_output=True,
        text=True,
        input=text,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def by_kind(server: MailServer, word: str) -> list[str]:
    return [s for s in server.subjects if word in s]


async def test_an_outage_of_france_is_told_once_and_its_end_once(tmp_path: Path) -> None:
    """Two processes deliver and watch; one is killed in the middle and another starts: one mail to each side
    when the circuit opens, one when it closes, and the log knows neither password nor address."""
    async with mail_server(server_tls(tmp_path)) as server:
        with make_world(settings=settings(tmp_path, server)) as world:
            world.start_worker()
            assert world.ministry is not None
            world.ministry.terminate()
            world.ministry.wait()
            async with world.client() as client:
                await post(client, REQUESTS, readmission_request())
                await until(lambda: len(by_kind(server, "interrupted")) == 1, seconds=40, what="the mail")
                await until(lambda: len(by_kind(server, "interrompue")) == 1, what="the French mail")
                (row,) = [
                    r for r in passerelle(world, "alerts", "list", "--json") if r["kind"] == "breaker_open"
                ]

                def told() -> bool:
                    """A mail may be with its reader a moment before the gateway has noted that it is sent."""
                    shown = passerelle(world, "alerts", "show", row["alert_id"], "--json")
                    return [n["state"] for n in shown["notices"]] == ["sent", "sent"]

                await until(told, what="both notices sent")
                world.kill_gateway()
                world.start_gateway()
                world.start_ministry()
                await until(
                    lambda: any("Cleared" in s for s in by_kind(server, "interrupted")),
                    seconds=60,
                    what="the end",
                )
            await until(lambda: any("Levée" in s for s in by_kind(server, "interrompue")), what="its end")
            subjects = [s for s in server.subjects if "interr" in s]
            assert sorted(s.split(",")[0].removeprefix("[Passerelle] ") for s in subjects) == [
                "Cleared",
                "Levée",
                "Opened",
                "Ouverte",
            ]
            assert all(m.tls and m.user == USER for m in server.got)
            logs = world.log("gateway") + world.log("worker")
            for secret in (PASSWORD, "ops@uk.test", "exploitation@fr.test"):
                assert secret not in logs


@pytest.mark.parametrize("enabled", [True, False])
async def test_alerts_can_be_switched_off(tmp_path: Path, enabled: bool) -> None:
    """``alerts.enabled``: a running gateway tells of its full disk, or nobody looks; either way it stops at
    once."""
    async with mail_server(server_tls(tmp_path)) as server:
        chosen = settings(tmp_path, server)
        chosen["alerts"] |= {"enabled": enabled, "disk_free_bytes": 10**15}
        with make_world(settings=chosen, start=False) as world:
            instance = Instance.load(world.uk)
            async with serving(instance, with_listeners=False) as running:
                if enabled:
                    await until(lambda: len(server.got) == 2, seconds=60)
                else:
                    await asyncio.sleep(1)
                async with running.store.begin(read_only=True) as tx:
                    kinds = [alert.kind for alert in await tx.open_alerts()]
        assert kinds == ([AlertKind.DISK_SPACE] if enabled else [])
        told = [s.split(",")[0] for s in sorted(server.subjects)]
        assert told == (["[Passerelle] Opened", "[Passerelle] Ouverte"] if enabled else [])
