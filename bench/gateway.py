"""The gateway process under test: ``python -m bench.gateway DIR [--profile FILE]``.

The same start as ``passerelle serve``, on one core, with an optional profiler around it.
"""

from __future__ import annotations

import argparse
import cProfile
import time
from pathlib import Path

import uvloop

from bench.stage import cores, stay_on
from gateway.bootstrap import Instance, run_gateway
from gateway.logs import configure_logs


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.gateway")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--profile", type=Path)
    arguments = parser.parse_args()
    stay_on(cores()[0])
    instance = Instance.load(arguments.folder)
    configure_logs(level=instance.settings.log.level, format_=instance.settings.log.format)
    if arguments.profile is None:
        uvloop.run(run_gateway(instance))
        return
    profiler = cProfile.Profile(time.thread_time)  # CPU of the event loop, not waiting
    profiler.runcall(uvloop.run, run_gateway(instance))
    profiler.dump_stats(arguments.profile)


if __name__ == "__main__":
    main()
