"""Builds, starts and drives the real AS4 peer: phase4 in a process of its own (``tests/interop/peer``)."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts.codes import Direction
from gateway.core.as4.pmode import PMode
from gateway.core.as4.policy import SecurityPolicy
from gateway.core.treaty.agreement import Agreement
from gateway.flows.access_point import pmode_of
from gateway.partners.line import make_line
from gateway.partners.metadata import KeyReference
from gateway.partners.pmodes import Product, pmode_files
from tests.fixtures.world import World, free_port
from tests.interop.agreement import RSA_PMODES, header_json, pmode_json
from tests.interop.certificates import Certificates
from tests.interop.maven import PeerBroken, built

Files = tuple[Path, Path]
"""PEM files of a private key and of its certificate chain."""
SOURCES = Path(__file__).parent / "peer"
START_SECONDS = 60.0
SEND_SECONDS = 180.0
HEAP = "768m"


@dataclass
class Phase4:
    """The running peer and its control API. Everything it answers is plain JSON."""

    process: subprocess.Popen[bytes]
    folder: Path
    as4_port: int
    control_port: int

    def url(self, suite: str = "rsa") -> str:
        """Its AS4 endpoint: one per algorithm suite."""
        return f"https://127.0.0.1:{self.as4_port}/as4" + ("" if suite == "rsa" else f"/{suite}")

    def call(self, path: str, options: dict[str, Any] | None = None, *, seconds: float = SEND_SECONDS) -> Any:
        """One call of the control API. Raises AssertionError with the peer's own words when it fails."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.control_port}/{path}", data=json.dumps(options or {}).encode()
        )
        try:
            with urllib.request.urlopen(request, timeout=seconds) as answer:  # noqa: S310 — loopback
                return json.load(answer)
        except urllib.error.HTTPError as exc:
            raise AssertionError(f"{path}: {exc.read().decode()}") from exc

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = self.call("status", seconds=5)
        return found

    def send(self, agreed: PMode, url: str, **options: Any) -> dict[str, Any]:
        """phase4 sends one user message by this P-Mode; says how it was answered and what it verified."""
        found: dict[str, Any] = self.call("send", {**header_json(agreed), "url": url, **options})
        return found

    def pull(self, agreed: PMode, url: str, **options: Any) -> dict[str, Any]:
        """phase4 sends a PullRequest for the P-Mode's channel and POSTs the receipt back."""
        found: dict[str, Any] = self.call(
            "pull", {**header_json(agreed), "mpc": agreed.mpc, "url": url, **options}
        )
        return found

    def received(self) -> list[dict[str, Any]]:
        """Every user message that its application took, in order."""
        found: list[dict[str, Any]] = self.call("received")
        return found

    def errors(self) -> list[dict[str, Any]]:
        """Every error it answered with."""
        found: list[dict[str, Any]] = self.call("errors")
        return found

    def replies(self) -> list[dict[str, Any]]:
        """How its replies (two-way) were answered."""
        found: list[dict[str, Any]] = self.call("replies")
        return found

    def configure(self, **options: Any) -> None:
        """``refuse`` (an EBMS code), ``forget`` (an action), ``reply``, ``receipt_reference``.

        What is not given is off again.
        """
        self.call("configure", options)

    def reset(self) -> None:
        """Forgets messages, errors, known MessageIds and ``configure``."""
        self.call("reset")

    def log(self) -> str:
        return (self.folder / "peer.log").read_text("utf-8", errors="replace")

    def stop(self) -> None:
        with contextlib.suppress(OSError, AssertionError):
            self.call("shutdown", seconds=5)
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def write_configuration(
    folder: Path,
    *,
    keys: dict[str, Files],
    trust: list[Path],
    tls_trust: list[Path],
    recipients: dict[str, Path],
    pmodes: list[dict[str, Any]],
    as4_port: int,
    suite: str = "rsa",
    pmode_file: Path | None = None,
) -> tuple[int, int]:
    """``peer.json``; returns the ports for AS4 and control."""
    ports = as4_port, free_port()
    configuration = {
        "suite": suite,
        "as4_port": ports[0],
        "control_port": ports[1],
        "keys": {alias: {"key": str(key), "chain": str(chain)} for alias, (key, chain) in keys.items()},
        "recipients": {alias: str(path) for alias, path in recipients.items()},
        "trust": [str(path) for path in trust],
        "tls_trust": [str(path) for path in tls_trust],
        "pmodes": pmodes,
        "pmode_file": None if pmode_file is None else str(pmode_file),
    }
    (folder / "peer.json").write_text(json.dumps(configuration, indent=1), "utf-8")
    return ports


