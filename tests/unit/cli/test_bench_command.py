"""``passerelle bench`` runs what ``make bench`` runs, where it is; elsewhere it says what to do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
_CALL = (
    "import sys; from pathlib import Path; import gateway.cli.bench as b; from gateway.cli import main; "
    "b._ROOT = Path(sys.argv[1]); sys.argv = ['passerelle', 'bench', *sys.argv[2:]]; main()"
)


def bench(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _CALL, str(root), *arguments], capture_output=True, text=True, check=False
    )


def test_an_installed_package_says_where_the_benchmark_is(tmp_path: Path) -> None:
    """Without a checkout: status 1, the reason and the cure, no traceback."""
    done = bench(tmp_path)
    assert done.returncode == 1
    assert "not part of the installed package" in done.stderr
    assert "make bench" in done.stderr
    assert "Traceback" not in done.stderr


def test_arguments_and_status_are_passed_on(tmp_path: Path) -> None:
    """The benchmark of the checkout gets the arguments, and its status is the command's."""
    (tmp_path / "bench").mkdir()
    (tmp_path / "bench" / "__main__.py").write_text("import sys; print(sys.argv[1:]); raise SystemExit(7)\n")
    done = bench(tmp_path, "--messages", "25", "--json")
    assert done.stdout.strip() == "['--messages', '25', '--json']"
    assert done.returncode == 7


def test_this_checkout_has_it() -> None:
    """The file that the command looks for is there."""
    assert (ROOT / "bench" / "__main__.py").is_file()
