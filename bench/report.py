"""What a run found, as one JSON document and as a table."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.floor import Floor
from bench.load import CONNECTIONS, Flood

TARGET_RATIO = 4.0
TARGET_P99_MS = 50.0
Json = dict[str, Any]


def machine() -> Json:
    """Cores, model and versions; nothing that names the machine."""
    model = platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [x.partition(":")[2].strip() for x in info.read_text().splitlines() if "model name" in x]
        model = names[0] if names else model
    return {
        "cores": os.cpu_count(),
        "model": model,
        "system": platform.system(),
        "python": platform.python_version(),
    }


def percentile(ordered: Sequence[float], share: float) -> float:
    """Nearest rank in a sorted sequence."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def result(
    floors: Sequence[Floor], flood: Flood, latencies: Sequence[float], rate: float, body_bytes: int
) -> Json:
    """All figures of one run; times in milliseconds, memory in megabytes."""
    floor = sum(f.per_message for f in floors) / len(floors)
    operations = {
        name: round(1000 * sum(f.operations[name] for f in floors) / len(floors), 4)
        for name in floors[0].operations
    }
    per_message = flood.gateway_cpu / flood.messages
    ratio, p99 = per_message / floor, 1000 * percentile(latencies, 0.99)
    return {
        "machine": machine(),
        "message": {"type": "ReadmissionRequest", "body_bytes": body_bytes, "attachments": 0},
        "messages": flood.messages,
        "clients": CONNECTIONS,
        "accepted_per_s": round(flood.messages / flood.accepted_s, 1),
        "delivered_per_s": round(flood.messages / flood.delivered_s, 1),
        "cpu_ms_per_message": round(1000 * per_message, 3),
        "one_core_capacity_per_s": round(1 / per_message, 1),
        "floor_ms": round(1000 * floor, 4),
        "floor_operations_ms": operations,
        "ratio": round(ratio, 2),
        "gateway_rss_mb": round(flood.gateway_rss / 1e6, 1),
        "ministry_cpu_ms_per_message": round(1000 * flood.ministry_cpu / flood.messages, 3),
        "half_load": {
            "rate_per_s": round(rate, 1),
            "requests": len(latencies),
            "accept_p50_ms": round(1000 * percentile(latencies, 0.5), 1),
            "accept_p95_ms": round(1000 * percentile(latencies, 0.95), 1),
            "accept_p99_ms": round(p99, 1),
        },
        "targets": {
            "cpu_at_most_4_floors": ratio <= TARGET_RATIO,
            "accept_p99_below_50_ms": p99 < TARGET_P99_MS,
        },
    }


def show(found: Json, console: Console) -> None:
    here, half = found["machine"], found["half_load"]
    console.print(f"{here['cores']} cores, {here['model']}, {here['system']}, Python {here['python']}")
    table = Table(title=f"{found['messages']} readmission requests, {found['clients']} clients")
    table.add_column("figure")
    table.add_column("value", justify="right")
    table.add_column("target", justify="right")
    for name, value, target in (
        ("accepted per second", found["accepted_per_s"], ""),
        ("delivered with verified receipt per second", found["delivered_per_s"], ""),
        ("gateway CPU per message, ms", found["cpu_ms_per_message"], ""),
        ("cryptographic floor, ms", found["floor_ms"], ""),
        ("CPU per message / floor", found["ratio"], f"≤ {TARGET_RATIO:g}"),
        ("messages per second that one core's CPU allows", found["one_core_capacity_per_s"], ""),
        ("gateway memory, MB", found["gateway_rss_mb"], ""),
        (f"accept p50 at {half['rate_per_s']}/s, ms", half["accept_p50_ms"], ""),
        (f"accept p95 at {half['rate_per_s']}/s, ms", half["accept_p95_ms"], ""),
        (f"accept p99 at {half['rate_per_s']}/s, ms", half["accept_p99_ms"], f"< {TARGET_P99_MS:g}"),
    ):
        table.add_row(name, str(value), target)
    console.print(table)
    for name, met in found["targets"].items():
        console.print(f"{'✓' if met else '✗'} {name.replace('_', ' ')}")
