"""Parts that Maven brings: built once per version of their sources, below ``build/`` (ignored by git)."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

BUILDS = Path(__file__).parents[2] / "build"


class PeerMissing(Exception):
    """Java or Maven is not installed: nothing can be run."""


class PeerBroken(Exception):
    """The peer does not build or start: a failure, not a reason to skip. The text says why."""


def _hash(sources: Path, options: tuple[str, ...]) -> str:
    digest = hashlib.sha256("\0".join(options).encode())
    for path in sorted(p for p in sources.rglob("*") if p.is_file()):
        digest.update(path.relative_to(sources).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def built(
    sources: Path,
    name: str,
    *,
    options: tuple[str, ...] = (),
    finish: Callable[[Path], None] = lambda target: None,
) -> Path:
    """Maven's ``target`` folder for a copy of ``sources``; ``finish`` completes it, with ``options`` that
    make it another build. Raises PeerMissing without Java or Maven, PeerBroken when Maven fails.
    """
    for tool in ("java", "mvn"):
        if shutil.which(tool) is None:
            raise PeerMissing(f"{tool} is not installed (Java 17 and Maven are needed)")
    builds = BUILDS / name
    builds.mkdir(parents=True, exist_ok=True)
    with (builds / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        folder = builds / _hash(sources, options)
        target = folder / "target"
        if not (folder / "done").exists():
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(sources, folder)
            _maven(folder)
            finish(target)
            (folder / "done").touch()
    return target


def _maven(folder: Path) -> None:
    """Offline first: everything may be there already; else once more with downloads."""
    for arguments in (["-o"], ["-U"]):
        run = subprocess.run(
            ["mvn", "-q", "-B", *arguments, "process-classes"], cwd=folder, capture_output=True, text=True
        )
        if run.returncode == 0:
            return
    raise PeerBroken(f"Maven could not build the peer:\n{run.stdout[-3000:]}")
