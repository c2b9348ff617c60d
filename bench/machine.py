"""What every part writes down about where it was run, and the figures of a contender: Python's standard library only."""

import os
import platform
import re
import statistics
import subprocess


def machine() -> dict[str, object]:
    """The machine, as bench/README.md describes it."""
    with open("/proc/cpuinfo", encoding="utf-8") as cpuinfo:
        model = re.search(r"model name\s*:\s*(.+)", cpuinfo.read())
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu": model.group(1) if model else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory_bytes / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "rustc": version("rustc", "--version"),
    }


def version(*command: str) -> str:
    """The first line that a program prints about itself."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[0]


def spread(values: list[float]) -> dict[str, float]:
    """The median of a contender's rounds, and how far they lie apart."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}
