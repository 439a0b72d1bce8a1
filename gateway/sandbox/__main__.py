"""``python -m gateway.sandbox DIR``."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from gateway.core.errors import ConfigError
from gateway.logs import configure_logs, get_logger
from gateway.sandbox.setup import run_sandbox


def main() -> int:
    configure_logs()
    if len(sys.argv) != 2:
        sys.stderr.write("usage: python -m gateway.sandbox DIR\n")
        return 2
    try:
        asyncio.run(run_sandbox(Path(sys.argv[1])))
    except ConfigError as exc:
        get_logger().error("sandbox.config", reason=exc.detail)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
