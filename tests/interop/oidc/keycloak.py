"""A real OpenID Connect provider: Keycloak as distributed, in production mode over TLS, on loopback."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.fixtures.world import free_port
from tests.interop.maven import PeerBroken, built

SOURCES = Path(__file__).parent / "keycloak"
START_SECONDS = 300.0
BUILD_SECONDS = 600.0
"""Half a minute each on two free cores; long for a machine that does much else."""
OPTIONS = ("--db=dev-mem", "--health-enabled=false", "--metrics-enabled=false")
"""Of Keycloak's own build step, done once: a start then takes seconds. The database is in memory."""
_HEAP = "-Xms96m -Xmx512m"
_QUICK = "-XX:TieredStopAtLevel=1"
"""It lives for a minute: a quick start counts, not how fast it is after an hour."""
_ADMIN = "test-administrator"


@dataclass(frozen=True)
class Keycloak:
    """A server that runs. Everything is done through its own admin API."""

    port: int
    folder: Path
    anchor: Path
    """The CA of its certificate."""
    password: str
    """Of its administrator."""
    tokens: list[tuple[float, str]] = field(default_factory=list, repr=False)
    """The last one, and until when it is used."""

    @property
    def base(self) -> str:
        return f"https://localhost:{self.port}"

    def issuer(self, realm: str) -> str:
        return f"{self.base}/realms/{realm}"

    @cached_property
    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.anchor)

    def _send(self, request: urllib.request.Request) -> Any:
        try:
            with urllib.request.urlopen(request, timeout=60, context=self.tls) as answer:  # noqa: S310 — ours
                content = answer.read()
        except urllib.error.HTTPError as exc:
            raise AssertionError(f"{request.full_url}: {exc.code} {exc.read().decode()}") from exc
        return json.loads(content) if content else None

    def _token(self) -> str:
        """Good for a minute; used for half of it."""
        if self.tokens and time.monotonic() < self.tokens[-1][0]:
            return self.tokens[-1][1]
        form = {
            "grant_type": "password",
            "client_id": "admin-cli",
            "username": _ADMIN,
            "password": self.password,
        }
        url = f"{self.issuer('master')}/protocol/openid-connect/token"
        found = self._send(urllib.request.Request(url, data=urlencode(form).encode()))  # noqa: S310 — ours
        self.tokens[:] = [(time.monotonic() + 30, str(found["access_token"]))]
        return self.tokens[-1][1]

    def admin(self, method: str, path: str, body: object = None) -> Any:
        """One call below ``/admin/realms``. Raises AssertionError with its own words when it fails."""
        request = urllib.request.Request(  # noqa: S310 — ours
            f"{self.base}/admin/realms{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self._token()}", "Content-Type": "application/json"},
        )
        return self._send(request)

    def version(self) -> str:
        return next(self.folder.glob("target/keycloak-*")).name.removeprefix("keycloak-")


def _prepared(target: Path) -> None:
    """Keycloak's own build step."""
    home = _home(target)
    program = home / "bin" / "kc.sh"
    program.chmod(0o755)
    try:
        run = subprocess.run(
            [program, "build", *OPTIONS],
            env=_environment(),
            capture_output=True,
            text=True,
            timeout=BUILD_SECONDS,
        )
    except subprocess.TimeoutExpired as exc:
        raise PeerBroken("Keycloak's build step did not end") from exc
    if run.returncode != 0:
        raise PeerBroken(f"Keycloak's build step failed:\n{run.stdout[-3000:]}{run.stderr[-3000:]}")


def _home(target: Path) -> Path:
    return next(path for path in target.glob("keycloak-*") if path.is_dir())


def _environment(**more: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("KC_", "KEYCLOAK_", "PASSERELLE_"))}
    return {**kept, "JAVA_OPTS_KC_HEAP": _HEAP, "JAVA_OPTS_APPEND": _QUICK, **more}


@contextmanager
def running(folder: Path, *, certificate: tuple[Path, Path], anchor: Path) -> Iterator[Keycloak]:
    """A server that is ready; it ends with the block. ``certificate``: PEM files of key and chain for
    ``localhost``. Raises PeerMissing, PeerBroken.
    """
    target = built(SOURCES, "interop-keycloak", options=OPTIONS, finish=_prepared)
    port, password = free_port(), secrets.token_urlsafe(16)
    key, chain = certificate
    command = [
        str(_home(target) / "bin" / "kc.sh"),
        "start",
        "--optimized",
        f"--hostname=https://localhost:{port}",
        "--http-host=127.0.0.1",
        f"--https-port={port}",
        f"--https-certificate-file={chain}",
        f"--https-certificate-key-file={key}",
        "--cache=local",
    ]
    admin = {"KC_BOOTSTRAP_ADMIN_USERNAME": _ADMIN, "KC_BOOTSTRAP_ADMIN_PASSWORD": password}
    log = folder / "keycloak.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=_environment(**admin),
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    keycloak = Keycloak(port=port, folder=target.parent, anchor=anchor, password=password)
    try:
        _await(keycloak, process, log)
        yield keycloak
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """The script and the Java that it started: a process group of their own."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _await(keycloak: Keycloak, process: subprocess.Popen[bytes], log: Path) -> None:
    """Ready is: its administrator can sign in."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError, AssertionError):
            keycloak.admin("GET", "/master")
            return
        time.sleep(0.3)
    raise PeerBroken(f"Keycloak did not start:\n{log.read_text('utf-8', errors='replace')[-3000:]}")