def french_configuration(folder: Path, certificates: Certificates) -> tuple[int, int]:
    """The French end of the test agreement, for every suite."""
    fr, uk = certificates.fr, certificates.uk
    keys = {
        "sign": fr.sign,
        "decrypt": fr.decrypt,
        "ed25519-sign": fr.ed25519_sign,
        "x25519-decrypt": fr.x25519_decrypt,
        "ec-sign": fr.ec_sign,
        "ec-decrypt": fr.ec_decrypt,
        "tls": certificates.tls,
        "untrusted": certificates.untrusted,
        "third": certificates.third,
    }
    recipients = {
        "rsa": uk.decrypt,
        "ed25519": uk.x25519_decrypt,
        "ecdsa": uk.ec_decrypt,
        "wrong": certificates.other_recipient,
    }
    trust = {"uk-sign": uk.sign, "uk-ed25519": uk.ed25519_sign, "uk-ec": uk.ec_sign}
    anchor = certificates.write_ca(folder) / "ca.pem"
    return write_configuration(
        folder,
        keys={alias: pair.write(folder, alias) for alias, pair in keys.items()},
        trust=[anchor, *(pair.write(folder, alias)[1] for alias, pair in trust.items())],
        tls_trust=[anchor],
        recipients={alias: pair.write(folder, f"to-{alias}")[1] for alias, pair in recipients.items()},
        pmodes=default_pmodes(),
        as4_port=free_port(),
    )


_PROFILE_FILES = {
    "rsa": ("sign", "decrypt", "", ""),
    "ed25519": ("ed25519-sign", "x25519-decrypt", "-ed25519", "-x25519"),
}
"""Suite → the peer's two aliases, and how an instance's key files of that profile end."""


def exported_pmodes(folder: Path, agreement: Agreement) -> Path:
    """The file of ``passerelle partner pmode --for phase4``."""
    line = make_line(
        agreement,
        our_url="https://gateway.interop.test/as4",
        their_url="https://ministry.interop.test/as4",
        policy=SecurityPolicy(),
        key_reference=KeyReference.BST,
    )
    ((name, content),) = pmode_files(Product.PHASE4, line).items()
    (folder / name).write_bytes(content)
    return folder / name


def ministry_configuration(
    folder: Path, world: World, agreement: Agreement, suite: str = "rsa", *, exported: bool = False
) -> tuple[int, int]:
    """phase4 with the keys of the simulated ministry, in its place: the P-Modes are the real agreement's.

    ``exported``: it reads them from the file that the product writes for phase4.
    """

    def pair(name: str) -> Files:
        return world.fr / "keys" / f"{name}.key.pem", world.fr / "keys" / f"{name}.crt.pem"

    sign_alias, decrypt_alias, signs, decrypts = _PROFILE_FILES[suite]
    trusted = world.fr / "trust" / "uk"
    anchors = sorted((trusted / "anchors").glob("*.pem"))
    return write_configuration(
        folder,
        keys={
            sign_alias: pair(f"as4-sign{signs}"),
            decrypt_alias: pair(f"as4-decrypt{decrypts}"),
            "tls": pair("tls"),
        },
        trust=[*anchors, trusted / "party" / f"sign{signs}.pem"],
        tls_trust=anchors,
        recipients={suite: trusted / "party" / f"encrypt{decrypts}.pem"},
        pmodes=[] if exported else [pmode_json(p, suite) for p in ministry_pmodes(agreement).values()],
        as4_port=free_port(),
        suite=suite,
        pmode_file=exported_pmodes(folder, agreement) if exported else None,
    )


def ministry_pmodes(agreement: Agreement) -> dict[tuple[str, Direction], PMode]:
    """(message type, direction) → the agreement's P-Mode; and one ping each way."""
    found = {(row.message_type.value, row.direction): pmode_of(row) for row in agreement.pmode_rows}
    for direction in Direction:
        any_leg = next(p for (_, d), p in found.items() if d is direction)
        if not any_leg.pulled:
            found["ping", direction] = any_leg.for_ping()
    return found


def default_pmodes() -> list[dict[str, Any]]:
    """The test agreement for every suite that the peer offers."""
    return [pmode_json(p, suite) for suite in ("rsa", "ed25519", "ecdsa") for p in RSA_PMODES]


@contextmanager
def running(folder: Path, configure: Callable[[Path], tuple[int, int]]) -> Iterator[Phase4]:
    """A peer that is ready; it ends with the block. ``configure`` writes peer.json into ``folder``.

    Raises PeerMissing, PeerBroken.
    """
    target = built(SOURCES, "interop-peer")
    (folder / "tmp").mkdir(parents=True, exist_ok=True)
    as4_port, control_port = configure(folder)
    command = [
        "java",
        f"-Xmx{HEAP}",
        "-Djava.io.tmpdir=tmp",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=info",
        "-Dorg.slf4j.simpleLogger.showDateTime=true",
        "-cp",
        f"{target / 'classes'}{os.pathsep}{target / 'lib'}/*",
        "uk.passerelle.interop.Peer",
        ".",
    ]
    with (folder / "peer.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT)
    peer = Phase4(process, folder, as4_port, control_port)
    try:
        _await(peer)
        yield peer
    finally:
        peer.stop()


def _await(peer: Phase4) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and peer.process.poll() is None:
        with contextlib.suppress(OSError, AssertionError):
            if peer.status()["ready"]:
                return
        time.sleep(0.1)
    raise PeerBroken(f"the peer did not start:\n{peer.log()[-3000:]}")
